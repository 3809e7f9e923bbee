"""Our numbers: their credentials go in and never come out. And the switch that stops everything."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from conversations import clock, numbers
from conversations.admin import badges
from conversations.admin.base import BackOfficeAdmin, MachineAdmin
from conversations.admin.moves import Move
from conversations.models import KillSwitch, Number
from flows import database, facts

SWITCH = "conversations.change_killswitch"


class NumberForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameter at run time
    new_token = forms.CharField(
        label=_("New access token"),
        required=False,
        strip=True,
        max_length=2000,
        help_text=_("Kept encrypted and never shown. Leave it empty to keep the one that is set."),
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = Number
        fields = "__all__"  # noqa: DJ007 - the admin's fieldsets choose; the token itself is not editable

    def clean_rate(self) -> float:
        rate: float = self.cleaned_data["rate"]
        if not 0 < rate <= 1000:
            raise forms.ValidationError(_("Give a number above 0 and at most 1000 messages per second."))
        return rate

    def clean_phone_number_id(self) -> str:
        value: str = self.cleaned_data["phone_number_id"].strip()
        if not value.isdecimal():
            raise forms.ValidationError(
                _("Meta's phone number id has digits only; it is not the phone number.")
            )
        return value

    def _reply(self, name: str) -> dict[str, str]:
        value = self.cleaned_data[name]
        if not isinstance(value, dict) or not all(isinstance(v, str) for pair in value.items() for v in pair):
            raise forms.ValidationError(_('Give texts by language, like {"en": "We will come back to you."}'))
        return value

    def clean_unmatched_reply(self) -> dict[str, str]:
        return self._reply("unmatched_reply")

    def clean_failure_reply(self) -> dict[str, str]:
        return self._reply("failure_reply")

    def save(self, commit: bool = True) -> Number:
        if token := self.cleaned_data.get("new_token"):
            numbers.set_token(self.instance, token)
        number: Number = super().save(commit)
        return number


def _stop(request: HttpRequest, switch: KillSwitch) -> Any:
    _turn(request, is_on=True)
    return _("Stopped. Nothing leaves until the switch is released; messages wait in the outbox.")


def _release(request: HttpRequest, switch: KillSwitch) -> Any:
    _turn(request, is_on=False)
    return _("Released. What is not too old leaves now.")


def _turn(request: HttpRequest, *, is_on: bool) -> None:
    by = request.user.get_username()
    with database.write() as cursor:
        KillSwitch.objects.update_or_create(
            pk=1, defaults={"is_on": is_on, "by": by, "reason": request.POST.get("reason", "")[:500]}
        )
        name = "outbound_stopped" if is_on else "outbound_released"
        facts.record(cursor, [facts.Fact(at=clock.now(cursor), name=name, data={"by": by})])
        if is_on:
            facts.open_incident(
                cursor, "outbound_stopped", f"{by} stopped all outbound messages", severity="error"
            )
        else:
            facts.close_incident(cursor, "outbound_stopped")


def _forget_token(request: HttpRequest, number: Number) -> Any:
    Number.objects.filter(pk=number.pk).update(token="")
    return _("The token was forgotten. Revoke it at Meta too.")


@admin.register(Number)
class NumberAdmin(BackOfficeAdmin):
    form = NumberForm
    list_display = [
        "name",
        "display_phone_number",
        "phone_number_id",
        "kind",
        "token_state",
        "is_active",
        "rate",
    ]
    list_filter = ["is_active", "is_simulated"]
    search_fields = ["name", "display_phone_number", "phone_number_id"]
    ordering = ["name", "id"]
    warn_unsaved_form = True
    empty_sentence = _("No number is connected.")
    empty_todo = _(
        "Set the WHATSAPP_* variables, or add the number with its id and token from Meta's app page."
    )
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "name",
                    ("phone_number_id", "display_phone_number"),
                    ("waba_id", "portfolio"),
                    "is_active",
                ]
            },
        ),
        (_("Credentials"), {"fields": ["token_state", "new_token"]}),
        (
            _("Behavior"),
            {
                "fields": [
                    ("default_language", "default_timezone", "default_region"),
                    "rate",
                    "unmatched_reply",
                    "failure_reply",
                ]
            },
        ),
        (_("Proof of delivery"), {"fields": ["has_evidence", "evidence_statuses"]}),
    ]
    readonly_fields = ["token_state", "has_evidence", "evidence_statuses"]
    moves = (
        Move(
            name="forget_token",
            label=_("Forget the token"),
            icon="key_off",
            permission="conversations.change_number",
            perform=_forget_token,
            applies=lambda n: bool(n.token),
            confirm=_("Sending from this number stops. Go on?"),
            tone="danger",
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fixed = ["phone_number_id"] if obj else []
        return [*self.readonly_fields, *fixed]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in {"unmatched_reply", "failure_reply"}:
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 3, "class": "wf-code"})
        if db_field.name == "rate":
            kwargs["widget"] = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=_("kind"))
    def kind(self, number: Number) -> SafeString:
        if number.is_simulated:
            return badges.badge(badges.Look("calm", "smartphone", _("Simulated")))
        if number.is_from_environment:
            return badges.badge(badges.Look("good", "terminal", _("Environment")))
        return badges.badge(badges.Look("good", "call", "WhatsApp"))

    @admin.display(description=_("access token"))
    def token_state(self, number: Number) -> SafeString:
        return badges.badge(badges.SET if numbers.has_token(number) else badges.NOT_SET)


@admin.register(KillSwitch)
class KillSwitchAdmin(MachineAdmin):
    """One row, one page, one button."""

    fields = readonly_fields = ["state", "by", "reason", "at"]
    moves = (
        Move(
            name="stop",
            label=_("Stop all outbound"),
            icon="front_hand",
            permission=SWITCH,
            perform=_stop,
            applies=lambda s: not s.is_on,
            tone="danger",
            confirm=_("No message of any number leaves until somebody releases the switch. Go on?"),
        ),
        Move(
            name="release",
            label=_("Release"),
            icon="play_arrow",
            permission=SWITCH,
            perform=_release,
            applies=lambda s: s.is_on,
            tone="primary",
        ),
    )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> KillSwitch:
        """The switch is there also before it was first turned."""
        return KillSwitch.objects.get_or_create(pk=1)[0]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:conversations_killswitch_change", args=[1]))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A page of its own, not a row of a list."""
        page = {"title": _("Stop all outbound"), "original": None, "show_history": False}
        return super().change_view(request, object_id, form_url, page | (extra_context or {}))

    @admin.display(description=_("state"))
    def state(self, switch: KillSwitch) -> SafeString:
        if not settings.WHATSFLOW_OUTBOUND:
            return badges.badge(badges.Look("danger", "front_hand", _("Stopped by WHATSFLOW_OUTBOUND")))
        if switch.is_on:
            return badges.badge(badges.Look("danger", "front_hand", _("Stopped")))
        return badges.badge(badges.Look("good", "send", _("Messages leave")))

"""Secrets and API connections in the back office: values go in and never come out."""

# ruff: noqa: ARG002 - the admin's hooks have one signature, used or not

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as text
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from flows import pages
from flows.apis import tokens
from flows.apis.tokens import AUTHORIZATION_CODE, OAuthToken
from flows.secrets import Secret

VALUE = "new_value"
STATES = {
    "new": ("calm", "power_off", _("Not connected")),
    "connected": ("good", "check_circle", _("Connected")),
    "expired": ("warning", "timer_off", _("Expired")),
    "failed": ("danger", "error", _("Failed")),
}


class WriteOnlyTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # unfold is untyped
    """Takes several lines, as keys have them, and draws none of them: not even those just typed."""

    def __init__(self) -> None:
        # Drawn as dots, for somebody may look over the shoulder.
        style = "-webkit-text-security: disc"
        super().__init__(
            attrs={
                "rows": 3,
                "autocomplete": "off",
                "spellcheck": "false",
                "class": "wf-code",
                "style": style,
            }
        )

    def format_value(self, value: Any) -> str:
        return ""


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameter at run time
    new_value = forms.CharField(
        label=_("New value"), required=False, strip=True, max_length=20_000, widget=WriteOnlyTextarea
    )

    class Meta:
        model = Secret
        fields = ["name", "description"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_new = self.instance.pk is None
        self.fields[VALUE].required = is_new
        self.fields[VALUE].help_text = (
            _("Kept encrypted and never shown.")
            if is_new
            else _("Kept encrypted and never shown. Leave it empty to keep the one that is set.")
        )

    def clean_new_value(self) -> str:
        """Browsers send line breaks as CR LF, which no key is written with."""
        value: str = self.cleaned_data[VALUE]
        return value.replace("\r\n", "\n")


@admin.register(Secret)
class SecretAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    form = SecretForm
    list_display = ["name", "description", "changed_at", "changed_by"]
    list_select_related = ["changed_by"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    empty_sentence = _("No secret is kept here.")
    empty_todo = _("Add one, or set WHATSFLOW_SECRET_NAME; API records name it as {{ secrets.name }}.")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        shown = ["name", "description"]
        if obj is None or self.has_change_permission(request, obj):
            shown.append(VALUE)
        return shown if obj is None else [*shown, "changed_at", "changed_by"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["changed_at", "changed_by", *(["name"] if obj else [])]

    @method_decorator(sensitive_post_parameters(VALUE))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        return response

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        if value := form.cleaned_data.get(VALUE):
            obj.set_value(value)
            obj.changed_at = timezone.now()
            obj.changed_by = request.user  # type: ignore[assignment]  # staff only come here logged in
        super().save_model(request, obj, form, change)


@admin.register(OAuthToken)
class OAuthTokenAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """The machine writes these rows; staff connect and disconnect."""

    list_display = ["api", "environment", "shown_state", "shown_expiry", "error"]
    list_filter = ["environment"]
    search_fields = ["api"]
    ordering = ["api", "environment", "id"]
    fields = readonly_fields = [
        "api",
        "environment",
        "grant",
        "shown_state",
        "obtained_at",
        "shown_expiry",
        "error",
        "failures",
    ]
    actions = ["disconnect"]
    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    empty_sentence = _("No API asks for OAuth2 tokens.")
    empty_todo = _("An API record with the auth oauth2 stands here from its first load or call.")

    class Media:
        css = {"all": ["flows/flows.css"]}

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Of the list, which has actions; a row's page is for reading."""
        return obj is None and bool(super().has_change_permission(request))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(super().has_view_permission(request) or super().has_change_permission(request))

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return [*self.list_display, *(["shown_connect"] if self.has_change_permission(request) else [])]

    @admin.display(description=_("state"))
    def shown_state(self, row: OAuthToken) -> SafeString:
        tone, icon, word = STATES[row.state(timezone.now())]
        return pages.badge(tone, icon, str(word))

    @admin.display(description=_("expires in"), ordering="expires_at")
    def shown_expiry(self, row: OAuthToken) -> str:
        if row.expires_at is None or row.expires_at <= timezone.now():
            return "–"
        return timeuntil(row.expires_at)

    @admin.display(description=_("connect"))
    def shown_connect(self, row: OAuthToken) -> SafeString | str:
        if row.grant != AUTHORIZATION_CODE:
            return "–"
        word = text("Connect again") if row.access_token else text("Connect")
        url = reverse("flows_oauth_connect", args=[row.pk])
        return format_html('<a class="wf-button wf-button-primary" href="{}">{}</a>', url, word)

    @admin.action(description=_("Disconnect: forget the tokens"), permissions=["change"])
    def disconnect(self, request: HttpRequest, rows: QuerySet[OAuthToken]) -> None:
        for row in rows:
            self.log_change(request, row, text("Disconnected"))
        count = tokens.disconnect(rows)
        sentence = text("%d disconnected. Revoke the access at the other side too.") % count
        self.message_user(request, sentence, messages.SUCCESS)

"""Contacts, what they consented to, and the moves that a person may make for them."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from conversations import clock, consent
from conversations.admin import badges
from conversations.admin.base import (
    BackOfficeAdmin,
    MachineAdmin,
    MaskingMixin,
    may_see_numbers,
    shown_phone,
    time_column,
)
from conversations.admin.moves import Move
from conversations.masking import mask_phone
from conversations.models import ConsentEntry, Contact, Conversation, Session
from flows import database

CHANGE = "conversations.change_contact"
OPTED_OUT = badges.Look("warning", "notifications_off", _("Opted out"))
BLOCKED = badges.Look("danger", "block", _("Blocked"))
REACHABLE = badges.Look("good", "notifications", _("Reachable"))


def _set_consent(request: HttpRequest, contact: Contact, *, scope: str, is_granted: bool) -> None:
    with database.write() as cursor:
        change = consent.Change(
            contact_id=contact.pk,
            is_granted=is_granted,
            source="staff",
            by=request.user.get_username(),
            scope=scope,
            at=clock.now(cursor),
        )
        consent.apply(cursor, [change])


def _opt_out(request: HttpRequest, contact: Contact) -> Any:
    _set_consent(request, contact, scope="all", is_granted=False)
    return _("Opted out. What was waiting to be sent to this contact was cancelled.")


def _opt_in(request: HttpRequest, contact: Contact) -> Any:
    _set_consent(request, contact, scope="all", is_granted=True)
    return _("Opted in. Keep the proof of what the customer said.")


def _block(request: HttpRequest, contact: Contact) -> Any:
    with database.write() as cursor:
        Contact.objects.filter(pk=contact.pk).update(is_blocked=True)
        consent.cancel_waiting(cursor, [contact.pk], "blocked")
    return _("Blocked. Messages of this contact are kept, and nothing answers them.")


def _unblock(request: HttpRequest, contact: Contact) -> Any:
    Contact.objects.filter(pk=contact.pk).update(is_blocked=False)
    return _("Not blocked any more.")


class ContactForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameter at run time
    groups = forms.CharField(
        label=_("Groups"),
        required=False,
        help_text=_("Names with commas between them."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = Contact
        fields = ["name", "language", "timezone", "fields", "groups"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["groups"] = ", ".join(str(name) for name in self.instance.groups)

    def clean_groups(self) -> list[str]:
        names = [name.strip() for name in self.cleaned_data["groups"].split(",")]
        return list(dict.fromkeys(name for name in names if name))

    def clean_fields(self) -> dict[str, Any]:
        value = self.cleaned_data["fields"] or {}
        if not isinstance(value, dict):
            raise forms.ValidationError(_('Give an object, like {"city": "Pune"}.'))
        return value

    def clean_timezone(self) -> str:
        name: str = self.cleaned_data["timezone"]
        if name and name not in available_timezones():
            raise forms.ValidationError(_("Give a time zone's name, like Asia/Kolkata."))
        return name


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # unfold is untyped
    extra = 0
    can_delete = False
    show_change_link = True
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ConsentInline(ReadOnlyInline):
    model = ConsentEntry
    fields = readonly_fields = ["at", "word", "scope", "source", "detail", "by"]
    ordering = ["-id"]
    verbose_name_plural = _("Consent ledger")
    show_change_link = False

    @admin.display(description=_("said"))
    def word(self, entry: ConsentEntry) -> SafeString:
        return consent_badge(entry)


class ConversationInline(ReadOnlyInline):
    model = Conversation
    fields = readonly_fields = ["phone_number_id", "owner", "last_message_at", "unread_count"]
    ordering = ["-last_message_at"]
    verbose_name_plural = _("Conversations")


class SessionInline(ReadOnlyInline):
    model = Session
    fields = readonly_fields = ["flow_id", "state", "outcome", "step_id", "started_at", "ended_at"]
    ordering = ["-started_at"]
    verbose_name_plural = _("Sessions")
    per_page = 10


def consent_badge(entry: ConsentEntry) -> SafeString:
    if entry.is_granted:
        return badges.badge(badges.Look("good", "notifications", _("Opted in")))
    return badges.badge(OPTED_OUT)


@admin.register(Contact)
class ContactAdmin(MaskingMixin, BackOfficeAdmin):
    list_display = [
        "__str__",
        "full_phone",
        "standing",
        "language",
        "group_names",
        time_column("last_inbound_at", _("last inbound")),
        time_column("created_at", _("created")),
    ]
    list_filter = ["is_opted_out", "is_blocked", "has_marketing_consent", "language"]
    ordering = ["-id"]
    form = ContactForm
    pii_twins = {"full_phone": "masked_phone", "bsuid": "masked_bsuid", "identities_shown": "identity_count"}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "name",
                    ("full_phone", "bsuid"),
                    "standing",
                    ("language", "timezone"),
                    "fields",
                    "groups",
                ]
            },
        ),
        (
            _("Record"),
            {"fields": ["uuid", "identities_shown", "created_at", "last_inbound_at", "merged_into"]},
        ),
    ]
    readonly_fields = [
        "full_phone",
        "bsuid",
        "masked_phone",
        "masked_bsuid",
        "identities_shown",
        "identity_count",
        "standing",
        "uuid",
        "created_at",
        "last_inbound_at",
        "merged_into",
    ]
    inlines = [ConsentInline, ConversationInline, SessionInline]
    empty_sentence = _("There are no contacts yet.")
    empty_todo = _("A contact comes into being with its first message, or through the API.")
    moves = (
        Move(
            name="opt_out",
            label=_("Opt out"),
            icon="notifications_off",
            permission=CHANGE,
            perform=_opt_out,
            applies=lambda c: not c.is_opted_out,
            confirm=_("Nothing will be sent to this contact any more. Go on?"),
        ),
        Move(
            name="opt_in",
            label=_("Opt in"),
            icon="notifications",
            permission=CHANGE,
            perform=_opt_in,
            applies=lambda c: c.is_opted_out,
            confirm=_("Did the customer ask for this? It is written into the ledger with your name."),
        ),
        Move(
            name="block",
            label=_("Block"),
            icon="block",
            permission=CHANGE,
            perform=_block,
            applies=lambda c: not c.is_blocked,
            tone="danger",
        ),
        Move(
            name="unblock",
            label=_("Unblock"),
            icon="lock_open",
            permission=CHANGE,
            perform=_unblock,
            applies=lambda c: c.is_blocked,
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return ["name", "phone", "bsuid"] if may_see_numbers(request) else ["name"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "fields":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 4})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        """Write only what was typed: the machine may have changed the rest meanwhile."""
        with transaction.atomic():
            obj.save(update_fields=form.changed_data or ["name"])

    @admin.display(description=_("phone"))
    def full_phone(self, contact: Contact) -> str:
        return shown_phone(contact, masked=False) or "–"

    @admin.display(description=_("phone"))
    def masked_phone(self, contact: Contact) -> str:
        return shown_phone(contact, masked=True) or "–"

    @admin.display(description=_("user id"))
    def masked_bsuid(self, contact: Contact) -> str:
        return mask_phone(contact.bsuid) if contact.bsuid else "–"

    @admin.display(description=_("known as"))
    def identities_shown(self, contact: Contact) -> SafeString:
        rows = contact.identities.order_by("id").values_list("kind", "value")
        return format_html_join("", '<div><span class="wf-faint">{}</span> {}</div>', rows)

    @admin.display(description=_("known by"))
    def identity_count(self, contact: Contact) -> str:
        return _("%(count)s ids") % {"count": contact.identities.count()}

    @admin.display(description=_("standing"))
    def standing(self, contact: Contact) -> SafeString:
        if contact.is_blocked:
            return badges.badge(BLOCKED)
        return badges.badge(OPTED_OUT if contact.is_opted_out else REACHABLE)

    @admin.display(description=_("groups"))
    def group_names(self, contact: Contact) -> str:
        return ", ".join(str(g) for g in contact.groups) or "–"


@admin.register(ConsentEntry)
class ConsentEntryAdmin(MachineAdmin):
    list_display = ["contact", "word", "scope", "source", "detail", "by", time_column("at", _("at"))]
    list_filter = ["is_granted", "scope", "source"]
    list_select_related = ["contact"]
    ordering = ["-id"]
    date_hierarchy = "at"
    search_fields = ["contact__name"]
    fields = readonly_fields = ["contact", "word", "scope", "source", "detail", "by", "at"]
    empty_sentence = _("Nobody has opted in or out yet.")
    empty_todo = _("A STOP or START word writes a line here; so does the button on a contact.")

    @admin.display(description=_("said"), ordering="is_granted")
    def word(self, entry: ConsentEntry) -> SafeString:
        return consent_badge(entry)

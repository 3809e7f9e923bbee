"""The outbox: what became of each message at Meta's door, in words, and the decision on those that maybe left."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from conversations import outbox, parked
from conversations.admin import badges
from conversations.admin.base import MachineAdmin, may_see_numbers, pretty, time_column
from conversations.admin.choices import state_filter
from conversations.admin.contact import ReadOnlyInline
from conversations.admin.conversation import link_to_conversation
from conversations.admin.moves import Move, MoveRefused, log
from conversations.masking import redact
from conversations.models import Outbox, SendAttempt
from conversations.queries import failure_words

CHANGE = "conversations.change_outbox"
_gone = _("Somebody decided on this message already, or its proof came late.")


def _resend(request: HttpRequest, row: Outbox) -> Any:
    try:
        parked.resend(row.pk, by=request.user.get_username())
    except parked.NotParked:
        raise MoveRefused(_gone) from None
    return _("Queued again. If the first one did arrive, the customer gets it twice.")


def _drop(request: HttpRequest, row: Outbox) -> Any:
    try:
        parked.drop(row.pk, by=request.user.get_username())
    except parked.NotParked:
        raise MoveRefused(_gone) from None
    return _("Dropped. It will not be sent again.")


class AttemptInline(ReadOnlyInline):
    model = SendAttempt
    fields = readonly_fields = ["n", "started_at", "outcome", "http", "graph_code", "message", "fbtrace"]
    ordering = ["n"]
    verbose_name_plural = _("Attempts")
    show_change_link = False


@admin.register(Outbox)
class OutboxAdmin(MachineAdmin):
    list_display = [
        "text",
        "contact",
        "state_badge",
        "why",
        "kind",
        "attempt",
        time_column("created_at", _("created")),
    ]
    list_filter = [state_filter("state", _("state"), badges.OUTBOX), "kind"]
    list_select_related = ["contact"]
    ordering = ["-id"]
    search_fields = ["contact__name", "id", "wamid"]
    fields = [
        "conversation",
        "state_badge",
        "why",
        "content_shown",
        ("kind", "by", "policy"),
        ("seq", "attempt"),
        ("not_before", "expires_at"),
        ("created_at", "sent_at"),
        "wamid",
        "session_id",
        "correlation",
    ]
    readonly_fields = [
        "conversation",
        "state_badge",
        "why",
        "content_shown",
        "kind",
        "by",
        "policy",
        "seq",
        "attempt",
        "not_before",
        "expires_at",
        "created_at",
        "sent_at",
        "wamid",
        "session_id",
        "correlation",
    ]
    inlines = [AttemptInline]
    actions = ["resend_chosen", "drop_chosen"]
    empty_sentence = _("No message has left yet.")
    empty_todo = _("What flows, people and the API send stands here with its way to Meta.")
    moves = (
        Move(
            name="resend",
            label=_("Resend"),
            icon="send",
            permission=CHANGE,
            perform=_resend,
            applies=lambda row: row.state == "parked",
            confirm=_("Meta did not confirm this message. The customer may get it twice. Resend?"),
            tone="primary",
        ),
        Move(
            name="drop",
            label=_("Drop"),
            icon="delete",
            permission=CHANGE,
            perform=_drop,
            applies=lambda row: row.state == "parked",
        ),
    )

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        swap = {} if may_see_numbers(request) else {"content_shown": "content_masked"}
        return [swap.get(f, f) if isinstance(f, str) else f for f in self.fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*self.readonly_fields, "content_masked"]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.has_perm(CHANGE))

    @admin.action(description=_("Resend the parked ones of those chosen"), permissions=["decide"])
    def resend_chosen(self, request: HttpRequest, rows: QuerySet[Outbox]) -> None:
        self._decide(request, rows, _resend, "Resend")

    @admin.action(description=_("Drop the parked ones of those chosen"), permissions=["decide"])
    def drop_chosen(self, request: HttpRequest, rows: QuerySet[Outbox]) -> None:
        self._decide(request, rows, _drop, "Drop")

    def _decide(self, request: HttpRequest, rows: QuerySet[Outbox], move: Any, what: str) -> None:
        done = 0
        for row in rows.filter(state="parked"):
            try:
                move(request, row)
            except MoveRefused:
                continue
            log(request, row, what)
            done += 1
        text = ngettext("%(count)d message decided.", "%(count)d messages decided.", done)
        messages.success(request, text % {"count": done})

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        twins = {} if may_see_numbers(request) else {"text": "masked_text"}
        return [twins.get(c, c) if isinstance(c, str) else c for c in self.list_display]

    @admin.display(description=_("message"))
    def text(self, row: Outbox) -> str:
        return Truncator(outbox.text_of(row.content)).chars(60)

    @admin.display(description=_("message"))
    def masked_text(self, row: Outbox) -> str:
        return Truncator(redact(outbox.text_of(row.content))).chars(60)

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, row: Outbox) -> SafeString:
        return badges.state(badges.OUTBOX, row.state)

    @admin.display(description=_("why"))
    def why(self, row: Outbox) -> str:
        words = failure_words(row.error_code, row.reason) or row.reason
        return f"{words} ({row.error_code})" if row.error_code is not None else words or "–"

    @admin.display(description=_("conversation"))
    def conversation(self, row: Outbox) -> SafeString | str:
        return link_to_conversation(row.contact_id, row.phone_number_id, str(row.contact))

    @admin.display(description=_("content"))
    def content_shown(self, row: Outbox) -> SafeString:
        return pretty(row.content)

    @admin.display(description=_("content"))
    def content_masked(self, row: Outbox) -> SafeString:
        return pretty(row.content, masked=True)

"""What came in: signed deliveries, the inputs of the lanes, and the quarantine of what could not be worked on."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from conversations import quarantine
from conversations.admin import badges
from conversations.admin.base import MachineAdmin, MaskingMixin, pretty, time_column
from conversations.admin.choices import open_filter, state_filter
from conversations.admin.moves import Move, MoveRefused
from conversations.masking import redact
from conversations.models import Inbox, WebhookDelivery
from flows.models import DeadLetter

SHOWN_BYTES = 64 * 1024


def _body(delivery: WebhookDelivery, *, masked: bool) -> SafeString:
    raw = bytes(delivery.body)[:SHOWN_BYTES]
    try:
        return pretty(json.loads(raw), masked=masked)
    except ValueError:
        text = raw.decode("utf-8", "replace")
        return format_html('<pre class="wf-json">{}</pre>', redact(text) if masked else text)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(MaskingMixin, MachineAdmin):
    list_display = [
        "short",
        "state_badge",
        "reason",
        "n_seen",
        "is_simulated",
        time_column("received_at", _("received")),
    ]
    list_filter = [state_filter("state", _("state"), badges.DELIVERY), "is_simulated"]
    ordering = ["-id"]
    date_hierarchy = "received_at"
    pii_twins = {"body_shown": "body_masked"}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "state_badge",
                    "reason",
                    ("n_seen", "received_at", "is_simulated"),
                    "body_sha256",
                    "body_shown",
                ]
            },
        )
    ]
    readonly_fields = [
        "state_badge",
        "reason",
        "n_seen",
        "received_at",
        "is_simulated",
        "body_sha256",
        "body_shown",
        "body_masked",
    ]
    empty_sentence = _("Meta has not delivered anything yet.")
    empty_todo = _("Point the webhook of your app at /webhooks/whatsapp, or say hi in the Simulator.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        """The list does not read the bodies."""
        rows: QuerySet[WebhookDelivery] = super().get_queryset(request)
        return rows.defer("body")

    @admin.display(description=_("delivery"))
    def short(self, delivery: WebhookDelivery) -> str:
        return delivery.body_sha256[:12]

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, delivery: WebhookDelivery) -> SafeString:
        return badges.state(badges.DELIVERY, delivery.state)

    @admin.display(description=_("body"))
    def body_shown(self, delivery: WebhookDelivery) -> SafeString:
        return _body(delivery, masked=False)

    @admin.display(description=_("body"))
    def body_masked(self, delivery: WebhookDelivery) -> SafeString:
        return _body(delivery, masked=True)


@admin.register(Inbox)
class InboxAdmin(MaskingMixin, MachineAdmin):
    list_display = [
        "id",
        "kind",
        "contact_id",
        "seq",
        "state_badge",
        "attempts",
        time_column("due_at", _("due")),
        time_column("done_at", _("done")),
    ]
    list_filter = [state_filter("state", _("state"), badges.INBOX), "kind"]
    ordering = ["-id"]
    search_fields = ["=contact_id", "=correlation"]
    pii_twins = {"payload_shown": "payload_masked", "dedup_key": "masked_key"}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "state_badge",
                    ("kind", "contact_id", "seq"),
                    ("phone_number_id", "attempts"),
                    ("due_at", "created_at", "done_at"),
                    "correlation",
                    "dedup_key",
                    "payload_shown",
                ]
            },
        )
    ]
    readonly_fields = [
        "state_badge",
        "kind",
        "contact_id",
        "seq",
        "phone_number_id",
        "attempts",
        "due_at",
        "created_at",
        "done_at",
        "correlation",
        "dedup_key",
        "masked_key",
        "payload_shown",
        "payload_masked",
    ]
    empty_sentence = _("No input has come yet.")
    empty_todo = _("Each message, timer, call result and hand-back stands here, once, in its lane's order.")

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, row: Inbox) -> SafeString:
        return badges.state(badges.INBOX, row.state)

    @admin.display(description=_("payload"))
    def payload_shown(self, row: Inbox) -> SafeString:
        return pretty(row.payload)

    @admin.display(description=_("payload"))
    def payload_masked(self, row: Inbox) -> SafeString:
        return pretty(row.payload, masked=True)

    @admin.display(description=_("key"))
    def masked_key(self, row: Inbox) -> str:
        return str(redact(row.dedup_key))


def _replay(request: HttpRequest, letter: DeadLetter) -> Any:
    try:
        quarantine.replay(letter, by=request.user.get_username())
    except quarantine.NotReplayable as error:
        raise MoveRefused(str(error)) from None
    return _("Back in its queue. If it fails again, it comes back here.")


@admin.register(DeadLetter)
class QuarantineAdmin(MaskingMixin, MachineAdmin):
    list_display = ["cause", "source", "source_id", "attempts", "standing", time_column("at", _("at"))]
    list_filter = [open_filter("resolved_at", _("standing"), "resolved"), "source"]
    ordering = ["-id"]
    pii_twins = {"trace_shown": "trace_masked"}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "standing",
                    "cause",
                    ("source", "source_id", "attempts"),
                    "at",
                    "resolved_by",
                    "trace_shown",
                ]
            },
        )
    ]
    readonly_fields = [
        "standing",
        "cause",
        "source",
        "source_id",
        "attempts",
        "at",
        "resolved_by",
        "trace_shown",
        "trace_masked",
    ]
    empty_sentence = _("Quarantine is empty: every input could be worked on.")
    moves = (
        Move(
            name="replay",
            label=_("Replay"),
            icon="replay",
            permission="flows.change_deadletter",
            perform=_replay,
            applies=lambda letter: letter.resolved_at is None,
            tone="primary",
        ),
    )

    @admin.display(description=_("standing"))
    def standing(self, letter: DeadLetter) -> SafeString:
        if letter.resolved_at:
            return badges.badge(badges.Look("good", "check", _("Replayed")), letter.resolved_by)
        return badges.badge(badges.INBOX["dead"])

    @admin.display(description=_("trace"))
    def trace_shown(self, letter: DeadLetter) -> SafeString:
        return format_html('<pre class="wf-json">{}</pre>', letter.trace)

    @admin.display(description=_("trace"))
    def trace_masked(self, letter: DeadLetter) -> SafeString:
        return format_html('<pre class="wf-json">{}</pre>', redact(letter.trace))

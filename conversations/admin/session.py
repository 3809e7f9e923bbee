"""Sessions with their variables, and what they wait for: calls and timers."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from conversations import sessions
from conversations.admin import badges
from conversations.admin.base import MachineAdmin, MaskingMixin, pretty, time_column
from conversations.admin.choices import state_filter
from conversations.admin.conversation import link_to_conversation
from conversations.admin.moves import Move, MoveRefused
from conversations.models import Call, Session, Timer
from conversations.queries import versions


def _end(request: HttpRequest, session: Session) -> Any:
    try:
        sessions.end_session(session.pk, by=request.user.get_username())
    except sessions.SessionEnded:
        raise MoveRefused(_("It is over already.")) from None
    return _("Ended. The customer's next message begins anew.")


@admin.register(Session)
class SessionAdmin(MaskingMixin, MachineAdmin):
    list_display = [
        "flow_id",
        "contact",
        "state_badge",
        "outcome_badge",
        "step_id",
        "steps_count",
        time_column("started_at", _("started")),
        time_column("updated_at", _("updated")),
    ]
    list_filter = [
        state_filter("state", _("state"), badges.SESSION),
        state_filter("outcome", _("outcome"), badges.OUTCOME),
    ]
    list_select_related = ["contact"]
    ordering = ["-started_at"]
    search_fields = ["flow_id", "=id", "contact__name"]
    pii_twins = {"variables": "variables_masked"}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "conversation",
                    ("state_badge", "outcome_badge"),
                    ("flow_id", "version", "step_id"),
                    "variables",
                    ("started_at", "updated_at"),
                    ("ended_at", "steps_count"),
                    "flow_hash",
                ]
            },
        )
    ]
    readonly_fields = [
        "conversation",
        "state_badge",
        "outcome_badge",
        "flow_id",
        "version",
        "step_id",
        "variables",
        "variables_masked",
        "steps_count",
        "started_at",
        "updated_at",
        "ended_at",
        "flow_hash",
    ]
    empty_sentence = _("Nobody has walked through a flow yet.")
    empty_todo = _("Open the Simulator and say hi to start the demo flow.")
    moves = (
        Move(
            name="end",
            label=_("End this session"),
            icon="stop_circle",
            permission="conversations.change_session",
            perform=_end,
            applies=lambda session: session.state != "ended",
            tone="danger",
            confirm=_("The customer is not told. End it?"),
        ),
    )

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, session: Session) -> SafeString:
        return badges.state(badges.SESSION, session.state)

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_badge(self, session: Session) -> SafeString | str:
        return badges.state(badges.OUTCOME, session.outcome) if session.outcome else "–"

    @admin.display(description=_("conversation"))
    def conversation(self, session: Session) -> SafeString | str:
        return link_to_conversation(session.contact_id, session.phone_number_id, str(session.contact))

    @admin.display(description=_("version"))
    def version(self, session: Session) -> str:
        pair = session.flow_id, session.flow_hash
        number = versions([pair]).get(pair)
        return f"v{number}" if number else session.flow_hash[:8]

    @admin.display(description=_("variables"))
    def variables(self, session: Session) -> SafeString:
        return pretty(sessions.shown_frames(session))

    @admin.display(description=_("variables"))
    def variables_masked(self, session: Session) -> SafeString:
        return pretty(sessions.shown_frames(session), masked=True)


@admin.register(Call)
class CallAdmin(MaskingMixin, MachineAdmin):
    list_display = [
        "name",
        "kind",
        "flow_id",
        "state_badge",
        "attempts",
        "took",
        time_column("created_at", _("created")),
        time_column("done_at", _("done")),
    ]
    list_filter = [state_filter("state", _("state"), badges.CALL), "kind"]
    ordering = ["-created_at"]
    search_fields = ["=session_id", "name"]
    pii_twins = {
        "request_shown": "request_masked",
        "result_shown": "result_masked",
        "trace_shown": "trace_hidden",
    }
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("name", "kind", "flow_id"),
                    ("state_badge", "attempts", "took"),
                    ("session_id", "is_idempotent", "timeout_seconds"),
                    ("created_at", "done_at"),
                    "code_hash",
                    "request_shown",
                    "result_shown",
                    "trace_shown",
                ]
            },
        )
    ]
    readonly_fields = [
        "name",
        "kind",
        "flow_id",
        "state_badge",
        "attempts",
        "took",
        "session_id",
        "is_idempotent",
        "timeout_seconds",
        "created_at",
        "done_at",
        "code_hash",
        "request_shown",
        "request_masked",
        "result_shown",
        "result_masked",
        "trace_shown",
        "trace_hidden",
    ]
    empty_sentence = _("No flow has called a processor or an API yet.")
    empty_todo = _("Walk through a demo flow that uses a processor.")

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, call: Call) -> SafeString:
        return badges.state(badges.CALL, call.state)

    @admin.display(description=_("took"), ordering="seconds")
    def took(self, call: Call) -> str:
        return "–" if call.seconds is None else f"{call.seconds * 1000:.0f} ms"

    @admin.display(description=_("request"))
    def request_shown(self, call: Call) -> SafeString:
        return pretty(call.request)

    @admin.display(description=_("request"))
    def request_masked(self, call: Call) -> SafeString:
        return pretty(call.request, masked=True)

    @admin.display(description=_("result"))
    def result_shown(self, call: Call) -> SafeString:
        return pretty(call.result)

    @admin.display(description=_("result"))
    def result_masked(self, call: Call) -> SafeString:
        return pretty(call.result, masked=True)

    @admin.display(description=_("trace"))
    def trace_shown(self, call: Call) -> SafeString | str:
        return format_html('<pre class="wf-json">{}</pre>', call.trace) if call.trace else "–"

    @admin.display(description=_("trace"))
    def trace_hidden(self, call: Call) -> str:
        return str(_("Only for those who may see numbers in full.")) if call.trace else "–"


@admin.register(Timer)
class TimerAdmin(MachineAdmin):
    list_display = [
        "key",
        "session_id",
        "contact_id",
        "state_badge",
        time_column("due_at", _("due")),
        "wait_no",
    ]
    list_filter = [state_filter("state", _("state"), badges.TIMER)]
    ordering = ["-due_at"]
    search_fields = ["=session_id", "=contact_id"]
    fields = ["key", "session_id", "contact_id", "phone_number_id", "state_badge", "due_at", "wait_no"]
    readonly_fields = fields
    empty_sentence = _("Nobody is waited for.")
    empty_todo = _("A step that waits sets its timers here: reminders, timeout, expiry.")

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, timer: Timer) -> SafeString:
        return badges.state(badges.TIMER, timer.state)

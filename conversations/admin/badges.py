"""How states look: a color, an icon and a word, so that none of the three is needed alone."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Look:
    """``tone``: calm, good, busy, warning or danger."""

    tone: str
    icon: str
    word: str | Promise


OWNER = {
    "bot": Look("calm", "smart_toy", _("Bot")),
    "waiting": Look("warning", "hourglass_top", _("Waiting for a person")),
    "person": Look("busy", "support_agent", _("Person")),
    "closed": Look("calm", "check_circle", _("Closed")),
}
SESSION = {
    "running": Look("busy", "play_arrow", _("Running")),
    "waiting": Look("busy", "hourglass_empty", _("Waiting for an answer")),
    "calling": Look("busy", "sync", _("Waiting for a call")),
    "paused": Look("calm", "pause", _("Paused")),
    "with_person": Look("warning", "support_agent", _("With a person")),
    "ended": Look("calm", "stop", _("Ended")),
}
OUTCOME = {
    "completed": Look("good", "check", _("Completed")),
    "failed": Look("danger", "error", _("Failed")),
    "abandoned": Look("warning", "logout", _("Abandoned")),
    "expired": Look("warning", "timer_off", _("Expired")),
    "interrupted": Look("calm", "call_split", _("Interrupted")),
    "handed_off": Look("busy", "support_agent", _("Handed off")),
    "merged": Look("calm", "merge", _("Merged")),
    "migrated": Look("calm", "upgrade", _("Migrated")),
}
OUTBOX = {
    "queued": Look("busy", "schedule", _("Queued")),
    "leased": Look("busy", "schedule", _("About to be sent")),
    "sending": Look("busy", "send", _("Sending")),
    "accepted": Look("good", "check", _("Accepted by Meta")),
    "refused": Look("danger", "block", _("Refused by Meta")),
    "ambiguous": Look("warning", "help", _("Not confirmed yet")),
    "parked": Look("warning", "local_parking", _("Maybe sent")),
    "expired": Look("calm", "timer_off", _("Expired")),
    "cancelled": Look("calm", "cancel", _("Cancelled")),
}
MESSAGE = {
    "accepted": Look("calm", "check", _("Accepted")),
    "sent": Look("calm", "check", _("Sent")),
    "delivered": Look("calm", "done_all", _("Delivered")),
    "read": Look("good", "done_all", _("Read")),
    "played": Look("good", "done_all", _("Played")),
    "failed": Look("danger", "error", _("Failed")),
}
INBOX = {
    "new": Look("busy", "schedule", _("New")),
    "done": Look("good", "check", _("Done")),
    "dead": Look("danger", "coronavirus", _("In quarantine")),
}
DELIVERY = {
    "raw": Look("busy", "schedule", _("Raw")),
    "split": Look("good", "check", _("Split")),
    "quarantined": Look("danger", "coronavirus", _("In quarantine")),
}
CALL = {
    "queued": Look("busy", "schedule", _("Queued")),
    "started": Look("busy", "sync", _("Started")),
    "done": Look("good", "check", _("Done")),
    "unknown": Look("warning", "help", _("Unknown")),
}
TIMER = {
    "open": Look("busy", "alarm", _("Open")),
    "fired": Look("good", "check", _("Fired")),
    "gone": Look("calm", "alarm_off", _("Of no account")),
}
BREAKER = {
    "closed": Look("good", "power", _("Closed, messages flow")),
    "open": Look("danger", "power_off", _("Open, nothing is sent")),
    "half_open": Look("warning", "network_check", _("Trying one message")),
}
SEVERITY = {
    "info": Look("calm", "info", _("Info")),
    "warning": Look("warning", "warning", _("Warning")),
    "error": Look("danger", "error", _("Error")),
    "critical": Look("danger", "error", _("Critical")),
}
HANDOFF = {
    "open": Look("warning", "hourglass_top", _("Open")),
    "taken": Look("busy", "support_agent", _("Taken")),
    "returned": Look("good", "undo", _("Returned")),
    "closed": Look("calm", "check_circle", _("Closed")),
}
SET = Look("good", "check", _("Set"))
NOT_SET = Look("warning", "priority_high", _("Not set"))


def badge(look: Look, note: str | Promise = "") -> SafeString:
    return format_html(
        '<span class="wf-badge wf-{}" title="{}"><span class="material-symbols-outlined" aria-hidden="true">{}'
        "</span>{}</span>",
        look.tone,
        note,
        look.icon,
        look.word,
    )


def state(table: dict[str, Look], word: str) -> SafeString:
    """Draw ``word`` of ``table``; a word it does not know is shown as it is."""
    return badge(table.get(word) or Look("calm", "help", word or "–"))


def link(url: str, text: str) -> SafeString:
    return format_html('<a class="wf-link" href="{}">{}</a>', url, text)

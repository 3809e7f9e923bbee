"""A message as a phone draws it, and a fact as the line between two messages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversations.masking import redact
from conversations.models import Message, Outbox
from conversations.queries import Entry, failure_words

# Icon and name of what has no text of its own.
MEDIA = {
    "image": ("image", gettext_lazy("Image")),
    "video": ("movie", gettext_lazy("Video")),
    "audio": ("mic", gettext_lazy("Audio")),
    "document": ("description", gettext_lazy("Document")),
    "sticker": ("mood", gettext_lazy("Sticker")),
    "location": ("location_on", gettext_lazy("Location")),
    "location_request": ("location_on", gettext_lazy("Asks for a location")),
    "contact": ("contacts", gettext_lazy("Contact card")),
    "contacts": ("contacts", gettext_lazy("Contact card")),
    "order": ("shopping_cart", gettext_lazy("Order")),
    "form": ("assignment", gettext_lazy("Form")),
    "template": ("article", gettext_lazy("Template")),
    "reaction": ("add_reaction", gettext_lazy("Reaction")),
    "other": ("help", gettext_lazy("A kind that is not shown here")),
}
MARKERS: dict[str, tuple[str, str | Promise]] = {
    "session_started": ("login", gettext_lazy("entered %(flow)s")),
    "flow_entered": ("login", gettext_lazy("entered %(flow)s")),
    "step_entered": ("arrow_right", gettext_lazy("%(flow)s, step %(step)s")),
    "step_failed": ("error", gettext_lazy("%(flow)s, step %(step)s failed: %(message)s")),
    "session_ended": ("logout", gettext_lazy("left %(flow)s: %(outcome)s")),
    "session_expired": ("timer_off", gettext_lazy("%(flow)s: no answer came in time")),
    "call_started": ("bolt", gettext_lazy("%(flow)s calls %(called)s")),
    "handed_off": ("hourglass_top", gettext_lazy("given to a person %(team)s")),
    "conversation_taken_over": ("support_agent", gettext_lazy("%(by)s took over")),
    "conversation_handed_back": ("smart_toy", gettext_lazy("%(by)s handed back to the bot")),
    "conversation_closed": ("check_circle", gettext_lazy("%(by)s closed the conversation")),
    "consent_withdrawn": ("notifications_off", gettext_lazy("opted out")),
    "consent_granted": ("notifications", gettext_lazy("opted in")),
    "message_unmatched": ("help", gettext_lazy("no flow takes this message")),
    "bot_suspected": ("robot_2", gettext_lazy("looks like another bot")),
    "window_closed": ("timer_off", gettext_lazy("not sent: the 24-hour window had closed")),
    "send_limit_reached": ("speed", gettext_lazy("not sent: too many messages to one person")),
    "start_refused": ("block", gettext_lazy("%(flow)s could not be started: %(reason)s")),
}
UNDELIVERED = ("parked", "expired", "cancelled")
WAITING = {"queued": "schedule", "leased": "schedule", "sending": "schedule"}
TICKS = {
    "accepted": ("check", gettext_lazy("Accepted by Meta")),
    "sent": ("check", gettext_lazy("Sent")),
    "delivered": ("done_all", gettext_lazy("Delivered")),
    "read": ("done_all", gettext_lazy("Read")),
    "played": ("done_all", gettext_lazy("Played")),
}
OUTBOX_WORDS = {
    "queued": gettext_lazy("Queued"),
    "leased": gettext_lazy("Queued"),
    "sending": gettext_lazy("Being sent"),
    "accepted": gettext_lazy("Accepted by Meta"),
    "ambiguous": gettext_lazy("Meta did not confirm yet"),
    "parked": gettext_lazy("Maybe sent: decide in the outbox"),
    "expired": gettext_lazy("Not sent: too late"),
    "cancelled": gettext_lazy("Not sent: cancelled"),
    "refused": gettext_lazy("Refused by Meta"),
}


class _Words(dict[str, Any]):
    """What a sentence asks for and a fact does not say is left out."""

    def __missing__(self, _key: str) -> str:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    icon: str
    word: str | Promise
    tone: str = "calm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    message: Message
    header: str = ""
    body: str = ""
    footer: str = ""
    media: tuple[str, str | Promise, str] | None = None
    list_button: str = ""
    options: tuple[tuple[str, str], ...] = ()
    tick: Tick | None = None
    failure: str = ""
    failure_tone: str = "danger"
    outbox: Outbox | None = None
    kind: str = field(default="bubble")

    @property
    def at(self) -> datetime:
        return self.message.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    at: datetime
    icon: str
    text: str
    kind: str = field(default="marker")


def draw(entry: Entry, *, masked: bool) -> Bubble | Marker:
    """Draw one line; ``masked`` hides long numbers in what was said."""
    return _bubble(entry.message, entry.outbox, masked=masked) if entry.message else _marker(entry)


def _marker(entry: Entry) -> Marker:
    event: Any = entry.event
    icon, text = MARKERS.get(event.name, ("info", event.name))
    flow = event.flow_id or ""
    values = event.data | {
        "flow": f"{flow} v{entry.version}" if entry.version else flow,
        "step": event.step_id or "–",
        "called": event.data.get("call", ""),
    }
    return Marker(at=event.at, icon=icon, text=(str(text) % _Words(values)).rstrip(" :"))


def _bubble(message: Message, outbox: Outbox | None, *, masked: bool) -> Bubble:
    drawn = _kinds.get(message.kind, _plain)(message, _record(message.content))
    return Bubble(
        message=message,
        outbox=outbox,
        tick=None if message.is_inbound else _tick(message, outbox),
        failure=_failure(message, outbox),
        failure_tone="warning" if outbox and outbox.state in UNDELIVERED else "danger",
        **(redact(drawn) if masked else drawn),
    )


def _tick(message: Message, outbox: Outbox | None) -> Tick:
    if message.status == "failed" or (outbox and outbox.state == "refused"):
        return Tick(icon="error", word=_("Failed"), tone="danger")
    if message.status in TICKS and (message.status != "accepted" or outbox is None):
        icon, word = TICKS[message.status]
        return Tick(icon=icon, word=word, tone="good" if message.status in {"read", "played"} else "calm")
    state = outbox.state if outbox else "queued"
    if state == "accepted":
        return Tick(icon="check", word=OUTBOX_WORDS[state])
    icon = WAITING.get(state, "help" if state in {"ambiguous", "parked"} else "cancel")
    return Tick(
        icon=icon, word=OUTBOX_WORDS.get(state, state), tone="calm" if state in WAITING else "warning"
    )


def _failure(message: Message, outbox: Outbox | None) -> str:
    if message.status == "failed":
        words, code = failure_words(message.error_code, message.error), message.error_code
    elif outbox and outbox.state == "refused":
        words, code = failure_words(outbox.error_code, outbox.reason), outbox.error_code
    elif outbox and outbox.state in UNDELIVERED:
        return ": ".join(str(w) for w in (OUTBOX_WORDS[outbox.state], outbox.reason) if w)
    else:
        return ""
    return f"{words} ({code})" if code is not None else words or _("Meta gave no reason")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _record(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _records(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _plain(message: Message, content: Mapping[str, Any]) -> dict[str, Any]:
    """Text, and every kind that is told by its icon, its name and what text it has."""
    icon, name = MEDIA.get(message.kind, ("", ""))
    body = message.text or _text(content.get("body")) or _text(content.get("caption"))
    return {"body": body, "media": (icon, name, _detail(content)) if icon else None}


def _detail(content: Mapping[str, Any]) -> str:
    """The name under which a file, a place or a template is known."""
    media = content.get("media")
    inner = media if isinstance(media, Mapping) else content.get("location")
    sources = [content, inner if isinstance(inner, Mapping) else {}]
    for key in ("filename", "name", "address", "form", "emoji"):
        for source in sources:
            if text := _text(source.get(key)):
                return text
    for source in sources:
        if "latitude" in source and "longitude" in source:
            return f"{source['latitude']}, {source['longitude']}"
    return ""


def _header(content: Mapping[str, Any]) -> dict[str, Any]:
    header = content.get("header")
    if isinstance(header, Mapping):
        icon, name = MEDIA.get(str(header.get("type")), ("image", _("Media")))
        return {"media": (icon, name, _detail(header))}
    return {"header": _text(header)}


def _buttons(message: Message, content: Mapping[str, Any]) -> dict[str, Any]:
    buttons = _records(content.get("buttons"))
    return _card(message, content) | {"options": tuple((_text(b.get("title")), "reply") for b in buttons)}


def _list(message: Message, content: Mapping[str, Any]) -> dict[str, Any]:
    rows = [row for section in _records(content.get("sections")) for row in _records(section.get("rows"))]
    return _card(message, content) | {
        "list_button": _text(content.get("button")),
        "options": tuple((_text(r.get("title")), _text(r.get("description"))) for r in rows),
    }


def _link(message: Message, content: Mapping[str, Any]) -> dict[str, Any]:
    return _card(message, content) | {"options": ((_text(content.get("text")), "open_in_new"),)}


def _card(message: Message, content: Mapping[str, Any]) -> dict[str, Any]:
    body = _text(content.get("body")) or message.text
    return _header(content) | {"body": body, "footer": _text(content.get("footer"))}


def _interactive(message: Message, content: Mapping[str, Any]) -> dict[str, Any]:
    """Meta's own object: its texts are one level down."""
    inner = _record(content.get("interactive"))
    action = _record(inner.get("action"))
    flat = {key: _record(inner.get(key)).get("text") for key in ("header", "body", "footer")} | {
        "buttons": [_record(button.get("reply")) for button in _records(action.get("buttons"))],
        "sections": action.get("sections"),
        "button": action.get("button"),
    }
    return (_list if flat["sections"] else _buttons)(message, flat)


_kinds: dict[str, Callable[[Message, Mapping[str, Any]], dict[str, Any]]] = {
    "buttons": _buttons,
    "list": _list,
    "cta_url": _link,
    "interactive": _interactive,
}

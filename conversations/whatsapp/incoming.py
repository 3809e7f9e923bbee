"""The content of one incoming message: Meta's types and bodies to the one shape that flows know."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from conversations.whatsapp.body import BadBody, clean, load
from conversations.whatsapp.received import MAX_WAMID
from conversations.whatsapp.values import read_object, read_string, read_whole_number

Json = dict[str, Any]
Reader = Callable[[Json], Json | None]

MAX_FORM_BYTES = 256 * 1024
MAX_FILE_NAME = 255

_BLANK: Json = dict.fromkeys(
    ("text", "id", "title", "media", "location", "contacts", "order", "form", "referral"), None
)
_MEDIA_ID = re.compile(r"[0-9A-Za-z_-]{1,255}", re.ASCII)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class MessageType:
    """How a type of Meta's is read, whether flows may answer it, and whether it opens the 24 h window."""

    read: Reader
    is_conversational: bool = True
    opens_window: bool = True


class Content(NamedTuple):
    """A message as flows see it, with what the shell must know beside it."""

    message: Json
    flags: tuple[str, ...]
    is_conversational: bool
    opens_window: bool
    context_wamid: str | None


def read_content(message: Json) -> Content:
    """Read a message of any type; a body missing or misshapen gives `other`, flagged malformed."""
    kind = _type_of(message)
    part = kind.read(message)
    flags = _flags(message, part)
    shown = {"type": "other", **_BLANK, **(part or {}), "referral": read_object(message, "referral")}
    return Content(
        message=shown,
        flags=flags,
        is_conversational=kind.is_conversational,
        opens_window=kind.opens_window,
        context_wamid=_context_wamid(message),
    )


def _type_of(message: Json) -> MessageType:
    name = message.get("type")
    if name == "interactive":
        answer = read_object(message, "interactive") or {}
        return _lookup(INTERACTIVE, answer.get("type"), UNREADABLE)
    if name == "unsupported":
        hidden = read_object(message, "unsupported") or {}
        return NO_MESSAGE if read_string(hidden, "type") in NOT_MESSAGES else UNSUPPORTED
    return _lookup(TYPES, name, NO_MESSAGE)


def _lookup(table: dict[str, MessageType], name: Any, default: MessageType) -> MessageType:
    return table.get(name, default) if isinstance(name, str) else default


def _flags(message: Json, part: Json | None) -> tuple[str, ...]:
    if part is None:
        return ("malformed",)
    flags = []
    if part.get("type") == "form" and part["form"] is None:
        flags.append("form_unreadable")
    if "media" in part and part["media"]["id"] is None:
        flags.append("media_refused")
    context = message.get("context")
    if isinstance(context, dict) and (context.get("forwarded") or context.get("frequently_forwarded")):
        flags.append("forwarded")
    return tuple(flags)


def _context_wamid(message: Json) -> str | None:
    wamid = _named_message(message)
    return wamid if wamid and len(wamid) <= MAX_WAMID else None


def _named_message(message: Json) -> str | None:
    """Find the id of the message that this one answers, changes or reacts to."""
    context = message.get("context")
    if isinstance(context, dict):
        return read_string(context, "id")
    name = message.get("type")
    if name == "reaction":
        return read_string(read_object(message, "reaction") or {}, "message_id")
    if name in ("edit", "revoke"):
        return read_string(read_object(message, name) or {}, "original_message_id")
    return None


def _read_text(message: Json) -> Json | None:
    body = read_object(message, "text")
    if body is None or not isinstance(body.get("body"), str):
        return None
    return {"type": "text", "text": body["body"]}


def _media_reader(key: str, kind: str) -> Reader:
    def read(message: Json) -> Json | None:
        body = read_object(message, key) or (read_object(message, kind) if key != kind else None)
        if body is None:
            return None
        caption = read_string(body, "caption")
        return {"type": kind, "text": caption, "media": _media(body, kind, caption)}

    return read


def _media(body: Json, kind: str, caption: str | None) -> Json:
    media_id = read_string(body, "id")
    return {
        "id": media_id if media_id and _MEDIA_ID.fullmatch(media_id) else None,
        "kind": kind,
        "mime_type": read_string(body, "mime_type"),
        "sha256": read_string(body, "sha256"),
        "filename": _file_name(read_string(body, "filename")),
        "caption": caption,
        "size": read_whole_number(body.get("file_size")),
    }


def _file_name(claimed: str | None) -> str | None:
    """Keep the last part of a path, printable: a name to show, never one to store under."""
    if claimed is None:
        return None
    name = _UNPRINTABLE.sub("", claimed).replace("\\", "/").rpartition("/")[2].strip()
    return name[-MAX_FILE_NAME:] if name.strip(".") else None


def _read_location(message: Json) -> Json | None:
    body = read_object(message, "location")
    if body is None:
        return None
    latitude, longitude = _degrees(body.get("latitude"), 90), _degrees(body.get("longitude"), 180)
    if latitude is None or longitude is None:
        return None
    place = {"latitude": latitude, "longitude": longitude}
    return {
        "type": "location",
        "location": {**place, "name": read_string(body, "name"), "address": read_string(body, "address")},
    }


def _degrees(value: Any, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= limit else None


def _read_contacts(message: Json) -> Json | None:
    cards = message.get("contacts")
    if not isinstance(cards, list):
        return None
    return {"type": "contact", "contacts": [card for card in cards if isinstance(card, dict)]}


def _option_reader(key: str) -> Reader:
    def read(message: Json) -> Json | None:
        option = read_object(message["interactive"], key)
        if option is None:
            return None
        return _tap(read_string(option, "id"), read_string(option, "title"))

    return read


def _read_template_button(message: Json) -> Json | None:
    body = read_object(message, "button")
    if body is None:
        return None
    title = read_string(body, "text")
    return _tap(read_string(body, "payload") or title, title)


def _tap(option_id: str | None, title: str | None) -> Json | None:
    if option_id is None:
        return None
    return {"type": "tap", "id": option_id, "title": title, "text": title}


def _read_form(message: Json) -> Json | None:
    reply = read_object(message["interactive"], "nfm_reply")
    if reply is None:
        return None
    return {"type": "form", "text": read_string(reply, "body"), "form": _form(reply.get("response_json"))}


def _form(response: Any) -> Json | None:
    if not isinstance(response, str):
        return None
    raw = response.encode(errors="replace")
    if len(raw) > MAX_FORM_BYTES:
        return None
    try:
        answers, _ = clean(load(raw))
    except BadBody:
        return None
    return answers if isinstance(answers, dict) else None


def _read_order(message: Json) -> Json | None:
    order = read_object(message, "order")
    if order is None:
        return None
    return {"type": "order", "order": order, "text": read_string(order, "text")}


def _read_reaction(message: Json) -> Json | None:
    reaction = read_object(message, "reaction")
    if reaction is None:
        return None
    return {"type": "reaction", "text": read_string(reaction, "emoji")}


def _read_nothing(message: Json) -> Json | None:  # noqa: ARG001  # has the shape of every reader
    return {}


def _read_unknown(message: Json) -> Json | None:  # noqa: ARG001  # has the shape of every reader
    return None


# What is not a customer's message opens no window: the cautious reading where Meta is silent.
NO_MESSAGE = MessageType(_read_nothing, is_conversational=False, opens_window=False)
UNSUPPORTED = MessageType(_read_nothing, is_conversational=False)
UNREADABLE = MessageType(_read_unknown)
NOT_MESSAGES = frozenset({"edit", "revoke", "reaction", "request_welcome", "system"})

TYPES: dict[str, MessageType] = {
    "text": MessageType(_read_text),
    "image": MessageType(_media_reader("image", "image")),
    "video": MessageType(_media_reader("video", "video")),
    "audio": MessageType(_media_reader("audio", "audio")),
    "voice": MessageType(_media_reader("voice", "audio")),
    "document": MessageType(_media_reader("document", "document")),
    "sticker": MessageType(_media_reader("sticker", "sticker")),
    "location": MessageType(_read_location),
    "contacts": MessageType(_read_contacts),
    "button": MessageType(_read_template_button),
    "order": MessageType(_read_order),
    "reaction": MessageType(_read_reaction, is_conversational=False, opens_window=False),
    "system": NO_MESSAGE,
    "edit": NO_MESSAGE,
    "revoke": NO_MESSAGE,
    "request_welcome": NO_MESSAGE,
    "unknown": UNSUPPORTED,
}
INTERACTIVE: dict[str, MessageType] = {
    "button_reply": MessageType(_option_reader("button_reply")),
    "list_reply": MessageType(_option_reader("list_reply")),
    "nfm_reply": MessageType(_read_form),
    "call_permission_reply": NO_MESSAGE,
}

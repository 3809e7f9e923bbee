"""A customer's message as the engine sees it, and what the root `reply` shows of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.values import as_json

TYPED = frozenset({"text", "tap"})
MEDIA_TYPES = frozenset({"image", "audio", "video", "document", "sticker"})
REPLY_KEYS = ("type", "text", "id", "title", "value", "raw", "media", "at")
NO_REPLY: Mapping[str, Any] = dict.fromkeys(REPLY_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """One message of a customer.

    Shapes: `type` is text, tap, image, audio, video, document, sticker, location, contact, order, form,
    reaction or other; `text` is a text's body, a medium's caption, a tap's title; `at` is ISO 8601 in UTC.
    """

    type: str
    text: str | None = None
    id: str | None = None
    title: str | None = None
    media: Mapping[str, Any] | None = None
    location: Mapping[str, Any] | None = None
    contacts: list[Any] | None = None
    order: Mapping[str, Any] | None = None
    form: Mapping[str, Any] | None = None
    referral: Mapping[str, Any] | None = None
    at: str

    def to_json(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in given.items() if value is not None}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "IncomingMessage":
        return cls(**record)


def plain_value(message: IncomingMessage) -> Any:
    """Return what a wait of any kind saves of a message."""
    if message.type in MEDIA_TYPES:
        return as_json(message.media)
    if message.type == "contact":
        return as_json(message.contacts[0]) if message.contacts else None
    by_type = {"location": message.location, "order": message.order, "form": message.form}
    return as_json(by_type[message.type]) if message.type in by_type else message.text


def as_reply(
    message: IncomingMessage, value: Any, *, option_id: str | None = None, title: str | None = None
) -> dict[str, Any]:
    """Return the root `reply` after a message whose saved value is `value`."""
    return {
        "type": message.type,
        "text": message.text,
        "id": message.id if option_id is None else option_id,
        "title": message.title if title is None else title,
        "value": value,
        "raw": message.text,
        "media": as_json(message.media),
        "at": message.at,
    }

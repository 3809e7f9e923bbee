"""The customer's side: what a person does on the phone becomes a message of theirs and a webhook to the business.

`say` takes one saying, an object with exactly one of these keys: text, tap, image, video, audio, document, sticker,
location, contacts, reaction, message (Meta's own object, taken as it stands); and `context`, the wamid it answers.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from simulator import clock, customers, delivery, numbers
from simulator.behaviour import copies
from simulator.ledger import MEDIA, meta_of, react
from simulator.media import webhook_part
from simulator.models import (
    SimulatedChat,
    SimulatedCustomer,
    SimulatedMedia,
    SimulatedMessage,
    SimulatedNumber,
    SimulatedWebhook,
)
from simulator.payloads import message_value, new_wamid

Json = Mapping[str, Any]
TEXT_MOST = 4096
# Types after which Meta opens no service window.
SILENT = ("reaction", "system", "edit", "revoke", "request_welcome")


class SayingFault(ValueError):
    """A customer cannot say this; the text tells what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Something that can be tapped in a message of the business, and how the tap is told."""

    id: str
    title: str
    kind: str
    description: str = ""


def say(number: SimulatedNumber, customer: SimulatedCustomer, saying: Json) -> SimulatedMessage:
    """Raises: SayingFault."""
    context = str(saying.get("context") or "")
    kind, value = _only(saying)
    with transaction.atomic():
        part, answered = SAYINGS[kind](number, customer, value, context)
        return _post(number, customer, part, answered)


def _only(saying: Json) -> tuple[str, Any]:
    given = [key for key in SAYINGS if key in saying]
    unknown = [key for key in saying if key not in SAYINGS and key not in ("context", "from", "number")]
    if unknown or len(given) != 1:
        raise SayingFault(
            f"expected exactly one of {', '.join(SAYINGS)}, got {', '.join([*given, *unknown]) or 'none'}"
        )
    return given[0], saying[given[0]]


def _post(number: SimulatedNumber, customer: SimulatedCustomer, part: Json, context: str) -> SimulatedMessage:
    now = clock.now()
    wamid = str(part.get("id") or new_wamid(customer.wa_id or customer.user_id))
    if SimulatedMessage.objects.filter(wamid=wamid).exists():
        raise SayingFault(f"message: the id {wamid} is taken")
    body = {"id": wamid, "timestamp": str(int(now.timestamp())), **part}
    if context:
        body["context"] = {
            "from": meta_of(number)["display_phone_number"],
            "id": context,
            **part.get("context", {}),
        }
    message = SimulatedMessage.objects.create(
        number=number,
        customer=customer,
        direction=SimulatedMessage.Direction.FROM_CUSTOMER,
        wamid=wamid,
        type=str(body.get("type", "unknown"))[:32],
        body=body,
        context_wamid=context,
        status="sent",
        at=now,
    )
    if message.type not in SILENT:
        chat = customers.chat_of(number, customer)
        SimulatedChat.objects.filter(pk=chat.pk).update(last_inbound_at=now)
    _tell(message, customer, body)
    return message


def _tell(message: SimulatedMessage, customer: SimulatedCustomer, body: Json) -> None:
    number = message.number
    value = message_value(meta=meta_of(number), person=customers.person(customer), message=body)
    now = timezone.now()
    delivery.enqueue(
        [
            SimulatedWebhook(
                number=number, message=message, value=value, due_at=now + timedelta(milliseconds=late)
            )
            for late in copies(numbers.behaviour(number), random.Random())  # noqa: S311 - delays, not secrets
        ]
    )


# --- sayings: each returns Meta's message object without id and timestamp, and the wamid it answers --------


def _text(
    _number: SimulatedNumber, _customer: SimulatedCustomer, value: Any, context: str
) -> tuple[Json, str]:
    text = value.get("body") if isinstance(value, Mapping) else value
    if not isinstance(text, str) or not 1 <= len(text) <= TEXT_MOST:
        raise SayingFault(f"text: expected 1 to {TEXT_MOST} characters")
    return {"type": "text", "text": {"body": text}}, context


def _tap(number: SimulatedNumber, customer: SimulatedCustomer, value: Any, context: str) -> tuple[Json, str]:
    wanted = value.get("id") if isinstance(value, Mapping) else value
    offered = _last_with_options(number, customer, context)
    if offered is None:
        raise SayingFault("tap: no message with buttons or a list has come to this customer")
    choices = options(offered)
    for choice in choices:
        if wanted in (choice.id, choice.title):
            return _tapped(choice), offered.wamid or ""
    raise SayingFault(f"tap: expected one of {', '.join(choice.id for choice in choices)}, got {wanted!r}")


def _tapped(choice: Option) -> Json:
    if choice.kind == "button":
        return {"type": "button", "button": {"payload": choice.id, "text": choice.title}}
    reply = {"id": choice.id, "title": choice.title}
    if choice.description:
        reply["description"] = choice.description
    return {"type": "interactive", "interactive": {"type": choice.kind, choice.kind: reply}}


def _last_with_options(
    number: SimulatedNumber, customer: SimulatedCustomer, context: str
) -> SimulatedMessage | None:
    come = SimulatedMessage.objects.filter(
        number=number,
        customer=customer,
        direction=SimulatedMessage.Direction.FROM_BUSINESS,
        type__in=("interactive", "template"),
    ).exclude(status__in=("refused", "failed"))
    if context:
        come = come.filter(wamid=context)
    return next((message for message in come.order_by("-pk")[:50] if options(message)), None)


def options(message: SimulatedMessage) -> list[Option]:
    """Return what can be tapped in a message of the business, in order."""
    if message.type == "template":
        components = message.body["template"].get("components", [])
        return [option for component in components if (option := _quick_reply(component))]
    if message.type != "interactive":
        return []
    interactive = message.body["interactive"]
    action = interactive.get("action", {})
    if interactive["type"] == "button":
        replies = [button["reply"] for button in action["buttons"]]
        return [Option(id=reply["id"], title=reply["title"], kind="button_reply") for reply in replies]
    if interactive["type"] == "list":
        rows = [row for section in action["sections"] for row in section["rows"]]
        return [_row_option(row) for row in rows]
    return []


def _row_option(row: Json) -> Option:
    return Option(
        id=row["id"], title=row["title"], kind="list_reply", description=row.get("description") or ""
    )


def _quick_reply(component: Json) -> Option | None:
    if (
        component.get("type", "").lower() != "button"
        or component.get("sub_type", "").lower() != "quick_reply"
    ):
        return None
    parameters = component.get("parameters") or [{}]
    payload = str(parameters[0].get("payload") or f"button {component.get('index')}")
    return Option(id=payload, title=payload, kind="button")


def _media(
    kind: str,
) -> Callable[[SimulatedNumber, SimulatedCustomer, Any, str], tuple[Json, str]]:
    def build(
        number: SimulatedNumber, _customer: SimulatedCustomer, value: Any, context: str
    ) -> tuple[Json, str]:
        given = value if isinstance(value, Mapping) else {"id": value}
        media = SimulatedMedia.objects.filter(number=number, media_id=str(given.get("id"))).first()
        if media is None:
            raise SayingFault(f"{kind}: no media {given.get('id')!r} was uploaded for this number")
        part = {**webhook_part(media), **_media_extras(kind, given, media)}
        return {"type": kind, kind: part}, context

    return build


def _media_extras(kind: str, given: Json, media: SimulatedMedia) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if given.get("caption") and kind in ("image", "video", "document"):
        extras["caption"] = str(given["caption"])[:1024]
    if kind == "document":
        extras["filename"] = str(given.get("filename") or media.filename or "file")
    if kind == "audio":
        extras["voice"] = bool(given.get("voice", False))
    if kind == "sticker":
        extras["animated"] = bool(given.get("animated", False))
    return extras


def _location(
    _number: SimulatedNumber, _customer: SimulatedCustomer, value: Any, context: str
) -> tuple[Json, str]:
    try:
        place = {"latitude": float(value["latitude"]), "longitude": float(value["longitude"])}
    except (TypeError, KeyError, ValueError):
        raise SayingFault("location: expected latitude and longitude as numbers") from None
    named = {key: str(value[key]) for key in ("name", "address") if value.get(key)}
    return {"type": "location", "location": {**place, **named}}, context


def _contacts(
    _number: SimulatedNumber, _customer: SimulatedCustomer, value: Any, context: str
) -> tuple[Json, str]:
    if not isinstance(value, list) or not value:
        raise SayingFault("contacts: expected a list of contact cards")
    return {"type": "contacts", "contacts": value}, context


def _reaction(
    number: SimulatedNumber, _customer: SimulatedCustomer, value: Any, _context: str
) -> tuple[Json, str]:
    if not isinstance(value, Mapping) or not isinstance(value.get("message_id"), str):
        raise SayingFault("reaction: expected message_id and emoji")
    react(number, value, by="customer")
    emoji = {"emoji": value["emoji"]} if value.get("emoji") else {}
    return {"type": "reaction", "reaction": {"message_id": value["message_id"], **emoji}}, ""


def _message(
    _number: SimulatedNumber, _customer: SimulatedCustomer, value: Any, context: str
) -> tuple[Json, str]:
    if not isinstance(value, Mapping):
        raise SayingFault("message: expected a message object as Meta's webhook carries it")
    return value, context


SAYINGS: dict[str, Callable[[SimulatedNumber, SimulatedCustomer, Any, str], tuple[Json, str]]] = {
    "text": _text,
    "tap": _tap,
    **{kind: _media(kind) for kind in MEDIA},
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "message": _message,
}

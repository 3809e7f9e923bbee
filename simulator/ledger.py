"""The business's side: a POST to `/messages` becomes a row of the ledger and its statuses to come, in one commit."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from simulator import clock, customers, delivery, faults, numbers
from simulator.behaviour import Behaviour, PlannedStatus, copies, plan_statuses
from simulator.models import (
    SimulatedChat,
    SimulatedCustomer,
    SimulatedFault,
    SimulatedMedia,
    SimulatedMessage,
    SimulatedNumber,
    SimulatedWebhook,
)
from simulator.payloads import metadata, new_wamid, status_value
from simulator.refusals import Refusal, bad_parameter, bad_value
from simulator.validation import check_message, recipient_of

Json = Mapping[str, Any]
SERVICE_WINDOW = timedelta(hours=24)
MEDIA = ("image", "video", "audio", "document", "sticker")
TYPING_LASTS = timedelta(seconds=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a POST: the JSON and HTTP status of Meta's answer, and the fault that spoils the answer."""

    http: int
    body: dict[str, Any]
    message: SimulatedMessage | None = None
    fault: SimulatedFault | None = None


def post_message(number: SimulatedNumber, body: Any) -> Taken:
    """Judge and record one POST; everything is committed when this returns."""
    fault = None
    try:
        check_message(body)
        if "status" in body:
            return _receipt(number, body)
        fault = _strike(number, body)
        if fault and fault.kind == "refuse":
            raise Refusal(code=fault.code or 1)
        if fault and not fault.accepts:
            return Taken(
                http=200, body={}, fault=fault, message=_record_refusal(number, body, None, fault.kind)
            )
        with transaction.atomic():
            message = _accept(number, body, fault)
    except Refusal as refusal:
        _record_refusal(number, body, refusal, fault.kind if fault else "")
        return Taken(http=refusal.status, body=refusal.body())
    return Taken(http=200, body=_answer(body, message), message=message, fault=fault)


def _strike(number: SimulatedNumber, body: Json) -> SimulatedFault | None:
    return faults.strike(number, to=recipient_of(body)[1], message_type=message_type(body))


def message_type(body: Json) -> str:
    return str(body.get("type", "text")).lower()


def _answer(body: Json, message: SimulatedMessage) -> dict[str, Any]:
    kind, value = recipient_of(body)
    known = {"wa_id": value} if kind == "phone" else {"user_id": value}
    entry = {"id": message.wamid}
    if message.type == "template":
        entry["message_status"] = "accepted"
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": str(body.get("to") or body.get("recipient")), **known}],
        "messages": [entry],
    }


# --- accepting --------------------------------------------------------------------------------------------


def _accept(number: SimulatedNumber, body: Json, fault: SimulatedFault | None) -> SimulatedMessage:
    behaviour = numbers.behaviour(number)
    customer = customers.create(who=recipient_of(body)[1])
    chat = customers.chat_of(number, customer)
    _check_media(number, body)
    _check_pace(number, customer, behaviour)
    code = fault.code if fault and fault.kind == "fail" else _fails_with(number, chat, body, behaviour)
    message = SimulatedMessage.objects.create(
        number=number,
        customer=customer,
        direction=SimulatedMessage.Direction.FROM_BUSINESS,
        wamid=new_wamid(customer.wa_id or customer.user_id),
        type=message_type(body),
        body=body,
        token=body.get("biz_opaque_callback_data") or "",
        context_wamid=(body.get("context") or {}).get("message_id", ""),
        status="accepted",
        answer=fault.kind if fault else "200",
        at=clock.now(),
    )
    SimulatedChat.objects.filter(pk=chat.pk).update(typing_until=None)
    if message.type == "reaction" and code is None:
        react(number, body["reaction"], by="business")
    if not fault or fault.kind != "silent":
        _plan(message, customers.person(customer), behaviour, code)
    return message


def _check_media(number: SimulatedNumber, body: Json) -> None:
    kind = message_type(body)
    media = body.get(kind)
    media_id = media.get("id") if isinstance(media, Mapping) else None
    if kind not in MEDIA or not media_id:
        return
    if not SimulatedMedia.objects.filter(number=number, media_id=media_id).exists():
        raise bad_parameter(
            f"Param {kind}['id'] is not a valid whatsapp business account media attachment ID"
        )


def _check_pace(number: SimulatedNumber, customer: SimulatedCustomer, behaviour: Behaviour) -> None:
    sent = SimulatedMessage.objects.filter(number=number).exclude(status="refused")
    limit = behaviour.throughput_per_second
    if limit and sent.filter(at__gt=clock.now() - timedelta(seconds=1)).count() >= limit:
        raise Refusal(code=130429, details="Message failed to send because there were too many messages sent")
    limit = behaviour.pair_per_6_seconds
    pair = sent.filter(customer=customer, direction=SimulatedMessage.Direction.FROM_BUSINESS)
    if limit and pair.filter(at__gt=clock.now() - timedelta(seconds=6)).count() >= limit:
        raise Refusal(code=131056, details="Too many messages sent to the same user in a short time")


def _fails_with(number: SimulatedNumber, chat: SimulatedChat, body: Json, behaviour: Behaviour) -> int | None:
    """Return the code that an accepted message will fail with, as Meta tells most such things only by a status."""
    if not chat.customer.on_whatsapp:
        return 131026
    if chat.customer.wa_id and chat.customer.wa_id == "".join(
        c for c in number.display_phone_number if c.isdigit()
    ):
        raise Refusal(code=131021)
    if message_type(body) == "reaction" and not _reaction_target(number, body["reaction"]):
        return 131009
    if behaviour.window != "off" and message_type(body) != "template" and not _window_open(chat):
        if behaviour.window == "answer":
            raise Refusal(
                code=131047, details="More than 24 hours have passed since the customer last replied"
            )
        return 131047
    return None


def _window_open(chat: SimulatedChat) -> bool:
    return chat.last_inbound_at is not None and clock.now() - chat.last_inbound_at < SERVICE_WINDOW


def _reaction_target(number: SimulatedNumber, reaction: Json) -> SimulatedMessage | None:
    target = SimulatedMessage.objects.filter(number=number, wamid=reaction["message_id"])
    return target.exclude(type="reaction").first()


def react(number: SimulatedNumber, reaction: Json, *, by: str) -> None:
    """Put the emoji on its message; an empty one takes it away."""
    target = _reaction_target(number, reaction)
    if target is None:
        return
    reactions = {who: emoji for who, emoji in target.reactions.items() if who != by}
    emoji = reaction.get("emoji") or ""
    target.reactions = {**reactions, by: emoji} if emoji else reactions
    target.changed_at = timezone.now()
    target.save(update_fields=["reactions", "changed_at"])


def _record_refusal(
    number: SimulatedNumber, body: Any, refusal: Refusal | None, answer: str
) -> SimulatedMessage | None:
    """Keep the refused POST in the ledger, under the customer if one can be made out."""
    if not isinstance(body, Mapping):
        return None
    try:
        customer = customers.find(recipient_of(body)[1])
    except KeyError:
        customer = None
    return SimulatedMessage.objects.create(
        number=number,
        customer=customer,
        direction=SimulatedMessage.Direction.FROM_BUSINESS,
        type=message_type(body)[:32],
        body=body,
        token=str(body.get("biz_opaque_callback_data") or "")[:512],
        status="refused",
        error=refusal.body()["error"] if refusal else None,
        answer=answer or (str(refusal.status) if refusal else ""),
        at=clock.now(),
    )


# --- statuses ---------------------------------------------------------------------------------------------


def _plan(message: SimulatedMessage, person: Json, behaviour: Behaviour, code: int | None) -> None:
    dice = random.Random()  # noqa: S311 - delays, not secrets
    planned = plan_statuses(behaviour, message_type=message.type, fails_with=code, dice=dice)
    start = timezone.now()
    ahead = timedelta(seconds=clock.ahead_seconds())
    delivery.enqueue(
        [
            _status_webhook(
                message,
                person,
                status,
                behaviour,
                start + timedelta(milliseconds=status.after_ms + extra),
                ahead,
            )
            for status in planned
            for extra in copies(behaviour, dice)
        ]
    )


def _status_webhook(
    message: SimulatedMessage,
    person: Json,
    planned: PlannedStatus,
    behaviour: Behaviour,
    due_at: datetime,
    ahead: timedelta,
) -> SimulatedWebhook:
    value = status_value(
        meta=meta_of(message.number),
        person=dict(person),
        wamid=message.wamid or "",
        status=planned.status,
        timestamp=int((due_at + ahead).timestamp()),
        token=message.token,
        category=_category(message),
        code=planned.code,
        contacts_in_failed=behaviour.contacts_in_failed,
        conversation=behaviour.conversation,
    )
    return SimulatedWebhook(
        number=message.number, message=message, value=value, status=planned.status, due_at=due_at
    )


def meta_of(number: SimulatedNumber) -> dict[str, Any]:
    return metadata(phone_number_id=number.phone_number_id, display_phone_number=number.display_phone_number)


def _category(message: SimulatedMessage) -> str:
    return "marketing" if message.type == "template" else "service"


# --- read receipts and typing -----------------------------------------------------------------------------


def _receipt(number: SimulatedNumber, body: Json) -> Taken:
    """Mark the customer's message and the earlier ones read; with a typing indicator show it for 25 s."""
    message = SimulatedMessage.objects.filter(
        number=number, wamid=body["message_id"], direction=SimulatedMessage.Direction.FROM_CUSTOMER
    ).first()
    if message is None:
        refusal = bad_value("Message ID is invalid: no such message from a customer of this number")
        return Taken(http=refusal.status, body=refusal.body())
    SimulatedMessage.objects.filter(
        number=number,
        customer_id=message.customer_id,
        direction=SimulatedMessage.Direction.FROM_CUSTOMER,
        pk__lte=message.pk,
        status__in=("sent", "delivered"),
    ).update(status="read", changed_at=timezone.now())
    if body.get("typing_indicator"):
        SimulatedChat.objects.filter(number=number, customer_id=message.customer_id).update(
            typing_until=timezone.now() + TYPING_LASTS
        )
    return Taken(http=200, body={"success": True})

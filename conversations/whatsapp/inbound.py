"""A webhook body split into messages, statuses, identity changes and other values, in Meta's order.

Nothing is dropped and nothing raises: what cannot be split comes back as a fault with its place.
"""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from conversations.whatsapp.body import BadBody, clean, load
from conversations.whatsapp.envelope import Change, Found, changes, read_each
from conversations.whatsapp.identity import NOBODY, read_sender
from conversations.whatsapp.incoming import read_content
from conversations.whatsapp.received import (
    MAX_WAMID,
    Fault,
    Inbound,
    InboundMessage,
    InboundOther,
    InboundStatus,
    NumberChange,
    Parsed,
    Sender,
)
from conversations.whatsapp.values import read_error, read_moment, read_object, read_string

__all__ = [
    "BadBody",
    "Fault",
    "Inbound",
    "InboundMessage",
    "InboundOther",
    "InboundStatus",
    "NumberChange",
    "Parsed",
    "Sender",
    "load",
    "parse",
]

Json = dict[str, Any]
MAX_TOKEN = 512
MAX_TYPE = 64
MAX_GROUP_ID = 255

_STATUS = re.compile(r"[\w-]{1,32}", re.ASCII)
_SENDER_KEYS = ("from", "from_user_id", "from_parent_user_id")
_RECIPIENT_KEYS = (
    "recipient_id",
    "recipient_user_id",
    "recipient_parent_user_id",
    "parent_recipient_user_id",
)
_PARTICIPANT_KEYS = (
    "recipient_participant_id",
    "recipient_participant_user_id",
    "recipient_participant_parent_user_id",
)
_CONTACT_KEYS = ("wa_id", "user_id", "parent_user_id")
_NEW_ID_KEYS = ("wa_id", "new_wa_id", "user_id", "parent_user_id")
_CHANGES_OF_NUMBER = frozenset({"user_changed_number", "customer_changed_number", "user_changed_user_id"})


def parse(body: Any) -> Parsed:
    """Split any JSON value. Source: Meta's webhook reference (read 2026-11)."""
    found = Found()
    for change in changes(body, found):
        reader, kind = FIELDS.get(change.field, (_read_whole, "unknown"))
        reader(change, kind, found)
    return Parsed(items=tuple(found.items), faults=tuple(found.faults))


def _read_messages_field(change: Change, kind: str, found: Found) -> None:
    value = change.value
    before = len(found.items) + len(found.faults)
    if "messages" in value:
        read_each(change, "messages", _message, found)
    if "statuses" in value:
        read_each(change, "statuses", _status, found)
    if value.get("errors"):
        _read_whole(change._replace(value={"errors": value["errors"]}), "errors", found)
    if len(found.items) + len(found.faults) == before:
        _read_whole(change, kind, found)


def _message(change: Change, message: Json, replaced: bool) -> InboundMessage | NumberChange:
    wamid = _wamid(message)
    if message.get("type") == "system" and (moved := _system_change(change, message, wamid)):
        return moved
    sender = read_sender(message, _SENDER_KEYS, change.cards)
    if not sender.is_known and message.get("type") == "system":
        sender = read_sender(read_object(message, "system") or {}, _NEW_ID_KEYS)
    if not sender.is_known:
        raise BadBody("expected a sender: a phone of 6 to 20 digits or a BSUID")
    group_id = _group_id(message, "group_id")
    content = read_content(message)
    return InboundMessage(
        phone_number_id=change.phone_number_id or "",
        waba_id=change.waba_id,
        display_phone_number=change.display_phone_number,
        wamid=wamid,
        sender=sender,
        type=(read_string(message, "type") or "unknown")[:MAX_TYPE],
        sent_at=read_moment(message.get("timestamp")),
        message=content.message,
        context_wamid=content.context_wamid,
        # A group is nobody's conversation with us: kept and shown, never answered by a flow.
        opens_window=content.opens_window and group_id is None,
        is_conversational=content.is_conversational and group_id is None,
        group_id=group_id,
        error_code=read_error(message)[0],
        flags=(*content.flags, "text_replaced") if replaced else content.flags,
        raw=message,
    )


def _system_change(change: Change, message: Json, wamid: str) -> NumberChange | None:
    system = read_object(message, "system")
    if system is None or read_string(system, "type") not in _CHANGES_OF_NUMBER:
        return None
    old = read_sender(message, _SENDER_KEYS)
    if not old.is_known:
        old = read_sender(system, ("customer",))
    new = read_sender(system, _NEW_ID_KEYS)
    if not (old.is_known and new.is_known) or old == new:
        return None
    return NumberChange(
        phone_number_id=change.phone_number_id,
        waba_id=change.waba_id,
        wamid=wamid,
        old=old,
        new=new,
        at=read_moment(message.get("timestamp")),
        dedup_key=f"message:{change.phone_number_id}:{wamid}",
        raw=message,
    )


def _status(change: Change, status: Json, replaced: bool) -> InboundStatus:  # noqa: ARG001  # a reader's shape
    name = status.get("status")
    if not isinstance(name, str) or not _STATUS.fullmatch(name):
        raise BadBody("expected a status")
    code, title, details = read_error(status)
    is_group = status.get("recipient_type") == "group"
    token = read_string(status, "biz_opaque_callback_data")
    participant = read_sender(status, _PARTICIPANT_KEYS)
    return InboundStatus(
        phone_number_id=change.phone_number_id or "",
        waba_id=change.waba_id,
        wamid=_wamid(status),
        status=name,
        participant=participant.phone or participant.bsuid or participant.parent_bsuid or "",
        at=read_moment(status.get("timestamp")),
        token=token if token and len(token) <= MAX_TOKEN else None,
        recipient=NOBODY if is_group else read_sender(status, _RECIPIENT_KEYS, change.cards),
        group_id=_group_id(status, "recipient_id") if is_group else None,
        error_code=code,
        error_title=title,
        error_details=details,
        pricing=read_object(status, "pricing"),
        conversation=read_object(status, "conversation"),
        raw=status,
    )


def _user_id_change(change: Change, update: Json, replaced: bool) -> NumberChange:  # noqa: ARG001
    old, new = _pairs(update, "previous"), _pairs(update, "current")
    if not (old.is_known and new.is_known) or old == new:
        raise BadBody("expected the previous and the current user id")
    return NumberChange(
        phone_number_id=change.phone_number_id,
        waba_id=change.waba_id,
        wamid=None,
        old=old,
        new=new,
        at=read_moment(update.get("timestamp")),
        dedup_key=_digest(change, update),
        raw=update,
    )


def _pairs(update: Json, which: str) -> Sender:
    """Read the ids before or after; a number that stands alone is the one in use now."""
    ids = {key: pair.get(which) for key in _CONTACT_KEYS if isinstance(pair := update.get(key), dict)}
    if which == "current" and isinstance(update.get("wa_id"), str):
        ids["wa_id"] = update["wa_id"]
    return read_sender(ids, _CONTACT_KEYS)


def _read_user_ids(change: Change, kind: str, found: Found) -> None:
    if change.value.get("user_id_update"):
        read_each(change, "user_id_update", _user_id_change, found)
    else:
        _read_whole(change, kind, found)


def _read_whole(change: Change, kind: str, found: Found) -> None:
    try:
        value, _ = clean(change.value)
        found.items.append(_other(change, kind, value))
    except BadBody as bad:
        found.fault(change.place, bad.reason)


def _parts_reader(key: str, customer_keys: tuple[str, ...]) -> Callable[[Change, str, Found], None]:
    def read(change: Change, kind: str, found: Found) -> None:
        if not change.value.get(key):
            return _read_whole(change, kind, found)

        def part(change: Change, value: Json, replaced: bool) -> InboundOther:  # noqa: ARG001
            return _other(change, kind, value, read_sender(value, customer_keys, change.cards))

        return read_each(change, key, part, found)

    return read


def _other(change: Change, kind: str, value: Json, customer: Sender = NOBODY) -> InboundOther:
    is_users_call = value.get("direction") == "USER_INITIATED" and value.get("event") == "connect"
    return InboundOther(
        field=change.field,
        waba_id=change.waba_id,
        phone_number_id=change.phone_number_id,
        kind=kind,
        customer=customer if customer.is_known else None,
        opens_window=kind == "call" and is_users_call and customer.is_known,
        at=read_moment(value.get("timestamp")) or read_moment(change.time),
        value=value,
        dedup_key=_digest(change, value),
    )


def _digest(change: Change, value: Json) -> str:
    """Name a value that has no id of its own: the same one redelivered has the same name."""
    whole = [change.field, change.waba_id, change.phone_number_id, change.time, value]
    try:
        canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    except (RecursionError, ValueError):
        raise BadBody("an entry time that is not JSON") from None
    return hashlib.sha256(canonical.encode()).hexdigest()


def _group_id(owner: Json, key: str) -> str | None:
    group_id = read_string(owner, key)
    return group_id[:MAX_GROUP_ID] if group_id else None


def _wamid(owner: Json) -> str:
    wamid = owner.get("id")
    if not isinstance(wamid, str) or not wamid or len(wamid) > MAX_WAMID:
        raise BadBody(f"expected an id of 1 to {MAX_WAMID} characters")
    return wamid


# field -> (reader, kind)
FIELDS: dict[str, tuple[Callable[[Change, str, Found], None], str]] = {
    "messages": (_read_messages_field, "empty"),
    "user_id_update": (_read_user_ids, "user_id"),
    "user_preferences": (_parts_reader("user_preferences", _CONTACT_KEYS), "preference"),
    "smb_message_echoes": (
        _parts_reader("message_echoes", ("to", "to_user_id", "to_parent_user_id")),
        "echo",
    ),
    "calls": (_parts_reader("calls", _SENDER_KEYS), "call"),
    "history": (_read_whole, "history"),
    "smb_app_state_sync": (_read_whole, "address_book"),
    "message_template_status_update": (_read_whole, "template_status"),
    "message_template_quality_update": (_read_whole, "template_quality"),
    "message_template_components_update": (_read_whole, "template_components"),
    "template_category_update": (_read_whole, "template_category"),
    "phone_number_quality_update": (_read_whole, "number_quality"),
    "phone_number_name_update": (_read_whole, "number_name"),
    "business_capability_update": (_read_whole, "capability"),
    "account_update": (_read_whole, "account"),
    "account_review_update": (_read_whole, "account"),
    "account_alerts": (_read_whole, "account"),
    "security": (_read_whole, "security"),
}

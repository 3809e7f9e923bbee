"""Who a payload speaks of: phone numbers and business-scoped user ids (BSUIDs), told apart and checked.

Meta prints a BSUID where a phone is documented, an empty string where nothing is known, or neither.
"""

import re
from typing import Any

from conversations.whatsapp.body import clean_text
from conversations.whatsapp.received import Sender

Json = dict[str, Any]

_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}", re.ASCII)
_CARD_KEYS = ("wa_id", "user_id", "parent_user_id")
MAX_NAME = 255

NOBODY = Sender()

Ids = tuple[str | None, str | None, str | None]  # phone, BSUID, parent BSUID


def is_phone(value: str) -> bool:
    return 6 <= len(value) <= 20 and value.isascii() and value.isdigit()


def is_bsuid(value: str) -> bool:
    return _BSUID.fullmatch(value) is not None


def read_sender(owner: Json, keys: tuple[str, ...], contacts: Any = None) -> Sender:
    """Collect the ids that `owner` prints under these keys, and what contacts[] adds about the person."""
    ids = _ids(owner, keys)
    card, more = _card_of(ids, contacts) if contacts else ({}, ids)
    profile = card.get("profile")
    names = profile if isinstance(profile, dict) else {}
    return Sender(
        phone=ids[0] or more[0],
        bsuid=ids[1] or more[1],
        parent_bsuid=ids[2] or more[2],
        username=_name(names.get("username") or card.get("username")),
        profile_name=_name(names.get("name")),
    )


def _ids(owner: Json, keys: tuple[str, ...]) -> Ids:
    """Sort values by their form, whatever their key; what has neither form is as good as absent."""
    phone = bsuid = parent = None
    for key in keys:
        value = owner.get(key)
        if not isinstance(value, str) or not value:
            continue
        if is_phone(value):
            phone = phone or value
        elif match := _BSUID.fullmatch(value):
            if match[1]:
                parent = parent or value
            else:
                bsuid = bsuid or value
    return phone, bsuid, parent


def _card_of(ids: Ids, contacts: Any) -> tuple[Json, Ids]:
    """Find the contact that shares an id; a lone contact also fits when no id of it says otherwise."""
    cards = [card for card in contacts if isinstance(card, dict)] if isinstance(contacts, list) else []
    for card in cards:
        theirs = _ids(card, _CARD_KEYS)
        if _agree(ids, theirs) or (len(cards) == 1 and not _differ(ids, theirs)):
            return card, theirs
    return {}, ids


def _agree(ours: Ids, theirs: Ids) -> bool:
    return any(one is not None and one == other for one, other in zip(ours, theirs, strict=True))


def _differ(ours: Ids, theirs: Ids) -> bool:
    return any(one and other and one != other for one, other in zip(ours, theirs, strict=True))


def _name(value: Any) -> str | None:
    return clean_text(value)[:MAX_NAME] if isinstance(value, str) and value else None

"""Who a payload speaks of: phone numbers and business-scoped user ids (BSUIDs), told apart and checked.

Meta prints a BSUID where a phone is documented, an empty string where nothing is known, or neither.
"""

import re
from typing import Any, NamedTuple

from conversations.whatsapp.body import clean_text
from conversations.whatsapp.received import Sender

Json = dict[str, Any]

_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}", re.ASCII)
_CARD_KEYS = ("wa_id", "user_id", "parent_user_id")
MAX_NAME = 255

NOBODY = Sender()

Ids = tuple[str | None, str | None, str | None]  # phone, BSUID, parent BSUID
Card = tuple[Json, Ids]


class Cards(NamedTuple):
    """The contacts[] of one value."""

    by_id: dict[str, Card]
    lone: Card | None


def is_phone(value: str) -> bool:
    return 6 <= len(value) <= 20 and value.isascii() and value.isdigit()


def is_bsuid(value: str) -> bool:
    return _BSUID.fullmatch(value) is not None


def read_cards(contacts: Any) -> Cards | None:
    """Index contacts[] by every id in it, once for all the messages and statuses beside it."""
    if not isinstance(contacts, list):
        return None
    cards = [(card, _ids(card, _CARD_KEYS)) for card in contacts if isinstance(card, dict)]
    by_id: dict[str, Card] = {}
    for card in cards:
        for one in card[1]:
            if one is not None:
                by_id.setdefault(one, card)
    return Cards(by_id=by_id, lone=cards[0] if len(cards) == 1 else None) if cards else None


def read_sender(owner: Json, keys: tuple[str, ...], cards: Cards | None = None) -> Sender:
    """Collect the ids that `owner` prints under these keys, and what contacts[] adds about the person."""
    ids = _ids(owner, keys)
    card, more = _card_of(ids, cards) if cards is not None else ({}, ids)
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


def _card_of(ids: Ids, cards: Cards) -> Card:
    """Find the contact that shares an id; a lone contact also fits when no id of it says otherwise."""
    for one in ids:
        if one is not None and one in cards.by_id:
            return cards.by_id[one]
    if cards.lone is not None and not _differ(ids, cards.lone[1]):
        return cards.lone
    return {}, ids


def _differ(ours: Ids, theirs: Ids) -> bool:
    return any(one and other and one != other for one, other in zip(ours, theirs, strict=True))


def _name(value: Any) -> str | None:
    return clean_text(value)[:MAX_NAME] if isinstance(value, str) and value else None

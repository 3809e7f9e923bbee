"""The envelope of a webhook body: entry x change x list, walked in order, with a place for every fault."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from conversations.whatsapp.body import BadBody, clean, clean_text
from conversations.whatsapp.identity import Cards, read_cards
from conversations.whatsapp.received import Fault, Inbound
from conversations.whatsapp.values import read_identifier

Json = dict[str, Any]
Place = tuple[str | int, ...]

OBJECT = "whatsapp_business_account"


class Change(NamedTuple):
    """One value of a body with what surrounds it; made for every message, hence no dataclass."""

    place: Place
    field: str
    waba_id: str
    time: Any
    value: Json
    phone_number_id: str | None
    display_phone_number: str
    cards: Cards | None


class Found:
    """Collects what a body holds while it is walked."""

    __slots__ = ("faults", "items")

    def __init__(self) -> None:
        self.items: list[Inbound] = []
        self.faults: list[Fault] = []

    def fault(self, place: Place, reason: str) -> None:
        self.faults.append(Fault(place=_written(place), reason=reason))


def changes(body: Any, found: Found) -> Iterator[Change]:
    for place, entry in _entries(body, found):
        waba_id = read_identifier(entry.get("id")) or ""
        changes = entry.get("changes")
        if not isinstance(changes, list) or not changes:
            found.fault((*place, "changes"), "expected a list of changes")
            continue
        for index, change in enumerate(changes):
            at = (*place, "changes", index)
            try:
                yield _read_change(change, at, waba_id, entry.get("time"))
            except BadBody as bad:
                found.fault(at, bad.reason)


def _entries(body: Any, found: Found) -> Iterator[tuple[Place, Json]]:
    if not isinstance(body, dict):
        return found.fault((), "expected an object")
    if body.get("object", OBJECT) != OBJECT:
        return found.fault(("object",), f"expected {OBJECT}")
    entries = body.get("entry")
    if not isinstance(entries, list) or not entries:
        return found.fault(("entry",), "expected a list of entries")
    for index, entry in enumerate(entries):
        if isinstance(entry, dict):
            yield ("entry", index), entry
        else:
            found.fault(("entry", index), "expected an object")
    return None


def _read_change(change: Any, place: Place, waba_id: str, time: Any) -> Change:
    value = change.get("value") if isinstance(change, dict) else None
    if not isinstance(value, dict):
        raise BadBody("expected an object with an object `value`")
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    display = metadata.get("display_phone_number")
    return Change(
        place=(*place, "value"),
        field=_field(change, value),
        waba_id=waba_id,
        time=time,
        value=value,
        phone_number_id=read_identifier(metadata.get("phone_number_id")),
        display_phone_number=clean_text(display) if isinstance(display, str) else "",
        cards=read_cards(value.get("contacts")),
    )


def _field(change: Json, value: Json) -> str:
    field = change.get("field")
    if isinstance(field, str) and field:
        return clean_text(field)[:64]
    return "messages" if "messages" in value or "statuses" in value else ""


def read_each(change: Change, key: str, read: Callable[[Change, Json, bool], Inbound], found: Found) -> None:
    parts = change.value[key]
    if not isinstance(parts, list):
        return found.fault((*change.place, key), "expected a list")
    if change.phone_number_id is None and parts and key in ("messages", "statuses"):
        return found.fault((*change.place, "metadata"), "expected the phone_number_id")
    for index, part in enumerate(parts):
        try:
            if not isinstance(part, dict):
                raise BadBody("expected an object")
            cleaned, replaced = clean(part)
            found.items.append(read(change, cleaned, replaced))
        except BadBody as bad:
            found.fault((*change.place, key, index), bad.reason)
    return None


def _written(place: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "body"

"""What a trigger lays claim to: the words or taps it takes, and for whom."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.faults import Path
from flows.engine.hours import BadHours, parse_hours
from flows.engine.matching import folded

DAY_MINUTES = 1440
NOTHING_TO_COMPARE = frozenset({"new_contact", "order", "location", "catch_all"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one trigger lays claim to: two claims with one ``key`` and overlapping filters clash."""

    key: tuple[str, str]
    filters: Mapping[str, frozenset[str]]
    path: Path
    shown: str


def triggers_of(document: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Every trigger of a document with its path; a bare text is a keyword."""
    raw = document.get("trigger")
    if isinstance(raw, list):
        yield from ((("trigger", index), entry) for index, entry in enumerate(raw))
    elif raw is not None:
        yield ("trigger",), raw


def claims_of(document: Mapping[str, Any]) -> list[Claim]:
    """The claims of all triggers of a document; a trigger that can take nothing has none."""
    claims = (claim_of(path, trigger) for path, trigger in triggers_of(document))
    return [claim for claim in claims if claim]


def fields_of(trigger: Any) -> Mapping[str, Any]:
    return (
        {"type": "keyword", "text": trigger}
        if isinstance(trigger, str)
        else (trigger if isinstance(trigger, dict) else {})
    )


def claim_of(path: Path, trigger: Any) -> Claim | None:
    fields = fields_of(trigger)
    given = fields.get("type")
    kind = given if isinstance(given, str) else ""
    by_kind: dict[str, Callable[[], tuple[str, str] | None]] = {
        "keyword": lambda: _keyword_key(fields),
        "button": lambda: _named_key("button", fields.get("id")),
        "referral": lambda: ("referral", str(fields.get("source_id", ""))),
        "media": lambda: ("media", str(fields.get("kind", ""))),
    }
    key = (kind, "") if kind in NOTHING_TO_COMPARE else by_kind.get(kind, lambda: None)()
    if key is None:
        return None
    filters = {name: _words(fields.get(name)) for name in ("number", "groups", "not_groups", "hours")}
    text = fields.get("text") or fields.get("id") or fields.get("source_id") or fields.get("kind") or kind
    return Claim(key=key, filters=filters, path=path, shown=f'"{text}"')


def _keyword_key(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    text, match = fields.get("text"), fields.get("match", "exact")
    if not isinstance(text, str) or not folded(text):
        return None
    accents = fields.get("accents", True) is not False
    return str(match), text if match == "regex" else folded(text, accents=accents)


def _named_key(kind: str, value: Any) -> tuple[str, str] | None:
    return (kind, value) if isinstance(value, str) and value else None


def _words(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    return frozenset(word for word in listed if isinstance(word, str))


def overlap(one: Claim, other: Claim) -> bool:
    """Filters come into the order of precedence, so only triggers with the same kinds of filter can clash."""
    if one.key != other.key:
        return False
    for name in ("number", "groups", "not_groups"):
        a, b = one.filters[name], other.filters[name]
        if bool(a) != bool(b) or (a and not a & b):
            return False
    a, b = one.filters["hours"], other.filters["hours"]
    return not a or not b or bool(_minutes(a) & _minutes(b))


def _minutes(hours: frozenset[str]) -> set[int]:
    """The minutes of the week at which hours are open; what cannot be read is never open."""
    week: set[int] = set()
    for entry in hours:
        try:
            days, first, last = parse_hours(entry)
        except BadHours:
            continue
        length = (last - first) % DAY_MINUTES or DAY_MINUTES
        for day in days:
            start = day * DAY_MINUTES + first
            week |= {minute % (7 * DAY_MINUTES) for minute in range(start, start + length)}
    return week

"""Opening hours of triggers: "09:00-18:00", "mon-fri 09:00-18:00", "sat,sun 22:00-02:00"."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENTRY = re.compile(r"(?:([a-z,-]+) )?([0-2]\d):([0-5]\d)-([0-2]\d):([0-5]\d)")


class BadHours(ValueError):
    """Hours that cannot be read."""


def parse_hours(text: str) -> tuple[frozenset[int], int, int]:
    """Read one entry as weekdays (0 is Monday) and the first and last minute of the day.

    Raises: BadHours.
    """
    match = _ENTRY.fullmatch(" ".join(text.lower().split()))
    if match is None:
        raise BadHours(f'expected hours such as "mon-fri 09:00-18:00", got {text!r}')
    first, last = (int(match[number]) * 60 + int(match[number + 1]) for number in (2, 4))
    if max(first, last) > 24 * 60 or first == last:
        raise BadHours(f"expected two different times of one day, got {text!r}")
    return _days(match[1]), first, last


def _days(text: str | None) -> frozenset[int]:
    if not text:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise BadHours(f"expected days such as mon-fri or sat,sun, got {text!r}")
        start, count = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7
        days |= {(start + number) % 7 for number in range(count + 1)}
    return frozenset(days)


def is_open(entries: Sequence[str], now: datetime) -> bool:
    """Say whether local `now` lies in any of the hours; hours that cannot be read are never open."""
    return any(_covers(entry, now) for entry in entries)


def _covers(entry: str, now: datetime) -> bool:
    try:
        days, first, last = parse_hours(entry)
    except BadHours:
        return False
    minute = now.hour * 60 + now.minute
    if first < last:
        return now.weekday() in days and first <= minute < last
    # Hours over midnight belong to the day on which they begin.
    yesterday = (now - timedelta(days=1)).weekday()
    return (now.weekday() in days and minute >= first) or (yesterday in days and minute < last)

"""Dates and times printed by strftime's letters in the language of the flow."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError

_DIRECTIVE = re.compile(r"%([-_0^]?)([A-Za-z%])")
_EPOCH = re.compile(r"\d{9,11}", re.ASCII)
_PLAIN = frozenset("dHIMSfyYmjUWVGuwzZs")
_COMPOUND = {
    "c": "%a %e %b %Y %H:%M:%S",
    "x": "%d/%m/%Y",
    "X": "%H:%M:%S",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "T": "%H:%M:%S",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
}


class NoDate(ValueError):
    """A value that is neither a date nor a time."""


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """Return the locale of a language tag, English where nobody knows it."""
    try:
        return Locale.parse(language.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return Locale("en")


@lru_cache(maxsize=512)
def zone_of(name: Any) -> tzinfo:
    """Return the time zone of that name, UTC where there is none."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, TypeError, LookupError):
        return UTC


def read_moment(value: Any, now: datetime) -> datetime:
    """Read an ISO date, time or date-time, an epoch in seconds, "now" or "today", in the zone of `now`.

    Raises: NoDate.
    """
    text = value.strip() if isinstance(value, str) else value
    if text in ("now", "today"):
        return now
    if isinstance(text, str) and _EPOCH.fullmatch(text):
        text = int(text)
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return _from_epoch(text, now.tzinfo)
    if isinstance(text, str):
        moment = _from_iso(text, now)
        if moment is not None:
            return moment
    raise NoDate(f"expected a date or a time, got {value!r}"[:200])


def _from_epoch(seconds: float, zone: tzinfo | None) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, zone)
    except (OverflowError, ValueError, OSError):
        raise NoDate(f"{seconds} is no date") from None


def _from_iso(text: str, now: datetime) -> datetime | None:
    for read in (_read_date, _read_time):
        moment = read(text, now)
        if moment is not None:
            return moment
    return None


def _read_date(text: str, now: datetime) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(now.tzinfo) if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    except (ValueError, OverflowError):
        return None


def _read_time(text: str, now: datetime) -> datetime | None:
    try:
        return datetime.combine(now.date(), time.fromisoformat(text), now.tzinfo)
    except ValueError:
        return None


def format_moment(moment: datetime, pattern: str, language: str) -> str:
    """Print a moment by strftime's directives; unknown ones stay as they are."""
    locale = locale_of(language)

    def piece(match: re.Match[str]) -> str:
        flag, letter = match[1], match[2]
        if letter in _COMPOUND:
            return format_moment(moment, _COMPOUND[letter], language)
        text = _letter(moment, letter, locale)
        return match[0] if text is None else _flagged(text, flag)

    return _DIRECTIVE.sub(piece, pattern)


def _letter(moment: datetime, letter: str, locale: Locale) -> str | None:
    if letter in _NAMES:
        return _NAMES[letter](moment, locale)
    return moment.strftime("%" + letter) if letter in _PLAIN else None


def _flagged(text: str, flag: str) -> str:
    if flag == "-":
        return text.lstrip("0 ") or "0"
    if flag == "_":
        return text.lstrip("0").rjust(len(text))
    return text.upper() if flag == "^" else text


def _day_name(width: str) -> Callable[[date, Locale], str]:
    return lambda moment, locale: str(locale.days["format"][width][moment.weekday()])


def _month_name(width: str) -> Callable[[date, Locale], str]:
    return lambda moment, locale: str(locale.months["format"][width][moment.month])


def _half_of_day(moment: datetime, locale: Locale) -> str:
    half = "am" if moment.hour < 12 else "pm"
    return str(locale.day_periods["format"]["abbreviated"].get(half, half.upper()))


_NAMES: dict[str, Callable[[datetime, Locale], str]] = {
    "A": _day_name("wide"),
    "a": _day_name("abbreviated"),
    "B": _month_name("wide"),
    "b": _month_name("abbreviated"),
    "h": _month_name("abbreviated"),
    "p": _half_of_day,
    "P": lambda moment, locale: _half_of_day(moment, locale).lower(),
    "e": lambda moment, _: f"{moment.day:2d}",
    "k": lambda moment, _: f"{moment.hour:2d}",
    "l": lambda moment, _: f"{moment.hour % 12 or 12:2d}",
    "n": lambda *_: "\n",
    "t": lambda *_: "\t",
    "%": lambda *_: "%",
}

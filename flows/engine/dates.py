"""Dates, times and moments as people write them, and the bounds that flows set on them."""

import re
import unicodedata
from calendar import monthrange
from datetime import date, datetime, time, timedelta
from typing import Any

import dateparser

from flows.engine.dateformat import NoDate, read_moment

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2})(?:[:.h](\d{2}))?\s*(a\.?m\.?|p\.?m\.?)?", re.IGNORECASE)
_OFFSET = re.compile(r"([+-]?\d{1,4}) (day|week|month|year)s?")
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
_NAMED_OFFSETS = {"today": 0, "tomorrow": 1, "yesterday": -1}
_CLOCK_ONLY = re.compile(r"\d{1,2}[:.]\d{2}(\s*[ap]\.?m\.?)?|\d{1,2}\s*[ap]\.?m\.?", re.IGNORECASE)
_DAY_ONLY = re.compile(r"\d{1,2}", re.ASCII)
_LEADING = re.compile(r"(next|this|coming|on)\s+", re.IGNORECASE)
_MOST_LETTERS = 60
_MONTH_FIRST = frozenset({"US", "PH", "CA"})


def plain_digits(text: str) -> str:
    """Return the text with the digits of any script as 0 to 9."""
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def parse_date(text: str, *, now: datetime, language: str) -> date | None:
    """Read a date in its natural forms; `now` is the contact's local time."""
    text = plain_digits(text.strip())
    if len(text) > _MOST_LETTERS or _CLOCK_ONLY.fullmatch(text):
        return None
    if _ISO_DATE.fullmatch(text):
        return _iso_date(text)
    if _DAY_ONLY.fullmatch(text):
        return _next_day(int(text), now.date())
    return _natural_date(_LEADING.sub("", text), now, language)


def _next_day(day: int, today: date) -> date | None:
    """Return the next date with that day of the month, today included."""
    for months in range(3):
        found = _add_months(today.replace(day=1), months)
        try:
            found = found.replace(day=day)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def _natural_date(text: str, now: datetime, language: str) -> date | None:
    """Read a date that names its day: "May" alone would be any day of it."""
    first = _natural(text, now, language, PREFER_DAY_OF_MONTH="first")
    last = _natural(text, now, language, PREFER_DAY_OF_MONTH="last") if first else None
    return first.date() if first and last and first.date() == last.date() else None


def _iso_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_time(text: str, *, now: datetime, language: str) -> time | None:
    """Read a time of day: "10:30", "10.30", "7 pm", or its natural forms."""
    text = plain_digits(text.strip())
    if len(text) > _MOST_LETTERS:
        return None
    clock = _CLOCK.fullmatch(text)
    if clock:
        return _clock_time(clock)
    if not any(sign.isdigit() for sign in text):
        return None
    found = _natural(text, now, language)
    return found.time().replace(second=0, microsecond=0, tzinfo=None) if found else None


def _clock_time(clock: re.Match[str]) -> time | None:
    hour, minute = int(clock[1]), int(clock[2] or 0)
    half = (clock[3] or "").lower().replace(".", "")
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _natural(text: str, now: datetime, language: str, **more: str) -> datetime | None:
    main, _, country = language.replace("-", "_").partition("_")
    settings = {
        "PREFER_DATES_FROM": "future",
        "RELATIVE_BASE": now.replace(tzinfo=None),
        "DATE_ORDER": "MDY" if country.upper() in _MONTH_FIRST else "DMY",
        "RETURN_AS_TIMEZONE_AWARE": False,
        **more,
    }
    languages = ["en"] if main == "en" else [main, "en"]
    try:
        found: datetime | None = dateparser.parse(text, languages=languages, settings=settings)
    except (ValueError, OverflowError, TypeError, AttributeError, LookupError):
        # Unknown languages and odd texts make the library raise all of these.
        found = None if languages == ["en"] else _natural(text, now, "en", **more)
    return found


def date_bound(bound: Any, today: date) -> date | None:
    """Read a bound such as "today", "30 days", "-1 month" or 2026-05-24; None when it is none of these."""
    text = str(bound).strip()
    if text in _NAMED_OFFSETS:
        return today + timedelta(days=_NAMED_OFFSETS[text])
    offset = _OFFSET.fullmatch(text)
    if offset is None:
        return _iso_date(text[:10])
    return _shifted(today, int(offset[1]), offset[2])


def _shifted(day: date, count: int, unit: str) -> date | None:
    try:
        if unit in _DAYS:
            return day + timedelta(days=count * _DAYS[unit])
        return _add_months(day, count * _MONTHS[unit])
    except (OverflowError, ValueError):
        return None


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def moment_after(text: str, now: datetime) -> datetime:
    """Return the moment that "HH:MM" names next, or that a full date or date-time names.

    Raises: NoDate.
    """
    moment = read_moment(text, now)
    is_time_only = re.fullmatch(r"\d{2}:\d{2}(:\d{2})?", text.strip()) is not None
    if is_time_only and moment < now:
        moment = datetime.combine(now.date() + timedelta(days=1), moment.time(), now.tzinfo)
    return moment


__all__ = ["NoDate", "date_bound", "moment_after", "parse_date", "parse_time", "plain_digits"]

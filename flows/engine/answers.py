"""What each type of wait accepts and saves: one small function a type, one row in a table."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import phonenumbers
import re2

from flows.engine.dates import date_bound, parse_date, parse_time, plain_digits
from flows.engine.matching import folded
from flows.engine.replies import MEDIA_TYPES, TYPED, IncomingMessage, plain_value
from flows.engine.texts import NO_WORDS, YES_WORDS

MOST_TEXT = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An accepted answer: the value to save, and the option that it names."""

    value: Any
    option_id: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an answer is judged by: the wait's own keys, rendered, and where and when it was given."""

    keys: Mapping[str, Any]
    options: Sequence[tuple[str, str]] = ()
    synonyms: Mapping[str, Sequence[str]]
    now: datetime
    language: str
    phone: str | None


def judge(wait_type: str, message: IncomingMessage, terms: Terms) -> Answer | None:
    """Return the answer, None for a wrong one; a bad answer is never accepted."""
    return _JUDGES[wait_type](message, terms)


def _judge_any(message: IncomingMessage, _: Terms) -> Answer | None:
    if message.type == "tap":
        return Answer(value=message.title or message.text, option_id=message.id, title=message.title)
    return Answer(value=plain_value(message))


def _typed(message: IncomingMessage) -> str | None:
    if message.type not in TYPED:
        return None
    text = message.title if message.type == "tap" and message.title else message.text
    return text.strip() if text and text.strip() and len(text) <= MOST_TEXT else None


def _judge_text(message: IncomingMessage, terms: Terms) -> Answer | None:
    text = _typed(message)
    if text is None or not _fits(len(text), terms, "min", "max"):
        return None
    if not _fits(len(text), terms, "min_length", "max_length"):
        return None
    pattern = terms.keys.get("pattern")
    if pattern and not _matches(pattern, text):
        return None
    return Answer(value=text)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re2.fullmatch(pattern, text) is not None
    except re2.error:
        return False


def _fits(value: Any, terms: Terms, least: str, most: str) -> bool:
    """Say whether a value lies within the bounds that are given and comparable to it."""
    low, high = terms.keys.get(least), terms.keys.get(most)
    return (low is None or value >= low) and (high is None or value <= high)


def _judge_number(message: IncomingMessage, terms: Terms) -> Answer | None:
    number = read_number(_typed(message) or "")
    if number is None or (terms.keys.get("integer") and number != int(number)):
        return None
    low, high = (read_number(str(terms.keys.get(key, ""))) for key in ("min", "max"))
    if (low is not None and number < low) or (high is not None and number > high):
        return None
    return Answer(value=int(number) if terms.keys.get("integer") else number)


_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+|[+-]?\d{1,15},\d{1,15}", re.ASCII)


def read_number(text: str) -> int | float | None:
    """Read a number as people write it: digits of any script, grouped, with a decimal point or comma."""
    text = plain_digits(unicodedata.normalize("NFKC", text)).strip().replace("\u2212", "-").replace(" ", "")
    if len(text) > 40:
        return None
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    if not _PLAIN_NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def _judge_yes_no(message: IncomingMessage, _: Terms) -> Answer | None:
    words = {folded(word).rstrip(".!") for word in (message.id, _typed(message)) if word}
    if words & YES_WORDS:
        return Answer(value=True)
    return Answer(value=False) if words & NO_WORDS else None


def _judge_choice(message: IncomingMessage, terms: Terms) -> Answer | None:
    found = find_option(message, terms.options, terms.synonyms)
    if found is None:
        return None
    option_id, title = found
    text = message.text if message.type == "text" else message.title or title
    return Answer(value={"id": option_id, "title": title, "text": text}, option_id=option_id, title=title)


def find_option(
    message: IncomingMessage, options: Sequence[tuple[str, str]], synonyms: Mapping[str, Sequence[str]]
) -> tuple[str, str] | None:
    """Return the option that a tap names by its id; that a text names by id, title, synonym or number."""
    if message.type == "tap":
        return next((option for option in options if option[0] == message.id), None)
    text = folded(message.text or "") if message.type == "text" else ""
    if not text:
        return None
    for names in (
        lambda option: (option[0],),
        lambda option: (option[1],),
        lambda option: synonyms.get(option[0], ()),
    ):
        for option in options:
            if any(folded(name) == text for name in names(option)):
                return option
    return _numbered(text, options)


def _numbered(text: str, options: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    digits = plain_digits(text)
    if not re.fullmatch(r"\d{1,3}", digits, re.ASCII) or not 1 <= int(digits) <= len(options):
        return None
    return options[int(digits) - 1]


def _judge_date(message: IncomingMessage, terms: Terms) -> Answer | None:
    text = _typed(message)
    found = parse_date(text, now=terms.now, language=terms.language) if text else None
    if found is None:
        return None
    today = terms.now.date()
    low, high = (date_bound(terms.keys.get(key, ""), today) for key in ("min", "max"))
    within = (low is None or found >= low) and (high is None or found <= high)
    return Answer(value=found.isoformat()) if within else None


def _judge_time(message: IncomingMessage, terms: Terms) -> Answer | None:
    text = _typed(message)
    found = parse_time(text, now=terms.now, language=terms.language) if text else None
    if found is None:
        return None
    value = found.strftime("%H:%M")
    return Answer(value=value) if _fits(value, terms, "min", "max") else None


_EMAIL = re2.compile(r"[^@\s,;<>()]{1,64}@[^@\s,;<>()._-][^@\s,;<>()]{0,200}\.[^@\s,;<>().\d]{2,63}")


def _judge_email(message: IncomingMessage, _: Terms) -> Answer | None:
    text = _typed(message)
    return Answer(value=text) if text and _EMAIL.fullmatch(text) and ".." not in text else None


def _judge_phone(message: IncomingMessage, terms: Terms) -> Answer | None:
    text = _typed(message)
    if not text:
        return None
    try:
        number = phonenumbers.parse(text, terms.keys.get("region") or region_of(terms.phone))
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return Answer(value=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def region_of(phone: str | None) -> str | None:
    """Return the country of a phone in E.164, None where it has none."""
    try:
        number = phonenumbers.parse(phone or "")
    except phonenumbers.NumberParseException:
        return None
    region: str | None = phonenumbers.region_code_for_number(number)
    return region


def _judge_medium(kinds: frozenset[str]) -> Callable[[IncomingMessage, Terms], Answer | None]:
    def judge_medium(message: IncomingMessage, terms: Terms) -> Answer | None:
        media = message.media
        if message.type not in kinds or not media:
            return None
        if not _is_small_enough(media.get("size"), terms.keys.get("max_size")):
            return None
        mimes = terms.keys.get("mime") or ()
        if mimes and not _is_of_mime(media.get("mime_type"), [mimes] if isinstance(mimes, str) else mimes):
            return None
        return Answer(value=plain_value(message))

    return judge_medium


_UNITS = {"kb": 1024, "mb": 1024 * 1024}


def _is_small_enough(size: Any, most: Any) -> bool:
    """Judge a size that Meta told; what it did not tell cannot be judged and passes."""
    if most is None or not isinstance(size, (int, float)):
        return True
    if isinstance(most, str):
        digits, unit = most.strip()[:-2], most.strip()[-2:].lower()
        most = int(digits) * _UNITS[unit]
    return size <= most or math.isclose(size, most)


def _is_of_mime(mime: Any, patterns: Sequence[str]) -> bool:
    name = str(mime or "").split(";")[0].strip().lower()
    return any(
        name == pattern.lower() or (pattern.endswith("/*") and name.startswith(pattern[:-1].lower()))
        for pattern in patterns
    )


def _judge_object(kind: str) -> Callable[[IncomingMessage, Terms], Answer | None]:
    def judge_object(message: IncomingMessage, _: Terms) -> Answer | None:
        value = plain_value(message) if message.type == kind else None
        return Answer(value=value) if value is not None else None

    return judge_object


def _judge_location(message: IncomingMessage, _: Terms) -> Answer | None:
    place = message.location
    if message.type != "location" or not place:
        return None
    return Answer(value={key: place.get(key) for key in ("latitude", "longitude", "name", "address")})


_JUDGES: dict[str, Callable[[IncomingMessage, Terms], Answer | None]] = {
    "any": _judge_any,
    "text": _judge_text,
    "number": _judge_number,
    "yes_no": _judge_yes_no,
    "choice": _judge_choice,
    "date": _judge_date,
    "time": _judge_time,
    "email": _judge_email,
    "phone": _judge_phone,
    "image": _judge_medium(frozenset({"image"})),
    "audio": _judge_medium(frozenset({"audio"})),
    "video": _judge_medium(frozenset({"video"})),
    "document": _judge_medium(frozenset({"document"})),
    "media": _judge_medium(MEDIA_TYPES),
    "location": _judge_location,
    "contact": _judge_object("contact"),
    "form": _judge_object("form"),
    "order": _judge_object("order"),
}

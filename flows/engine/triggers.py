"""Which flows a message asks for, in the order of precedence."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import re2

from flows.engine.dateformat import zone_of
from flows.engine.definition import Trigger
from flows.engine.hours import is_open
from flows.engine.matching import folded
from flows.engine.replies import MEDIA_TYPES, IncomingMessage

KINDS = (
    "exact",
    "first_word",
    "contains",
    "regex",
    "button",
    "referral",
    "media",
    "order",
    "location",
    "new_contact",
    "catch_all",
)
# The order of precedence: media, order and location are of one rank, which no message shares.
RANKS: Mapping[str, int] = {
    **{kind: rank for rank, kind in enumerate(KINDS)},
    **dict.fromkeys(("media", "order", "location"), KINDS.index("media")),
}
EXACT_CLASS = frozenset({"exact", "button", "referral"})
# A reaction starts nothing: it is about a message that was answered already.
SILENT_TYPES = frozenset({"reaction"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trigger that a message matches."""

    flow_id: str
    flow_hash: str
    kind: str
    text: str
    trigger: Trigger


def match(
    triggers: Iterable[Trigger],
    message: IncomingMessage,
    *,
    contact: Mapping[str, Any],
    number: Mapping[str, Any],
    now: datetime,
) -> list[Candidate]:
    """Return the triggers that a message matches, first the one that takes it.

    Re-entry is the caller's to check: it knows the sessions that were.
    """
    if message.type in SILENT_TYPES:
        return []
    found = _index(_Same(triggers if isinstance(triggers, tuple) else tuple(triggers))).find(
        _Heard(message, contact)
    )
    allowed = [entry for entry in found if _passes(entry[0], contact, number, now)]
    allowed.sort(key=lambda entry: _precedence(*entry))
    return [
        Candidate(
            flow_id=trigger.flow_id,
            flow_hash=trigger.flow_hash,
            kind=kind,
            text=trigger.text,
            trigger=trigger,
        )
        for trigger, kind in allowed
    ]


class _Same:
    """A tuple of triggers that is equal to itself alone, so that its index is found without comparing."""

    __slots__ = ("triggers",)

    def __init__(self, triggers: tuple[Trigger, ...]) -> None:
        self.triggers = triggers

    def __hash__(self) -> int:
        return id(self.triggers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.triggers is self.triggers


class _Index:
    """Triggers by what they are looked up with; only few kinds have to be tried one by one."""

    def __init__(self, triggers: tuple[Trigger, ...]) -> None:
        self.keywords: dict[tuple[bool, str], list[Trigger]] = {}
        self.buttons: dict[str | None, list[Trigger]] = {}
        self.others: list[tuple[Trigger, str]] = []
        for trigger in triggers:
            kind = kind_of(trigger)
            if not trigger.is_active:
                continue
            if kind == "exact":
                keyword = folded(trigger.text, accents=trigger.accents)
                self.keywords.setdefault((trigger.accents, keyword), []).append(trigger)
            elif kind == "button":
                self.buttons.setdefault(trigger.id, []).append(trigger)
            else:
                self.others.append((trigger, kind))

    def find(self, heard: "_Heard") -> list[tuple[Trigger, str]]:
        found = [(trigger, "exact") for trigger in self._exact(heard)]
        if heard.message.type == "tap" and heard.message.id:
            found += [(trigger, "button") for trigger in self.buttons.get(heard.message.id, ())]
        return found + [entry for entry in self.others if _TESTS[entry[1]](entry[0], heard)]

    def _exact(self, heard: "_Heard") -> list[Trigger]:
        """Return the keywords that equal a typed text, or the id of a tapped option."""
        if heard.message.type == "tap":
            text = heard.message.id or ""
            texts = (folded(text), folded(text, accents=False))
        else:
            texts = (heard.text, heard.plain)
        with_accents, without = (
            self.keywords.get((accents, text), ()) if text else ()
            for accents, text in zip((True, False), texts, strict=True)
        )
        return [*with_accents, *without]


@lru_cache(maxsize=8)
def _index(same: _Same) -> _Index:
    return _Index(same.triggers)


def kind_of(trigger: Trigger) -> str:
    """Return the kind that gives a trigger its rank: a keyword's is how it is compared."""
    return trigger.match if trigger.type == "keyword" else trigger.type


def is_exact_class(candidate: Candidate) -> bool:
    """Say whether this match may break into a waiting session."""
    return candidate.kind in EXACT_CLASS


def _precedence(trigger: Trigger, kind: str) -> tuple[Any, ...]:
    has_groups = bool(trigger.groups or trigger.not_groups)
    return (RANKS[kind], not trigger.number, not has_groups, -len(trigger.text), trigger.flow_id)


class _Heard:
    """A message with its text in the two ways that keywords compare."""

    __slots__ = ("contact", "is_text", "message", "plain", "text")

    def __init__(self, message: IncomingMessage, contact: Mapping[str, Any]) -> None:
        self.message = message
        self.contact = contact
        self.is_text = message.type == "text" and bool(message.text)
        self.text = folded(message.text or "") if self.is_text else ""
        self.plain = folded(message.text or "", accents=False) if self.is_text else ""

    def compared(self, trigger: Trigger) -> str:
        return self.text if trigger.accents else self.plain


@lru_cache(maxsize=16_384)
def _folded_keyword(text: str, accents: bool) -> str:  # a cache takes positional arguments
    return folded(text, accents=accents)


def _is_first_word(trigger: Trigger, heard: _Heard) -> bool:
    keyword = _folded_keyword(trigger.text, trigger.accents)
    text = heard.compared(trigger)
    return bool(keyword) and (text == keyword or text.startswith(keyword + " "))


def _contains(trigger: Trigger, heard: _Heard) -> bool:
    keyword = _folded_keyword(trigger.text, trigger.accents)
    return bool(keyword) and keyword in heard.compared(trigger)


def _matches_regex(trigger: Trigger, heard: _Heard) -> bool:
    if not heard.is_text:
        return False
    pattern = _compiled(trigger.text)
    return pattern is not None and pattern.search(heard.compared(trigger)) is not None


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


def _is_referral(trigger: Trigger, heard: _Heard) -> bool:
    referral = heard.message.referral
    return bool(referral) and trigger.id in (None, (referral or {}).get("source_id"))


def _is_media(trigger: Trigger, heard: _Heard) -> bool:
    return heard.message.type in MEDIA_TYPES and trigger.id in (None, heard.message.type)


def _is_of_type(trigger: Trigger, heard: _Heard) -> bool:
    return heard.message.type == trigger.type


def _is_new(_: Trigger, heard: _Heard) -> bool:
    return bool(heard.contact.get("is_new"))


def _is_anything(_: Trigger, __: _Heard) -> bool:
    return True


_TESTS: dict[str, Callable[[Trigger, _Heard], bool]] = {
    "first_word": _is_first_word,
    "contains": _contains,
    "regex": _matches_regex,
    "referral": _is_referral,
    "media": _is_media,
    "order": _is_of_type,
    "location": _is_of_type,
    "new_contact": _is_new,
    "catch_all": _is_anything,
}


def _passes(trigger: Trigger, contact: Mapping[str, Any], number: Mapping[str, Any], now: datetime) -> bool:
    """Say whether the filters of a trigger let this contact, number and hour pass."""
    if trigger.number and not {
        number.get("phone_number_id"),
        _digits(number.get("display_phone_number")),
    } & {*trigger.number, *map(_digits, trigger.number)}:
        return False
    groups = set(contact.get("groups") or ())
    if trigger.groups and not groups & set(trigger.groups):
        return False
    if groups & set(trigger.not_groups):
        return False
    zone = zone_of(number.get("timezone") or contact.get("timezone"))
    return not trigger.hours or is_open(trigger.hours, now.astimezone(zone))


def _digits(text: Any) -> str:
    return "".join(sign for sign in str(text or "") if sign.isdigit()) or str(text)

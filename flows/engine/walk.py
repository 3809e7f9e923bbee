"""One walk over a document: what it gathers, and the words in which faults speak of values."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flows.engine.codes import severity_of
from flows.engine.faults import Fault, Path

_TYPE_NAMES = {
    str: "text",
    bool: "true or false",
    int: "number",
    float: "number",
    list: "list",
    dict: "object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Site:
    """An expression in the document: ``kind`` is text, condition or typed."""

    path: Path
    text: str
    kind: str


@dataclass(slots=True)
class Walk:
    """What one walk over a document gathered; ``allows_marks`` where an older file was translated."""

    allows_marks: bool = False
    faults: list[Fault] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)

    def report(self, code: str, path: Path, message: str, remedy: str, *, also: Iterable[Path] = ()) -> None:
        places = tuple(("", place) for place in also)
        self.faults.append(
            Fault(
                code=code, severity=severity_of(code), path=path, message=message, remedy=remedy, also=places
            )
        )

    def wrong_type(self, path: Path, expected: str, value: Any) -> None:
        self.report(
            "WF102", path, f"expected {an(expected)}, got {an(kind_of(value))}", f"write {an(expected)}"
        )


def kind_of(value: Any) -> str:
    """The word for the JSON type of ``value`` in messages to people."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like ``word``, or most like it in one part (`nxt`: `next_step`); "" if none is."""
    names = list(known)
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if found:
        return found[0]
    parts = {part: name for name in reversed(names) for part in name.split("_") if len(part) > 2}
    found = difflib.get_close_matches(word.lower(), list(parts), n=1, cutoff=0.75)
    return parts[found[0]] if found else ""


def suggestion(word: str, known: Iterable[str], otherwise: str) -> str:
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else otherwise


def spelled(text: str) -> str:
    """Quote ``text`` so that invisible and look-alike characters show."""
    shown = "".join(
        c if c.isascii() and c.isprintable() else f"\\u{ord(c):04x}" if not c.isprintable() else c
        for c in text[:64]
    )
    return f'"{shown}"'


def why_no_id(text: str) -> str:
    if not text:
        return "it is empty"
    if len(text) > 64:
        return f"it has {len(text)} characters"
    for char in text:
        if not char.isascii() or not char.isprintable():
            name = unicodedata.name(char, "a control character")
            return f"it holds U+{ord(char):04X} {name}"
    if text != text.lower():
        return "it has capital letters"
    bad = re.search(r"[^a-z0-9_]", text)
    return f"it holds `{bad[0]}`" if bad else "it does not begin with a letter"


def an(noun: str) -> str:
    """Put the article before a noun of messages."""
    return (
        noun if noun.startswith(("true", "null", "one of")) else f"a{'n' if noun[0] in 'aeio' else ''} {noun}"
    )

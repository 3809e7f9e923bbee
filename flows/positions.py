"""A strict JSON reader that knows where everything stands and reports all that is wrong.

``read`` first tries the standard parser with strict hooks; the reader with positions runs only for texts with
problems, and later for the place of a path that a check found fault with.
"""

import json
import math
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Never

from flows.recovery import MAX_DEPTH, MAX_DIGITS, Path, Problem, Span, recover

MAX_BYTES = 2 * 1024 * 1024

_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_LINE_END = re.compile(r"\r\n|\n|\r")
_UTF32_MARKS = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")


class Place(NamedTuple):
    """Where something stands: 0-based offset in the text, 1-based line and column (in characters)."""

    offset: int
    line: int
    column: int


@dataclass(kw_only=True)
class Document:
    """What ``read`` made of a file: its value as far as it could be understood, problems and places."""

    text: str
    value: Any
    problems: tuple[Problem, ...] = ()
    is_whole: bool = True
    known_spans: dict[Path, Span] = field(default_factory=dict, repr=False)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    @cached_property
    def spans(self) -> dict[Path, Span]:
        """Every path of the value with its offsets; read again only when the fast way was taken."""
        return self.known_spans or recover(self.text).spans

    def at(self, offset: int) -> Place:
        line = bisect_right(self._line_starts, offset)
        return Place(offset, line, offset - self._line_starts[line - 1] + 1)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Give the place of ``path``, or of the nearest part of it that stands in the text."""
        while path and path not in self.spans:
            path, key = path[:-1], False
        span = self.spans.get(path)
        if span is None:
            return self.at(0)
        return self.at(span.key if key and span.key >= 0 else span.start)


def read(data: bytes) -> Document:
    """Parse ``data`` strictly. Never raises; what is wrong stands in ``problems``."""
    if len(data) > MAX_BYTES:
        return _refused(
            "WF006", f"the file has {len(data):,} bytes, at most {MAX_BYTES:,} are read", "split it"
        )
    text = _decode(data)
    if isinstance(text, Document):
        return text
    if not text.strip(" \t\r\n"):
        return _refused("WF001", "the file is empty", "write a JSON object, or delete the file")
    try:
        if _is_too_deep(text):
            raise _NotStrictError
        return Document(text=text, value=_strict(text))
    except (ValueError, RecursionError):
        return _recovered(text)


def _recovered(text: str) -> Document:
    reading = recover(text)
    return Document(
        text=text,
        value=reading.value,
        problems=reading.problems,
        is_whole=reading.is_whole,
        known_spans=reading.spans,
    )


def _refused(code: str, message: str, remedy: str, *, text: str = "", offset: int = 0) -> Document:
    problem = Problem(code=code, offset=offset, path=(), message=message, remedy=remedy)
    return Document(text=text, value=None, problems=(problem,), is_whole=False)


def _decode(data: bytes) -> str | Document:
    remedy = "save the file as UTF-8"
    if data.startswith(_UTF32_MARKS):
        return _refused("WF002", "the file is UTF-32 (its mark stands at byte 0), not UTF-8", remedy)
    if data.startswith(_UTF16_MARKS):
        return _refused("WF002", "the file is UTF-16 (its mark stands at byte 0), not UTF-8", remedy)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig")
        message = f"byte {error.start} (0x{data[error.start]:02x}) is not UTF-8"
        return _refused("WF002", message, remedy, text=good, offset=len(good))
    nul = text.find("\x00")
    if 0 <= nul < 4:
        return _refused(
            "WF002", f"a zero byte at {nul}: the file is UTF-16, not UTF-8", remedy, text=text, offset=nul
        )
    return text


def _is_too_deep(text: str) -> bool:
    depth = 0
    for match in _BRACKETS.finditer(text):
        found = match.group()
        if found in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif found in "]}":
            depth -= 1
    return False


class _NotStrictError(ValueError):
    """The standard parser would accept this; we do not."""


def _strict_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _NotStrictError
    return made


def _no_constant(_: str) -> Never:
    raise _NotStrictError


def _strict_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _NotStrictError
    return number


def _strict_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _NotStrictError
    return int(text)


_strict = json.JSONDecoder(
    object_pairs_hook=_strict_object,
    parse_constant=_no_constant,
    parse_float=_strict_float,
    parse_int=_strict_int,
).decode

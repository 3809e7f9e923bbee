"""Bytes of JSON from outside, read strictly: what a database or a recursive reader cannot bear is refused."""

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64
MAX_INT_DIGITS = 19  # what still fits a signed 64-bit column

# Possessive, and an unclosed string runs to the end: linear on any input.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class BadBody(ValueError):
    """The bytes are not JSON that we store; `reason` says why, without quoting them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def load(raw: bytes) -> Any:
    """Parse UTF-8 JSON; lone surrogates and NUL pass as escapes and are seen to by `clean`.

    Raises:
        BadBody: for another encoding, nesting over 64, NaN, infinity, integers over 19 digits, bad JSON.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadBody(f"not UTF-8 at byte {error.start}") from None
    if _is_too_deep(raw):
        raise BadBody(f"nested deeper than {MAX_DEPTH}")
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise BadBody(f"not JSON at character {error.pos}: {error.msg}") from None


def clean(value: Any) -> tuple[Any, bool]:
    """Return the value with NUL and lone surrogates as U+FFFD, and whether there were any.

    Raises:
        BadBody: when it is nested too deep to be looked at, or holds NaN.
    """
    try:
        return (value, False) if _is_storable(value) else (_scrubbed(value), True)
    except RecursionError:
        raise BadBody("nested too deep") from None


def clean_text(text: str) -> str:
    """Return the text with NUL and lone surrogates as U+FFFD."""
    return text if _is_text_storable(text) else _UNSTORABLE.sub(REPLACEMENT, text)


def _is_storable(value: Any) -> bool:
    """Look at every string; written for speed, since it sees each message before anything else does."""
    if type(value) is str:
        return _is_text_storable(value)
    if type(value) is dict:
        return _is_text_storable("".join(value)) and all(map(_is_storable, value.values()))
    if type(value) is list:
        return all(map(_is_storable, value))
    if type(value) is float and not math.isfinite(value):
        raise BadBody("a number that is not JSON")
    return True


def _is_text_storable(text: str) -> bool:
    if text.isascii():
        return "\x00" not in text
    return _UNSTORABLE.search(text) is None


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_scrubbed(part) for part in value]
    if isinstance(value, dict):
        return {_scrubbed(key): _scrubbed(part) for key, part in value.items()}
    return value


def _is_too_deep(raw: bytes) -> bool:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _STRINGS.sub(b"", raw).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _parse_int(text: str) -> int:
    if len(text.lstrip("-")) > MAX_INT_DIGITS:
        raise BadBody(f"an integer of more than {MAX_INT_DIGITS} digits")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadBody("a number out of range")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise BadBody(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_int=_parse_int, parse_float=_parse_float, parse_constant=_refuse_constant)

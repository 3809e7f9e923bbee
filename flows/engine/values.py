"""JSON values inside the engine: made storable, compared without surprises, printed for people."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

MOST_DEPTH = 32
MOST_BITS = 1024
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NUMBER = re.compile(r"\s*[+-]?\d{1,40}(\.\d{1,40})?\s*", re.ASCII)


class UnstorableValue(ValueError):
    """A value that JSON cannot hold, or that is too deep or too large a number."""


def as_json(value: Any, depth: int = MOST_DEPTH) -> Any:
    """Return the value as plain JSON that any database stores.

    Raises: UnstorableValue when it cannot be that.
    """
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        return _as_number(value)
    if depth == 0:
        raise UnstorableValue(f"the value is nested deeper than {MOST_DEPTH}")
    if isinstance(value, Mapping):
        return {clean_text(str(key)): as_json(entry, depth - 1) for key, entry in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (bytes, bytearray)):
        return [as_json(entry, depth - 1) for entry in value]
    raise UnstorableValue(f"a {type(value).__name__} cannot be kept")


def clean_text(text: str) -> str:
    """Return the text without what databases refuse: NUL and lone surrogates become U+FFFD."""
    return str(text) if text.isascii() and "\x00" not in text else _UNSTORABLE.sub("\ufffd", text)


def _as_number(value: float | Decimal) -> int | float:
    if isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            raise UnstorableValue("the number is too large")
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise UnstorableValue("the number is not finite")
    return number


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def size_of(value: Any) -> int:
    """Return how many bytes the value takes as JSON."""
    return len(_ENCODER.encode(value).encode("utf-8", "replace"))


def printed(value: Any) -> str:
    """Print one value for a person: lists and objects as JSON, true and false in lower case."""
    if isinstance(value, str):
        return value
    if isinstance(value, range):
        return json.dumps(list(value))
    return json.dumps(as_json(value), ensure_ascii=False)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def comparable(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Return both as numbers or both as texts; None where such types do not compare.

    A number against a text that reads wholly as a number compares as numbers.
    """
    if is_number(left) and is_number(right):
        return left, right
    if isinstance(left, str) and isinstance(right, str):
        return left, right
    if is_number(left) and isinstance(right, str) and _NUMBER.fullmatch(right):
        return left, _read_number(right)
    if isinstance(left, str) and is_number(right) and _NUMBER.fullmatch(left):
        return _read_number(left), right
    return None


def _read_number(text: str) -> int | float:
    return float(text) if "." in text else int(text)

"""Small readers of JSON values that Meta prints in more than one way."""

import re
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

MILLISECONDS_FROM = 1_000_000_000_000

MAX_IDENTIFIER = 32
MAX_CODE = 2**31 - 1
MAX_TITLE = 255
MAX_DETAILS = 1000
_IDENTIFIER = re.compile(rf"[\w-]{{1,{MAX_IDENTIFIER}}}", re.ASCII)


def read_object(owner: Json, key: str) -> Json | None:
    value = owner.get(key)
    return value if isinstance(value, dict) else None


def read_string(owner: Json, key: str) -> str | None:
    """Read a string; Meta's old samples print empty ones for what is absent."""
    value = owner.get(key)
    return value if isinstance(value, str) and value else None


def read_whole_number(value: Any) -> int | None:
    if isinstance(value, str):
        is_digits = value.isascii() and value.isdigit() and len(value) < 20
        return int(value) if is_digits else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_code(value: Any) -> int | None:
    """Read an error code, as far as it fits a database's integer."""
    code = read_whole_number(value)
    return code if code is not None and abs(code) <= MAX_CODE else None


def read_identifier(value: Any) -> str | None:
    """Read an id of Meta's own objects, which some fields print as a number."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return None
    is_number = text.isdigit() and text.isascii() and len(text) <= MAX_IDENTIFIER
    return text if is_number or _IDENTIFIER.fullmatch(text) else None


def read_moment(value: Any) -> datetime | None:
    """Read Unix seconds as a string or a number; from 1e12 they are milliseconds."""
    seconds = _seconds(value)
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds / 1000 if seconds >= MILLISECONDS_FROM else seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_error(owner: Json) -> tuple[int | None, str | None, str | None]:
    """Read the first error's code, title and details; `error_data` is an object or a string."""
    errors = owner.get("errors")
    error = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(error, dict):
        return None, None, None
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else data
    title = read_string(error, "title") or read_string(error, "message")
    return read_code(error.get("code")), _cut(title, MAX_TITLE), _cut(details, MAX_DETAILS)


def _cut(text: Any, length: int) -> str | None:
    return text[:length] if isinstance(text, str) else None

"""JSON from outside that both databases can keep: no NaN, no NUL, no half of a surrogate pair."""

import json
from typing import Any, NoReturn


def loads(raw: bytes) -> Any:
    """Raises: ValueError."""
    value = json.loads(raw or b"{}", parse_constant=_refuse)
    text = json.dumps(value, ensure_ascii=False)
    text.encode()
    if "\\u0000" in text:
        raise ValueError("a NUL character")
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

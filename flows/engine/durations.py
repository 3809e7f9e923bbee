"""Durations as flow files write them: "90s", "30m", "2h", "7d"."""

import re
from typing import Any

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST_SECONDS = 366 * 86400
_PATTERN = re.compile(r"(\d{1,9})\s*([smhdw])", re.ASCII)


def parse_duration(text: Any) -> float:
    """Read one duration as seconds.

    Raises: ValueError, with what was expected, when it is no duration, zero or over a year.
    """
    match = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'expected a duration such as "30m", "2h" or "7d", got {text!r}')
    seconds = int(match[1]) * SECONDS[match[2]]
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ValueError(f"expected a duration from 1 second to 366 days, got {text!r}")
    return float(seconds)

"""Faults with their place in a file, and the forms in which they are printed."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from flows.engine.faults import Severity

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Another place that a finding speaks of."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of one file: 1-based line and column, the path in the JSON, what is wrong, what to do."""

    file: str
    line: int
    column: int
    path: str
    code: str
    message: str
    remedy: str
    severity: Severity = "error"
    also: tuple[Elsewhere, ...] = ()

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def text(self) -> str:
        """``<file>:<line>:<col> <json path>: WFnnn <what>; <remedy>``."""
        return f"{self.file}:{self.line}:{self.column} {self.path}: {self.code} {self.what()}"

    def what(self) -> str:
        places = ", ".join(self._shown(place) for place in self.also)
        seen_at = f" (see {places})" if places else ""
        return _one_line(f"{self.message}{seen_at}; {self.remedy}")

    def _shown(self, place: Elsewhere) -> str:
        file = "" if place.file == self.file else f"{place.file}:"
        return f"{file}{place.line}:{place.column}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def github(self) -> str:
        """A workflow command, which GitHub shows beside the line."""
        properties = {"file": self.file, "line": self.line, "col": self.column, "title": self.code}
        listed = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in properties.items())
        return f"::{self.severity} {listed}::{_escaped(f'{self.path}: {self.what()}')}"


def shown_path(path: Iterable[str | int]) -> str:
    """Write a path as ``steps[2].next_step``; the whole document is ``$``."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            shown += f".{part}" if shown else part
        else:
            shown += f"[{json.dumps(part[:80], ensure_ascii=True)}]"
    return shown or "$"


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(text: str, also: str = "") -> str:
    for char in "%\r\n" + also:
        text = text.replace(char, f"%{ord(char):02X}")
    return text

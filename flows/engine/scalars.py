"""Kinds of single values: each checks one, notes the expressions in it, describes itself as JSON Schema."""

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from flows.engine.dates import date_bound
from flows.engine.durations import parse_duration
from flows.engine.expressions import is_template
from flows.engine.faults import Path
from flows.engine.hours import BadHours, parse_hours
from flows.engine.keys import ID_PATTERN
from flows.engine.walk import Site, Walk, spelled, suggestion, why_no_id

Schema = dict[str, Any]

DURATION_PATTERN = "^ *[0-9]{1,9} *[smhdw] *$"
ID_REMEDY = "use a-z, 0-9 and _, first a letter, at most 64 characters"

_ID = re.compile(ID_PATTERN)
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A plain text that is never rendered."""

    pattern: str = ""
    least: int = 0
    most: int = 0
    what: str = "text"

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.wrong_type(path, "text", value)
        elif len(value) < self.least:
            walk.report("WF106", path, f"the {self.what} is empty", "write at least one character")
        elif self.most and len(value) > self.most:
            walk.report(
                "WF106",
                path,
                f"the {self.what} has {len(value):,} characters",
                f"at most {self.most:,} are allowed",
            )
        elif self.pattern and re.search(self.pattern, value) is None:
            walk.report("WF106", path, f'"{value[:60]}" is no {self.what}', f"it must match {self.pattern}")

    def schema(self, _: Schema) -> Schema:
        made: Schema = {"type": "string"}
        made |= {"pattern": self.pattern} if self.pattern else {}
        made |= {"minLength": self.least} if self.least else {}
        return made | ({"maxLength": self.most} if self.most else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquid:
    """A text with ``{{ … }}`` in it, rendered before use; ``most`` is the limit for a text without them."""

    most: int = 0
    kind: str = "text"

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, str):
            walk.sites.append(Site(path, value, self.kind))
        else:
            walk.wrong_type(path, "text", value)

    def schema(self, _: Schema) -> Schema:
        if not self.most:
            return {"type": "string"}
        return {"type": "string", "anyOf": [{"maxLength": self.most}, {"pattern": "\\{[{%]"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A Liquid condition without filters."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, str):
            walk.sites.append(Site(path, value, "condition"))
        else:
            walk.wrong_type(path, "text", value)

    def schema(self, _: Schema) -> Schema:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """Any JSON; its texts are rendered, and one that is exactly ``{{ … }}`` keeps its type."""

    kind: str = "typed"

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, str):
            walk.sites.append(Site(path, value, self.kind))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.check(item, (*path, index), walk)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.check(item, (*path, key), walk)

    def schema(self, _: Schema) -> Schema:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyJson:
    """Any JSON, taken as it stands."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        """Nothing to refuse."""

    def schema(self, _: Schema) -> Schema:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, bool):
            walk.wrong_type(path, "true or false", value)

    def schema(self, _: Schema) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number; ``integer`` refuses a fraction; ``least`` and ``most`` are included."""

    least: float | None = None
    most: float | None = None
    integer: bool = False

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            walk.wrong_type(path, "whole number" if self.integer else "number", value)
        elif self.integer and value != int(value):
            walk.report("WF102", path, f"expected a whole number, got {value}", "write it without a fraction")
        elif self.least is not None and value < self.least:
            walk.report("WF106", path, f"{value} is too small", f"write at least {self.least:g}")
        elif self.most is not None and value > self.most:
            walk.report("WF106", path, f"{value} is too large", f"write at most {self.most:g}")

    def schema(self, _: Schema) -> Schema:
        made: Schema = {"type": "integer" if self.integer else "number"}
        made |= {} if self.least is None else {"minimum": self.least}
        return made | ({} if self.most is None else {"maximum": self.most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Id:
    """An id of a flow, step, variable: lower-case ASCII, so that no two look alike."""

    what: str = "id"
    or_nothing: bool = False

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.wrong_type(path, "text", value)
        elif not (_ID.match(value) and not value.endswith("\n")) and not (self.or_nothing and value == ""):
            walk.report("WF103", path, f"{spelled(value)} is no {self.what}: {why_no_id(value)}", ID_REMEDY)

    def schema(self, _: Schema) -> Schema:
        pattern = f"^$|{ID_PATTERN}" if self.or_nothing else ID_PATTERN
        return {"type": "string", "pattern": pattern}


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A length of time such as ``30m``; more than nothing, at most a year."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        remedy = 'write it as "30s", "30m", "2h", "7d" or "2w", more than 0 and at most a year'
        try:
            parse_duration(value)
        except ValueError:
            shown = f'"{value[:40]}"' if isinstance(value, str) else json.dumps(value)[:40]
            walk.report("WF221", path, f"{shown} is no length of time that can be used", remedy)

    def schema(self, _: Schema) -> Schema:
        return {"type": "string", "pattern": DURATION_PATTERN}


@dataclass(frozen=True, slots=True, kw_only=True)
class DateBound:
    """A first or last date: ``today``, ``30 days`` or YYYY-MM-DD, or an expression that gives one."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.wrong_type(path, "text", value)
        elif is_template(value):
            walk.sites.append(Site(path, value, "typed"))
        elif date_bound(value, date(2024, 2, 29)) is None:
            walk.report(
                "WF106", path, f'"{value[:40]}" is no date', 'write "today", "30 days" or "2026-05-24"'
            )

    def schema(self, _: Schema) -> Schema:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time of day, HH:MM, or an expression that gives one."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.wrong_type(path, "text", value)
        elif is_template(value):
            walk.sites.append(Site(path, value, "typed"))
        elif _CLOCK.fullmatch(value) is None:
            walk.report("WF106", path, f'"{value[:40]}" is no time of day', 'write "09:30"')

    def schema(self, _: Schema) -> Schema:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Opening hours of a trigger, such as ``mon-fri 09:00-18:00``."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.wrong_type(path, "text", value)
            return
        try:
            parse_hours(value)
        except BadHours as problem:
            walk.report("WF106", path, str(problem)[:200], 'write "09:00-18:00" or "mon-fri 09:00-18:00"')

    def schema(self, _: Schema) -> Schema:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.wrong_type(path, "text", value)
        elif value not in self.words:
            listed = "one of " + ", ".join(self.words)
            walk.report(
                "WF105", path, f'"{value[:60]}" is not known here', suggestion(value, self.words, listed)
            )

    def schema(self, _: Schema) -> Schema:
        return {"enum": list(self.words)}

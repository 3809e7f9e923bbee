"""Kinds of JSON values: each checks a value, collects the expressions in it, and describes itself as JSON Schema.

The table of the flow language (``vocabulary``) is written in these kinds, so lint and schema cannot disagree.
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flows.engine.codes import severity_of
from flows.engine.durations import parse_duration
from flows.engine.faults import Fault, Path
from flows.engine.keys import ID_PATTERN

Schema = dict[str, Any]

DURATION_PATTERN = "^ *[0-9]{1,9} *[smhdw] *$"

_ID = re.compile(ID_PATTERN)
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
    """What one walk over a document gathered."""

    faults: list[Fault] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)

    def report(self, code: str, path: Path, message: str, remedy: str, *, also: Iterable[Path] = ()) -> None:
        places = tuple(("", place) for place in also)
        self.faults.append(
            Fault(
                code=code, severity=severity_of(code), path=path, message=message, remedy=remedy, also=places
            )
        )


class Shape(Protocol):
    def check(self, value: Any, path: Path, walk: Walk) -> None: ...

    def schema(self) -> Schema: ...


def kind_of(value: Any) -> str:
    """The word for the JSON type of ``value`` in messages to people."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like ``word``, or "" where none is near."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def suggestion(word: str, known: Iterable[str], otherwise: str) -> str:
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else otherwise


def _wrong_type(walk: Walk, path: Path, expected: str, value: Any) -> None:
    walk.report("WF102", path, f"expected {expected}, got {kind_of(value)}", f"write {_a(expected)}")


def _a(noun: str) -> str:
    return (
        noun if noun.startswith(("true", "null", "one of")) else f"a{'n' if noun[0] in 'aeio' else ''} {noun}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A plain text that is never rendered."""

    pattern: str = ""
    least: int = 0
    most: int = 0
    what: str = "text"

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            _wrong_type(walk, path, "text", value)
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

    def schema(self) -> Schema:
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
            _wrong_type(walk, path, "text", value)

    def schema(self) -> Schema:
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
            _wrong_type(walk, path, "text", value)

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """Any JSON; its texts are rendered, one that is exactly ``{{ … }}`` keeps its type."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, str):
            walk.sites.append(Site(path, value, "typed"))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.check(item, (*path, index), walk)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.check(item, (*path, key), walk)

    def schema(self) -> Schema:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyJson:
    """Any JSON, taken as it stands."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        """Nothing to refuse."""

    def schema(self) -> Schema:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, bool):
            _wrong_type(walk, path, "true or false", value)

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number; ``integer`` refuses a fraction; ``least`` and ``most`` are included."""

    least: float | None = None
    most: float | None = None
    integer: bool = False

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            _wrong_type(walk, path, "whole number" if self.integer else "number", value)
        elif self.integer and value != int(value):
            walk.report("WF102", path, f"expected a whole number, got {value}", "write it without a fraction")
        elif self.least is not None and value < self.least:
            walk.report("WF106", path, f"{value} is too small", f"write at least {self.least:g}")
        elif self.most is not None and value > self.most:
            walk.report("WF106", path, f"{value} is too large", f"write at most {self.most:g}")

    def schema(self) -> Schema:
        made: Schema = {"type": "integer" if self.integer else "number"}
        made |= {} if self.least is None else {"minimum": self.least}
        return made | ({} if self.most is None else {"maximum": self.most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if value is not None:
            _wrong_type(walk, path, "null", value)

    def schema(self) -> Schema:
        return {"type": "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Id:
    """An id of a flow, step, variable: lower-case ASCII, so that no two look alike."""

    what: str = "id"
    or_nothing: bool = False

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            _wrong_type(walk, path, "text", value)
        elif not (_ID.match(value) and not value.endswith("\n")) and not (self.or_nothing and value == ""):
            walk.report("WF103", path, f"{spelled(value)} is no {self.what}: {why_no_id(value)}", _ID_REMEDY)

    def schema(self) -> Schema:
        pattern = f"^$|{ID_PATTERN}" if self.or_nothing else ID_PATTERN
        return {"type": "string", "pattern": pattern}


_ID_REMEDY = "use a-z, 0-9 and _, first a letter, at most 64 characters"


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

    def schema(self) -> Schema:
        return {"type": "string", "pattern": DURATION_PATTERN}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            _wrong_type(walk, path, "text", value)
        elif value not in self.words:
            listed = "one of " + ", ".join(self.words)
            walk.report(
                "WF105", path, f'"{value[:60]}" is not known here', suggestion(value, self.words, listed)
            )

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    item: Shape
    least: int = 0
    most: int = 0
    too_many: str = "WF106"

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, list):
            _wrong_type(walk, path, "list", value)
            return
        if len(value) < self.least:
            walk.report("WF106", path, f"the list has {len(value)} entries", f"write at least {self.least}")
        if self.most and len(value) > self.most:
            walk.report(
                self.too_many,
                path,
                f"the list has {len(value):,} entries",
                f"at most {self.most:,} are allowed",
            )
            return
        for index, item in enumerate(value):
            self.item.check(item, (*path, index), walk)

    def schema(self) -> Schema:
        made: Schema = {"type": "array", "items": self.item.schema()}
        made |= {"minItems": self.least} if self.least else {}
        return made | ({"maxItems": self.most} if self.most else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    """An object whose keys the author chooses; ``names`` says what they must look like."""

    value: Shape
    names: Id | None = None

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            _wrong_type(walk, path, "object", value)
            return
        for key, item in value.items():
            if self.names:
                self.names.check(key, (*path, key), walk)
            self.value.check(item, (*path, key), walk)

    def schema(self) -> Schema:
        made: Schema = {"type": "object", "additionalProperties": self.value.schema()}
        return made | ({"propertyNames": {"pattern": ID_PATTERN}} if self.names else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of an object: what it holds, whether it must be there, and a sentence for editors."""

    shape: Shape
    about: str
    required: bool = False


IGNORED = "$comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object with known keys; ``one_of`` are groups of which exactly one key must be given."""

    what: str
    keys: Mapping[str, Key]
    one_of: tuple[tuple[str, ...], ...] = ()

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            _wrong_type(walk, path, "object", value)
            return
        for key, item in value.items():
            if key in self.keys:
                self.keys[key].shape.check(item, (*path, key), walk)
            elif key != IGNORED:
                self._unknown(key, (*path, key), walk)
        for key, known in self.keys.items():
            if known.required and key not in value:
                walk.report("WF104", path, f'{self.what} has no "{key}"', f'add "{key}": {known.about}')
        for group in self.one_of:
            self._exactly_one(value, group, path, walk)

    def _unknown(self, key: str, path: Path, walk: Walk) -> None:
        otherwise = "known here: " + ", ".join(self.keys)
        walk.report(
            "WF101", path, f"{self.what} has no key {spelled(key)}", suggestion(key, self.keys, otherwise)
        )

    def _exactly_one(self, value: dict[str, Any], group: tuple[str, ...], path: Path, walk: Walk) -> None:
        given = [key for key in group if key in value]
        listed = ", ".join(group)
        if not given:
            walk.report("WF104", path, f"{self.what} needs one of {listed}", f'add "{group[0]}"')
        elif len(given) > 1:
            walk.report(
                "WF107",
                (*path, given[1]),
                f'"{given[0]}" and "{given[1]}" exclude each other',
                "keep one of them",
                also=[(*path, given[0])],
            )

    def schema(self) -> Schema:
        made: Schema = {
            "type": "object",
            "properties": {
                **{
                    key: known.shape.schema() | {"description": known.about}
                    for key, known in self.keys.items()
                },
                IGNORED: {"description": "ignored"},
            },
            "additionalProperties": False,
        }
        required = [key for key, known in self.keys.items() if known.required]
        made |= {"required": required} if required else {}
        if self.one_of:
            made["allOf"] = [{"oneOf": [{"required": [key]} for key in group]} for group in self.one_of]
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """An object whose ``type`` says which keys it may have."""

    what: str
    cases: Mapping[str, Record]
    default: str = ""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            _wrong_type(walk, path, "object", value)
            return
        tag = value.get("type", self.default)
        if tag == "" and "type" not in value:
            walk.report("WF104", path, f'{self.what} has no "type"', "one of " + ", ".join(self.cases))
        elif not isinstance(tag, str):
            _wrong_type(walk, (*path, "type"), "text", tag)
        elif tag not in self.cases:
            listed = "one of " + ", ".join(self.cases)
            walk.report(
                "WF105",
                (*path, "type"),
                f'{self.what} has no type "{tag[:60]}"',
                suggestion(tag, self.cases, listed),
            )
        else:
            self.cases[tag].check(value, path, walk)

    def schema(self) -> Schema:
        made: Schema = {
            "type": "object",
            "properties": {"type": {"enum": list(self.cases), "description": f"which {self.what} this is"}},
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": tag}}, "required": ["type"]},
                    "then": record.schema(),
                }
                for tag, record in self.cases.items()
            ],
        }
        if self.default:
            made["allOf"].append(
                {"if": {"not": {"required": ["type"]}}, "then": self.cases[self.default].schema()}
            )
        else:
            made["required"] = ["type"]
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """Several JSON types, told apart by the value's own type."""

    string: Shape | None = None
    record: Shape | None = None
    items: Shape | None = None
    number: Shape | None = None
    null: bool = False

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        shape = self._shape_for(value)
        if shape is not None:
            shape.check(value, path, walk)
        elif not (value is None and self.null):
            _wrong_type(walk, path, " or ".join(self._expected()), value)

    def _shape_for(self, value: Any) -> Shape | None:
        if isinstance(value, bool):
            return None
        if isinstance(value, str):
            return self.string
        if isinstance(value, list):
            return self.items
        if isinstance(value, dict):
            return self.record
        return self.number if isinstance(value, int | float) else None

    def _expected(self) -> list[str]:
        named = {"text": self.string, "object": self.record, "list": self.items, "number": self.number}
        return [name for name, shape in named.items() if shape] + (["null"] if self.null else [])

    def schema(self) -> Schema:
        shapes = [s for s in (self.string, self.record, self.items, self.number) if s]
        return {"anyOf": [shape.schema() for shape in shapes] + ([{"type": "null"}] if self.null else [])}

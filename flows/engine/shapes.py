"""Kinds of lists and objects. The table of the flow language (``vocabulary``) is written in these and in the
kinds of ``scalars``, so lint and JSON Schema cannot disagree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flows.engine.faults import Path
from flows.engine.keys import ID_PATTERN, MARKS
from flows.engine.scalars import Id, Schema
from flows.engine.walk import Walk, spelled, suggestion


def _reference(name: str, schema: Callable[[Schema], Schema], defs: Schema) -> Schema:
    """Describe a shape that has a name once, in ``defs``, and refer to it from where it is used."""
    if not name:
        return schema(defs)
    if name not in defs:
        defs[name] = {}  # its name is taken while it is described
        defs[name] = schema(defs)
    return {"$ref": f"#/$defs/{name}"}


class Shape(Protocol):
    def check(self, value: Any, path: Path, walk: Walk) -> None: ...

    def schema(self, defs: Schema, /) -> Schema: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    item: Shape
    least: int = 0
    most: int = 0
    too_many: str = "WF106"

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, list):
            walk.wrong_type(path, "list", value)
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

    def schema(self, defs: Schema) -> Schema:
        made: Schema = {"type": "array", "items": self.item.schema(defs)}
        made |= {"minItems": self.least} if self.least else {}
        return made | ({"maxItems": self.most} if self.most else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    """An object whose keys the author chooses; ``names`` says what they must look like."""

    value: Shape
    names: Id | None = None

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            walk.wrong_type(path, "object", value)
            return
        for key, item in value.items():
            if self.names:
                self.names.check(key, (*path, key), walk)
            self.value.check(item, (*path, key), walk)

    def schema(self, defs: Schema) -> Schema:
        made: Schema = {"type": "object", "additionalProperties": self.value.schema(defs)}
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
    shared: str = ""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            walk.wrong_type(path, "object", value)
            return
        for key, item in value.items():
            if key in self.keys:
                self.keys[key].shape.check(item, (*path, key), walk)
            elif key != IGNORED and not (walk.allows_marks and key in MARKS):
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

    def schema(self, defs: Schema) -> Schema:
        return _reference(self.shared, self._schema, defs)

    def _schema(self, defs: Schema) -> Schema:
        made: Schema = {
            "title": self.what.removeprefix("the "),
            "type": "object",
            "properties": {
                **{
                    key: known.shape.schema(defs) | {"description": known.about}
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
    shared: str = ""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            walk.wrong_type(path, "object", value)
            return
        tag = value.get("type", self.default)
        if tag == "" and "type" not in value:
            walk.report("WF104", path, f'{self.what} has no "type"', "one of " + ", ".join(self.cases))
        elif not isinstance(tag, str):
            walk.wrong_type((*path, "type"), "text", tag)
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

    def schema(self, defs: Schema) -> Schema:
        return _reference(self.shared, self._schema, defs)

    def _schema(self, defs: Schema) -> Schema:
        made: Schema = {
            "title": self.what.removeprefix("the "),
            "type": "object",
            "properties": {"type": {"enum": list(self.cases), "description": f"which {self.what} this is"}},
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": tag}}, "required": ["type"]},
                    "then": record.schema(defs),
                }
                for tag, record in self.cases.items()
            ],
        }
        if self.default:
            made["allOf"].append(
                {"if": {"not": {"required": ["type"]}}, "then": self.cases[self.default].schema(defs)}
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
            walk.wrong_type(path, " or ".join(self._expected()), value)

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

    def schema(self, defs: Schema) -> Schema:
        shapes = [s for s in (self.string, self.record, self.items, self.number) if s]
        return {"anyOf": [shape.schema(defs) for shape in shapes] + ([{"type": "null"}] if self.null else [])}

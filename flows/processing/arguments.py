"""Arguments: a function's annotations become checks, and a call's JSON is bound to its parameters by them."""

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from flows.processing.contract import DECLARATION, Context, Declaration

PAYLOAD = "payload"


class UnknownAnnotationError(TypeError):
    """A processor's annotation that no JSON value can be checked against."""


class ArgumentsError(Exception):
    """The arguments of a call do not fit; the message names every one that does not."""


class Mismatch(Exception):
    """A value is not of its kind. `path` is where inside the argument, such as `[2]`."""

    def __init__(self, expected: str, got: str, path: str = "") -> None:
        super().__init__(expected, got, path)
        self.expected, self.got, self.path = expected, got, path


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: `words` for people, `read` gives the value as the function wants it."""

    words: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Kind
    required: bool
    by_position: bool
    is_free: bool  # takes an object of any keys: a dict, or nothing was said


@dataclass(frozen=True, slots=True)
class Plan:
    """How to call one function."""

    name: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    declaration: Declaration
    is_declared: bool
    is_async: bool
    context_name: str | None
    takes_others: bool
    line: int
    signature: str

    @property
    def payload_name(self) -> str | None:
        """The one parameter that may take all arguments as one dict."""
        only = self.parameters[0] if len(self.parameters) == 1 else None
        return only.name if only and only.is_free else None


def plan(function: Callable[..., Any]) -> Plan:
    """Read a function's signature.

    Raises: UnknownAnnotationError when a declared processor has an annotation that cannot be checked; what a
    plain function says beyond the known kinds is passed unchecked.
    """
    declaration = getattr(function, DECLARATION, None)
    hints = _hints(function, strict=declaration is not None)
    parameters, context_name, takes_others = [], None, False
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name, parameter.empty)
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_others = True
        elif _is_context(parameter.name, hint):
            context_name = parameter.name
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            parameters.append(_parameter(parameter, hint, function.__name__, strict=declaration is not None))
    return Plan(
        name=function.__name__,
        function=function,
        parameters=tuple(parameters),
        declaration=declaration or Declaration(),
        is_declared=declaration is not None,
        is_async=inspect.iscoroutinefunction(function),
        context_name=context_name,
        takes_others=takes_others,
        line=inspect.unwrap(function).__code__.co_firstlineno,
        signature=_signature(function),
    )


def bind(to: Plan, args: Mapping[str, Any], *, older: bool) -> tuple[list[Any], dict[str, Any]]:
    """Fit a call's arguments to the function's parameters, positions and names apart.

    `older`: the call comes from a flow of the older dialect, whose payload always carries more than is asked
    for: a lone dict parameter takes it whole, and names that the function does not know are dropped.
    Raises: ArgumentsError
    """
    if _takes_payload(to, args, older=older):
        args = {to.parameters[0].name: dict(args)}
    faults = [] if to.takes_others or older else _unknown(to, args)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in to.parameters:
        if parameter.name not in args:
            if parameter.required:
                faults.append(f'argument "{parameter.name}" is missing')
            continue
        try:
            value = parameter.kind.read(args[parameter.name])
        except Mismatch as fault:
            where = f"{parameter.name}{fault.path}"
            faults.append(f'argument "{where}": expected {fault.expected}, got {fault.got}')
            continue
        if parameter.by_position:
            positional.append(value)
        else:
            named[parameter.name] = value
    if to.takes_others:
        known = {parameter.name for parameter in to.parameters}
        named |= {name: value for name, value in args.items() if name not in known}
    if faults:
        raise ArgumentsError(f"{to.name}: " + "; ".join(faults))
    return positional, named


def _takes_payload(to: Plan, args: Mapping[str, Any], *, older: bool) -> bool:
    name = to.payload_name
    if name is None:
        return False
    return older or (name not in args and (name == PAYLOAD or not to.is_declared))


def _unknown(to: Plan, args: Mapping[str, Any]) -> list[str]:
    known = [parameter.name for parameter in to.parameters]
    faults = []
    for name in args:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f'; did you mean "{near[0]}"?' if near else ""
            faults.append(f'there is no argument "{name}"{remedy}')
    return faults


def _parameter(parameter: inspect.Parameter, hint: Any, function: str, *, strict: bool) -> Parameter:
    try:
        kind = kind_of(hint)
    except UnknownAnnotationError as fault:
        if strict:
            raise UnknownAnnotationError(f"{function}: parameter {parameter.name!r}: {fault}") from None
        kind = ANYTHING
    return Parameter(
        name=parameter.name,
        kind=kind,
        required=parameter.default is parameter.empty,
        by_position=parameter.kind is parameter.POSITIONAL_ONLY,
        is_free=kind.words in {ANYTHING.words, OBJECT.words},
    )


def _hints(function: Callable[..., Any], *, strict: bool) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError, SyntaxError):
        if strict:
            raise
        return {}


def _is_context(name: str, hint: Any) -> bool:
    if hint is inspect.Parameter.empty:
        return name == "context"
    return hint is Context or Context in typing.get_args(hint)


def _signature(function: Callable[..., Any]) -> str:
    text = f"{function.__name__}{inspect.signature(function)}"
    return text.replace("flows.processing.contract.", "").replace("typing.", "")


def kind_of(hint: Any) -> Kind:
    """The check that an annotation stands for. Raises: UnknownAnnotationError"""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if not inner and (simple := SIMPLE.get(origin or hint)):
        return simple
    if typing.is_typeddict(hint):
        return OBJECT
    if origin in (typing.Union, types.UnionType):
        return _union([kind_of(one) for one in inner])
    if origin is typing.Literal:
        return _literal(inner)
    if origin in (list, Sequence) and inner:
        return _list_of(kind_of(inner[0]))
    if origin in (dict, Mapping) and inner and inner[0] in (str, Any):
        return _object_of(kind_of(inner[1]))
    if origin is typing.Annotated:
        return kind_of(inner[0])
    raise UnknownAnnotationError(f"{_name(hint)} is no kind that can be checked; known are {KNOWN}")


def json_kind(value: Any) -> str:
    """A JSON value's kind in words, without the value: it may be personal."""
    if isinstance(value, float) and not value.is_integer():
        return "a number"
    names = {
        str: "text",
        bool: "true or false",
        int: "a whole number",
        float: "a whole number",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


def _exactly(words: str, wanted: type) -> Kind:
    def read(value: Any) -> Any:
        if type(value) is not wanted:
            raise Mismatch(words, json_kind(value))
        return value

    return Kind(words, read)


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise Mismatch("a whole number", json_kind(value))
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise Mismatch("a number", json_kind(value))
    return float(value)


def _moment(words: str, parse: Callable[[str], Any]) -> Kind:
    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise Mismatch(words, json_kind(value))
        try:
            return parse(value)
        except ValueError:
            raise Mismatch(words, "text that is none") from None

    return Kind(words, read)


def _calendar_date(text: str) -> date:
    if len(text) != len("2026-01-31"):  # the short forms of ISO 8601 would be read too
        raise ValueError(text)
    return date.fromisoformat(text)


ANYTHING = Kind("anything", lambda value: value)
OBJECT = _exactly("an object", dict)
KNOWN = "str, int, float, bool, list, dict, date, time, datetime, Literal, Any, None and unions of them"
SIMPLE: dict[Any, Kind] = {
    inspect.Parameter.empty: ANYTHING,
    Any: ANYTHING,
    object: ANYTHING,
    str: _exactly("text", str),
    bool: _exactly("true or false", bool),
    int: Kind("a whole number", _whole),
    float: Kind("a number", _number),
    list: _exactly("a list", list),
    dict: OBJECT,
    Mapping: OBJECT,
    None: _exactly("null", type(None)),
    type(None): _exactly("null", type(None)),
    date: _moment('a date as "YYYY-MM-DD"', _calendar_date),
    time: _moment('a time as "HH:MM"', time.fromisoformat),
    datetime: _moment("a moment in ISO 8601", datetime.fromisoformat),
}


def _union(kinds: list[Kind]) -> Kind:
    words = " or ".join(kind.words for kind in kinds)

    def read(value: Any) -> Any:
        faults = []
        for kind in kinds:
            try:
                return kind.read(value)
            except Mismatch as fault:
                faults.append(fault)
        deeper = [fault for fault in faults if fault.path]
        if deeper:
            raise deeper[0]
        raise Mismatch(words, faults[0].got)

    return Kind(words, read)


def _literal(allowed: tuple[Any, ...]) -> Kind:
    words = "one of " + ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in allowed)

    def read(value: Any) -> Any:
        for one in allowed:
            if type(one) is type(value) and one == value:
                return value
        raise Mismatch(words, "another value" if isinstance(value, str) else json_kind(value))

    return Kind(words, read)


def _list_of(item: Kind) -> Kind:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise Mismatch("a list", json_kind(value))
        return [_inside(item, one, f"[{index}]") for index, one in enumerate(value)]

    return Kind(f"a list of {item.words}", read)


def _object_of(item: Kind) -> Kind:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch("an object", json_kind(value))
        return {key: _inside(item, one, f".{key}") for key, one in value.items()}

    return Kind(OBJECT.words, read)


def _inside(kind: Kind, value: Any, path: str) -> Any:
    try:
        return kind.read(value)
    except Mismatch as fault:
        raise Mismatch(fault.expected, fault.got, path + fault.path) from None


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)

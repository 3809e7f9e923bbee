"""Kinds of values that only API records have: JMESPaths, headers, numbers with a code of their own."""

import re
from dataclasses import dataclass, replace
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from flows.engine.faults import Path
from flows.engine.scalars import Id, Liquid, Number, Schema
from flows.engine.shapes import MapOf
from flows.engine.walk import Walk, spelled

LONGEST_PATH = 1_000
# By this name a script in a browser would reach into the object's own machinery.
FORBIDDEN_NAME = "__proto__"
FORBIDDEN_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",  # codespell:ignore te
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_BREAK = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SPOKEN = re.compile(r"^(?:Bad|Invalid) jmespath expression: ", re.IGNORECASE)
_QUOTED_OR_NUMBER = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|(?P<sign>[=<>]\s*)(?P<number>-?\d+(?:\.\d+)?)"""
)


def header_problem(name: str) -> str:
    """Say what is wrong with the name of a header, "" if nothing is."""
    if not _HEADER_NAME.fullmatch(name):
        return f"{spelled(name)} is no name of a header"
    return f"the header {name} is set by the client alone" if name.lower() in FORBIDDEN_HEADERS else ""


def breaks_header(value: str) -> bool:
    """Whether a header's value would end its line, or holds what no header may."""
    return _HEADER_BREAK.search(value) is not None


def condition_path(text: str) -> str:
    """Return the JMESPath of a condition, in which a number may stand without its backticks."""
    return _QUOTED_OR_NUMBER.sub(
        lambda found: f"{found['sign']}`{found['number']}`" if found["number"] else found[0], text
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A JMESPath over an answer; in a condition a number may stand without backticks."""

    is_condition: bool = False

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.wrong_type(path, "text", value)
            return
        problem = self._problem(value)
        if problem:
            remedy = (
                "write it as status == 409 or body.code == 'taken'"
                if self.is_condition
                else ('write it as data.items[0].id, without "$."')
            )
            walk.report("WF607", path, f"{spelled(value)} is no JMESPath: {problem}", remedy)

    def _problem(self, text: str) -> str:
        if len(text) > LONGEST_PATH:
            return f"it has {len(text):,} characters, at most {LONGEST_PATH:,} are allowed"
        if FORBIDDEN_NAME in text:
            return f"{FORBIDDEN_NAME} is never read"
        try:
            jmespath.compile(condition_path(text) if self.is_condition else text)
        except JMESPathError as problem:
            said = str(problem).splitlines()[0].split(": Parse error")[0]
            return _SPOKEN.sub("", said).strip(" :.").lower()
        except RecursionError:
            return "it is nested too deeply"
        return ""

    def schema(self, _: Schema) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": LONGEST_PATH}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultName(Id):
    """A name of the result, which a flow reads by dots."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if value == FORBIDDEN_NAME:
            walk.report(
                "WF607", path, f"{spelled(value)} can be no name of the result", "choose another name"
            )
        else:
            Id.check(self, value, path, walk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Number):
    """A number with a code of its own where it is out of range; ``above`` is not included."""

    code: str = "WF106"
    above: float | None = None

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        found = Walk()
        Number.check(self, value, path, found)
        if not found.faults and self.above is not None and value <= self.above:
            found.report("WF106", path, f"{value} is too small", f"write more than {self.above:g}")
        walk.faults += [
            replace(fault, code=self.code) if fault.code == "WF106" else fault for fault in found.faults
        ]

    def schema(self, defs: Schema) -> Schema:
        made = Number.schema(self, defs)
        return made | ({} if self.above is None else {"exclusiveMinimum": self.above})


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Names and values of headers; a value is rendered."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        MapOf(value=Liquid()).check(value, path, walk)
        seen: dict[str, str] = {}
        for name, text in value.items() if isinstance(value, dict) else ():
            check_header_name(name, (*path, name), walk)
            if isinstance(text, str) and breaks_header(text):
                walk.report(
                    "WF604", (*path, name), "a header's value is one line of text", "remove the line break"
                )
            other = seen.setdefault(name.lower(), name)
            if other != name:
                walk.report(
                    "WF604",
                    (*path, name),
                    f"the header {name} is also given as {other}",
                    "keep one of them",
                    also=[(*path, other)],
                )

    def schema(self, defs: Schema) -> Schema:
        return MapOf(value=Liquid()).schema(defs)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderName:
    """The name of one header."""

    def check(self, value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, str):
            check_header_name(value, path, walk)
        else:
            walk.wrong_type(path, "text", value)

    def schema(self, _: Schema) -> Schema:
        return {"type": "string", "pattern": f"^{_HEADER_NAME.pattern}$"}


def check_header_name(name: str, path: Path, walk: Walk) -> None:
    problem = header_problem(name)
    if problem:
        walk.report("WF604", path, problem, "use letters, digits and -, and leave out what the client sets")

"""The processor files that a child has imported, each under the hash of its text."""

import inspect
import linecache
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from flows.processing.arguments import Plan, plan
from flows.processing.contract import DECLARATION

LONGEST_TRACEBACK = 8 * 1024
_SKIPPED_UNLESS_DECLARED = {"main"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version of a file: its code to be run as a script, and the functions that its import gave."""

    path: str
    code: CodeType
    plans: Mapping[str, Plan]


class Modules:
    """What was loaded, the newest version of each file only."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Loaded] = {}

    def get(self, module_hash: str) -> Loaded:
        return self._by_hash[module_hash]

    def load(self, *, module_hash: str, path: str, name: str, source: str, imports: bool) -> Loaded:
        """Compile a file and, unless it is only a script, import it. Raises whatever the file raises."""
        linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
        code = compile(source, path, "exec", dont_inherit=True)
        plans = _import(code, path, name) if imports else {}
        for older in [key for key, loaded in self._by_hash.items() if loaded.path == path]:
            del self._by_hash[older]
        self._by_hash[module_hash] = Loaded(path, code, plans)
        return self._by_hash[module_hash]


def describe(loaded: Loaded) -> list[dict[str, Any]]:
    """What the parent has to know of each function, as JSON."""
    return [
        {
            "name": one.name,
            "line": one.line,
            "signature": one.signature,
            "parameters": [
                {"name": parameter.name, "kind": parameter.kind.words, "required": parameter.required}
                for parameter in one.parameters
            ],
            "takes_context": one.context_name is not None,
            "takes_others": one.takes_others,
            "payload_name": one.payload_name,
            "is_declared": one.is_declared,
            "is_async": one.is_async,
            "timeout_seconds": one.declaration.timeout_seconds,
            "idempotent": one.declaration.idempotent or one.declaration.effects == "pure",
            "effects": one.declaration.effects,
            "memory_mb": one.declaration.memory_mb,
        }
        for one in loaded.plans.values()
    ]


def last_traceback(error: BaseException, path: str) -> str:
    """The traceback from the author's first own frame on; the frames before it are ours."""
    frames = traceback.extract_tb(error.__traceback__)
    own = next((index for index, frame in enumerate(frames) if frame.filename == path), len(frames))
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[own:])]
    if own == len(frames):
        lines = []
    lines += traceback.format_exception_only(error)
    text = "".join(lines)
    return text if len(text) <= LONGEST_TRACEBACK else "…" + text[-LONGEST_TRACEBACK:]


def line_of(error: BaseException, path: str) -> int | None:
    """The line of the author's file where it went wrong."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None


def _import(code: CodeType, path: str, name: str) -> dict[str, Plan]:
    module = ModuleType(name)
    module.__file__ = path
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and typing look their module up here
    try:
        exec(code, module.__dict__)  # noqa: S102 - the author's own file, from disk, in its own process
        return {plan_.name: plan_ for plan_ in map(plan, _functions(module))}
    except BaseException:
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
        raise


def _functions(module: ModuleType) -> list[types.FunctionType]:
    """Public functions that this file itself defines."""
    return [
        value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and value.__name__ == name
        and not name.startswith("_")
        and (name not in _SKIPPED_UNLESS_DECLARED or hasattr(value, DECLARATION))
    ]

"""What was discovered: every processor, every problem, and which processor a name means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from flows.processing.contract import DEFAULT_MEMORY_MB, DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    name: str
    kind: str  # in words: "text", "a whole number", …
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorInfo:
    """One processor, with the text of the file version that it comes from.

    `flow_id` is the file's name: the flow whose own processors these are, if there is such a flow.
    `imports`: whether the child imports the file; a script is only compiled, and run at each call.
    """

    name: str
    flow_id: str
    path: str
    line: int
    signature: str
    module_hash: str
    kind: Literal["function", "script"] = "function"
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    idempotent: bool = False
    effects: str | None = None
    memory_mb: int = DEFAULT_MEMORY_MB
    is_async: bool = False
    is_declared: bool = False
    takes_context: bool = False
    takes_others: bool = False
    payload_name: str | None = None
    parameters: tuple[ParameterInfo, ...] = ()
    source: str = field(default="", repr=False, compare=False)

    @property
    def imports(self) -> bool:
        return self.kind == "function"

    def name_faults(self, names: frozenset[str] | set[str]) -> list[str]:
        """What a flow's `args` get wrong by their names alone, as a check before any call can tell."""
        if self.kind == "script" or self._takes_all(names):
            return []
        known = {parameter.name for parameter in self.parameters}
        unknown = [] if self.takes_others else sorted(names - known)
        missing = [one.name for one in self.parameters if one.required and one.name not in names]
        faults = [f'{self.name}: there is no argument "{name}"' for name in unknown]
        return faults + [f'{self.name}: argument "{name}" is missing' for name in missing]

    def _takes_all(self, names: frozenset[str] | set[str]) -> bool:
        payload = self.payload_name
        return payload is not None and payload not in names and (payload == "payload" or not self.is_declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A file that cannot be used as it stands. `is_serving`: its last good version answers meanwhile."""

    path: str
    message: str
    line: int | None = None
    traceback: str = ""
    is_serving: bool = False

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """An immutable picture of the processors' folder; swapped whole when something changed."""

    generation: int = 0
    processors: tuple[ProcessorInfo, ...] = ()
    problems: tuple[Problem, ...] = ()

    def find(self, name: str, flow_id: str | None = None) -> ProcessorInfo | None:
        """The flow's own processor of this name, else the first of that name by file."""
        candidates = self._by_name.get(name, ())
        own = (one for one in candidates if one.flow_id == flow_id)
        return next(own, candidates[0] if candidates else None)

    def clashes(self, flow_ids: frozenset[str] | set[str]) -> dict[str, tuple[str, ...]]:
        """Names that several files define which are no flow's own: only the first file's is ever used."""
        shared = {
            name: tuple(one.path for one in candidates if one.flow_id not in flow_ids)
            for name, candidates in self._by_name.items()
        }
        return {name: paths for name, paths in shared.items() if len(paths) > 1}

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_name)

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[ProcessorInfo, ...]]:
        table: dict[str, tuple[ProcessorInfo, ...]] = {}
        for one in sorted(self.processors, key=lambda one: (Path(one.path).name, one.line)):
            table[one.name] = (*table.get(one.name, ()), one)
        return table

"""One flow under examination: its document, its graph, what it may refer to, and the faults found so far."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.catalog import Catalog
from flows.engine.faults import Fault, Path
from flows.engine.graph import Graph, Node
from flows.engine.walk import Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    flow_id: str
    document: Mapping[str, Any]
    graph: Graph
    catalog: Catalog
    walk: Walk
    is_older: bool = False

    @property
    def nodes(self) -> Iterator[Node]:
        yield from self.graph.nodes.values()

    def report(self, code: str, path: Path, message: str, remedy: str, **more: Any) -> None:
        self.walk.report(code, path, message, remedy, **more)

    def add(self, fault: Fault) -> None:
        self.walk.faults.append(fault)

    def contents(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every content of the flow: of steps, re-asks, reminders and handoffs."""
        for node in self.nodes:
            yield from contents_of(node)
            wait = record(node.raw.get("wait_for"))
            at = (*node.path, "wait_for")
            yield from listed(record(wait.get("retry")).get("content"), (*at, "retry", "content"))
            for index, reminder in items(wait.get("remind")):
                yield from listed(record(reminder).get("content"), (*at, "remind", index, "content"))


def contents_of(node: Node) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The contents that the step itself says."""
    yield from listed(node.raw.get("content"), (*node.path, "content"))


def listed(content: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """One content or a list of them, each with its path; what is no object is left out."""
    if isinstance(content, dict):
        yield path, content
    for index, entry in items(content):
        if isinstance(entry, dict):
            yield (*path, index), entry


def record(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> Iterator[tuple[int, Any]]:
    yield from enumerate(value) if isinstance(value, list) else ()

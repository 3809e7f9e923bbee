"""The graph of a flow document: which step can follow which, and whether a wait lies between."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.engine.faults import Path

NO_NEXT = frozenset({"end", "split"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A way from one step to another (``target`` None: the flow ends).

    ``kind``: next, success, fall (to the next in the list), arm, fail, unknown, retry, timeout, back.
    ``waits``: something is awaited before it is taken.
    """

    source: str
    target: str | None
    kind: str
    path: Path
    waits: bool = False

    @property
    def is_for_trouble(self) -> bool:
        return self.kind in {"fail", "unknown", "retry", "timeout"}


@dataclass(frozen=True, slots=True)
class Node:
    """A step as it stands in the document; ``following`` is the next one in the list.

    ``waits``: going on from it always means that something was awaited.
    """

    id: str
    index: int
    raw: Mapping[str, Any]
    following: str | None
    waits: bool

    @property
    def path(self) -> Path:
        return ("steps", self.index)

    @property
    def type(self) -> str:
        kind = self.raw.get("type", "message")
        return kind if isinstance(kind, str) else ""

    @property
    def is_active(self) -> bool:
        return self.raw.get("is_active", True) is not False


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    start: str | None
    from_step: dict[str, list[Edge]] = field(default_factory=dict)

    def reachable(self, entries: list[str]) -> set[str]:
        seen: set[str] = set()
        todo = [entry for entry in entries if entry in self.nodes]
        while todo:
            step = todo.pop()
            if step not in seen:
                seen.add(step)
                todo += [e.target for e in self.from_step.get(step, ()) if e.target in self.nodes]
        return seen


def build(document: Mapping[str, Any], waits_in: Callable[[str], bool] = lambda _: True) -> Graph:
    """Make the graph of a document, however faulty: what is not a step is left out.

    ``waits_in`` says of a flow that is called whether it always awaits something before it completes.
    """
    nodes = _nodes(document, waits_in)
    end = document.get("end") if isinstance(document.get("end"), str) else None
    edges = tuple(edge for node in nodes.values() for edge in _edges(node, is_end=node.id == end))
    from_step: dict[str, list[Edge]] = {}
    for edge in edges:
        from_step.setdefault(edge.source, []).append(edge)
    start = document.get("start") or next(iter(nodes), None)
    return Graph(nodes, edges, start if isinstance(start, str) else None, from_step)


def steps_of(document: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """The entries of ``steps`` that are objects, with their index."""
    steps = document.get("steps")
    return (
        [(i, step) for i, step in enumerate(steps) if isinstance(step, dict)]
        if isinstance(steps, list)
        else []
    )


def nodes_of(document: Mapping[str, Any]) -> dict[str, Node]:
    """The steps of a document by their ids; of two with one id the first."""
    return _nodes(document, lambda _: True)


def _nodes(document: Mapping[str, Any], waits_in: Callable[[str], bool]) -> dict[str, Node]:
    first: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for index, step in steps_of(document):
        if isinstance(step.get("id"), str):
            first.setdefault(step["id"], (index, step))
    following = [*first, None][1:]
    return {
        step_id: Node(step_id, index, step, after, _always_waits(step, waits_in))
        for (step_id, (index, step)), after in zip(first.items(), following, strict=True)
    }


def _always_waits(step: Mapping[str, Any], waits_in: Callable[[str], bool]) -> bool:
    kind = step.get("type", "message")
    if step.get("is_active", True) is False:
        return False
    if kind == "message":
        return isinstance(step.get("wait_for"), dict)
    if kind == "flow":
        return waits_in(step["flow"]) if isinstance(step.get("flow"), str) else True
    return kind == "handoff" or (kind == "pause" and "for" in step)


def _edges(node: Node, *, is_end: bool) -> Iterator[Edge]:
    if node.type not in NO_NEXT or not node.is_active:
        for edge in _next_edges(node):
            yield _ending(edge) if is_end else edge
    if node.is_active:
        yield from _arm_edges(node)
        yield from _trouble_edges(node)


def _ending(edge: Edge) -> Edge:
    return Edge(source=edge.source, target=None, kind="next", path=edge.path, waits=edge.waits)


def _next_edges(node: Node) -> Iterator[Edge]:
    if node.type == "handoff" and node.is_active:
        if not node.raw.get("step") and not node.raw.get("timeout"):
            return
        if node.raw.get("step"):
            yield _edge(node, node.raw["step"], "back", ("step",), waits=True)
            return
    if node.type == "flow" and node.is_active and node.raw.get("mode") == "goto":
        return
    if "on_success" in node.raw:
        yield _edge(node, node.raw["on_success"], "success", ("on_success",), waits=node.waits)
    elif "next_step" in node.raw:
        yield from _ruled_edges(node, node.raw["next_step"])
    else:
        yield _fall(node)


def _ruled_edges(node: Node, raw: Any) -> Iterator[Edge]:
    if not isinstance(raw, list):
        yield _edge(node, raw, "next", ("next_step",), waits=node.waits)
        return
    for index, rule in enumerate(raw):
        if isinstance(rule, dict) and (node.is_active or "when" not in rule):
            yield _edge(node, rule.get("step"), "next", ("next_step", index, "step"), waits=node.waits)
            if "when" not in rule:
                return
    yield _fall(node)


def _fall(node: Node) -> Edge:
    return Edge(source=node.id, target=node.following, kind="fall", path=node.path, waits=node.waits)


def _edge(node: Node, target: Any, kind: str, path: Path, *, waits: bool) -> Edge:
    step = target if isinstance(target, str) and target else None
    return Edge(source=node.id, target=step, kind=kind, path=(*node.path, *path), waits=waits)


def _arm_edges(node: Node) -> Iterator[Edge]:
    arms = node.raw.get("arms")
    if node.type == "split" and isinstance(arms, list):
        for index, arm in enumerate(arms):
            if isinstance(arm, dict):
                yield _edge(node, arm.get("step"), "arm", ("arms", index, "step"), waits=False)


def _trouble_edges(node: Node) -> Iterator[Edge]:
    """Failure edges never wait: a step may fail before it asks anything."""
    for key, kind in (("on_fail", "fail"), ("on_unknown", "unknown")):
        if isinstance(node.raw.get(key), str) and node.raw[key]:
            yield _edge(node, node.raw[key], kind, (key,), waits=False)
    wait = node.raw.get("wait_for")
    parts: list[tuple[Mapping[str, Any], Path]] = [(wait, ("wait_for",))] if isinstance(wait, dict) else []
    if node.type == "handoff":
        parts.append((node.raw, ()))
    for part, path in parts:
        for key in ("retry", "timeout"):
            inner = part.get(key)
            if isinstance(inner, dict) and isinstance(inner.get("step"), str):
                yield _edge(node, inner["step"], key, (*path, key, "step"), waits=True)

"""What a flow may refer to: the other flows, processors, API records, templates and data of the dataset."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from flows.engine.claims import Claim, claims_of
from flows.engine.faults import Path
from flows.engine.graph import Graph, Node, build, nodes_of

MAX_DEPTH = 8

LinkKind = Literal["call", "goto", "next_flow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A flow's way into another flow; ``step`` is None for ``next_flow``."""

    target: str
    kind: LinkKind
    path: Path
    step: str | None = None
    args: frozenset[str] = frozenset()


class ProcessorFact(Protocol):
    """What is known of a processor; ``name_faults`` says what a call's argument names get wrong."""

    def name_faults(self, names: frozenset[str] | set[str]) -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFact:
    """A message template as Meta knows it: its parameter count by name and language, and its status."""

    name: str
    language: str
    status: str = "APPROVED"
    parameters: int | None = None


@dataclass(frozen=True, kw_only=True)
class FlowSummary:
    """A flow of the dataset as the others see it; ``document`` is canonical JSON, not necessarily valid."""

    flow_id: str
    document: Mapping[str, Any]
    file: str = ""

    @cached_property
    def links(self) -> tuple[Link, ...]:
        return tuple(_links(self.document))

    @cached_property
    def step_ids(self) -> frozenset[str]:
        return frozenset(nodes_of(self.document))

    @property
    def is_active(self) -> bool:
        return self.document.get("is_active", True) is not False


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All that names can mean. A part that is None is not known, and names of its kind are not checked."""

    flows: Mapping[str, FlowSummary] = field(default_factory=dict)
    processor: Callable[[str, str], ProcessorFact | None] | None = None
    processor_names: Iterable[str] = ()
    processor_problems: tuple[str, ...] = ()
    apis: frozenset[str] | None = None
    templates: tuple[TemplateFact, ...] | None = None
    data: frozenset[str] | None = None
    consent_words: frozenset[str] = frozenset()
    knows_all_flows: bool = True

    @cached_property
    def _waiting(self) -> dict[str, bool]:
        return {}

    def waits_in(self, flow_id: str) -> bool:
        """Whether a flow always awaits something before it completes; an unknown one is said to."""
        if flow_id not in self._waiting:
            self._waiting[flow_id] = True  # a circle of calls is a fault of its own
            summary = self.flows.get(flow_id)
            self._waiting[flow_id] = summary is None or not _can_pass(self.graph(flow_id))
        return self._waiting[flow_id]

    @cached_property
    def _graphs(self) -> dict[str, Graph]:
        return {}

    def graph_of(self, document: Mapping[str, Any]) -> Graph:
        """The graph of a document, which may be that of a flow known here."""
        flow_id = document.get("id")
        known = self.flows.get(flow_id) if isinstance(flow_id, str) else None
        if known is not None and known.document is document:
            return self.graph(known.flow_id)
        return build(document, self.waits_in)

    def graph(self, flow_id: str) -> Graph:
        if flow_id not in self._graphs:
            self._graphs[flow_id] = build(self.flows[flow_id].document, self.waits_in)
        return self._graphs[flow_id]

    @cached_property
    def instant_links(self) -> dict[str, list[str]]:
        """Flow → flows that it can enter for good (goto, next_flow) before anything was awaited."""
        return {flow_id: self._instant(summary) for flow_id, summary in self.flows.items()}

    def _instant(self, summary: FlowSummary) -> list[str]:
        steps = instant_steps(self.graph(summary.flow_id))
        passes = not self.waits_in(summary.flow_id)
        return [
            link.target
            for link in summary.links
            if (link.kind == "goto" and link.step in steps) or (link.kind == "next_flow" and passes)
        ]

    @cached_property
    def all_links(self) -> dict[str, list[str]]:
        return {flow_id: [link.target for link in s.links] for flow_id, s in self.flows.items()}

    @cached_property
    def _depths(self) -> dict[str, int]:
        return {}

    def depth(self, flow_id: str) -> int:
        """How many frames lie upon each other at most when this flow is entered."""
        if flow_id not in self._depths:
            self._depths[flow_id] = 1
            links = self.flows[flow_id].links if flow_id in self.flows else ()
            inner = [self.depth(link.target) + (link.kind == "call") for link in links]
            self._depths[flow_id] = max([1, *inner])
        return self._depths[flow_id]

    @cached_property
    def _claims(self) -> dict[tuple[str, str], list[tuple[str, Claim]]]:
        found: dict[tuple[str, str], list[tuple[str, Claim]]] = {}
        for flow_id, summary in self.flows.items():
            for claim in claims_of(summary.document) if summary.is_active else ():
                found.setdefault(claim.key, []).append((flow_id, claim))
        return found

    def claims_on(self, key: tuple[str, str]) -> list[tuple[str, Claim]]:
        """The claims of all active flows on one key, with their flow ids."""
        return self._claims.get(key, [])

    @cached_property
    def _passed(self) -> dict[str, set[str]]:
        passed: dict[str, set[str]] = {}
        for summary in self.flows.values():
            for link in summary.links:
                passed.setdefault(link.target, set()).update(link.args)
        return passed

    def passed_to(self, flow_id: str) -> set[str]:
        """Names of the variables that other flows hand over to this one."""
        return self._passed.get(flow_id, set())


def _links(document: Mapping[str, Any]) -> Iterable[Link]:
    for node in nodes_of(document).values():
        target = node.raw.get("flow")
        if node.type == "flow" and isinstance(target, str) and node.is_active:
            yield _link(node, target)
    following = document.get("next_flow")
    if isinstance(following, str) and following:
        yield Link(target=following, kind="next_flow", path=("next_flow",))


def _link(node: Node, target: str) -> Link:
    args = node.raw.get("args")
    return Link(
        target=target,
        kind="goto" if node.raw.get("mode") == "goto" else "call",
        path=(*node.path, "flow"),
        step=node.id,
        args=frozenset(args) if isinstance(args, dict) else frozenset(),
    )


def instant_steps(graph: Graph) -> set[str]:
    """The steps that can be entered before anything was awaited, by ways other than failure."""
    seen: set[str] = set()
    todo = [graph.start] if graph.start in graph.nodes else []
    while todo:
        step = todo.pop()
        if step is not None and step not in seen:
            seen.add(step)
            ways = graph.from_step.get(step, ())
            todo += [
                e.target for e in ways if e.target in graph.nodes and not e.waits and not e.is_for_trouble
            ]
    return seen


def _can_pass(graph: Graph) -> bool:
    """Whether the flow can complete before anything was awaited."""
    for step in instant_steps(graph):
        node = graph.nodes[step]
        if node.type == "end" and node.is_active and node.raw.get("outcome", "completed") == "completed":
            return True
        ways = graph.from_step.get(step, ())
        if any(e.target is None and not e.waits and not e.is_for_trouble for e in ways):
            return True
    return False

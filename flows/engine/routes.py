"""Where a walk can go: steps that are missing, doubled or never reached, and loops in which nothing waits."""

import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from flows.engine.catalog import MAX_DEPTH
from flows.engine.circles import circles, shortest_circle
from flows.engine.faults import Path
from flows.engine.graph import Edge, Node, steps_of
from flows.engine.subject import Subject, items
from flows.engine.walk import nearest, spelled, suggestion

_INVISIBLE = {"Cf", "Mn", "Cc"}


def check(subject: Subject) -> None:
    _check_doubles(subject)
    for path, target in _named_targets(subject):
        _check_target(subject, path, target)
    _check_reach(subject)
    _check_loops(subject)
    _check_calls(subject)
    for node in subject.nodes:
        _check_next(subject, node)
    _check_expiry(subject)


def _check_doubles(subject: Subject) -> None:
    """Two ids are one also when only case, composition or invisible characters tell them apart."""
    seen: dict[str, tuple[str, Path]] = {}
    for index, step in steps_of(subject.document):
        if not isinstance(step.get("id"), str):
            continue
        path: Path = ("steps", index, "id")
        first = seen.setdefault(_folded(step["id"]), (step["id"], path))
        if first[1] != path:
            how = "stands twice" if first[0] == step["id"] else f"looks like {spelled(first[0])}"
            subject.report(
                "WF202",
                path,
                f"the step id {spelled(step['id'])} {how}",
                "give each step its own id",
                also=[first[1]],
            )


def _folded(text: str) -> str:
    composed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in composed if unicodedata.category(c) not in _INVISIBLE)


def _named_targets(subject: Subject) -> Iterator[tuple[Path, str]]:
    document = subject.document
    for key in ("start", "end", "on_error"):
        yield from _named((key,), document.get(key))
    settings = document.get("settings")
    if isinstance(settings, dict):
        yield from _named(("settings", "on_expire"), settings.get("on_expire"))
    for index, step in steps_of(document):
        yield from _targets_in_step(("steps", index), step)


def _targets_in_step(path: Path, step: Any) -> Iterator[tuple[Path, str]]:
    for key in ("on_success", "on_fail", "on_unknown"):
        yield from _named((*path, key), step.get(key))
    if step.get("type") == "handoff":
        yield from _named((*path, "step"), step.get("step"))
    yield from _named((*path, "next_step"), step.get("next_step"))
    for key in ("next_step", "arms"):
        for index, entry in items(step.get(key)):
            if isinstance(entry, dict):
                yield from _named((*path, key, index, "step"), entry.get("step"))
    for part, at in ((step.get("wait_for"), (*path, "wait_for")), (step, path)):
        for key in ("retry", "timeout"):
            inner = part.get(key) if isinstance(part, dict) else None
            if isinstance(inner, dict):
                yield from _named((*at, key, "step"), inner.get("step"))


def _named(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str) and value:
        yield path, value


def _check_target(subject: Subject, path: Path, target: str) -> None:
    known = subject.graph.nodes
    if target in known:
        return
    near = nearest(target, known)
    owner = "" if near else _owner(subject, target)
    if owner:
        message = f'the step "{target}" is in the flow "{owner}"'
        subject.report(
            "WF204", path, message, f'enter that flow by a step with "type": "flow", "flow": "{owner}"'
        )
    else:
        otherwise = "name a step of this flow" if known else "add the step"
        subject.report("WF203", path, f"no step {spelled(target)}", suggestion(target, known, otherwise))


def _owner(subject: Subject, target: str) -> str:
    flows = sorted(subject.catalog.flows.values(), key=lambda flow: flow.flow_id)
    return next((f.flow_id for f in flows if target in f.step_ids and f.flow_id != subject.flow_id), "")


def _entries(subject: Subject) -> list[str]:
    settings = subject.document.get("settings")
    on_expire = settings.get("on_expire") if isinstance(settings, dict) else None
    entries = [subject.graph.start, subject.document.get("on_error"), on_expire]
    return [entry for entry in entries if isinstance(entry, str)]


def _check_reach(subject: Subject) -> None:
    graph = subject.graph
    reached = graph.reachable(_entries(subject))
    if not reached:
        return
    troubled = _trouble_targets(subject)
    for node in graph.nodes.values():
        if node.id not in reached:
            subject.report(
                "WF205",
                (*node.path, "id"),
                f"no path leads to the step {spelled(node.id)}",
                "name it in a next_step, or delete it",
            )
    for edge in graph.edges:
        if edge.kind == "fall" and edge.source in reached and edge.target in troubled:
            _report_fall(subject, edge, troubled[edge.target])


def _trouble_targets(subject: Subject) -> dict[str | None, Path]:
    """Steps that are meant for failures, re-asks, silence or expiry, with the place that says so."""
    targets: dict[str | None, Path] = {
        edge.target: edge.path for edge in subject.graph.edges if edge.is_for_trouble
    }
    on_error = subject.document.get("on_error")
    settings = subject.document.get("settings")
    on_expire = settings.get("on_expire") if isinstance(settings, dict) else None
    named: tuple[tuple[Any, Path], ...] = ((on_error, ("on_error",)), (on_expire, ("settings", "on_expire")))
    return targets | {target: path for target, path in named if isinstance(target, str)}


def _report_fall(subject: Subject, edge: Edge, said_at: Path) -> None:
    node = subject.graph.nodes[str(edge.target)]
    subject.report(
        "WF215",
        (*node.path, "id"),
        f'the step "{node.id}" is for trouble, but the step "{edge.source}" falls into it',
        f'give "{edge.source}" a next_step (null ends the flow)',
        also=[said_at],
    )


def _check_loops(subject: Subject) -> None:
    graph = subject.graph
    follow = {
        step: [e.target for e in edges if e.target in graph.nodes and e.target is not None and not e.waits]
        for step, edges in graph.from_step.items()
    }
    for cycle in circles(follow):
        edge = next(e for e in graph.from_step[cycle[0]] if e.target == cycle[1] and not e.waits)
        way = " → ".join(cycle)
        subject.report(
            "WF207", edge.path, f"a loop in which nothing waits: {way}", "add a wait_for to one of its steps"
        )


def _check_calls(subject: Subject) -> None:
    """Circles through other flows: with a call they grow without end, else they must wait somewhere."""
    catalog = subject.catalog
    summary = catalog.flows.get(subject.flow_id)
    if summary is None:
        return
    path: Path = summary.links[0].path if summary.links else ("id",)
    cycle = shortest_circle(subject.flow_id, catalog.all_links)
    if cycle:
        path = next(link.path for link in summary.links if link.target == cycle[1])
    if cycle and _has_call(subject, cycle):
        way = " → ".join(cycle)
        subject.report(
            "WF208", path, f"the flows call each other in a circle: {way}", 'use "mode": "goto" or next_flow'
        )
    elif cycle and (instant := shortest_circle(subject.flow_id, catalog.instant_links)):
        way = " → ".join(instant)
        subject.report(
            "WF207",
            path,
            f"a loop through flows in which nothing waits: {way}",
            "add a wait_for to one of them",
        )
    elif not cycle and catalog.depth(subject.flow_id) > MAX_DEPTH:
        depth = catalog.depth(subject.flow_id)
        subject.report(
            "WF208", path, f"calls lie {depth} deep", f"at most {MAX_DEPTH} flows may lie upon each other"
        )


def _has_call(subject: Subject, cycle: list[str]) -> bool:
    flows = subject.catalog.flows
    return any(
        link.kind == "call" and link.target == target
        for source, target in pairwise(cycle)
        if source in flows
        for link in flows[source].links
    )


def _check_next(subject: Subject, node: Node) -> None:
    raw = node.raw
    if "on_success" in raw and "next_step" in raw and not subject.is_older:
        subject.report(
            "WF214",
            (*node.path, "next_step"),
            "next_step beside on_success is never used",
            "keep one of them",
            also=[(*node.path, "on_success")],
        )
    if node.type == "branch" and "next_step" not in raw and "on_success" not in raw:
        subject.report("WF104", node.path, 'the step has no "next_step"', 'add "next_step" with rules')
    rules = raw.get("next_step")
    if not isinstance(rules, list):
        return
    otherwise = [i for i, rule in enumerate(rules) if isinstance(rule, dict) and "when" not in rule]
    if otherwise and otherwise[0] < len(rules) - 1:
        late = (*node.path, "next_step", otherwise[0] + 1)
        subject.report(
            "WF217", late, "a rule after the else is never tried", "put the rule without when last"
        )
    is_end = subject.document.get("end") == node.id
    if not otherwise and node.following is None and not is_end and node.is_active:
        subject.report(
            "WF206",
            (*node.path, "next_step"),
            "dead end: when no rule is true, the flow ends here",
            'add a rule without when, {"step": null} to end on purpose',
        )


def _check_expiry(subject: Subject) -> None:
    settings = subject.document.get("settings")
    target = settings.get("on_expire") if isinstance(settings, dict) else None
    node = subject.graph.nodes.get(target) if isinstance(target, str) else None
    if node and node.waits and node.type != "flow":
        subject.report(
            "WF213",
            ("settings", "on_expire"),
            f'the step "{node.id}" waits, but the session has expired then',
            "name a step that only says something",
            also=[node.path],
        )

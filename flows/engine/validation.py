"""Lint: every fault of a flow document, against the language, itself, WhatsApp and the rest of the dataset.

Pure and total: any JSON object may be given, and nothing is raised. Paths are those of the original document,
also for a file of the older dialect.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flows.engine import (
    characters,
    clashes,
    dialect,
    languages,
    messages,
    references,
    routes,
    variables,
)
from flows.engine.catalog import Catalog, FlowSummary
from flows.engine.faults import Fault, Path
from flows.engine.subject import Subject
from flows.engine.vocabulary import FLOW, MAX_STEPS
from flows.engine.walk import Walk, an, kind_of, spelled

CHECKS: tuple[Callable[[Subject], None], ...] = (
    routes.check,
    clashes.check,
    messages.check,
    variables.check,
    references.check,
    languages.check,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """A document in the newer dialect; ``paths`` lead back to the original where it was translated."""

    document: Mapping[str, Any]
    is_older: bool = False
    faults: tuple[Fault, ...] = ()
    paths: Mapping[Path, Path] | None = None

    def original(self, path: Path) -> Path:
        for length in range(len(path), 0, -1):
            found = (self.paths or {}).get(path[:length])
            if found is not None:
                return (*found, *path[length:])
        return path


def canonical(document: Any) -> Canonical:
    """Translate a document of the older dialect; any other stays as it is."""
    if not isinstance(document, dict) or not dialect.is_older(document):
        return Canonical(document=document if isinstance(document, dict) else {})
    translation = dialect.translate(document)
    return Canonical(
        document=translation.document,
        is_older=True,
        faults=tuple(translation.faults),
        paths=translation.paths,
    )


def summarize(document: Any, *, file: str = "") -> FlowSummary | None:
    """What other flows need to know of this one; None for a document without an id."""
    form = canonical(document)
    flow_id = form.document.get("id")
    if not isinstance(flow_id, str) or not flow_id:
        return None
    return FlowSummary(flow_id=flow_id, document=form.document, file=file)


def check(document: Any, *, catalog: Catalog) -> list[Fault]:
    """Return every fault of ``document``, in the order of the file's paths as far as they are numbered."""
    if not isinstance(document, dict):
        fault = Fault(
            code="WF007",
            severity="error",
            path=(),
            message=f"expected an object, got {an(kind_of(document))}",
            remedy='write {"id": …, "steps": […]}',
        )
        return [fault]
    steps = document.get("steps")
    if isinstance(steps, list) and len(steps) > MAX_STEPS:
        return [_too_many_steps(len(steps))]
    return _without_doubles(_examined(document, canonical(document), catalog))


def check_data(value: Any, *, file: str) -> list[Fault]:
    """Return every fault of a data file, which flows read as ``data`` or, from global.json, as ``global``."""
    walk = Walk()
    if not references.is_plain_file(file):
        walk.report("WF030", (), f"{spelled(file)} is no plain name", "use letters, digits, - and _")
    if file == "global.json" and not isinstance(value, dict):
        walk.report("WF007", (), f"expected an object, got {an(kind_of(value))}", 'write {"name": value}')
    characters.check(value, walk)
    return walk.faults


def _too_many_steps(count: int) -> Fault:
    message = f"{count:,} steps, at most {MAX_STEPS} are allowed"
    return Fault(
        code="WF006", severity="error", path=("steps",), message=message, remedy="split it into several flows"
    )


def _examined(original: Mapping[str, Any], form: Canonical, catalog: Catalog) -> Iterable[Fault]:
    document = form.document
    walk = Walk(allows_marks=form.is_older)
    FLOW.check(document, (), walk)
    flow_id = document.get("id")
    subject = Subject(
        flow_id=flow_id if isinstance(flow_id, str) else "",
        document=document,
        graph=catalog.graph_of(document),
        catalog=catalog,
        walk=walk,
        is_older=form.is_older,
    )
    for examine in CHECKS:
        examine(subject)
    texts = Walk()
    characters.check(original, texts)
    yield from form.faults
    for fault in (*walk.faults, *texts.faults):
        if form.is_older and _is_forgiven(fault.code):
            fault = replace(fault, severity="warning")
        also = tuple((flow, form.original(path) if not flow else path) for flow, path in fault.also)
        yield replace(fault, path=form.original(fault.path), also=also)


def _is_forgiven(code: str) -> bool:
    """What files of the older dialect may contain and still run: unread keys, and what Meta may refuse."""
    return code == "WF101" or code.startswith("WF3")


def _without_doubles(faults: Iterable[Fault]) -> list[Fault]:
    """Two checks may find one fault; the first found has the better words."""
    seen: dict[tuple[str, Path], Fault] = {}
    for fault in faults:
        seen.setdefault((fault.code, fault.path), fault)
    return [f for f in seen.values() if f.code != "WF101" or ("WF132", f.path) not in seen]

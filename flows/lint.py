"""All faults of all files in one pass, each with its place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flows.apis.addresses import Network
from flows.apis.definition import read
from flows.dataset import Source
from flows.engine import validation
from flows.engine.catalog import Catalog, FlowSummary
from flows.engine.codes import points_at_key
from flows.engine.definition import flow_hash
from flows.engine.faults import Fault, Path
from flows.findings import Elsewhere, Finding, shown_path
from flows.positions import Document
from flows.recovery import Problem

_consent_words: set[str] = set()


@dataclass(frozen=True, kw_only=True)
class LintedFile:
    """A flow file after lint; ``hash`` is that of its content, "" where there is none to publish."""

    source: Source
    flow_id: str
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def is_broken(self) -> bool:
        return any(finding.is_error for finding in self.findings)

    @property
    def value(self) -> Any:
        return self.source.document.value

    def finding(self, fault: Fault) -> Finding:
        """A fault of this file with its place."""
        return _Places({self.name: self.source.document}, {}).finding(self.name, fault)

    @cached_property
    def hash(self) -> str:
        return "" if self.is_broken else flow_hash(self.value)


def lint(sources: Sequence[Source], *, catalog: Catalog, context: Sequence[Source] = ()) -> list[LintedFile]:
    """Examine flow files together. ``context`` are files that may be referred to, but are not judged."""
    every = [*sources, *context]
    summaries = {source.name: _summary(source) for source in every}
    owners = _owners(summaries)
    flows = {flow_id: summaries[names[0]] for flow_id, names in owners.items()}
    known = {flow_id: summary for flow_id, summary in flows.items() if summary}
    catalog = replace(catalog, flows={**catalog.flows, **known})
    places = _Places({source.name: source.document for source in every}, owners)
    return [_linted(source, summaries[source.name], catalog, owners, places) for source in sources]


def lint_data(source: Source) -> LintedFile:
    """Examine a data file: any JSON, except that ``global.json`` holds an object."""
    file = source.name.rsplit("/", 1)[-1]
    return lint_document(source, lambda value: validation.check_data(value, file=file))


def lint_api(
    source: Source, *, secrets: frozenset[str] | None = None, allowed: Sequence[Network] = ()
) -> LintedFile:
    """Examine an API record; ``secrets`` are the names that are known, ``allowed`` the operator's networks."""
    name = source.name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return lint_document(source, lambda value: read(name, value, secrets=secrets, allowed=allowed)[1])


def lint_document(source: Source, check: Callable[[Any], list[Fault]]) -> LintedFile:
    """Examine one file by itself."""
    document = source.document
    findings = [problem_finding(source.name, document, problem) for problem in document.problems]
    if document.is_whole:
        places = _Places({source.name: document}, {})
        findings += [places.finding(source.name, fault) for fault in check(document.value)]
    return LintedFile(source=source, flow_id="", findings=_ordered(findings))


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda found: (found.line, found.column, found.code)))


def reserve_words(words: Iterable[str]) -> None:
    """Tell the words for consent, which no trigger can ever get (WF212)."""
    _consent_words.update(words)


def consent_words() -> frozenset[str]:
    return frozenset(_consent_words)


def _summary(source: Source) -> FlowSummary | None:
    document = source.document
    return validation.summarize(document.value, file=source.name) if document.is_whole else None


def _owners(summaries: Mapping[str, FlowSummary | None]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for name, summary in summaries.items():
        if summary:
            owners.setdefault(summary.flow_id, []).append(name)
    return owners


class _Places:
    """Turns paths into lines and columns, in the file itself and in others."""

    def __init__(self, documents: Mapping[str, Document], owners: Mapping[str, list[str]]) -> None:
        self.documents = documents
        self.owners = owners

    def finding(self, file: str, fault: Fault) -> Finding:
        place = self.documents[file].place(fault.path, key=points_at_key(fault.code))
        return Finding(
            file=file,
            line=place.line,
            column=place.column,
            path=shown_path(fault.path),
            code=fault.code,
            message=fault.message,
            remedy=fault.remedy,
            severity=fault.severity,
            also=tuple(self.elsewhere(self._file_of(flow, file), path) for flow, path in fault.also),
        )

    def _file_of(self, flow: str, file: str) -> str:
        return self.owners[flow][0] if flow in self.owners else file

    def elsewhere(self, file: str, path: Path) -> Elsewhere:
        place = self.documents[file].place(path)
        return Elsewhere(file=file, line=place.line, column=place.column)


def problem_finding(file: str, document: Document, problem: Problem) -> Finding:
    """A problem of the JSON itself as a finding."""
    place = document.at(problem.offset)
    also = [document.at(offset) for offset in problem.also]
    return Finding(
        file=file,
        line=place.line,
        column=place.column,
        path=shown_path(problem.path),
        code=problem.code,
        message=problem.message,
        remedy=problem.remedy,
        also=tuple(Elsewhere(file=file, line=at.line, column=at.column) for at in also),
    )


def _linted(
    source: Source,
    summary: FlowSummary | None,
    catalog: Catalog,
    owners: Mapping[str, list[str]],
    places: _Places,
) -> LintedFile:
    document = source.document
    findings = [problem_finding(source.name, document, problem) for problem in document.problems]
    if document.is_whole:
        damaged = [problem.path for problem in document.problems if problem.code in {"WF003", "WF005"}]
        faults = validation.check(document.value, catalog=catalog)
        findings += [places.finding(source.name, f) for f in faults if not _is_under(f.path, damaged)]
    flow_id = summary.flow_id if summary else ""
    if summary:
        findings += _same_id(source.name, summary.flow_id, owners, places)
    return LintedFile(source=source, flow_id=flow_id, findings=_ordered(findings))


def _is_under(path: Path, damaged: Iterable[Path]) -> bool:
    """Whether a fault only echoes a slip in the JSON at its place."""
    return any(path[: len(part)] == part for part in damaged if part)


def _same_id(file: str, flow_id: str, owners: Mapping[str, list[str]], places: _Places) -> list[Finding]:
    others = [name for name in owners[flow_id] if name != file]
    if not others:
        return []
    fault = Fault(
        code="WF209",
        severity="error",
        path=("id",),
        message=f'the flow id "{flow_id}" is also the one of {", ".join(others)}',
        remedy="give each flow its own id",
    )
    also = tuple(places.elsewhere(name, ("id",)) for name in others)
    return [replace(places.finding(file, fault), also=also)]

"""From a directory to live versions: read, lint, test, publish; a bad file never replaces what is live.

The database holds the truth, the directory is a way in. A pass is idempotent: it compares every file with
what that file last published, and changes only what differs, all of it in one transaction.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db.models import F, Max

from flows import database, definitions, facts, secrets, testing
from flows.apis.addresses import parse_networks
from flows.dataset import Dataset
from flows.engine import validation
from flows.engine.catalog import Catalog, FlowSummary
from flows.engine.definition import Flow, parse_flow
from flows.findings import Finding
from flows.lint import LintedFile, consent_words, lint, lint_api, lint_data
from flows.models import FlowFile, FlowRecord, FlowVersion, Publication, RegistryGeneration
from flows.processing import discovery
from flows.stage import Library

logger = logging.getLogger(__name__)
BROKEN = "flow_file_broken"


class NoDatasetError(Exception):
    """The folder of flows is not there, so that nothing can be said about what disappeared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one pass found and did."""

    files: tuple[LintedFile, ...] = ()
    published: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        return [finding for file in self.files for finding in file.findings]

    @property
    def is_clean(self) -> bool:
        return not any(finding.is_error for finding in self.findings)


def dataset() -> Dataset:
    """The dataset that the settings name."""
    return Dataset(Path(settings.WHATSFLOW_DATASETS))


def load(source: Dataset | None = None) -> Report:
    """Bring the database up to what the directory says now.

    Raises: NoDatasetError
    """
    source = source or dataset()
    if not (source.root / "flows").is_dir():
        raise NoDatasetError(f"{source.root / 'flows'} is no folder; nothing was loaded and nothing retired")
    files = [source.read(name) for name in source.flow_files()]
    data = [lint_data(source.read(name)) for name in source.data_files()]
    apis = lint_apis(source)
    outside = _flows_without_file()
    linted = lint(files, catalog=catalog(source, flows=outside))
    tests = testing.lint_tests(
        [source.read(name) for name in source.test_files()], [f.flow_id for f in linted]
    )
    if tests:
        tests = testing.play(linted, tests, library(linted, data, _live_flows()))
    flows = testing.block(linted, tests)
    with database.write() as cursor:
        _lock_generation()
        work = _Pass(cursor=cursor, known={row.path: row for row in FlowFile.objects.all()})
        work.take_data([*data, *apis])
        work.take_flows(flows)
        work.take_tests(tests)
        work.retire_missing({file.name for file in (*flows, *data, *apis, *tests)})
        work.finish()
    return Report(
        files=(*flows, *data, *apis, *tests),
        published=tuple(work.published),
        retired=tuple(work.retired),
    )


def lint_apis(source: Dataset) -> list[LintedFile]:
    """Examine all API records of a dataset."""
    allowed = parse_networks(settings.WHATSFLOW_PRIVATE_NETWORKS)
    known = secrets.names()
    return [lint_api(source.read(name), secrets=known, allowed=allowed) for name in source.api_files()]


def _lock_generation() -> None:
    """Passes of two processes come one after the other: both want this row."""
    RegistryGeneration.objects.get_or_create(pk=1)
    RegistryGeneration.objects.select_for_update().get(pk=1)


def catalog(source: Dataset, *, flows: Mapping[str, FlowSummary] | None = None) -> Catalog:
    """What the files of a dataset may refer to outside themselves."""
    processors = discovery.catalog()
    return Catalog(
        flows=flows or {},
        processor=processors.find,
        processor_names=processors.names,
        processor_problems=tuple(str(problem) for problem in processors.problems),
        apis=source.api_names(),
        data=frozenset(Path(name).stem for name in source.data_files()),
        consent_words=consent_words(),
    )


def library(flows: Sequence[LintedFile], data: Sequence[LintedFile], live: Mapping[str, Flow]) -> Library:
    """What would be live if all good files were: the stage on which flow tests are played."""
    good = {file.flow_id: file for file in flows if not file.is_broken}
    values = {Path(file.name).stem: file.value for file in data if not file.is_broken}
    shared = values.get("global")
    return Library(
        flows={**live, **{flow_id: _definition(file) for flow_id, file in good.items()}},
        data=values,
        globals=shared if isinstance(shared, dict) else {},
        processors=discovery.catalog().find,
    )


def _definition(file: LintedFile) -> Flow:
    return parse_flow(validation.canonical(file.value).document, file.hash)


def _live_flows() -> dict[str, Flow]:
    live = FlowRecord.objects.filter(state="active", live__isnull=False)
    hashes = live.values_list("flow_id", "live__version_id")
    return {flow_id: flow for flow_id, flow_hash in hashes if (flow := definitions.get(flow_hash))}


def _flows_without_file() -> dict[str, FlowSummary]:
    """Active flows that no file of the directory ever published: files may call them and clash with them."""
    of_files = FlowFile.objects.exclude(flow_id="").values("flow_id")
    records = FlowRecord.objects.filter(state="active", live__isnull=False).exclude(flow_id__in=of_files)
    found: dict[str, FlowSummary] = {}
    for source in records.values_list("live__version__source", flat=True):
        summary = validation.summarize(database.as_json(source))
        if summary:
            found[summary.flow_id] = summary
    return found


@dataclass(slots=True, kw_only=True)
class _Pass:
    """One transaction of the loader: the files as they were known, and what it did so far."""

    cursor: database.Cursor
    known: dict[str, FlowFile]
    published: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    freed: set[str] = field(default_factory=set)
    happened: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)
    is_changed: bool = False

    def take_data(self, files: Sequence[LintedFile]) -> None:
        """Keep the newest good content of each data file and API record, known by the file's name."""
        fresh = [file for file in files if self._is_new(file)]
        self._keep_versions(fresh)
        for file in files:
            self._note(file)
        self.is_changed |= bool(fresh)

    def take_flows(self, files: Sequence[LintedFile]) -> None:
        fresh = [file for file in files if self._is_new(file)]
        self._keep_versions(fresh)
        for file in files:
            self._note(file)
        live = dict(FlowRecord.objects.filter(state="active").values_list("flow_id", "live__version_id"))
        self._publish([file for file in fresh if live.get(file.flow_id) != file.hash])

    def take_tests(self, files: Sequence[LintedFile]) -> None:
        """Tests are noted with their faults; they have no versions."""
        for file in files:
            self._note(file, has_versions=False)

    def _is_new(self, file: LintedFile) -> bool:
        row = self.known.get(file.name)
        return not file.is_broken and (row is None or row.version_id != file.hash)

    def _keep_versions(self, files: Sequence[LintedFile]) -> None:
        rows = [
            FlowVersion(hash=file.hash, flow_id=file.flow_id, source=file.source.document.text)
            for file in files
        ]
        FlowVersion.objects.bulk_create(rows, ignore_conflicts=True)

    def _note(self, file: LintedFile, *, has_versions: bool = True) -> None:
        """Write what was seen of a file, if it is not what was seen before."""
        row = self.known.get(file.name)
        faults = [finding.to_json() for finding in file.findings]
        seen = (file.source.sha256, file.is_broken, faults)
        if row is None:
            row = self.known[file.name] = FlowFile(path=file.name, flow_id=file.flow_id)
        elif (row.sha256, row.is_broken, row.faults) == seen and not (has_versions and self._is_new(file)):
            return
        row.sha256, row.is_broken, row.faults = seen
        if not file.is_broken and has_versions:
            if row.version_id and row.flow_id not in {"", file.flow_id}:
                self.freed.add(row.flow_id)
            row.flow_id, row.version_id = file.flow_id, file.hash
        row.save()
        self._tell(file)

    def _tell(self, file: LintedFile) -> None:
        for finding in file.findings:
            logger.log(logging.ERROR if finding.is_error else logging.WARNING, "%s", finding.text())
        if not file.is_broken:
            facts.close_incident(self.cursor, BROKEN, scope=file.name)
            return
        first = next(finding for finding in file.findings if finding.is_error)
        reason = f"{file.name} was not loaded; what was live before stays live. {first.text()}"
        facts.open_incident(self.cursor, BROKEN, reason, scope=file.name, data={"flow": file.flow_id})

    def _publish(self, files: Sequence[LintedFile]) -> None:
        numbers = _last_numbers([file.flow_id for file in files])
        rows = [
            Publication(
                flow_id=file.flow_id,
                number=numbers.get(file.flow_id, 0) + 1,
                version_id=file.hash,
                note=file.name,
            )
            for file in files
        ]
        Publication.objects.bulk_create(rows)
        written = Publication.objects.filter(flow_id__in=[row.flow_id for row in rows])
        live = {(row.flow_id, row.number): row for row in written}
        FlowRecord.objects.bulk_create(
            [
                FlowRecord(
                    flow_id=row.flow_id,
                    name=_name_of(file),
                    state="active",
                    live=live[row.flow_id, row.number],
                )
                for file, row in zip(files, rows, strict=True)
            ],
            update_conflicts=True,
            unique_fields=["flow_id"],
            update_fields=["name", "state", "live", "updated_at"],
        )
        for row in rows:
            self.published.append(row.flow_id)
            self.happened.append(
                ("flow_published", row.flow_id, {"number": row.number, "hash": row.version_id})
            )

    def retire_missing(self, present: set[str]) -> None:
        """Forget the files that are gone; a flow that no other file holds takes no new sessions."""
        gone = [row for name, row in self.known.items() if name not in present]
        held = {row.flow_id for name, row in self.known.items() if name in present}
        lost = (self.freed | {row.flow_id for row in gone if row.version_id and row.flow_id}) - held
        for flow_id in sorted(lost):
            if FlowRecord.objects.filter(flow_id=flow_id, state="active").update(state="retired"):
                self.retired.append(flow_id)
                self.happened.append(("flow_retired", flow_id, {}))
        for row in gone:
            facts.close_incident(self.cursor, BROKEN, scope=row.path)
            self.is_changed |= row.path.startswith(("data/", "apis/"))
            row.delete()

    def finish(self) -> None:
        """Write down what happened; raise the generation if any process has to take something up."""
        at = database.now()
        rows = [facts.Fact(at=at, name=name, flow_id=flow, data=data) for name, flow, data in self.happened]
        facts.record(self.cursor, rows)
        if self.is_changed or rows:
            RegistryGeneration.objects.update(number=F("number") + 1, at=at)


def _last_numbers(flow_ids: Sequence[str]) -> dict[str, int]:
    found = Publication.objects.filter(flow_id__in=flow_ids).values_list("flow_id").annotate(Max("number"))
    return dict(found)


def _name_of(file: LintedFile) -> str:
    name = file.value.get("name") if isinstance(file.value, dict) else None
    return str(name or file.flow_id)[:200]

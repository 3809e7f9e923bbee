"""Finds the processors of a folder without importing any here; keeps the last good version of each file."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from flows.processing import sources
from flows.processing.catalog import Catalog, ParameterInfo, Problem, ProcessorInfo
from flows.processing.children import BrokenFileError, Child, DiedError, OverrunError
from flows.processing.sources import Source, Stamp

LOOK_EVERY_SECONDS = 1.0
# A file written twice within one tick of the file system's clock may keep its stamp.
_UNSETTLED_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class _Known:
    """What was last made of a file: the hash of what was read, its processors, what is wrong with it.

    An empty hash: nothing could be made of it for a reason that is not the file's; look again.
    """

    content_hash: str
    processors: tuple[ProcessorInfo, ...]
    problem: Problem | None


class Discovery:
    """The processors of one folder, as of the last `refresh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = Catalog()
        self._stamps: dict[Path, Stamp] | None = None
        self._is_unsettled = False
        self._looked_at = 0.0
        self._known: dict[Path, _Known] = {}
        self._refreshing = threading.Lock()

    def refresh(self) -> bool:
        """Take up what changed in the folder; True when the catalog is another one now.

        Costs one directory scan when nothing changed. While another thread refreshes, returns at once.
        """
        if not self._refreshing.acquire(blocking=False):
            return False
        try:
            return self._refresh()
        finally:
            self._refreshing.release()

    def ensure(self) -> Catalog:
        """The catalog, after the first refresh is through."""
        if self._stamps is None:
            with self._refreshing:
                if self._stamps is None:
                    self._refresh()
        return self.catalog

    def follow(self) -> Catalog:
        """The catalog as it is; looks at the folder once a second and takes changes up in the background."""
        if self._stamps is None:
            return self.ensure()
        if time.monotonic() - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at = time.monotonic()
            if self._may_have_changed():
                threading.Thread(target=self.refresh, name="processors", daemon=True).start()
        return self.catalog

    def _may_have_changed(self) -> bool:
        if self._refreshing.locked():
            return False
        try:
            return self._is_unsettled or sources.stamps(self.folder) != self._stamps
        except OSError:
            return True

    def _refresh(self) -> bool:
        self._looked_at, began = time.monotonic(), time.time_ns()
        try:
            seen = sources.stamps(self.folder)
        except OSError as fault:
            self._stamps = {}
            return self._swap((Problem(path=str(self.folder), message=f"cannot be read: {fault.strerror}"),))
        if seen == self._stamps and not self._is_unsettled:
            return False
        newest = max((max(stamp.modified, stamp.changed) for stamp in seen.values()), default=0)
        known = self._known
        self._known = _Inspection(known).of(sorted(seen))
        is_fresh = began - newest < _UNSETTLED_NS
        self._is_unsettled = is_fresh or any(not entry.content_hash for entry in self._known.values())
        self._stamps = seen
        return self._known != known and self._swap()

    def _swap(self, problems: tuple[Problem, ...] = ()) -> bool:
        if problems and problems == self.catalog.problems:
            return False
        if problems:
            self._known = {}
        entries = list(self._known.values())
        self.catalog = Catalog(
            generation=self.catalog.generation + 1,
            processors=tuple(info for entry in entries for info in entry.processors),
            problems=problems or tuple(entry.problem for entry in entries if entry.problem),
        )
        return True


class _Inspection:
    """One look at all files; a child is started only if a changed file has to be imported."""

    def __init__(self, known: dict[Path, _Known]) -> None:
        self._known = known
        self._child: Child | None = None

    def of(self, paths: list[Path]) -> dict[Path, _Known]:
        try:
            return {path: entry for path in paths if (entry := self._entry(path))}
        finally:
            self._end_child()

    def _entry(self, path: Path) -> _Known | None:
        before = self._known.get(path)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            return _broken(before, "", Problem(path=str(path), message=f"cannot be read: {fault.strerror}"))
        content_hash = sources.file_hash(content)
        if before is not None and before.content_hash == content_hash:
            return before
        try:
            return _Known(content_hash, self._processors(path, content), None)
        except _FileFaultError as fault:
            return _broken(before, content_hash, fault.problem)
        except _NoChildError as fault:
            return _broken(before, "", Problem(path=str(path), message=f"could not be imported yet: {fault}"))

    def _processors(self, path: Path, content: bytes) -> tuple[ProcessorInfo, ...]:
        source = _read(path, content)
        found = [_script(source)] if source.is_script else []
        if source.is_importable:
            found += [_function(source, described) for described in self._import(source)]
        return tuple(found)

    def _import(self, source: Source) -> list[dict[str, Any]]:
        child = self._ready_child()
        path = str(source.path)
        try:
            return child.inspect(path=path, module_hash=source.module_hash, source=source.text, imports=True)
        except BrokenFileError as fault:
            problem = Problem(path=path, message=str(fault), line=fault.line, traceback=fault.trace)
        except OverrunError:
            trace = child.where_it_hangs()
            problem = Problem(path=path, message="its import took too long and was ended", traceback=trace)
        except DiedError as fault:
            problem = Problem(path=path, message=f"its import {fault}")
        self._end_child()
        raise _FileFaultError(problem)

    def _ready_child(self) -> Child:
        try:
            self._child = self._child or Child()
            self._child.wait_ready()
        except (OSError, DiedError, OverrunError) as fault:
            self._end_child()
            raise _NoChildError(f"no child could be started: {fault}") from None
        return self._child

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _FileFaultError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _NoChildError(Exception):
    """The machine's fault, not the file's."""


def _read(path: Path, content: bytes) -> Source:
    try:
        return sources.read(path, content)
    except SyntaxError as fault:
        message = f"SyntaxError: {fault.msg}"
        trace = f'  File "{path}", line {fault.lineno}\n    {(fault.text or "").strip()}\n{message}\n'
        problem = Problem(path=str(path), message=message, line=fault.lineno, traceback=trace)
    except (ValueError, TypeError) as fault:
        problem = Problem(path=str(path), message=f"{type(fault).__name__}: {fault}")
    raise _FileFaultError(problem)


def _broken(before: _Known | None, content_hash: str, problem: Problem) -> _Known:
    processors = before.processors if before else ()
    kept = Problem(
        path=problem.path,
        message=problem.message,
        line=problem.line,
        traceback=problem.traceback,
        is_serving=bool(processors),
    )
    return _Known(content_hash, processors, kept)


def _function(source: Source, described: dict[str, Any]) -> ProcessorInfo:
    parameters = tuple(ParameterInfo(**parameter) for parameter in described.pop("parameters"))
    line = source.lines.get(described["name"], described.pop("line"))
    described.pop("line", None)
    return ProcessorInfo(
        flow_id=source.stem,
        path=str(source.path),
        line=line,
        module_hash=source.module_hash,
        source=source.text,
        parameters=parameters,
        **described,
    )


def _script(source: Source) -> ProcessorInfo:
    declared = source.declaration
    return ProcessorInfo(
        name=source.path.name,
        flow_id=source.stem,
        path=str(source.path),
        line=1,
        signature=f"{source.path.name} (JSON on stdin)",
        module_hash=source.module_hash,
        kind="script",
        timeout_seconds=declared.timeout_seconds,
        idempotent=declared.idempotent or declared.effects == "pure",
        effects=declared.effects,
        memory_mb=declared.memory_mb,
        source=source.text,
    )


_discoveries: dict[Path, Discovery] = {}
_told: dict[Path, int] = {}


def discovery() -> Discovery:
    """This process' discovery of the folder that the settings name."""
    folder = Path(settings.WHATSFLOW_PROCESSORS)
    return _discoveries.setdefault(folder, Discovery(folder))


def catalog() -> Catalog:
    """What is known now. The first call in a process looks through the folder, later ones once a second."""
    return discovery().follow()


def find(name: str, flow_id: str | None = None) -> ProcessorInfo | None:
    """The processor that a name means in a flow: its own file's first, then any file's."""
    return catalog().find(name, flow_id)


def refresh() -> bool:
    """Look for changed files now; True when the catalog is another one than at the last call of this.

    Cheap enough for every second.
    """
    found = discovery()
    found.refresh()
    generation = found.catalog.generation
    was_told = _told.get(found.folder) == generation
    _told[found.folder] = generation
    return not was_told

"""The Global Registry: what is live, as one immutable snapshot in every process, swapped whole.

The database holds the truth. One process, the holder of the lease ``loader``, brings the directory into it;
all others poll one integer each second and swap when it rises.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import watchfiles
from django.conf import settings
from django.db import close_old_connections, connections

from flows import database, definitions, loader
from flows.apis import definition
from flows.apis.addresses import parse_networks
from flows.apis.definition import Record
from flows.engine.definition import Flow, Trigger
from flows.models import FlowFile, FlowRecord
from flows.processing import discovery

logger = logging.getLogger(__name__)
LEASE = "loader"
LEASE_SECONDS = 6.0
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFlow:
    """A live publication: its definition, number and name."""

    flow: Flow
    number: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is live at one generation. Versions that are not live any more are read when asked for."""

    generation: int
    flows: Mapping[str, LiveFlow] = field(default_factory=dict)
    triggers: tuple[Trigger, ...] = ()
    globals: Mapping[str, Any] = field(default_factory=dict)
    apis: Mapping[str, Record] = field(default_factory=dict)
    _data: Mapping[str, Any] = field(default_factory=dict)

    def latest(self, flow_id: str) -> str | None:
        """The hash of the live version; None for a flow that is unknown or retired."""
        live = self.flows.get(flow_id)
        return live.flow.hash if live else None

    def flow(self, flow_hash: str) -> Flow | None:
        """The definition of any version that was ever published; None for an unknown hash."""
        return definitions.get(flow_hash)

    def data(self, name: str) -> Any:
        """What a data file holds, by its name with or without ``.json``; None where there is none."""
        return self._data.get(name.removesuffix(".json"))


_swapping = threading.Lock()
_current: Snapshot | None = None
_asked_at = 0.0


def current() -> Snapshot:
    """This process' snapshot; the first call reads it."""
    if _current is None:
        refresh_if_changed()
    return _current or Snapshot(generation=0)


def refresh_if_changed(*, at_most_every: float = 0.0) -> bool:
    """Swap the snapshot if the generation rose; True when it did. Costs one small query otherwise."""
    global _current, _asked_at  # noqa: PLW0603 - the one snapshot of this process
    if at_most_every and time.monotonic() - _asked_at < at_most_every:
        return False
    with _swapping:
        _asked_at = time.monotonic()
        number = _generation()
        if _current is not None and _current.generation == number:
            return False
        _current = _read(number)
        return True


def forget() -> None:
    """Drop this process' snapshot, so that the next call reads anew (after a restore, and in tests)."""
    global _current  # noqa: PLW0603 - the one snapshot of this process
    with _swapping:
        _current = None


def _generation() -> int:
    row = database.read().one("SELECT number FROM flows_registrygeneration WHERE id = 1")
    return int(row[0]) if row else 0


def _read(generation: int) -> Snapshot:
    """Read the whole registry. What is written meanwhile has a higher generation, and is read again then."""
    records = FlowRecord.objects.filter(state="active", live__isnull=False).values_list(
        "flow_id", "name", "live__number", "live__version_id", "live__version__source"
    )
    flows: dict[str, LiveFlow] = {}
    for flow_id, name, number, flow_hash, source in records:
        try:
            flow = definitions.put(flow_hash, source)
        except (KeyError, TypeError, ValueError):
            logger.exception(
                "version %s of the flow %s cannot be read; it is left out", flow_hash[:8], flow_id
            )
            continue
        flows[flow_id] = LiveFlow(flow=flow, number=number, name=name)
    data = _read_data()
    shared = data.get("global")
    return Snapshot(
        generation=generation,
        flows=flows,
        triggers=tuple(trigger for live in flows.values() for trigger in live.flow.triggers),
        globals=shared if isinstance(shared, dict) else {},
        apis=_read_apis(),
        _data=data,
    )


def _read_data() -> dict[str, Any]:
    rows = FlowFile.objects.filter(path__startswith="data/", version__isnull=False)
    return {
        Path(path).stem: database.as_json(text) for path, text in rows.values_list("path", "version__source")
    }


def _read_apis() -> dict[str, Record]:
    """The last good version of each API record. Lint judged its address, and the door judges it at each call."""
    anywhere = parse_networks(["0.0.0.0/0", "::/0"])
    rows = FlowFile.objects.filter(path__startswith="apis/", version__isnull=False)
    found: dict[str, Record] = {}
    for path, source in rows.values_list("path", "version__source"):
        name = Path(path).stem
        record, _faults = definition.read(name, database.as_json(source), allowed=anywhere)
        if record is None:
            logger.error("the API record %s was good once and cannot be read any more; it is left out", name)
        else:
            found[name] = record
    return found


def start_watcher() -> Callable[[], None]:
    """Follow the registry, and load the directory while this process holds the lease; returns ``stop``."""
    watcher = Watcher()
    watcher.start()
    return watcher.stop


class Watcher:
    """Two threads: one polls each second, one waits for the file system and shortens that second."""

    def __init__(self) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        self.is_loader = False
        self._stopping = threading.Event()
        self._changed = threading.Event()
        self._seen: object = None
        self._renewed = 0.0
        self._threads = [
            threading.Thread(target=self._follow, name="registry", daemon=True),
            threading.Thread(target=self._listen, name="registry-files", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 3.0) -> None:
        self._stopping.set()
        self._changed.set()
        for thread in self._threads:
            thread.join(seconds)

    def _follow(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
                self._changed.wait(POLL_SECONDS)
                self._changed.clear()
            self._give_up_lease()
        finally:
            connections.close_all()

    def _step(self) -> None:
        """One second's work. A database that is away is waited for, not died of."""
        try:
            close_old_connections()
            if self._hold_lease():
                self.load_if_changed()
            refresh_if_changed()
        except Exception:
            self._seen = None
            logger.exception("the registry could not be brought up to date; it is tried again")

    def _hold_lease(self) -> bool:
        now = time.monotonic()
        if now - self._renewed >= LEASE_SECONDS / 3:
            self.is_loader = (self.is_loader or _is_lease_free()) and database.take_lease(
                LEASE, self.holder, LEASE_SECONDS
            )
            self._renewed = now
        return self.is_loader

    def _give_up_lease(self) -> None:
        try:
            if self.is_loader:
                database.drop_lease(LEASE, self.holder)
        except Exception:
            logger.exception("the lease of the loader could not be given back; it runs out by itself")

    def load_if_changed(self) -> None:
        """Load the directory if anything in it, or among the processors, looks different than last time."""
        processors = discovery.refresh()
        seen = fingerprint(Path(settings.WHATSFLOW_DATASETS))
        if seen == self._seen and not processors:
            return
        self._seen = seen
        try:
            report = loader.load()
        except loader.NoDatasetError as problem:
            logger.warning("%s", problem)
            return
        for flow_id in report.published:
            logger.info("flow %s is live", flow_id)
        for flow_id in report.retired:
            logger.info("flow %s is retired: its file is gone", flow_id)
        if _is_unsettled(seen):
            self._seen = None

    def _listen(self) -> None:
        """Wake the poll at once when the file system says so; where it cannot, the poll is enough."""
        while not self._stopping.is_set():
            root = Path(settings.WHATSFLOW_DATASETS)
            try:
                for _ in watchfiles.watch(
                    root, stop_event=self._stopping, debounce=100, step=20, rust_timeout=1000
                ):
                    self._changed.set()
            except (OSError, RuntimeError) as problem:
                logger.info("%s is not watched (%s); it is looked at each second", root, problem)
                self._stopping.wait(30)


def _is_lease_free() -> bool:
    row = database.read().one("SELECT 1 FROM flows_lease WHERE name = %s AND until >= {now}", [LEASE])
    return row is None


Stamps = tuple[tuple[str, int, int, int], ...]


def fingerprint(root: Path) -> Stamps:
    """Name, size, inode and time of change of every file that matters; equal means nothing changed."""
    found: list[tuple[str, int, int, int]] = []
    for folder in ("flows", "flows/tests", "data", "apis"):
        try:
            entries = list(os.scandir(root / folder))
        except OSError:
            found.append((folder, -1, 0, 0))
            continue
        for entry in entries:
            try:
                stat = entry.stat()
            except OSError:
                continue
            found.append((f"{folder}/{entry.name}", stat.st_size, stat.st_ino, stat.st_ctime_ns))
    return tuple(sorted(found))


def _is_unsettled(seen: Stamps) -> bool:
    """A file that is written twice in one tick of the file system's clock may keep its stamp."""
    newest = max((stamp[3] for stamp in seen), default=0)
    return time.time_ns() - newest < 200_000_000

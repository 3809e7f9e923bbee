"""The thread that lets a lost wake-up cost seconds, never a message; it reports that its process lives.

It runs in every worker, not in beat alone. Each app of ours may have a ``tasks.sweep``: an idempotent pass
over what is due. Web processes run it only to follow the registry, unless they work too.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from importlib import import_module

from django.apps import apps
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils.module_loading import module_has_submodule

from conversations import tasks as conversation_tasks
from flows import database, registry

logger = logging.getLogger(__name__)
own_apps = ("flows", "conversations", "campaigns", "analytics", "simulator")
STALLED_SECONDS = 60
_forget_seconds = 3600

Sweep = Callable[[], object]


def sweeps() -> list[Sweep]:
    """Collect ``tasks.sweep`` of our apps, in the order of the stack."""
    found: list[Sweep] = []
    for label in own_apps:
        if module_has_submodule(apps.get_app_config(label).module, "tasks"):
            sweep = getattr(import_module(f"{label}.tasks"), "sweep", None)
            if sweep is not None:
                found.append(sweep)
    return found


def sweep_once() -> int:
    """Run every sweep and return how many failed; one that fails does not hold up the others."""
    failed = 0
    for sweep in sweeps():
        try:
            sweep()
        except Exception:
            failed += 1
            logger.exception("%s.sweep failed", sweep.__module__)
    return failed


class Process:
    """This process in the table of processes: who, since when, with which registry."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.generation = -1
        self.reported = 0.0

    def report(self, *, at_least_every: float) -> None:
        """Write the heartbeat row when it is due, or at once when the registry changed."""
        generation = registry.current().generation
        if generation == self.generation and time.monotonic() - self.reported < at_least_every:
            return
        with database.write() as cursor:
            cursor.run(
                "INSERT INTO flows_processview (name, role, generation, started_at, seen_at)"
                " VALUES (%s, %s, %s, {now}, {now}) ON CONFLICT (name) DO UPDATE"
                " SET role = excluded.role, generation = excluded.generation, seen_at = excluded.seen_at",
                [self.name, self.role, generation],
            )
            cursor.run(
                "DELETE FROM flows_processview WHERE seen_at < " + database.later("%s"), [-_forget_seconds]
            )
        self.generation, self.reported = generation, time.monotonic()

    def leave(self) -> None:
        with database.write() as cursor:
            cursor.run("DELETE FROM flows_processview WHERE name = %s", [self.name])


class Sweeper:
    """Sweeps and reports until ``stop`` is set; a worker that stalls is ended so that it is started anew."""

    def __init__(self, role: str, *, works: bool) -> None:
        self.works = works
        self.stop = threading.Event()
        self.process = Process(role)
        self.alive_at = time.monotonic()
        self.threads: list[threading.Thread] = []
        self.stop_watching: Callable[[], None] = lambda: None

    def run(self) -> None:
        due = 0.0
        while not self.stop.is_set():
            try:
                close_old_connections()
                self.process.report(at_least_every=settings.WHATSFLOW_SWEEP_SECONDS)
                failed = 0
                if self.works and time.monotonic() >= due:
                    failed = sweep_once()
                    due = time.monotonic() + settings.WHATSFLOW_SWEEP_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
                self.alive_at = self.alive_at if failed else time.monotonic()
            except Exception:
                logger.exception("the sweeper could not report")
            self.stop.wait(1)
        self._leave()

    def watch(self) -> None:
        """End a process whose sweeper hangs: its supervisor starts it again, the tables know where it was."""
        while not self.stop.wait(5):
            if time.monotonic() - self.alive_at > STALLED_SECONDS:
                logger.critical("no heartbeat for %s s: this process ends", STALLED_SECONDS)
                os._exit(70)

    def start(self) -> None:
        self.stop_watching = registry.start_watcher()
        targets = [self.run, self.watch] if self.works else [self.run]
        self.threads = [
            threading.Thread(target=t, name=f"sweeper-{t.__name__}", daemon=True) for t in targets
        ]
        for thread in self.threads:
            thread.start()

    def finish(self, seconds: float = 2) -> None:
        self.stop.set()
        self.stop_watching()
        for thread in self.threads:
            thread.join(seconds)

    def _leave(self) -> None:
        try:
            self.process.leave()
        except Exception:
            logger.exception("the process could not sign off")
        connections.close_all()


def work(stop: threading.Event) -> int:
    """Do a worker's whole work in this process, without a broker, until ``stop``; return an exit code."""
    sweeper = Sweeper("worker", works=True)
    sweeper.start()
    failed = threading.Event()
    loops = [
        threading.Thread(target=_loop, args=(run, stop, failed), name=run.__name__, daemon=True)
        for run in (conversation_tasks.run_drain, conversation_tasks.run_sender)
    ]
    for thread in loops:
        thread.start()
    stop.wait()
    for thread in loops:
        thread.join(4)
    sweeper.finish()
    return 1 if failed.is_set() else 0


def _loop(run: Callable[[threading.Event], object], stop: threading.Event, failed: threading.Event) -> None:
    try:
        run(stop)
    except Exception:
        logger.exception("%s ended", run.__name__)
        failed.set()
    finally:
        connections.close_all()
        stop.set()


def start_in_web() -> None:
    """Follow the registry and report; with ``WHATSFLOW_WEB_WORKS`` do a worker's work as well."""
    if settings.IS_TESTING:  # tests drive the work themselves
        return
    if settings.WHATSFLOW_WEB_WORKS:
        threading.Thread(target=work, args=(threading.Event(),), name="work", daemon=True).start()
    else:
        Sweeper("web", works=False).start()

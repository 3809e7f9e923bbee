"""The loops that do the work, and what wakes them: a Celery task, a hint, or the sweeper when neither came.

One draining and one sending loop a process is enough; they batch by themselves as the load grows.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from celery import shared_task
from django.db import close_old_connections, connections

from conversations import calls, hints, lanes, reconcile, sender, splitter, timers, turns
from flows import database

log = logging.getLogger(__name__)

# No Celery task runs for long: work that goes on is taken up by the next one.
TASK_SECONDS = 20.0
IDLE_SECONDS = 5.0
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a pass would find to do: one look for all, so that an idle worker asks one question."""

    timers: bool
    deliveries: bool
    lanes: bool
    suspects: bool
    calls: bool

    @classmethod
    def look(cls) -> Self:
        row = database.read().one(
            f"SELECT {timers.due()}, {splitter.WAITING}, {lanes.WAITING}, {lanes.SUSPECTS_WAITING}, {calls.WAITING}"
        )
        return cls(*map(bool, row or (False,) * 5))

    def any(self) -> bool:
        return self.timers or self.deliveries or self.lanes or self.suspects or self.calls


def drain_once(dispatcher: calls.Dispatcher | None = None) -> int:
    """One pass over what came in: timers, deliveries, turns, calls; gives how much was done."""
    waiting = Waiting.look()
    done = 0
    if waiting.timers:
        done += timers.fire()
    if waiting.deliveries:
        done += splitter.split()
    if done or waiting.lanes:
        done += turns.work()
    if waiting.suspects:
        done += turns.work_on_suspect()
    if dispatcher is not None and (done or waiting.calls):
        done += dispatcher.pump()
    return done


class Loop:
    """At most one of its kind in this process."""

    def __init__(self, run: Callable[[threading.Event, float | None], int]) -> None:
        self._run = run
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        return self._lock.locked()

    def run(self, stop: threading.Event, idle_seconds: float | None = None) -> int:
        """Run in this thread until ``stop`` or idle; 0 at once where another thread runs it already."""
        if not self._lock.acquire(blocking=False):
            return 0
        try:
            return self._run(stop, idle_seconds)
        finally:
            self._lock.release()
            connections.close_all()

    def start(self) -> None:
        """Run in a thread of its own until idle; the sweeper's way where no hint came."""
        if not self.is_running:
            args = (threading.Event(), IDLE_SECONDS)
            threading.Thread(target=self.run, args=args, daemon=True, name="loop").start()


def _drain(stop: threading.Event, idle_seconds: float | None) -> int:
    done = 0
    with hints.Waiting("in") as waiting:
        dispatcher = calls.Dispatcher(waiting.event.set)
        try:
            done = _drain_until(stop, idle_seconds, waiting, dispatcher)
        finally:
            dispatcher.close()
    # A hint that came between the last pass and the end of listening is not lost.
    return done + _careful(drain_once)


def _drain_until(
    stop: threading.Event, idle_seconds: float | None, waiting: hints.Waiting, dispatcher: calls.Dispatcher
) -> int:
    done = 0
    busy_at = time.monotonic()
    while not stop.is_set():
        worked = _careful(lambda: drain_once(dispatcher))
        if worked:
            done += worked
            busy_at = time.monotonic()
            _wake_sender()
            continue
        if idle_seconds is not None and time.monotonic() - busy_at > idle_seconds:
            break
        waiting.wait(POLL_SECONDS)
    return done


def _wake_sender() -> None:
    hints.wake("out")


def _careful(work: Callable[[], int]) -> int:
    """A fault, such as a database that is away for a moment, costs a pass, not the loop."""
    try:
        return work()
    except Exception:
        log.exception("a pass failed; it is tried again")
        close_old_connections()
        time.sleep(0.5)
        return 0


drain_loop = Loop(_drain)
send_loop = Loop(sender.run)


def run_drain(stop: threading.Event) -> int:
    """Drain until ``stop``: the worker without Celery."""
    return drain_loop.run(stop)


def run_sender(stop: threading.Event) -> int:
    return send_loop.run(stop)


@shared_task(name="conversations.drain", queue="inbound")  # type: ignore[untyped-decorator]
def drain(**_: Any) -> dict[str, int]:
    return {"done": _for_a_while(drain_loop, "in")}


@shared_task(name="conversations.send", queue="send")  # type: ignore[untyped-decorator]
def send(**_: Any) -> dict[str, int]:
    return {"sent": _for_a_while(send_loop, "out")}


def _for_a_while(loop: Loop, channel: str) -> int:
    stop = threading.Event()
    timer = threading.Timer(TASK_SECONDS, stop.set)
    timer.daemon = True
    timer.start()
    try:
        done = loop.run(stop, IDLE_SECONDS)
    finally:
        timer.cancel()
    if stop.is_set():
        hints.wake(channel)
    return done


def sweep() -> dict[str, int]:
    """Take up what nobody was woken for: the same work, found by looking."""
    counts = reconcile.sweep()
    counts["calls"] = calls.recover() + lanes.wake_answered()
    if Waiting.look().any():
        drain_loop.start()
    if sender.waiting_numbers():
        send_loop.start()
    return counts

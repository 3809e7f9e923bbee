"""The pool of warm children: `Runner(size).run(…)` blocks until a processor answered, failed or was ended."""

import json
import os
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Self

from flows.processing.catalog import ProcessorInfo
from flows.processing.children import Ask, BrokenFileError, Child, DiedError, OverrunError

LARGEST_PAYLOAD = 256 * 1024
RECYCLE_AFTER_CALLS = 5000
MOST_HELD_MB = 512
_STARTS = 3
_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended.

    `state`: ok; failed (it raised, returned what cannot be kept, or said so itself); unknown (it was ended
    or died after it began: what it did outside is not known). `stdout` is all that it printed, bounded.
    """

    state: Literal["ok", "failed", "unknown"]
    value: Any = None
    go_to: str | None = None
    send: tuple[dict[str, Any], ...] = ()
    reason: str | None = None
    traceback: str | None = None
    stdout: str = ""
    seconds: float = 0.0


class Runner:
    """At most `size` calls at a time, from any number of threads.

    Children with the network and without are kept apart: a namespace holds for a child's whole life.
    `namespaces=False` does without them, as on a kernel that allows none; `environment` is added to the
    little that a child sees.
    """

    def __init__(
        self, size: int = 2, *, namespaces: bool = True, environment: Mapping[str, str] | None = None
    ) -> None:
        self._size = size
        self._namespaces = namespaces
        self._environment = dict(environment or {})
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: dict[bool, list[Child]] = {True: [], False: []}
        self._children: set[Child] = set()
        _RUNNERS.add(self)

    def run(
        self,
        info: ProcessorInfo,
        args: Mapping[str, Any],
        context: Mapping[str, Any] | None = None,
        *,
        idem_key: str = "",
        timeout: float | None = None,
        older: bool = False,
        ask: Ask | None = None,
    ) -> Outcome:
        """Call a processor and wait for its outcome; never raises for what the processor does.

        `timeout` in seconds, else the processor's own; waiting for a free child is not counted.
        `older`: the call of a flow of the older dialect (see `arguments.bind`). `ask` answers what the
        processor asks of its context: APIs and secrets; it must not raise.
        """
        seconds = timeout or info.timeout_seconds
        try:
            request = _request(info, args, context, idem_key, seconds, older=older)
        except ValueError as fault:
            return Outcome(state="failed", reason=str(fault))
        with self._slots:
            try:
                child = self._ready_child(info)
            except _CannotBeginError as fault:
                return fault.outcome
            return self._call(child, request, seconds, info.memory_mb, ask)

    def warm(self) -> None:
        """Start every child now, so that the first calls do not wait for it."""
        with self._lock:
            missing = self._size - len(self._children)
        for _ in range(missing):
            self._give_back(self._start(network=False))

    def close(self) -> None:
        """End all children; calls that run on finish first."""
        for _ in range(self._size):
            self._slots.acquire()
        try:
            with self._lock:
                idle = [child for children in self._idle.values() for child in children]
                self._idle = {True: [], False: []}
            for child in idle:
                child.end()
                self._children.discard(child)
        finally:
            self._slots.release(self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, child: Child, request: bytes, seconds: float, memory_mb: int, ask: Ask | None) -> Outcome:
        began = time.monotonic()
        try:
            answer = child.exchange(request, seconds, ask)
        except OverrunError:
            trace = child.where_it_hangs()
            reason = f"took longer than its {seconds:g} s and was ended"
            return self._lost(child, reason, trace, began)
        except DiedError as fault:
            return self._lost(child, str(fault), None, began)
        child.calls += 1
        outcome = _outcome(answer, child.output.take(), time.monotonic() - began)
        holds_much = answer["held"] > MOST_HELD_MB + memory_mb
        if answer["retire"] or holds_much or child.calls >= RECYCLE_AFTER_CALLS:
            self._replace(child)
        else:
            self._give_back(child)
        return outcome

    def _lost(self, child: Child, reason: str, trace: str | None, began: float) -> Outcome:
        """A call without an answer: end the child, put a fresh one in its place."""
        seconds = time.monotonic() - began
        self._replace(child)
        printed = child.output.take()
        if trace is None and (at := printed.find("Fatal Python error")) >= 0:
            trace = printed[at:]
        return Outcome(state="unknown", reason=reason, traceback=trace, stdout=printed, seconds=seconds)

    def _ready_child(self, info: ProcessorInfo) -> Child:
        """A child that has imported the processor's file. Raises: _CannotBeginError"""
        fault = "no child could be started"
        for _ in range(_STARTS):
            try:
                child = self._take(network=info.effects == "calls")
            except OSError as error:
                raise _CannotBeginError(f"no child could be started: {error}") from None
            try:
                child.wait_ready()
            except (DiedError, OverrunError) as error:
                self._discard(child)
                last_words = child.output.take().strip().rpartition("\n")[2]
                fault = f"no child could be started: {error or 'it took too long'}; {last_words}"
                continue
            return self._load(child, info)
        raise _CannotBeginError(fault)

    def _load(self, child: Child, info: ProcessorInfo) -> Child:
        try:
            child.load(info)
        except BrokenFileError as error:
            printed = child.output.take()
            self._give_back(child)
            raise _CannotBeginError(f"its file does not import: {error}", error.trace, printed) from None
        except (DiedError, OverrunError) as error:
            self._replace(child)
            words = str(error) or "took too long"
            printed = child.output.take()
            raise _CannotBeginError(f"its file does not import: the import {words}", "", printed) from None
        return child

    def _take(self, *, network: bool) -> Child:
        while True:
            with self._lock:
                child = self._idle[network].pop() if self._idle[network] else None
            if child is None:
                return self._start(network=network)
            if child.is_alive():
                return child
            self._discard(child)

    def _give_back(self, child: Child) -> None:
        with self._lock:
            self._idle[child.network].append(child)

    def _replace(self, child: Child) -> None:
        # The fresh one starts while the old one is being ended; if it cannot, the next call tries again.
        with suppress(OSError):
            fresh = self._start(network=child.network)
            with self._lock:
                self._idle[child.network].insert(0, fresh)
        self._discard(child)

    def _discard(self, child: Child) -> None:
        self._children.discard(child)
        child.end()

    def _start(self, *, network: bool) -> Child:
        child = Child(network=network, namespaces=self._namespaces, environment=self._environment)
        self._children.add(child)
        return child

    def _forget(self) -> None:
        """In a forked copy of the process: the children are the original's; ours would keep them alive."""
        for child in self._children:
            child.let_go()
        self._children = set()
        self._idle = {True: [], False: []}
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(self._size)


class _CannotBeginError(Exception):
    """The call could not begin, so nothing of it can have happened."""

    def __init__(self, reason: str, trace: str = "", printed: str = "") -> None:
        super().__init__(reason)
        self.outcome = Outcome(state="failed", reason=reason, traceback=trace or None, stdout=printed)


def _request(
    info: ProcessorInfo,
    args: Mapping[str, Any],
    context: Mapping[str, Any] | None,
    idem_key: str,
    seconds: float,
    *,
    older: bool,
) -> bytes:
    """The line that asks for the call. Raises: ValueError when it is no JSON or too large."""
    fields = {
        "kind": "call" if info.kind == "function" else "script",
        "hash": info.module_hash,
        "function": info.name,
        "args": dict(args),
        "context": dict(context) if context and info.takes_context else None,
        "key": idem_key,
        "older": older,
        "seconds": seconds,
        "memory_mb": info.memory_mb,
    }
    try:
        request = _JSON.encode(fields).encode()
    except (TypeError, ValueError) as fault:
        raise ValueError(f"{info.name}: the arguments are not JSON: {fault}") from None
    if len(request) > LARGEST_PAYLOAD:
        raise ValueError(
            f"{info.name}: the payload is {len(request) // 1024} KB; at most 256 KB is handed over"
        )
    return request


def _outcome(answer: Mapping[str, Any], printed: str, seconds: float) -> Outcome:
    return Outcome(
        state=answer["state"],
        value=answer.get("value"),
        go_to=answer.get("go_to"),
        send=tuple(answer.get("send") or ()),
        reason=answer.get("reason"),
        traceback=answer.get("traceback"),
        stdout=printed,
        seconds=seconds,
    )


_RUNNERS: "weakref.WeakSet[Runner]" = weakref.WeakSet()


def _forget_after_fork() -> None:
    for runner in list(_RUNNERS):
        runner._forget()  # noqa: SLF001 - the module's own class


os.register_at_fork(after_in_child=_forget_after_fork)

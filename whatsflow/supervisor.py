"""Keep a handful of programs running, show what they print, and leave nothing behind.

One thread: it starts each program, reads its output, starts it again when it ends, and at the end stops them
all. A program dies with its supervisor even when that is killed outright.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_backoff_seconds = (0.5, 1, 2, 4, 8, 16, 30)
_settled_seconds = 60
_grace_seconds = 6.0
_linux = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if _linux else None
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. Programs stop in the order of ``rank``: those that others lean on have the higher one."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    rank: int = 0


@dataclass(slots=True, kw_only=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    restart_at: float | None = None
    tail: bytes = b""


class Supervisor:
    """Runs programs until told to stop; use it from the main thread only."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.stopping = False
        self._children: dict[str, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._signaled)
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(self, program: Program) -> None:
        if not self.stopping:
            self._children[program.name] = _Child(
                program=program, process=self._spawn(program), started=time.monotonic()
            )

    def drop(self, name: str) -> None:
        """Stop one program for good."""
        child = self._children.pop(name, None)
        if child is not None:
            self._end([child], grace=2)

    def is_alive(self, name: str) -> bool:
        child = self._children.get(name)
        return child is not None and child.process.poll() is None

    def turn(self, seconds: float = 0.2) -> None:
        """Wait at most ``seconds``: show what was printed, start again what ended."""
        for key, _events in self._selector.select(seconds):
            self._read(key.data, key.fileobj)  # type: ignore[arg-type]  # we register pipes only
        for child in list(self._children.values()):
            self._look_after(child)

    def run(self) -> None:
        while not self.stopping:
            self.turn()

    def stop(self) -> None:
        """End every program and all that it started, within ten seconds."""
        self.stopping = True
        for rank in sorted({c.program.rank for c in self._children.values()}):
            group = [c for c in self._children.values() if c.program.rank == rank]
            self._end(group, grace=_grace_seconds if rank == 0 else 1)
        self._children.clear()
        _end_orphans()

    def _signaled(self, _number: int, _frame: object) -> None:
        self._signals += 1
        self.stopping = True

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            program.argv,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Its own group: the terminal's Ctrl-C reaches us alone, and we stop them in order.
            process_group=0,
            preexec_fn=_die_with(os.getpid()) if _linux else None,  # noqa: PLW1509 - we have one thread
        )
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, program.name)
        return process

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        chunk = pipe.read(65536)
        if not chunk:
            self._selector.unregister(pipe)
            pipe.close()
            return
        child = self._children.get(name)
        lines = ((child.tail if child else b"") + chunk).split(b"\n")
        if child:
            child.tail = lines.pop()[-8192:]
        for line in lines:
            if line.strip():
                self.say(f"{name:<8}| {line.decode(errors='replace').rstrip()}")

    def _look_after(self, child: _Child) -> None:
        code = child.process.poll()
        if code is None or self.stopping:
            return
        now = time.monotonic()
        if child.restart_at is None:
            child.failures = 0 if now - child.started > _settled_seconds else child.failures
            delay = _backoff_seconds[min(child.failures, len(_backoff_seconds) - 1)]
            child.failures += 1
            child.restart_at = now + delay
            self.say(f"{child.program.name:<8}| {_ended(code)}; starting it again in {delay:g} s")
        elif now >= child.restart_at:
            child.process, child.started, child.restart_at = self._spawn(child.program), now, None

    def _end(self, children: list[_Child], *, grace: float) -> None:
        for child in children:
            with suppress(ProcessLookupError):
                child.process.terminate()
        deadline = time.monotonic() + grace
        asked = self._signals
        while any(c.process.poll() is None for c in children) and time.monotonic() < deadline:
            if self._signals > asked:  # asked again: no more waiting
                break
            self.turn(0.05)
        for child in children:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def _die_with(parent: int) -> Callable[[], None]:
    def ask_the_kernel() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask_the_kernel


def _ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _end_orphans() -> None:
    """End what our programs left behind: as their subreaper we inherit it."""
    deadline = time.monotonic() + 2
    while (orphans := _own_children()) and time.monotonic() < deadline:
        for pid in orphans:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _own_children() -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in parentheses may hold anything; the fields after it do not.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found

"""The whole product as a user starts it: ``manage.py up`` as a process, and all that it started."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.simulator.alone import free_port

ROOT = Path(__file__).resolve().parent.parent
READY = re.compile(
    r"WhatsFlow is ready: (?P<url>http://\S+)  user (?P<user>\S+)  password (?P<password>\S+|as set before;.*)$"
)


class Running:
    """A started WhatsFlow with data of its own below ``directory``; stops with the ``with`` block."""

    def __init__(self, directory: Path, *arguments: str, port: int | None = None, **environment: str) -> None:
        self.port = port or free_port()
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port), *arguments],
            cwd=ROOT,
            env=_environment(directory, environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.family: set[tuple[int, str]] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_ready(self, seconds: float = 150) -> re.Match[str]:
        """Return the match of the ready line; its ``seconds`` since the start are in ``ready_after``."""
        found = self.wait_for(READY, seconds)
        self.ready_after = time.monotonic() - self.began
        self.family = family_of(self.process.pid)
        return found

    def wait_for(self, pattern: str | re.Pattern[str], seconds: float) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._fresh.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(
                    f"no line like {pattern!r} in {seconds} s:\n" + "\n".join(self.lines[-60:])
                )
            if found := re.search(pattern, line):
                return found

    def stop(self, number: int = signal.SIGINT, seconds: float = 15) -> float:
        """Send a signal and return how many seconds it took until the process had ended."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.family |= family_of(self.process.pid)
            self.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        for pid, _started in self.survivors():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - began

    def survivors(self, seconds: float = 0) -> set[tuple[int, str]]:
        """The processes that it started and that still live, ``seconds`` later at most."""
        deadline = time.monotonic() + seconds
        while True:
            living = {member for member in self.family if started(member[0]) == member[1]}
            if not living or time.monotonic() >= deadline:
                return living
            time.sleep(0.05)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)


def _environment(directory: Path, more: dict[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    # Compiled modules go aside, so that a second start is one whatever the machine's settings are.
    return {
        **kept,
        "WHATSFLOW_VAR": str(directory / "var"),
        "PYTHONPYCACHEPREFIX": str(directory.parent / "compiled"),
        **more,
    }


def started(pid: int) -> str | None:
    """When ``pid`` started, as the kernel counts; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def family_of(pid: int) -> set[tuple[int, str]]:
    """All living descendants of ``pid``, each with its start time, for pids are used again."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found: set[tuple[int, str]] = set()
    waiting = list(parents.get(pid, []))
    while waiting:
        child = waiting.pop()
        waiting += parents.get(child, [])
        if (when := started(child)) is not None:
            found.add((child, when))
    return found

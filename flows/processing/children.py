"""One warm child as its parent holds it: the pipes, the deadline, and the end of it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows.processing.capture import Captured
from flows.processing.catalog import ProcessorInfo
from flows.processing.warden import ENDED_BY_PARENT

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
IMPORT_SECONDS = 10.0
LARGEST_LINE = 4 * 1024 * 1024
LINGER_SECONDS = 0.1
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from flows.processing.child import main; main()"
# (what, name, args, seconds left) -> {"value": …} or {"error": text, "outcome": failed | unknown}
Ask = Callable[[str, str, dict[str, Any], float], dict[str, Any]]
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class OverrunError(Exception):
    """No answer came in time. The child is still alive and has to be ended."""


class DiedError(Exception):
    """The child ended, or closed or spoiled its pipe; the message says which."""


class BrokenFileError(Exception):
    """A processor file did not compile or import."""

    def __init__(self, message: str, *, line: int | None, trace: str) -> None:
        super().__init__(message)
        self.line, self.trace = line, trace


class Child:
    """A subprocess that serves one call at a time. Used by one thread at a time."""

    def __init__(
        self, *, network: bool = False, namespaces: bool = True, environment: dict[str, str] | None = None
    ) -> None:
        self.network = network
        self.calls = 0
        self.isolation: tuple[str, ...] | None = None
        self.output = Captured()
        self._loaded: set[tuple[str, bool]] = set()
        self._buffer = bytearray()
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self._outputs, outputs = os.pipe()
        given = {"requests": requests, "answers": answers, "network": network, "namespaces": namespaces}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-I", "-c", _BOOT, str(ROOT), json.dumps(given)],
                stdin=subprocess.PIPE,
                stdout=outputs,
                stderr=outputs,
                pass_fds=(requests, answers),
                env=clean_environment() | (environment or {}),
                cwd=ROOT,
                start_new_session=True,
            )
        finally:
            for pipe in (requests, answers, outputs):
                os.close(pipe)
        for pipe in (self._requests, self._answers, self._outputs):
            os.set_blocking(pipe, False)
        self._events = select.poll()
        self._events.register(self._answers, _READABLE)
        self._events.register(self._outputs, _READABLE)

    @property
    def pid(self) -> int:
        """The warden's pid; the child itself is below it."""
        return self._process.pid

    def wait_ready(self) -> tuple[str, ...]:
        """Wait until the child serves; the namespaces that it got. Raises: OverrunError, DiedError"""
        if self.isolation is None:
            line = self._receive(time.monotonic() + START_SECONDS)
            self.isolation = tuple(line["isolation"])
        return self.isolation

    def is_alive(self) -> bool:
        """Whether an idle child is still there and silent, as it should be."""
        return not any(pipe == self._answers for pipe, _ in self._events.poll(0)) or self.isolation is None

    def load(self, info: ProcessorInfo) -> None:
        """Let the child import a processor's file, once per version.

        Raises: BrokenFileError, OverrunError, DiedError
        """
        key = info.module_hash, info.imports
        if key not in self._loaded:
            self.inspect(
                path=info.path,
                module_hash=info.module_hash,
                source=info.source,
                imports=info.imports,
            )
            self._loaded.add(key)

    def inspect(self, *, path: str, module_hash: str, source: str, imports: bool) -> list[dict[str, Any]]:
        """Import a file and describe its functions. Raises: BrokenFileError, OverrunError, DiedError"""
        self.wait_ready()
        request = {
            "kind": "load",
            "path": path,
            "name": f"processors.{Path(path).stem}",
            "hash": module_hash,
            "source": source,
            "imports": imports,
            "seconds": IMPORT_SECONDS,
        }
        answer = self.exchange(json.dumps(request).encode(), IMPORT_SECONDS)
        if answer["kind"] == "broken":
            raise BrokenFileError(answer["message"], line=answer["line"], trace=answer["traceback"])
        functions: list[dict[str, Any]] = answer["functions"]
        return functions

    def exchange(self, request: bytes, seconds: float, ask: Ask | None = None) -> dict[str, Any]:
        """Send a line, wait for the answer's line; what the child asks meanwhile is answered by `ask`.

        Raises: OverrunError, DiedError
        """
        deadline = time.monotonic() + seconds
        self._send(request + b"\n", deadline)
        while (line := self._receive(deadline))["kind"] == "ask":
            told = _told(line, ask, deadline - time.monotonic())
            self._send(json.dumps(told).encode() + b"\n", deadline)
        return line

    def where_it_hangs(self) -> str:
        """Ask the child's faulthandler for its stack; what it wrote within a tenth of a second."""
        before = self.output.total
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGUSR1)
        deadline = time.monotonic() + LINGER_SECONDS
        while time.monotonic() < deadline and not (self.output.total > before and self._is_quiet()):
            self._pump(deadline)
        return self.output.tail(self.output.total - before)

    def end(self) -> int:
        """End the child and all that it started; the warden's exit code. Safe to call twice."""
        self._close_lifeline()
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        self._drain()
        self.let_go()
        return code

    def let_go(self) -> None:
        """Close our ends of the pipes, no more. A forked copy of the parent does only this."""
        self._close_lifeline()
        for pipe in (self._requests, self._answers, self._outputs):
            if pipe >= 0:
                os.close(pipe)
        self._requests = self._answers = self._outputs = -1

    def _close_lifeline(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _send(self, line: bytes, deadline: float) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._requests, rest) :]
            except BlockingIOError:
                self._wait_writable(deadline)
            except BrokenPipeError:
                raise DiedError(self._how_it_ended()) from None

    def _wait_writable(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise OverrunError
        select.select((), (self._requests,), (), min(left, 0.5))

    def _receive(self, deadline: float) -> dict[str, Any]:
        while (end := self._buffer.find(b"\n")) < 0:
            if time.monotonic() >= deadline:
                raise OverrunError
            self._pump(deadline)
            if len(self._buffer) > LARGEST_LINE:
                raise DiedError("wrote something of its own to the pipe it answers through")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._drain()
        return _parsed(line)

    def _pump(self, deadline: float) -> None:
        """Wait for something to read, and read it."""
        wait = max(0, int((deadline - time.monotonic()) * 1000) + 1)
        for pipe, _ in self._events.poll(wait):
            data = _read(pipe)
            if pipe == self._outputs:
                self._keep_output(data)
            elif data:
                self._buffer += data
            elif data is not None:
                raise DiedError(self._how_it_ended())

    def _keep_output(self, data: bytes | None) -> None:
        if data:
            self.output.add(data)
        elif data is not None:
            self._events.unregister(self._outputs)  # the child closed its stdout and stderr

    def _drain(self) -> None:
        while self._outputs >= 0 and (data := _read(self._outputs)):
            self.output.add(data)

    def _is_quiet(self) -> bool:
        return not self._events.poll(10)

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "closed the pipe it answers through"
        return exit_words(code)


def _told(line: dict[str, Any], ask: Ask | None, seconds: float) -> dict[str, Any]:
    if ask is None:
        return {"error": f"no {line.get('what')} can be asked for here", "outcome": "failed"}
    return ask(str(line.get("what")), str(line.get("name")), dict(line.get("args") or {}), seconds)


def clean_environment() -> dict[str, str]:
    """All that a child sees of the environment. A processor may want to read the data that flows read."""
    given = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
    if datasets := os.environ.get("WHATSFLOW_DATASETS"):
        given["WHATSFLOW_DATASETS"] = str(Path(datasets).resolve())
    return given


def exit_words(code: int) -> str:
    """A warden's exit code in words."""
    if code == ENDED_BY_PARENT:
        return "was ended"
    number = code - 128 if code > 128 else -code
    if number > 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(number).name}"
    return f"ended its own process with exit code {code}"


def _read(pipe: int) -> bytes | None:
    """What is there; b"" at the end of the pipe, None when there is nothing now."""
    try:
        return os.read(pipe, 65536)
    except BlockingIOError:
        return None


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line.decode())
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "kind" not in answer:
        raise DiedError("wrote something of its own to the pipe it answers through")
    return answer

"""The child's main: reads one JSON line, runs one processor, writes one JSON line, until the pipe ends.

It imports no framework: a child has to be ready in a few hundredths of a second.
"""

import errno
import faulthandler
import importlib
import io
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType, MappingProxyType
from typing import Any, BinaryIO

from flows.processing import kernel
from flows.processing.answers import BadAnswerError, encode, encode_result
from flows.processing.arguments import ArgumentsError, Plan, bind
from flows.processing.contract import DEFAULT_MEMORY_MB, ApiError, Context, Result
from flows.processing.modules import Loaded, Modules, describe, last_traceback, line_of
from flows.processing.scripts import run_script
from flows.processing.warden import guard

ASYNCHRONOUS = "flows.processing.asynchronous"
IMPORT_MEMORY_MB = 1024
LONGEST_REASON = 500
_NO_NETWORK = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH}


class CpuSpentError(BaseException):
    """The soft CPU limit was passed. Not an Exception, so that the author's `except Exception` lets it by."""


class Child:
    """One warm child: what it has loaded, and how it answers each kind of line."""

    def __init__(self, *, network: bool, isolation: tuple[str, ...]) -> None:
        self._modules = Modules()
        self._network_is_closed = not network and "network" in isolation
        self._owns_pids = "pid" in isolation
        self._pid = os.getpid()
        self._pipe = os.fstat(1).st_ino
        self._is_calling = False
        self._requests: BinaryIO = io.BytesIO()
        self._answers = -1
        self._asking = threading.Lock()
        self._kinds: dict[str, Callable[[dict[str, Any]], bytes]] = {
            "load": self._load,
            "call": self._call,
            "script": self._script,
        }
        signal.signal(signal.SIGXCPU, self._on_cpu_limit)

    def serve(self, requests: BinaryIO, answers: int) -> None:
        """Answer line after line. Returns when the parent closed its end."""
        self._requests, self._answers = requests, answers
        while line := requests.readline():
            message = json.loads(line.decode())
            _write(answers, self._kinds[message["kind"]](message))

    def _load(self, message: dict[str, Any]) -> bytes:
        path = message["path"]
        kernel.limit_memory(IMPORT_MEMORY_MB)
        kernel.limit_cpu(message["seconds"])
        try:
            loaded = self._modules.load(
                module_hash=message["hash"],
                path=path,
                name=message["name"],
                source=message["source"],
                imports=message["imports"],
            )
        except BaseException as error:  # noqa: BLE001 - a door: the file is the author's and may raise anything
            return _line(
                kind="broken",
                message=_reason(error),
                line=line_of(error, path),
                traceback=last_traceback(error, path),
            )
        finally:
            self._leave_if_forked()
            self._tidy()
        return _line(kind="loaded", functions=describe(loaded))

    def _call(self, message: dict[str, Any]) -> bytes:
        loaded = self._modules.get(message["hash"])
        plan = loaded.plans[message["function"]]
        return self._run(message, loaded.path, lambda: self._answer(plan, message))

    def _script(self, message: dict[str, Any]) -> bytes:
        loaded = self._modules.get(message["hash"])
        return self._run(message, loaded.path, lambda: _printed(loaded, message["args"]))

    def _run(self, message: dict[str, Any], path: str, work: Callable[[], bytes]) -> bytes:
        held = kernel.limit_memory(message["memory_mb"])
        kernel.limit_cpu(message["seconds"])
        must_retire = False
        self._is_calling = True
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 - a door: sys.exit and the like must not end the child
            must_retire = isinstance(error, MemoryError | CpuSpentError)
            answer = self._failure(error, path)
        finally:
            self._is_calling = False
            self._leave_if_forked()
        must_retire |= self._tidy()
        return b'{"kind":"answer","held":%d,"retire":%s,%s}' % (held, _TRUTH[must_retire], answer)

    def _answer(self, plan: Plan, message: dict[str, Any]) -> bytes:
        positional, named = bind(plan, message["args"], older=message["older"])
        if plan.context_name is not None:
            named[plan.context_name] = self._context(plan.name, message)
        value = plan.function(*positional, **named)
        if plan.is_async:
            value = importlib.import_module(ASYNCHRONOUS).run(value)
        if not isinstance(value, Result):
            return b'"state":"ok","value":' + encode(value)
        if value.fail is not None:
            return _failed(str(value.fail), None)
        return b'"state":"ok","value":%s,"go_to":%s,"send":%s' % encode_result(value)

    def _context(self, name: str, message: Mapping[str, Any]) -> Context:
        given = message["context"] or {}
        now = given.get("now")
        return Context(
            contact=MappingProxyType(given.get("contact") or {}),
            variables=MappingProxyType(given.get("variables") or {}),
            reply=given.get("reply"),
            flow=MappingProxyType(given.get("flow") or {}),
            step=given.get("step") or "",
            now=datetime.fromisoformat(now) if now else datetime.now(UTC),
            language=given.get("language") or "",
            user_id=given.get("user_id") or "",
            idempotency_key=message["key"],
            logger=logging.getLogger(f"processors.{name}"),
            api=lambda name, **args: self._ask("api", name, args),
            secret=lambda name: str(self._ask("secret", name, {})),
        )

    def _ask(self, what: str, name: str, args: Mapping[str, Any]) -> Any:
        """Ask the parent, which has the network and the secrets. Raises: ApiError, LookupError, BadAnswerError"""
        try:
            asked = encode(dict(args))
        except BadAnswerError as fault:
            raise BadAnswerError(
                f"{what} {name!r}: {str(fault).replace('returned', 'asked with', 1)}"
            ) from None
        line = b'{"kind":"ask","what":%s,"name":%s,"args":%s}' % (encode(what), encode(name), asked)
        with self._asking:
            if not self._is_calling or os.getpid() != self._pid:
                raise ApiError("asked after the call had ended")
            _write(self._answers, line)
            told = json.loads(self._requests.readline().decode())
        if "error" not in told:
            return told["value"]
        if what == "secret":
            raise LookupError(told["error"])
        raise ApiError(told["error"], told["outcome"])

    def _failure(self, error: BaseException, path: str) -> bytes:
        if isinstance(error, BadAnswerError | ArgumentsError):
            return _failed(str(error), None)
        reason = _reason(error)
        if self._network_is_closed and _is_network_error(error):
            reason += '; the network is closed to a processor not declared with effects="calls"'
        return _failed(reason, last_traceback(error, path))

    def _tidy(self) -> bool:
        """End what the call left running; True when this child had better not take another call."""
        is_spoiled = not _flushed(self._pipe)
        if ended := kernel.end_strays(own_pid_namespace=self._owns_pids):
            _say(f"[ended {ended} process{'es' if ended > 1 else ''} that the call left behind]")
        return is_spoiled or any(
            thread is not threading.current_thread() and not thread.name.startswith("asyncio_")
            for thread in threading.enumerate()
        )

    def _leave_if_forked(self) -> None:
        # The author's code forked and came back twice: only the first process may answer.
        if os.getpid() != self._pid:
            os._exit(0)

    def _on_cpu_limit(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_calling:
            raise CpuSpentError("used more CPU time than its time limit allows")
        os._exit(1)  # a thread that an earlier call left behind is burning time


def main() -> None:
    """Start the warden, whose own child then serves. Argument 2: {"requests", "answers", "network", "namespaces"}."""
    given = json.loads(sys.argv[2])
    guard(
        network=given["network"],
        namespaces=given["namespaces"],
        keep=(given["requests"], given["answers"]),
        serve=lambda isolation: _serve(given, isolation),
    )


def _serve(given: Mapping[str, Any], isolation: tuple[str, ...]) -> None:
    requests, answers = given["requests"], given["answers"]
    for pipe in (requests, answers):
        os.set_inheritable(pipe, False)
    kernel.limit_process()
    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    sys.argv[:] = [""]
    child = Child(network=given["network"], isolation=isolation)
    _write(answers, _line(kind="ready", isolation=list(isolation)))
    with open(requests, "rb", buffering=65536) as lines:  # noqa: PTH123 - a descriptor has no path
        child.serve(lines, answers)


def _printed(loaded: Loaded, payload: Mapping[str, Any]) -> bytes:
    return b'"state":"ok","value":' + encode(run_script(loaded.code, loaded.path, payload))


def _failed(reason: str, trace: str | None) -> bytes:
    fields = _line(state="failed", reason=reason[:LONGEST_REASON], traceback=trace)
    return fields[1:-2]


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"called sys.exit({'' if error.code is None else repr(error.code)})"
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the author's own __str__
        text = ""
    name = type(error).__name__
    if isinstance(error, MemoryError):
        return (
            f"{name}: asked for more memory than its limit allows (memory_mb, {DEFAULT_MEMORY_MB} by default)"
        )
    if isinstance(error, CpuSpentError):
        return text
    return (f"{name}: {text}" if text else name)[:LONGEST_REASON]


def _is_network_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and (error.errno in _NO_NETWORK or type(error).__name__ == "gaierror"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _flushed(pipe: int) -> bool:
    """Write out what was printed; False when the author closed or replaced a stream or its descriptor."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        are_ours = os.fstat(1).st_ino == pipe and os.fstat(2).st_ino == pipe
    except (OSError, ValueError, AttributeError):
        return False
    return are_ours and sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__


def _say(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _line(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _write(pipe: int, answer: bytes) -> None:
    rest = memoryview(answer if answer.endswith(b"\n") else answer + b"\n")
    while rest:
        rest = rest[os.write(pipe, rest) :]


_TRUTH = {True: b"true", False: b"false"}

"""The warden: the small process between the parent and a child, which leaves nothing of the child behind.

It moves into namespaces of its own, forks the child once, and waits for the child's end or the parent's. When
the child was pid 1 of a namespace the kernel ends all that it started; else the warden adopts what the child
orphaned and ends it by a walk over /proc.
"""

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from flows.processing import kernel

LIFELINE = 0  # stdin: a pipe that nobody writes to and that closes when the parent ends us or dies
ENDED_BY_PARENT = 120
_KILLED = 128


def guard(
    *, network: bool, namespaces: bool, keep: tuple[int, ...], serve: Callable[[tuple[str, ...]], None]
) -> NoReturn:
    """Run `serve` in an isolated child; leave with its exit code, or 128 + the signal that killed it.

    `keep`: the child's own descriptors, closed here so that they end when the child ends.
    """
    wake = _wake_on_child_signal()
    kernel.refuse_new_privileges()
    isolation = kernel.isolate(network=network) if namespaces else ()
    if "pid" not in isolation:
        kernel.adopt_orphans()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        _become_child(serve, isolation)
    _let_go((*keep, 1, 2))
    signal.signal(signal.SIGUSR1, lambda *_: _pass_on(child))
    status = _wait(child, wake)
    if "pid" not in isolation:
        kernel.end_strays(own_pid_namespace=False)
    os._exit(ENDED_BY_PARENT if status is None else _exit_code(status))


def _become_child(serve: Callable[[tuple[str, ...]], None], isolation: tuple[str, ...]) -> NoReturn:
    kernel.die_with_parent()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _replace_by_nothing(LIFELINE)
    if "pid" not in isolation:
        kernel.adopt_orphans()
    code = 1
    try:
        serve(isolation)
        code = 0
    except BaseException:  # noqa: BLE001 - the last frame of a process: say why, then leave
        with suppress(OSError, ValueError):
            traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, wake: int) -> int | None:
    """The child's wait status, or None when the parent let go of us first and the child was killed."""
    events = select.poll()
    events.register(LIFELINE, select.POLLIN | select.POLLHUP)
    events.register(wake, select.POLLIN)
    while True:
        for descriptor, _ in events.poll():
            if descriptor == LIFELINE:
                _end(child)
                return None
            os.read(wake, 512)
        status = _reap(child)
        if status is not None:
            return status


def _reap(child: int) -> int | None:
    """Reap whoever ended; the child's status if it was among them. Orphans that we adopted end here too."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return status
        if pid == 0:
            return None


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _pass_on(child: int) -> None:
    os.kill(child, signal.SIGUSR1)  # the child's faulthandler writes where it hangs


def _exit_code(status: int) -> int:
    return _KILLED + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _wake_on_child_signal() -> int:
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write)
    return read


def _let_go(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        _replace_by_nothing(descriptor)


def _replace_by_nothing(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)

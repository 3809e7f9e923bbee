"""What the kernel is asked for: namespaces, limits, and the end of every process that a child left behind."""

import ctypes
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

OPEN_FILES = 256
MEGABYTE = 1024 * 1024
_PAGE = resource.getpagesize()
_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_FLAGS = {"user": _CLONE_NEWUSER, "pid": _CLONE_NEWPID, "network": _CLONE_NEWNET}
# The best first. Without a user namespace only root may make the others.
_ISOLATIONS = (("user", "pid", "network"), ("pid", "network"), ("user", "pid"), ("user", "network"))


def isolate(*, network: bool) -> tuple[str, ...]:
    """Move this process into namespaces of its own, as many as the kernel allows, and name them.

    A pid namespace holds only the children that it forks from now on. `network`: leave the network open.
    """
    if not _LINUX:
        return ()
    user, group = os.getuid(), os.getgid()
    for wanted in _ISOLATIONS:
        names = tuple(name for name in wanted if name != "network" or not network)
        if names and _unshare(names):
            if "user" in names:
                _map_ids(user, group)
            return names
    return ()


def die_with_parent() -> None:
    """Be killed when the parent dies. Only for a child of a process with one thread."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent dies; False where the system cannot."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def refuse_new_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def limit_process() -> None:
    """Set the limits that hold for the child's whole life."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)


def limit_memory(megabytes: int) -> int:
    """Allow so much address space above what is held now; return the megabytes resident now."""
    held, resident = memory()
    if not held:
        return 0
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * MEGABYTE, hard))
    return resident // MEGABYTE


def limit_cpu(seconds: float) -> None:
    """Let SIGXCPU come after so many more seconds of this process' CPU time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def memory() -> tuple[int, int]:
    """Bytes of address space and of resident memory of this process; zeros where the system does not tell."""
    try:
        held, resident = os.pread(_statm(os.getpid()), 100, 0).split()[:2]
    except OSError:
        return 0, 0
    return int(held) * _PAGE, int(resident) * _PAGE


def end_strays(*, own_pid_namespace: bool, seconds: float = 2.0) -> int:
    """Kill and reap every descendant of this process; return how many were alive.

    The caller is pid 1 of its namespace or adopts orphans, so "no child" means that none is left.
    """
    ended, deadline = 0, time.monotonic() + seconds
    while _any_child_alive() and time.monotonic() < deadline:
        if own_pid_namespace:
            ended = max(ended, 1)
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            ended = max(ended, _kill(descendants(os.getpid())))
        time.sleep(0.001)
    return ended


def descendants(root: int) -> list[int]:
    """Pids below `root`, by one walk over /proc; empty where there is none."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            # "pid (name) state ppid …": the name may hold spaces and brackets, so read from its end.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


@cache
def _statm(_pid: int) -> int:
    # Kept open: opening it anew costs more than all else that a call does here.
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def _any_child_alive() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _kill(pids: list[int]) -> int:
    killed = 0
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def _lower(which: int, limit: int) -> None:
    hard = resource.getrlimit(which)[1]
    ceiling = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (ceiling, ceiling))


def _prctl(option: int, value: int) -> bool:
    return _LINUX and _LIBC.prctl(option, value, 0, 0, 0) == 0


def _unshare(names: tuple[str, ...]) -> bool:
    flags = 0
    for name in names:
        flags |= _FLAGS[name]
    return bool(_LIBC.unshare(flags) == 0)


def _map_ids(user: int, group: int) -> None:
    # Without the maps every file would seem to be nobody's; a kernel that refuses them is still isolated.
    with suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")

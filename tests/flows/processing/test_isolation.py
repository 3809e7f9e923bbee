"""What a child cannot reach, and that nothing of it stays. Each once with namespaces and once without."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.processing.children import ROOT
from flows.processing.limits import capabilities

CANARY = "canary-7f3a91"


def test_the_environment_is_empty_of_ours(own_workshop, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", f"postgres://{CANARY}")
    monkeypatch.setenv("SECRET_KEY", CANARY)
    monkeypatch.delenv("WHATSFLOW_DATASETS", raising=False)
    outcome = own_workshop.outcome_of(
        "import os, sys\ndef work(): return [dict(os.environ), sys.argv, sys.flags.isolated]"
    )
    environment, argv, isolated = outcome.value
    assert set(environment) == {"PATH", "LANG", "TZ"}
    assert argv == [""]
    assert isolated == 1


def test_the_command_line_holds_no_secret(own_workshop, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", CANARY)
    outcome = own_workshop.outcome_of(
        "def work(): return open('/proc/self/cmdline').read().replace(chr(0), ' ')"
    )
    assert CANARY not in outcome.value


@pytest.fixture
def neighbor() -> Iterator[subprocess.Popen]:
    """Another process of the same user, with a secret in its environment."""
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={"SECRET_KEY": CANARY}
    )
    yield process
    process.stdin.close()
    process.wait(timeout=10)


def test_the_environment_of_other_processes_cannot_be_read(workshop, neighbor):
    """The kernel refuses it from inside a user namespace; without one the same user may read it."""
    outcome = workshop.outcome_of(
        """
        def work(pid: int):
            try:
                with open(f"/proc/{pid}/environ") as environ:
                    return environ.read()
            except OSError as error:
                return type(error).__name__
        """,
        {"pid": neighbor.pid},
    )
    refused = "user" in capabilities().isolation
    assert (outcome.value == "PermissionError") == refused


def test_no_descriptor_of_ours_is_open_in_a_child(own_workshop, tmp_path):
    with (tmp_path / "database").open("w") as held, socket.socket() as door:
        os.set_inheritable(held.fileno(), True)
        os.set_inheritable(door.fileno(), True)
        outcome = own_workshop.outcome_of(
            "import os\ndef work():\n    return sorted(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
            " if os.path.exists(f'/proc/self/fd/{n}'))"
        )
    kinds = {name.partition(":")[0] for name in outcome.value if not name.startswith("/proc/")}
    assert kinds <= {"/dev/null", "pipe"}, outcome.value


CONNECTS = """
import socket
from flows.processing import processor

def work(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=2) as door:
        return door.recv(5).decode()

@processor(effects="calls")
def calls(port: int):
    return work(port)
"""


def test_the_network_is_closed_unless_declared(workshop):
    workshop.write(CONNECTS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = workshop.call("work", {"port": port}, timeout=5)
    if capabilities().closes_network:
        assert outcome.state == "failed"
        assert outcome.reason == (
            "OSError: [Errno 101] Network is unreachable; "
            'the network is closed to a processor not declared with effects="calls"'
        )
    else:
        assert "unreachable" not in (outcome.reason or "")


def test_a_name_cannot_be_looked_up_unless_declared(workshop):
    outcome = workshop.outcome_of("import socket\ndef work(): socket.getaddrinfo('example.com', 443)")
    assert outcome.state == "failed"
    assert outcome.reason.endswith('effects="calls"') == capabilities().closes_network


def test_a_declared_processor_reaches_the_network(workshop):
    workshop.write(CONNECTS)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            visitor, _ = server.accept()
            with visitor:
                visitor.sendall(b"hello")

        thread = threading.Thread(target=greet)
        thread.start()
        outcome = workshop.call("calls", {"port": server.getsockname()[1]})
        thread.join(timeout=5)
    assert (outcome.state, outcome.value) == ("ok", "hello")


# Each leaves a process behind that holds a lock; the lock is free again only when that process is gone.
LEAVE_BEHIND = """
import fcntl, os, signal, subprocess, sys, time

def hold(path, told):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lock = open(path, "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(told, b"held")
    time.sleep(300)

def child(path, told):
    if os.fork() == 0:
        hold(path, told)

def session(path, told):
    if os.fork() == 0:
        os.setsid()
        hold(path, told)

def daemon(path, told):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            hold(path, told)
        os._exit(0)
    os.wait()

def program(path, told):
    subprocess.Popen(["flock", path, "sh", "-c", f"echo held >&{told}; trap '' TERM; sleep 300"],
                     pass_fds=[told], start_new_session=True)

def work(path: str, how: str, then: str):
    wait, told = os.pipe()
    globals()[how](path, told)
    assert os.read(wait, 4) == b"held"
    if then == "exit":
        os._exit(3)
    if then == "segfault":
        import ctypes
        ctypes.string_at(0)
    if then == "hang":
        time.sleep(300)
    return "done"
"""


@pytest.mark.parametrize("then", ["return", "exit", "segfault", "hang"])
@pytest.mark.parametrize("how", ["child", "session", "daemon", "program"])
def test_nothing_that_a_call_started_stays(own_workshop, tmp_path, how, then):
    lock = tmp_path / "lock"
    own_workshop.write(LEAVE_BEHIND)
    outcome = own_workshop.call("work", {"path": str(lock), "how": how, "then": then}, timeout=0.8)
    assert outcome.state == ("ok" if then == "return" else "unknown"), outcome
    if then == "return":
        assert "that the call left behind" in outcome.stdout
    _wait_until_free(lock)


@pytest.mark.parametrize("how", ["child", "daemon"])
def test_nothing_stays_when_the_parent_is_killed_amid_a_call(own_workshop, tmp_path, how):
    lock = tmp_path / "lock"
    own_workshop.write(LEAVE_BEHIND)
    parent = os.fork()
    if parent == 0:
        try:
            own_workshop.call("work", {"path": str(lock), "how": how, "then": "hang"}, timeout=60)
        finally:
            os._exit(1)
    deadline = time.monotonic() + 10
    while not _is_held(lock):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    _wait_until_free(lock)


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _wait_until_free(path: Path) -> None:
    with path.open("w") as lock:
        deadline = time.monotonic() + 3
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline, "a process that the call started is still there"
                time.sleep(0.01)
            else:
                return


def test_code_that_forks_and_returns_twice_answers_once(own_workshop):
    own_workshop.write("import os\ndef work(): return os.fork() == 0\ndef after(): return 'after'\n")
    assert own_workshop.call("work").value is False
    assert own_workshop.call("after").value == "after"


def test_a_rabbit_of_forks_is_ended(own_workshop):
    own_workshop.write(
        "import os, time\ndef work():\n    for _ in range(5): os.fork()\n    time.sleep(300)\ndef after(): return 1\n"
    )
    assert own_workshop.call("work", timeout=0.5).state == "unknown"
    assert own_workshop.call("after").value == 1


def test_limits_are_set(own_workshop):
    outcome = own_workshop.outcome_of(
        "import resource as r\ndef work():\n"
        "    return [r.getrlimit(r.RLIMIT_CORE)[0], r.getrlimit(r.RLIMIT_NOFILE)[0], r.getrlimit(r.RLIMIT_CPU)[0],"
        " r.getrlimit(r.RLIMIT_AS)[0]]",
        timeout=7,
    )
    core, files, cpu, memory = outcome.value
    assert (core, files) == (0, 256)
    assert 7 <= cpu <= 7 + 60
    assert 256 << 20 < memory < 1024 << 20


def test_cpu_time_of_many_threads_is_limited(own_workshop):
    """Threads can burn more CPU time than the clock shows; the soft limit of the kernel ends that."""
    outcome = own_workshop.outcome_of(
        """
        import os, resource, signal
        def work():
            os.kill(os.getpid(), signal.SIGXCPU)
        """
    )
    assert (outcome.state, outcome.reason) == ("failed", "used more CPU time than its time limit allows")


def test_new_privileges_are_refused(own_workshop):
    outcome = own_workshop.outcome_of(
        "def work(): return 'NoNewPrivs:\\t1' in open('/proc/self/status').read()"
    )
    assert outcome.value is True


def test_files_keep_their_owner(own_workshop, tmp_path):
    path = tmp_path / "written"
    outcome = own_workshop.outcome_of(
        "import os\ndef work(path: str):\n    open(path, 'w').close()\n    return [os.getuid(), os.stat(path).st_uid]",
        {"path": str(path)},
    )
    assert outcome.value == [os.getuid(), os.getuid()]
    assert path.stat().st_uid == os.getuid()


def test_the_capabilities_are_told():
    found = capabilities()
    assert found.can_start
    assert str(found).startswith("processors: network ")


def test_a_child_loads_no_framework():
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import flows.processing.child; print(*sorted(sys.modules))"
    modules = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"django", "asyncio", "subprocess", "celery", "flows.processing.runner"} & set(modules)

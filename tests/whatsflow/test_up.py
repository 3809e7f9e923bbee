"""``manage.py up`` with real processes: it gets ready, and leaves nothing behind."""

import json
import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.running import Running, family_of, started

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]


def get(port: int, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.status, answer.read().decode()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def programs(up: Running) -> str:
    return "\n".join(command_line(pid) for pid, _ in up.family)


def test_up_gets_ready_prints_a_password_once_and_leaves_no_process(tmp_path):
    with Running(tmp_path) as up:
        first = up.wait_ready()
        assert first["user"] == "admin"
        assert len(first["password"]) >= 12
        told = json.loads(get(up.port, "/readyz")[1])
        assert told == {"database": "ok", "migrations": "ok", "broker": "ok", "workers": 1}
        names = programs(up)
        assert all(part in names for part in ("valkey-server", "uvicorn", "-Q inbound,send,bulk")), names
        assert up.stop(signal.SIGINT) < 10
        assert up.process.returncode == 0
        assert up.survivors() == set()
    with Running(tmp_path) as up:
        second = up.wait_ready()
        assert second["password"].startswith("as set before;")
        # On a machine that is busy with other things the clock says nothing about us.
        busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        assert up.ready_after < 6 * busy, f"the second start took {up.ready_after:.1f} s"
        assert up.stop(signal.SIGTERM) < 10
        assert up.survivors() == set()


def test_without_a_broker_the_worker_polls(tmp_path):
    with Running(tmp_path, "--no-broker") as up:
        up.wait_ready()
        assert "run_worker" in programs(up)
        assert "valkey" not in programs(up)
        assert "celery" not in programs(up)
        assert up.stop() < 10
        assert up.survivors() == set()


def test_a_program_that_dies_is_started_again(tmp_path):
    with Running(tmp_path, "--workers", "2") as up:
        up.wait_ready()
        victim = next(pid for pid, _ in up.family if "uvicorn" in command_line(pid))
        os.kill(victim, signal.SIGKILL)
        up.wait_for(r"web +\| killed by SIGKILL; starting it again in 0.5 s", 10)
        for _attempt in range(600):
            try:
                assert get(up.port, "/healthz") == (200, "ok")
                break
            except OSError:
                up.survivors(0.1)
        else:
            pytest.fail("the web server did not come back")


def test_nothing_outlives_a_supervisor_that_is_killed_outright(tmp_path):
    with Running(tmp_path) as up:
        up.wait_ready()
        assert len(up.family) >= 3
        up.family |= family_of(up.process.pid)
        os.kill(up.process.pid, signal.SIGKILL)
        up.process.wait(5)
        assert up.survivors(10) == set(), [command_line(pid) for pid, _ in up.survivors()]


def test_a_signal_during_the_start_ends_it(tmp_path):
    with Running(tmp_path) as up:
        up.wait_for("Database is up to date", 60)
        assert up.stop(signal.SIGTERM) < 12
        assert up.survivors() == set()
        assert started(up.process.pid) is None


def test_a_taken_port_is_one_clear_line_with_a_remedy(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with Running(tmp_path, port=port) as up:
            up.wait_for(rf"CommandError: Port {port} is taken .* manage\.py up --port \d+$", 30)
            assert up.process.wait(10) == 1
            assert len(up.lines) == 1


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--workers", "0", "--workers 0: expected 1 to 64"),
        ("--port", "70000", "--port 70000: expected 1 to 65535"),
    ],
)
def test_a_wrong_option_is_told_what_is_accepted(tmp_path, option, value, told):
    with Running(tmp_path, option, value) as up:
        up.wait_for(told, 30)
        assert up.process.wait(10) == 1

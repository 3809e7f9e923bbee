"""The product in production layout on throw-away services: granian WSGI, one worker process, the Graph stub."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECRET = "bench-secret"
FLOW = {
    "id": "bench",
    "trigger": {"type": "keyword", "text": "hi", "match": "first_word"},
    # The answer differs each time: the same pair of texts four times over would be taken for a machine.
    "steps": [
        {
            "id": "hello",
            "content": {"type": "text", "body": "Hello {{ contact.name | slice: 0, 4 }}: {{ reply.text }}"},
        }
    ],
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Product:
    """Its processes by role, their CPU time, and its database."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, flow: Mapping[str, object] = FLOW
    ) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="whatsflow-bench."))
        (self.home / "datasets" / "flows").mkdir(parents=True)
        (self.home / "processors").mkdir()
        (self.home / "datasets" / "flows" / "bench.json").write_text(json.dumps(flow))
        self.port, self.graph_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "whatsflow.settings",
            "WHATSFLOW_SIMULATOR": "on",
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_hex(32),
            "ALLOWED_HOSTS": "127.0.0.1",
            "WHATSAPP_APP_SECRET": SECRET,
            "WHATSAPP_VERIFY_TOKEN": "t",
            "WHATSFLOW_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "WHATSFLOW_HASH_KEY": "k",
            "WHATSFLOW_HTTPS": "off",
            "WHATSFLOW_VAR": str(self.home / "var"),
            "WHATSFLOW_DATASETS": str(self.home / "datasets"),
            "WHATSFLOW_PROCESSORS": str(self.home / "processors"),
            "SIMULATOR_APP_SECRET": SECRET,
            "SIMULATOR_TOKEN": "token",
            "SIMULATOR_BASE_URL": f"http://127.0.0.1:{self.graph_port}",
            "PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
            **(environment or {}),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.manage("migrate", "-v0")
        self.script(
            "from conversations.numbers import ensure_numbers; ensure_numbers();"
            "from conversations.models import Number; Number.objects.update(rate=100000);"
            "from flows import loader; loader.load()"
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/whatsapp"

    @property
    def graph(self) -> str:
        return f"http://127.0.0.1:{self.graph_port}"

    def manage(self, *args: str) -> None:
        subprocess.run([sys.executable, "manage.py", *args], cwd=ROOT, env=self.environment, check=True)

    def script(self, code: str) -> str:
        """Run Python in the product's settings and give what it printed."""
        prelude = "import django; django.setup();"
        done = subprocess.run(
            [sys.executable, "-c", prelude + code],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode()

    def start(self, role: str, *argv: str, more: Mapping[str, str] | None = None) -> None:
        log = (self.home / f"{role}.log").open("wb")
        self.processes[role] = subprocess.Popen(
            [sys.executable, *argv],
            cwd=ROOT,
            env={**self.environment, **(more or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def start_graph(self) -> None:
        self.start("graph", "-m", "benchmarks.rig.graph", str(self.graph_port))
        wait(lambda: get(f"{self.graph}/ledger") is not None)

    def start_web(self, application: str = "whatsflow.wsgi:application") -> None:
        self.start(
            "web",
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "1",
            "--blocking-threads",
            "4",
            "--no-access-log",
            "--log-level",
            "warning",
            application,
            more={"WHATSFLOW_ROLE": "web"},
        )
        wait(lambda: get(f"http://127.0.0.1:{self.port}/healthz") is not None)

    def start_worker(self, *, celery: bool = False) -> None:
        if celery:
            queue = "inbound,send,bulk"
            argv = ("-m", "celery", "-A", "whatsflow", "worker", "-P", "threads", "-c", "4", "-Q", queue)
        else:
            argv = ("manage.py", "run_worker")
        self.start("worker", *argv, more={"WHATSFLOW_ROLE": "worker"})

    def cpu(self, role: str) -> float:
        """CPU seconds of a role's processes, its children with it."""
        return sum(cpu_of(pid) for pid in family(self.processes[role].pid))

    def reset_graph(self, delay_ms: float) -> None:
        request = urllib.request.Request(f"{self.graph}/reset?delay_ms={delay_ms}", method="POST")
        urllib.request.urlopen(request).close()

    def ledger(self) -> list[tuple[str, str, float]]:
        return [tuple(row) for row in json.loads(get(f"{self.graph}/ledger") or "[]")]

    def stop(self, *roles: str) -> None:
        for role in roles or list(self.processes):
            process = self.processes.pop(role)
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def product(environment: Mapping[str, str] | None = None) -> Iterator[Product]:
    made = Product(environment)
    try:
        yield made
    finally:
        made.stop()


def get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return None


def wait(condition: object, seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > limit:
            raise TimeoutError("the product did not come up; look at its logs")
        time.sleep(0.1)


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except FileNotFoundError:
            continue
        found += [int(child) for child in children]
    return found


def cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_postgres() -> float:
    """CPU seconds of the server that DATABASE_URL names, all its backends with it."""
    home = os.environ.get("WHATSFLOW_SERVICES")
    if not home:
        return 0.0
    pid = int((Path(home) / "pg" / "postmaster.pid").read_text().split()[0])
    return sum(cpu_of(one) for one in family(pid))


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

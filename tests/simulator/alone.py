"""A simulator that stands alone, as fault tests use it: its own process, its own database, a real socket."""

import os
import random
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "graph-token"
SECRET = "app-secret"


class StandAlone:
    """The process and a client of its control API."""

    def __init__(self, home: Path, webhook_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{home / 'sim.db'}",
            "WHATSFLOW_VAR": str(home),
            "WHATSFLOW_SIMULATOR": "on",
            "SIMULATOR_APP_SECRET": SECRET,
            "SIMULATOR_TOKEN": TOKEN,
            "SIMULATOR_WEBHOOK_URL": webhook_url,
            "DJANGO_SETTINGS_MODULE": "whatsflow.settings",
            "LOG_LEVEL": "WARNING",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=self.environment, check=True
        )
        self.start()

    def start(self) -> None:
        server = [
            "-m",
            "uvicorn",
            "whatsflow.asgi:application",
            "--port",
            str(self.port),
            "--log-level",
            "warning",
        ]
        self.process = subprocess.Popen([sys.executable, *server], cwd=ROOT, env=self.environment)
        self.http = httpx.Client(
            base_url=f"{self.url}/simulator/api/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20
        )
        wait_until(self._answers, seconds=60)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the simulator ended at its start"
        try:
            return self.http.get("clock/").status_code == 200
        except httpx.TransportError:
            return False

    def api(self, method: str, path: str, **json: Any) -> Any:
        answer = self.http.request(method, path, json=json or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def stop(self) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(10)


def free_port() -> int:
    """A port below those that the system gives to connections: while a server is down, one of them could take it."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Any, *, seconds: float = 10) -> Any:
    """Return the first true value of `condition`; fail when the limit passes."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{condition} did not come true within {seconds} s")

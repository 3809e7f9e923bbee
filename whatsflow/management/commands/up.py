"""One command that runs the whole product: broker, web, workers, beat."""

import os
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from flows import database
from flows.models import FlowFile, ProcessView
from whatsflow import broker, env, preparation
from whatsflow.supervisor import Program, Supervisor

READY_SECONDS = 90
# Static files are read whole before they are sent, which is what Django then warns of.
_quiet_web = ("-W", "ignore:StreamingHttpResponse must consume synchronous iterators")
# Celery warns root users of pickle, which is switched off here.
_quiet = ("-W", "ignore:You're running the worker")
_celery = (sys.executable, *_quiet, "-m", "celery", "--quiet", "--skip-checks", "-A", "whatsflow")


class Command(BaseCommand):
    help = (
        "Run WhatsFlow: web, workers and beat, and without REDIS_URL an embedded broker. Ctrl-C ends it all."
    )
    # Checks would cost the start a second; manage.py check runs them.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT, help="port of the web server")
        parser.add_argument("--workers", type=int, default=1, help="number of worker processes")
        parser.add_argument("--migrate", action="store_true", help="migrate a PostgreSQL database first")
        parser.add_argument("--no-broker", action="store_true", help="run without Redis, by polling")

    def handle(
        self, *_args: Any, port: int, workers: int, migrate: bool, no_broker: bool, **_options: Any
    ) -> None:
        _refuse_bad_options(port, workers)
        supervisor = Supervisor(self.say)
        self.prepare(migrate=migrate or settings.IS_SQLITE)
        try:
            self.start(supervisor, port, workers, no_broker=no_broker)
            if not supervisor.stopping:
                # Only now: a password that is made is a password that is shown.
                self.say(_ready_line(port, preparation.ensure_login()))
            supervisor.run()
            self.say("Stopping …")
        finally:
            supervisor.stop()

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def prepare(self, *, migrate: bool) -> None:
        applied = preparation.migrate(is_allowed=migrate)
        if applied:
            self.say(f"Database is up to date ({applied} migrations applied)")
        preparation.collect_static()
        preparation.ensure_numbers()

    def start(self, supervisor: Supervisor, port: int, workers: int, *, no_broker: bool) -> None:
        """Start all programs and wait until they are ready, or until a signal ends the wait."""
        since = database.now()
        redis_url = "" if no_broker else settings.REDIS_URL or self.embedded(supervisor)
        common = {"PORT": str(port), "REDIS_URL": redis_url, **_transport()}
        supervisor.start(_web(port, common))
        for number in range(1, workers + 1):
            name = "worker" if workers == 1 else f"worker{number}"
            supervisor.start(_worker(name, common))
        self.wait(supervisor, port, workers, since)
        if redis_url:
            # Last, for nothing waits for it.
            supervisor.start(_beat(common))

    def embedded(self, supervisor: Supervisor) -> str:
        started = broker.start(supervisor, settings.VAR_DIR / "valkey")
        if started is None and not supervisor.stopping:
            self.say("No broker fits this machine: the workers poll the database instead")
        return started.url if started else ""

    def wait(self, supervisor: Supervisor, port: int, workers: int, since: datetime) -> None:
        deadline, pause = time.monotonic() + READY_SECONDS, 0.1
        while not supervisor.stopping:
            missing = _missing(port, workers, since)
            if not missing:
                return
            if time.monotonic() > deadline:
                self.say(f"Not ready after {READY_SECONDS} s: {missing}; still trying")
                deadline = float("inf")
            supervisor.turn(pause)
            pause = min(pause * 1.1, 1)


def _refuse_bad_options(port: int, workers: int) -> None:
    if not 1 <= port <= 65535:
        raise CommandError(f"--port {port}: expected 1 to 65535")
    if not 1 <= workers <= 64:
        raise CommandError(f"--workers {workers}: expected 1 to 64")
    if broker.is_taken(port):
        raise CommandError(
            f"Port {port} is taken by another program; stop it, or choose one that is free:"
            f" manage.py up --port {broker.free_port()}"
        )


def _transport() -> dict[str, str]:
    """We serve plain HTTP to this machine: without a proxy in front a redirect to HTTPS leads nowhere."""
    if env.has("WHATSFLOW_HTTPS") or env.flag("WHATSFLOW_BEHIND_PROXY", default=False):
        return {}
    return {"WHATSFLOW_HTTPS": "false"}


def _web(port: int, common: dict[str, str]) -> Program:
    return Program(
        name="web",
        argv=(
            *(sys.executable, *_quiet_web, "-m", "uvicorn", "whatsflow.asgi:application"),
            *("--host", "127.0.0.1", "--port", str(port), "--lifespan", "off"),
            *("--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "3"),
        ),
        environment={**common, "WHATSFLOW_ROLE": "web"},
    )


def _worker(name: str, common: dict[str, str]) -> Program:
    argv: tuple[str, ...] = (sys.executable, str(settings.BASE_DIR / "manage.py"), "run_worker")
    if common["REDIS_URL"]:
        argv = (
            *(*_celery, "worker", "-n", f"{name}-{os.getpid()}@%h", "-P", "threads", "-c", "4"),
            *("-Q", "inbound,send,bulk", "-l", "WARNING"),
            # They watch other workers; ours meet in the tables, and a start without them is 1 s shorter.
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        )
    return Program(name=name, argv=argv, environment={**common, "WHATSFLOW_ROLE": "worker"})


def _beat(common: dict[str, str]) -> Program:
    schedule = str(settings.VAR_DIR / "beat-schedule")
    return Program(
        name="beat",
        argv=(*_celery, "beat", "-s", schedule, "--pidfile=", "-l", "WARNING"),
        environment={**common, "WHATSFLOW_ROLE": "beat"},
    )


def _missing(port: int, workers: int, since: datetime) -> str:
    """Say what is not ready yet, "" when all is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            pass
    except (OSError, urllib.error.URLError) as error:
        return f"the web server does not answer ({error})"
    try:
        reported = ProcessView.objects.filter(role="worker", started_at__gte=since).count()
        is_loaded = FlowFile.objects.exists() or not any(settings.WHATSFLOW_DATASETS.glob("flows/*.json"))
    except DatabaseError as error:
        return f"the database does not answer ({error})"
    finally:
        connections.close_all()
    if reported < workers:
        return f"{reported} of {workers} workers have reported"
    return "" if is_loaded else "the flow files are not loaded yet"


def _ready_line(port: int, login: preparation.Login | None) -> str:
    url = f"WhatsFlow is ready: http://127.0.0.1:{port}/admin/"
    if login is None:
        return f"{url}  no user yet; make one: manage.py createsuperuser"
    if login.password is None:
        return (
            f"{url}  user {login.username}  password as set before; manage.py changepassword {login.username}"
        )
    return f"{url}  user {login.username}  password {login.password}"

"""A warm parent that forks the product's processes: web, worker, and small errands on the database.

Starting Django takes seconds, a fork takes milliseconds, and a crash sweep starts hundreds of processes. The parent
opens no connection and starts no thread, so a child begins as clean as a process of its own.

Commands and answers are JSON lines on stdin and stdout.
"""

import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback
import wsgiref.simple_server
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import resolve  # noqa: E402

from conversations import audit, tasks  # noqa: E402
from conversations.models import Inbox, Lane, Message, Outbox, Timer, WebhookDelivery  # noqa: E402
from flows import database, failpoints, registry  # noqa: E402
from whatsflow import sweeper  # noqa: E402

application = get_wsgi_application()
# Every web that is forked would import the pages anew at its first request.
resolve("/webhooks/whatsapp")
SWEEP_SECONDS = 0.3


class _Server(wsgiref.simple_server.WSGIServer):
    """Four threads, as granian has them: each keeps its connection to the database."""

    request_queue_size = 64
    pool = ThreadPoolExecutor(4)

    def process_request(self, request: Any, address: Any) -> None:
        self.pool.submit(self._work, request, address)

    def _work(self, request: Any, address: Any) -> None:
        try:
            self.finish_request(request, address)
        finally:
            self.shutdown_request(request)


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def web(port: int) -> None:
    server = wsgiref.simple_server.make_server("127.0.0.1", port, application, _Server, _Quiet)
    server.serve_forever(0.05)


def worker() -> None:
    """What a worker does, with a sweep three times a second in place of one each five."""
    stop = threading.Event()
    for run in (tasks.run_drain, tasks.run_sender):
        threading.Thread(target=run, args=(stop,), daemon=True).start()
    while not stop.wait(SWEEP_SECONDS):
        sweeper.sweep_once()


# --- errands ---------------------------------------------------------------------------------------------------


def bury() -> None:
    """Let the leases run out that a dead worker held, and let what it had released be in doubt."""
    with database.write() as cursor:
        past = database.later("-1")
        cursor.run(f"UPDATE conversations_lane SET lease_until = {past} WHERE lease_until > {{now}}")
        cursor.run(f"UPDATE conversations_call SET lease_until = {past} WHERE state = 'started'")
        cursor.run(f"UPDATE conversations_outbox SET lease_until = {past} WHERE state = 'sending'")


def age(seconds: float) -> None:
    """Let time pass for all that was sent, so that what is unknown comes to its end."""
    with database.write() as cursor:
        rows = cursor.rows("SELECT id, sent_at FROM conversations_outbox WHERE sent_at IS NOT NULL")
        earlier = [(id_, database.as_time(sent_at) - timedelta(seconds=seconds)) for id_, sent_at in rows]
        source = cursor.source({"i": "text", "a": "time"}, earlier)
        cursor.run(
            f"UPDATE conversations_outbox SET sent_at = v.a FROM {source.sql} WHERE conversations_outbox.id = v.i",
            source.params,
        )


def state() -> dict[str, Any]:
    """What is still under way."""
    return {
        "raw": WebhookDelivery.objects.filter(state="raw").count(),
        "inbox": Inbox.objects.filter(state="new").count(),
        "timers": Timer.objects.filter(state="open").count(),
        "pending": sum(Lane.objects.values_list("pending", flat=True)),
        "queued": Outbox.objects.filter(state__in=["queued", "leased"]).count(),
        "sending": Outbox.objects.filter(state="sending").count(),
        "unknown": Outbox.objects.filter(state="ambiguous").count(),
        "calls": database.read().one(
            "SELECT count(*) FROM conversations_call WHERE state IN ('queued', 'started')"
        )[0],
        "unapplied": database.read().one(
            "SELECT count(*) FROM conversations_statusevent WHERE applied_at IS NULL"
        )[0],
    }


WAITS_FOR_TIME = {"unknown", "queued"}
LOOK_SECONDS = 0.1


def watch(pids: list[int], seconds: float) -> dict[str, Any]:
    """What is under way, looked at until nothing moves, one of ``pids`` is dead, or ``seconds`` are over."""
    limit = time.monotonic() + seconds
    while True:
        found = state()
        moving = {k for k, v in found.items() if v} - WAITS_FOR_TIME
        if not moving or time.monotonic() > limit or any(map(_is_dead, pids)):
            return found
        time.sleep(LOOK_SECONDS)


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def outcome() -> dict[str, Any]:
    return {
        "breaches": [
            f"{f.invariant.code} {f.invariant.says}: {f.examples}"
            for f in audit.check(at_rest=True)
            if f.count
        ],
        "outbox": list(
            Outbox.objects.values("id", "state", "wamid", "contact__phone", "seq", "attempt", "content")
        ),
        "inbound": list(Message.objects.filter(is_inbound=True).values_list("contact__phone", "text")),
        "dead": list(Inbox.objects.filter(state="dead").values_list("id", flat=True)),
    }


def empty() -> None:
    """Back to an installation that has its flows and numbers and nothing else."""
    with database.write() as cursor:
        tables = [m._meta.db_table for m in _emptied()]
        if cursor.postgres:
            cursor.run(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        else:
            for table in tables:
                cursor.run(f"DELETE FROM {table}")


def _emptied() -> list[Any]:
    from django.apps import apps

    kept = {
        "number",
        "simulationclock",
        "flowversion",
        "flowfile",
        "flowrecord",
        "publication",
        "registrygeneration",
    }
    return [
        m
        for a in ("conversations", "flows")
        for m in apps.get_app_config(a).get_models()
        if m._meta.model_name not in kept
    ]


def stuck() -> dict[str, Any]:
    """What a run that never came to rest shows."""
    return {
        "lanes": list(Lane.objects.filter(pending__gt=0).values()),
        "inbox": list(Inbox.objects.filter(state="new").values()),
        "outbox": list(
            Outbox.objects.exclude(state="accepted").values("id", "state", "reason", "not_before")
        ),
        "now": database.now(),
    }


ERRANDS = {
    "bury": bury,
    "stuck": stuck,
    "age": age,
    "watch": watch,
    "outcome": outcome,
    "empty": empty,
}


# --- the parent ------------------------------------------------------------------------------------------------


def _child(command: dict[str, Any], answer: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    failpoints.order(command.get("fail", ""))
    if command["do"] == "web":
        web(command["port"])
    elif command["do"] == "worker":
        worker()
    else:
        result = ERRANDS[command["do"]](*command.get("args", []))
        os.write(answer, json.dumps(result, default=str).encode())


def _fork(command: dict[str, Any]) -> dict[str, Any]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.setpgid(0, 0)
        code = 1
        try:
            _child(command, write)
            code = 0
        except Exception:  # noqa: BLE001 - a child's door: what ended it is read in the parent's log
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    if command["do"] in {"web", "worker"}:
        os.close(read)
        return {"pid": pid}
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    return {"failed": command["do"]} if status else {"result": json.loads(text)}


def _reap(pid: int) -> dict[str, Any]:
    """Whether a child is over, and how."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # asked before: it was over then
        return {"alive": False, "status": 0}
    return {"alive": not done, "status": status}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    assert settings.SIMULATOR_ENABLED
    from django.core.management import call_command

    pid = os.fork()
    if pid == 0:  # prepare in a child: the parent must never open a connection
        call_command("migrate", verbosity=0)
        from conversations.numbers import ensure_numbers
        from flows import loader

        ensure_numbers()
        loader.load()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, "the database could not be prepared"
    registry.forget()
    _say({"ready": True})
    for line in sys.stdin:
        command = json.loads(line)
        answer = _reap(command["pid"]) if command["do"] == "reap" else _fork(command)
        _say(answer)


if __name__ == "__main__":
    main()

"""Probes: ``/healthz`` says the process answers, ``/readyz`` that it can do its work.

The database and its migrations decide. Broker and workers are told for people: both may be away for a while and
nothing is lost.
"""

import redis
from django.conf import settings
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from flows import database

_seen_seconds = 30


def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def readyz(_request: HttpRequest) -> JsonResponse:
    needed = {"database": _database(), "migrations": _migrations()}
    ready = all(state == "ok" for state in needed.values())
    told = {"broker": _broker(), "workers": _workers()} if ready else {}
    return JsonResponse({**needed, **told}, status=200 if ready else 503)


def _database() -> str:
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"no answer: {type(error).__name__}"
    return "ok"


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connections["default"])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return f"unknown: {type(error).__name__}"
    return "ok" if not plan else f"{len(plan)} to apply; run manage.py migrate"


def _broker() -> str:
    if not settings.REDIS_URL:
        return "none; workers poll the database"
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3
        ) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return f"no answer: {type(error).__name__}; workers sweep"
    return "ok"


def _workers() -> int:
    row = database.read().one(
        "SELECT count(*) FROM flows_processview WHERE role = 'worker' AND seen_at > " + database.later("%s"),
        [-_seen_seconds],
    )
    return int(row[0]) if row else 0

"""The journal of API calls, and what is known of each API's health. Texts in it are redacted before they come here."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from flows import database, facts

BREAKER = "api_breaker"
FAILURES_TO_OPEN = 5
REST_SECONDS = 30.0


class ApiCall(models.Model):
    """One call of an API. started → ok | failed | unknown.

    ``key`` is the call's idempotency key: the same question with the same key has one answer for ever.
    """

    key = models.CharField(max_length=120, unique=True)
    api = models.CharField(max_length=100)
    environment = models.CharField(max_length=40, blank=True, default="")
    question = models.CharField(max_length=64)
    contact_id = models.BigIntegerField(null=True)
    flow_id = models.CharField(max_length=64, blank=True, default="")
    method = models.CharField(max_length=10, blank=True, default="")
    url = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=8, default="started")
    status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=64, blank=True, default="")
    reason = models.CharField(max_length=300, blank=True, default="")
    tries = models.PositiveSmallIntegerField(default=0)
    seconds = models.FloatField(null=True)
    auth_seconds = models.FloatField(null=True)
    request = models.TextField(blank=True, default="")
    answer = models.TextField(blank=True, default="")
    result = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "flows_apicall"
        verbose_name = _("API call")
        verbose_name_plural = _("API calls")
        indexes = [models.Index(fields=["api", "-at"], name="apicall_of_api")]

    def __str__(self) -> str:
        return f"{self.api} {self.state}"


class ApiHealth(models.Model):
    """What all processes know of one API: its breaker, and when its next call may leave."""

    api = models.CharField(max_length=100, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True, default="")
    next_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "flows_apihealth"
        verbose_name = _("API's health")
        verbose_name_plural = _("health of APIs")

    def __str__(self) -> str:
        return f"{self.api} {self.failures}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A call that this key has made before."""

    is_same: bool
    state: str
    result: Any


def question_of(api: str, args: Mapping[str, Any]) -> str:
    return hashlib.sha256(database.dumps([api, _sorted(args)]).encode()).hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(one) for one in value] if isinstance(value, list | tuple) else value


def begin(
    *, key: str, api: str, environment: str, question: str, contact_id: int | None, flow_id: str
) -> Known | None:
    """Write down that a call starts; gives what is known when its key has started before."""
    with database.write() as cursor:
        made = cursor.run(
            "INSERT INTO flows_apicall (key, api, environment, question, contact_id, flow_id, method, url, state,"
            " code, reason, tries, request, answer, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, '', '', 'started', '', '', 0, '', '', {now})"
            " ON CONFLICT (key) DO NOTHING",
            [key, api, environment, question, contact_id, flow_id],
        )
        if made:
            return None
        row = cursor.one("SELECT question, state, result FROM flows_apicall WHERE key = %s", [key])
    if row is None:  # pragma: no cover - pruned between the two statements
        return None
    return Known(is_same=row[0] == question, state=row[1], result=database.as_json(row[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call ended, as it is written down."""

    state: str
    status: int | None
    code: str
    reason: str
    tries: int
    seconds: float
    auth_seconds: float
    method: str
    url: str
    request: str
    answer: str
    result: Any


def end(key: str, ended: Ended) -> None:
    with database.write() as cursor:
        cursor.run(
            "UPDATE flows_apicall SET state = %s, status = %s, code = %s, reason = %s, tries = %s, seconds = %s,"
            " auth_seconds = %s, method = %s, url = %s, request = %s, answer = %s, result = %s WHERE key = %s",
            [
                ended.state,
                ended.status,
                ended.code[:64],
                ended.reason[:300],
                ended.tries,
                ended.seconds,
                ended.auth_seconds,
                ended.method,
                ended.url[:500],
                ended.request,
                ended.answer,
                None if ended.result is None else database.dumps(ended.result),
                key,
            ],
        )


# --- health ---------------------------------------------------------------------------------------------------


def resting_until(api: str) -> datetime | None:
    """Until when an API's breaker is open; None when it may be called. The first call after it is the probe."""
    row = database.read().one(
        "SELECT open_until FROM flows_apihealth WHERE api = %s AND open_until > {now}", [api]
    )
    return database.as_time(row[0]) if row else None


def take_turn(api: str, calls_per_second: float) -> float:
    """Take the next free place in an API's pace; gives the seconds until it."""
    with database.write() as cursor:
        cursor.run(
            "INSERT INTO flows_apihealth (api, failures, last_error) VALUES (%s, 0, '') ON CONFLICT (api) DO NOTHING",
            [api],
        )
        row = cursor.one("SELECT next_at, {now} FROM flows_apihealth WHERE api = %s {lock}", [api])
        next_at, now = row or (None, None)
        present = database.as_time(now)
        place = max(database.as_time(next_at), present) if next_at else present
        cursor.run(
            "UPDATE flows_apihealth SET next_at = %s WHERE api = %s",
            [place + timedelta(seconds=1 / calls_per_second), api],
        )
    return (place - present).total_seconds()


def note_success(api: str) -> None:
    """Forget failures; costs a read where there were none."""
    if database.read().one("SELECT 1 FROM flows_apihealth WHERE api = %s AND failures > 0", [api]) is None:
        return
    with database.write() as cursor:
        cursor.run("UPDATE flows_apihealth SET failures = 0, open_until = NULL WHERE api = %s", [api])
        facts.close_incident(cursor, BREAKER, scope=api)


def note_failure(api: str, reason: str) -> None:
    """Count a failure of the other side; the fifth in a row opens the breaker for half a minute."""
    with database.write() as cursor:
        row = cursor.one(
            "INSERT INTO flows_apihealth (api, failures, last_error) VALUES (%s, 1, %s)"
            " ON CONFLICT (api) DO UPDATE SET failures = flows_apihealth.failures + 1,"
            " last_error = excluded.last_error RETURNING failures",
            [api, reason[:300]],
        )
        if row and row[0] >= FAILURES_TO_OPEN:
            until = database.later(str(REST_SECONDS))
            cursor.run(f"UPDATE flows_apihealth SET open_until = {until} WHERE api = %s", [api])
            facts.open_incident(cursor, BREAKER, f"{api}: {reason}"[:300], scope=api)


def reset(api: str) -> None:
    """Close an API's breaker by hand."""
    with database.write() as cursor:
        cursor.run(
            "UPDATE flows_apihealth SET failures = 0, open_until = NULL, next_at = NULL WHERE api = %s", [api]
        )
        facts.close_incident(cursor, BREAKER, scope=api)

"""Facts: what happened, in the past tense, written in the transaction that made it (the DataStore).

The lowest app keeps them so that every way may write them; analytics only reads. An *incident* is a bad state
that opens once and closes once; a *dead letter* is an input that could not be worked on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from flows import database

EVENT_COLUMNS = {
    "at": "time",
    "name": "text",
    "contact_id": "id",
    "session_id": "text",
    "flow_id": "text",
    "flow_hash": "text",
    "step_id": "text",
    "phone_number_id": "text",
    "correlation": "text",
    "data": "json",
}


class Event(models.Model):
    """One fact. ``correlation`` follows a message through webhook, turn and send."""

    at = models.DateTimeField()
    name = models.CharField(max_length=64)
    contact_id = models.BigIntegerField(null=True)
    session_id = models.CharField(max_length=32, null=True)
    flow_id = models.CharField(max_length=64, null=True)
    flow_hash = models.CharField(max_length=64, null=True)
    step_id = models.CharField(max_length=64, null=True)
    phone_number_id = models.CharField(max_length=32, null=True)
    correlation = models.CharField(max_length=64, null=True)
    data = models.JSONField(default=dict)

    class Meta:
        db_table = "flows_event"
        verbose_name = _("fact")
        verbose_name_plural = _("facts")
        indexes = [
            models.Index(fields=["contact_id", "id"], name="event_contact"),
            models.Index(fields=["name", "at"], name="event_name_at"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"


class Incident(models.Model):
    """A bad state: open from ``opened_at`` until ``closed_at``; one open row for each kind and scope."""

    kind = models.CharField(max_length=64)
    scope = models.CharField(max_length=200, default="")
    severity = models.CharField(max_length=16, default="warning")
    reason = models.TextField()
    data = models.JSONField(default=dict)
    count = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "flows_incident"
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "scope"], condition=Q(closed_at__isnull=True), name="one_open_incident"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope}".strip()


class DeadLetter(models.Model):
    """An input set aside with its cause after its attempts were used up; it can be replayed."""

    source = models.CharField(max_length=32)
    source_id = models.CharField(max_length=64)
    cause = models.CharField(max_length=200)
    trace = models.TextField(default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    at = models.DateTimeField()
    resolved_by = models.CharField(max_length=150, default="")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "flows_deadletter"
        verbose_name = _("quarantined input")
        verbose_name_plural = _("quarantine")
        constraints = [models.UniqueConstraint(fields=["source", "source_id"], name="one_dead_letter")]

    def __str__(self) -> str:
        return f"{self.source} {self.source_id}: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event on its way into the table; times are aware datetimes of the simulated clock."""

    at: Any
    name: str
    contact_id: int | None = None
    session_id: str | None = None
    flow_id: str | None = None
    flow_hash: str | None = None
    step_id: str | None = None
    phone_number_id: str | None = None
    correlation: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def record(cursor: database.Cursor, facts: Sequence[Fact]) -> None:
    """Write ``facts`` in the caller's transaction, in one statement."""
    rows = [
        (
            f.at,
            f.name,
            f.contact_id,
            f.session_id,
            f.flow_id,
            f.flow_hash,
            f.step_id,
            f.phone_number_id,
            f.correlation,
            database.dumps(dict(f.data)),
        )
        for f in facts
    ]
    cursor.insert("flows_event", EVENT_COLUMNS, rows)


def open_incident(
    cursor: database.Cursor,
    kind: str,
    reason: str,
    *,
    scope: str = "",
    severity: str = "warning",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Open an incident, or count it once more while it is open."""
    cursor.run(
        "INSERT INTO flows_incident (kind, scope, severity, reason, data, count, opened_at)"
        " VALUES (%s, %s, %s, %s, %s, 1, {now})"
        " ON CONFLICT (kind, scope) WHERE closed_at IS NULL"
        " DO UPDATE SET count = flows_incident.count + 1, reason = excluded.reason",
        [kind, scope, severity, reason, database.dumps(dict(data or {}))],
    )


def close_incident(cursor: database.Cursor, kind: str, *, scope: str = "") -> int:
    return cursor.run(
        "UPDATE flows_incident SET closed_at = {now} WHERE kind = %s AND scope = %s AND closed_at IS NULL",
        [kind, scope],
    )


def bury(
    cursor: database.Cursor, source: str, source_id: str, *, cause: str, trace: str = "", attempts: int = 0
) -> None:
    """Set an input aside as a dead letter, with an incident that names where to look."""
    cursor.run(
        "INSERT INTO flows_deadletter (source, source_id, cause, trace, attempts, at, resolved_by)"
        " VALUES (%s, %s, %s, %s, %s, {now}, '')"
        " ON CONFLICT (source, source_id) DO UPDATE"
        " SET cause = excluded.cause, trace = excluded.trace, attempts = excluded.attempts,"
        " at = excluded.at, resolved_at = NULL",
        [source, source_id, cause[:200], trace[-8000:], attempts],
    )
    open_incident(cursor, "quarantine", cause[:200], scope=source, data={"last": source_id})

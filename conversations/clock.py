"""The one clock: the database's, plus what the simulator jumped. It never goes back.

Timers, waits, windows and schedules use it; leases and epochs use the bare database clock.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from flows import database

# Two columns for a statement that reads more: give both to ``read``.
COLUMNS = "{now}, (SELECT offset_seconds FROM conversations_simulationclock WHERE id = 1)"


def now(cursor: database.Cursor | None = None) -> datetime:
    return look(cursor or database.read())[0]


def look(cursor: database.Cursor) -> tuple[datetime, timedelta]:
    """The clock, and how far it was jumped; times of webhooks are moved by it."""
    moment, offset = cursor.one(f"SELECT {COLUMNS}") or (None, None)
    return read(moment, offset), timedelta(seconds=float(offset or 0))


def read(moment: Any, offset: float | None) -> datetime:
    """The clock from the two values of ``COLUMNS``."""
    return database.as_time(moment) + timedelta(seconds=float(offset or 0))


def sql() -> str:
    """The clock as an expression, for conditions."""
    offset = "COALESCE((SELECT offset_seconds FROM conversations_simulationclock WHERE id = 1), 0)"
    return database.later(offset)


def jump(seconds: float) -> datetime:
    """Move the clock ahead.

    Units: seconds, more than 0.
    Raises: ValueError outside the simulator, or for a jump that does not go ahead.
    """
    if not settings.SIMULATOR_ENABLED:
        raise ValueError("the clock can be jumped only where the simulator is on")
    if not 0 < seconds <= 400 * 86_400:
        raise ValueError(f"a jump of {seconds:g} s: expected more than 0 and at most 400 days")
    with database.write() as cursor:
        cursor.run(
            "INSERT INTO conversations_simulationclock (id, offset_seconds) VALUES (1, %s)"
            " ON CONFLICT (id) DO UPDATE SET"
            " offset_seconds = conversations_simulationclock.offset_seconds + excluded.offset_seconds",
            [float(seconds)],
        )
        return now(cursor)

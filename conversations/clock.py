"""The one clock: the database's, plus what the simulator jumped. It never goes back.

Timers, waits, windows and schedules use it; leases and epochs use the bare database clock.
"""

from datetime import datetime, timedelta

from django.conf import settings

from flows import database


def now(cursor: database.Cursor | None = None) -> datetime:
    row = (cursor or database.read()).one(
        "SELECT {now}, (SELECT offset_seconds FROM conversations_simulationclock WHERE id = 1)"
    )
    moment, offset = row or (None, None)
    return database.as_time(moment) + timedelta(seconds=float(offset or 0))


def offset(cursor: database.Cursor) -> timedelta:
    """How far the clock was jumped; times of webhooks are moved by it."""
    row = cursor.one("SELECT offset_seconds FROM conversations_simulationclock WHERE id = 1")
    return timedelta(seconds=float(row[0]) if row else 0)


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

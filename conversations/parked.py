"""Parked messages: they may have reached the customer; a person decides, once."""

from datetime import timedelta

from conversations import clock
from flows import database, facts

RESEND_WITHIN = timedelta(hours=1)


class NotParked(Exception):
    """Only a parked message can be resent or dropped by a person."""


def resend(outbox_id: str, *, by: str) -> None:
    """Queue a parked message again: it may reach the customer twice, and that is the operator's decision.

    Raises: NotParked.
    """
    with database.write() as cursor:
        now = clock.now(cursor)
        moved = cursor.run(
            "UPDATE conversations_outbox SET state = 'queued', reason = %s, not_before = %s, expires_at = %s"
            " WHERE id = %s AND state = 'parked'",
            [f"resent by {by}"[:200], now, now + RESEND_WITHIN, outbox_id],
        )
        _record(cursor, "message_resent", outbox_id, by, moved)


def drop(outbox_id: str, *, by: str) -> None:
    """Give a parked message up.

    Raises: NotParked.
    """
    with database.write() as cursor:
        moved = cursor.run(
            "UPDATE conversations_outbox SET state = 'cancelled', reason = %s WHERE id = %s AND state = 'parked'",
            [f"dropped by {by}"[:200], outbox_id],
        )
        _record(cursor, "message_dropped", outbox_id, by, moved)


def _record(cursor: database.Cursor, name: str, outbox_id: str, by: str, moved: int) -> None:
    if moved != 1:
        raise NotParked
    fact = facts.Fact(at=clock.now(cursor), name=name, correlation=outbox_id, data={"by": by})
    facts.record(cursor, [fact])

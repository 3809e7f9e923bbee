"""Reconciling: rows whose fate is unknown wait for a status, for evidence, or for a person; none is forgotten."""

from datetime import timedelta

from conversations import clock
from conversations.release import AMBIGUOUS_HOLD_SECONDS
from flows import database, facts

EVIDENCE_AFTER_SECONDS = 600
EVIDENCE_MESSAGES = 3


def sweep() -> dict[str, int]:
    """Move what is past its time on; gives the counts of rows moved."""
    if not _is_needed():
        return {}
    with database.write() as cursor:
        return {
            "expired": _expire(cursor),
            "silenced": _silence(cursor),
            "ambiguous": _doubt(cursor),
            "queued": _retry_on_evidence(cursor),
            "parked": _park(cursor),
        }


def _is_needed() -> bool:
    cursor = database.read()
    moment = clock.now(cursor)
    row = cursor.one(
        "SELECT 1 FROM conversations_outbox WHERE state = 'ambiguous'"
        " OR (state = 'sending' AND lease_until < {now})"
        " OR (state IN ('queued', 'leased') AND expires_at <= %s) LIMIT 1",
        [moment],
    )
    return (
        row is not None
        or cursor.one(f"SELECT 1 FROM conversations_outbox WHERE {_UNSAID} LIMIT 1") is not None
    )


# A turn that was under way while a person took over has queued what must not be said any more.
_UNSAID = (
    "state IN ('queued', 'leased') AND kind = 'reply' AND EXISTS (SELECT 1 FROM conversations_conversation AS c"
    " WHERE c.contact_id = conversations_outbox.contact_id AND c.owner = 'person'"
    " AND c.phone_number_id = conversations_outbox.phone_number_id)"
)


def _silence(cursor: database.Cursor) -> int:
    return cursor.run(
        f"UPDATE conversations_outbox SET state = 'cancelled', reason = 'a person took over' WHERE {_UNSAID}"
    )


def _expire(cursor: database.Cursor) -> int:
    moment = clock.now(cursor)
    rows = cursor.rows(
        "UPDATE conversations_outbox SET state = 'expired', reason = 'not sent in time'"
        " WHERE state IN ('queued', 'leased') AND expires_at <= %s RETURNING id, contact_id",
        [moment],
    )
    facts.record(
        cursor,
        [facts.Fact(at=moment, name="message_expired", contact_id=c, correlation=i) for i, c in rows],
    )
    if rows:
        facts.open_incident(cursor, "expired", "Messages were not sent in time.", scope="outbox")
    return len(rows)


def _doubt(cursor: database.Cursor) -> int:
    """A sender that died after T1 leaves rows that may have left: never back into the queue."""
    return cursor.run(
        "UPDATE conversations_outbox SET state = 'ambiguous', reason = 'its sender ended before Meta''s answer'"
        " WHERE state = 'sending' AND lease_until < {now}"
    )


def _retry_on_evidence(cursor: database.Cursor) -> int:
    """Queue again where the status channel is live and silent about the row, and nothing later went out."""
    before = database.now() - timedelta(seconds=EVIDENCE_AFTER_SECONDS)
    rows = cursor.rows(
        "UPDATE conversations_outbox SET state = 'queued', reason = 'no status while later ones came',"
        " not_before = %s WHERE state = 'ambiguous' AND policy = 'evidence' AND sent_at < %s"
        " AND EXISTS (SELECT 1 FROM conversations_number AS n WHERE n.phone_number_id ="
        "  conversations_outbox.phone_number_id AND n.has_evidence)"
        " AND NOT EXISTS (SELECT 1 FROM conversations_outbox AS l WHERE l.contact_id ="
        "  conversations_outbox.contact_id AND l.seq > conversations_outbox.seq AND l.attempt > 0)"
        " AND (SELECT count(*) FROM (SELECT 1 FROM conversations_outbox AS o JOIN conversations_message AS m"
        "  ON m.outbox_id = o.id WHERE o.phone_number_id = conversations_outbox.phone_number_id"
        "  AND o.sent_at > conversations_outbox.sent_at AND m.status IN ('sent', 'delivered', 'read', 'played')"
        f"  LIMIT {EVIDENCE_MESSAGES}) AS live) >= {EVIDENCE_MESSAGES} RETURNING id, contact_id",
        [clock.now(cursor), before],
    )
    moment = clock.now(cursor)
    facts.record(
        cursor,
        [facts.Fact(at=moment, name="message_retried", contact_id=c, correlation=i) for i, c in rows],
    )
    return len(rows)


def _park(cursor: database.Cursor) -> int:
    """After two minutes a row that only a person may resend is parked, and so is one that was overtaken."""
    held_since = database.now() - timedelta(seconds=AMBIGUOUS_HOLD_SECONDS)
    moment = clock.now(cursor)
    rows = cursor.rows(
        "UPDATE conversations_outbox SET state = 'parked' WHERE state = 'ambiguous' AND sent_at < %s"
        # Evidence that never comes must not hold a row for ever.
        " AND (policy <> 'evidence' OR expires_at <= %s OR EXISTS (SELECT 1 FROM conversations_outbox AS l"
        "  WHERE l.contact_id = conversations_outbox.contact_id AND l.seq > conversations_outbox.seq"
        "  AND l.attempt > 0) OR NOT EXISTS (SELECT 1 FROM conversations_number AS n"
        "  WHERE n.phone_number_id = conversations_outbox.phone_number_id AND n.has_evidence))"
        " RETURNING id, contact_id",
        [held_since, moment],
    )
    facts.record(
        cursor,
        [facts.Fact(at=moment, name="message_parked", contact_id=c, correlation=i) for i, c in rows],
    )
    if rows:
        facts.open_incident(
            cursor,
            "parked",
            "Messages that may have reached the customer wait for a status or for your decision.",
            scope="outbox",
        )
    return len(rows)

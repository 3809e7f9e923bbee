"""Timers: a moment that a session waits for becomes an input of its lane when it falls due."""

from collections.abc import Sequence
from datetime import datetime

from conversations import clock, inbox
from flows import database
from flows.failpoints import reach

BATCH = 500


def due() -> str:
    """A condition for a look outside any transaction: a timer is due."""
    return f"EXISTS (SELECT 1 FROM conversations_timer WHERE state = 'open' AND due_at <= {clock.sql()})"


def fire(limit: int = BATCH) -> int:
    """Turn due timers into inputs, once each."""
    with database.write() as cursor:
        now = clock.now(cursor)
        rows = cursor.rows(
            "WITH picked AS MATERIALIZED (SELECT id FROM conversations_timer"
            " WHERE state = 'open' AND due_at <= %s ORDER BY due_at LIMIT %s {skip})"
            " UPDATE conversations_timer SET state = 'fired' WHERE id IN (SELECT id FROM picked)"
            " RETURNING session_id, key, wait_no, contact_id, phone_number_id, due_at",
            [now, limit],
        )
        inputs = [_as_input(row) for row in sorted(rows, key=lambda r: (database.as_time(r[5]), r[0], r[1]))]
        known = inbox.known_keys(cursor, [i.dedup_key for i in inputs])
        inbox.add(cursor, [i for i in inputs if i.dedup_key not in known])
        reach("timer.before_commit")
    return len(rows)


def _as_input(row: database.Row) -> inbox.NewInput:
    session_id, key, wait_no, contact_id, number, due_at = row
    due = database.as_time(due_at)
    return inbox.NewInput(
        dedup_key=f"timer:{session_id}:{key}:{wait_no}:{due.timestamp():.3f}",
        kind="timer",
        contact_id=contact_id,
        phone_number_id=number,
        payload={"session_id": session_id, "key": key, "wait_no": wait_no},
        due_at=due,
        correlation=f"s{session_id}",
    )


TimerRow = tuple[str, str, int, int, str, datetime]


def set_many(cursor: database.Cursor, rows: Sequence[TimerRow]) -> None:
    """Set timers: (session, key, wait number, contact, number, due); one of the same key is replaced."""
    cursor.insert(
        "conversations_timer",
        {
            "session_id": "text",
            "key": "text",
            "wait_no": "int",
            "contact_id": "id",
            "phone_number_id": "text",
            "due_at": "time",
            "state": "text",
        },
        [(*row, "open") for row in rows],
        "ON CONFLICT (session_id, key) DO UPDATE SET wait_no = excluded.wait_no, due_at = excluded.due_at,"
        " state = 'open'",
    )


def retire(cursor: database.Cursor, sessions: Sequence[tuple[str, int, bool]]) -> None:
    """Let the timers of waits that are over go: (session, its present wait number, has it ended)."""
    source = cursor.source({"s": "text", "w": "int", "e": "boolean"}, sessions)
    cursor.run(
        f"UPDATE conversations_timer SET state = 'gone' FROM {source.sql}"
        " WHERE conversations_timer.session_id = v.s AND conversations_timer.state = 'open'"
        " AND (v.e OR conversations_timer.wait_no < v.w)",
        source.params,
    )

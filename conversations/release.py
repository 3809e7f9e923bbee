"""T1, the transaction that releases a message to the wire.

Whatever forbids a message (window, opt-out, owner, breaker, kill switch, pace) is checked here, not when it was
queued. A row that was released is never released again without proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from conversations import breakers, pacing, statuses
from flows import database, facts
from flows.failpoints import reach

LEASE_SECONDS = 45
AMBIGUOUS_HOLD_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A message that T1 let go: exactly one POST may follow."""

    id: str
    attempt: int
    contact_id: int
    phone_number_id: str
    waba_id: str
    phone: str
    bsuid: str
    content: Mapping[str, Any]
    context_wamid: str | None
    correlation: str
    kind: str

    @property
    def token(self) -> str:
        return statuses.make_token(self.id, self.attempt)


_ELIGIBLE = (
    "SELECT o.id, o.contact_id, o.content, o.context_wamid, o.correlation, o.kind, p.phone, p.bsuid, c.id,"
    " c.pair_until, o.attempt, CASE WHEN p.is_blocked THEN 'the contact is blocked'"
    "  WHEN p.is_opted_out AND o.kind <> 'confirmation' THEN 'the contact opted out'"
    "  WHEN c.owner = 'person' AND o.kind = 'reply' THEN 'a person has the conversation' ELSE '' END"
    " FROM conversations_outbox AS o"
    " JOIN conversations_conversation AS c"
    "  ON c.contact_id = o.contact_id AND c.phone_number_id = o.phone_number_id"
    " JOIN conversations_contact AS p ON p.id = o.contact_id"
    " WHERE o.phone_number_id = %s AND o.state IN ('queued', 'leased') AND o.not_before <= %s AND o.expires_at > %s"
    # The contact's earlier messages first; one whose fate is unknown holds the others for a while only.
    " AND NOT EXISTS (SELECT 1 FROM conversations_outbox AS e WHERE e.contact_id = o.contact_id AND e.seq < o.seq"
    "  AND (e.state IN ('queued', 'leased', 'sending') OR (e.state = 'ambiguous' AND e.sent_at > %s)))"
    " AND (c.pair_until IS NULL OR c.pair_until <= %s)"
    " ORDER BY o.priority, o.id LIMIT %s"
)


def release(number: str, waba_id: str, rate: float, limit: int) -> list[Released]:
    """T1: let up to ``limit`` messages of different contacts of one number go to the wire."""
    if not settings.WHATSFLOW_OUTBOUND:
        return []
    with database.write() as cursor:
        allowed = pacing.allowance(cursor, number, waba_id, rate)
        limit = min(limit, int(allowed.tokens))
        if allowed.is_broken:
            limit = min(limit, 1) if allowed.may_probe else 0
        if allowed.is_killed or limit <= 0:
            return []
        rows = _allowed(cursor, number, limit, allowed)
        if not rows:
            return []
        released = [_released(row, number, waba_id) for row in rows]
        # The rows are locked: nothing that follows has an answer to wait for.
        with cursor.pipeline():
            _let_go(cursor, released, allowed.moment)
            _pace_pairs(cursor, rows, allowed.moment)
            if allowed.is_broken:
                breakers.begin_probe(cursor, breakers.scopes_of(number, waba_id))
            pacing.spend(cursor, number, allowed.rate, allowed.tokens - len(released))
    reach("send.t1")
    return released


def _allowed(
    cursor: database.Cursor, number: str, limit: int, allowed: pacing.Allowance
) -> list[database.Row]:
    """What may leave now. What may not any more is cancelled, so that it holds up nothing behind it."""
    while rows := _eligible(cursor, number, limit, allowed):
        forbidden = [row for row in rows if row[-1]]
        if not forbidden:
            return rows
        _cancel(cursor, forbidden, allowed.moment)
    return []


def _cancel(cursor: database.Cursor, rows: Sequence[database.Row], moment: datetime) -> None:
    source = cursor.source({"id": "text", "why": "text"}, [(row[0], row[-1]) for row in rows])
    cursor.run(
        f"UPDATE conversations_outbox SET state = 'cancelled', reason = v.why FROM {source.sql}"
        " WHERE conversations_outbox.id = v.id",
        source.params,
    )
    facts.record(
        cursor,
        [
            facts.Fact(
                at=moment,
                name="message_cancelled",
                contact_id=row[1],
                correlation=row[0],
                data={"reason": row[-1]},
            )
            for row in rows
        ],
    )


def _eligible(
    cursor: database.Cursor, number: str, limit: int, allowed: pacing.Allowance
) -> list[database.Row]:
    moment = allowed.moment
    held_since = allowed.now - timedelta(seconds=AMBIGUOUS_HOLD_SECONDS)
    return cursor.rows(
        _ELIGIBLE + (" FOR UPDATE OF o SKIP LOCKED" if cursor.postgres else ""),
        [number, moment, moment, held_since, pacing.pair_limit(moment), limit],
    )


def _released(row: database.Row, number: str, waba_id: str) -> Released:
    id_, contact_id, content, context, correlation, kind, phone, bsuid, _, _, attempt, _ = row
    return Released(
        id=id_,
        attempt=attempt + 1,
        contact_id=contact_id,
        phone_number_id=number,
        waba_id=waba_id,
        phone=phone,
        bsuid=bsuid,
        content=database.as_json(content),
        context_wamid=context,
        correlation=correlation,
        kind=kind,
    )


def _let_go(cursor: database.Cursor, released: Sequence[Released], now: datetime) -> None:
    among = cursor.among("id", "text", [r.id for r in released])
    cursor.run(
        "UPDATE conversations_outbox SET state = 'sending', attempt = attempt + 1, sent_at = {now},"
        f" lease_until = {database.later(str(LEASE_SECONDS))} WHERE {among.sql}",
        among.params,
    )
    cursor.insert(
        "conversations_sendattempt",
        {
            "outbox_id": "text",
            "n": "int",
            "started_at": "time",
            "fbtrace": "text",
            "outcome": "text",
            "message": "text",
        },
        [(r.id, r.attempt, now, "", "started", "") for r in sorted(released, key=lambda r: r.id)],
    )


def _pace_pairs(cursor: database.Cursor, rows: Sequence[database.Row], now: datetime) -> None:
    pairs = [(row[8], pacing.pair_after(database.as_time(row[9]) if row[9] else None, now)) for row in rows]
    source = cursor.source({"c": "id", "u": "time"}, pairs)
    cursor.run(
        f"UPDATE conversations_conversation SET pair_until = v.u FROM {source.sql}"
        " WHERE conversations_conversation.id = v.c",
        source.params,
    )


def hand_back(message: Released) -> None:
    """Undo T1 for a message of which not a byte was written."""
    with database.write() as cursor:
        cursor.run(
            "UPDATE conversations_outbox SET state = 'queued', reason = 'nothing was written'"
            " WHERE id = %s AND attempt = %s AND state = 'sending'",
            [message.id, message.attempt],
        )
        cursor.run(
            "UPDATE conversations_sendattempt SET outcome = 'queued', wrote_bytes = %s WHERE outbox_id = %s AND n = %s",
            [False, message.id, message.attempt],
        )

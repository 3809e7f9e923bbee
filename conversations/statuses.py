"""Statuses: Meta's word on what we sent. They only move forward, settle rows whose answer never came, and may
come before the send's answer; one that matches nothing yet is kept until its message is known.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from conversations.models.conversation import STATUS_RANK
from conversations.whatsapp.received import InboundStatus
from flows import database, facts

RANK_SQL = "CASE {column} " + " ".join(f"WHEN '{s}' THEN {r}" for s, r in STATUS_RANK.items()) + " ELSE 0 END"
EVIDENCE_AFTER = 20
# The statuses that every message has, and whose token therefore tells whether the channel carries it.
EVIDENT = ("sent", "delivered")


def make_token(outbox_id: str, attempt: int) -> str:
    """The callback data of a POST: says which row and attempt, signed, without personal data."""
    return f"wf1.{outbox_id}.{attempt}.{_mac(outbox_id, attempt)}"


def read_token(token: str | None) -> tuple[str, int] | None:
    """The row and attempt of a token of ours; None for anything else."""
    parts = (token or "").split(".")
    if len(parts) != 4 or parts[0] != "wf1" or not parts[2].isdecimal() or len(parts[2]) > 6:
        return None
    attempt = int(parts[2])
    is_ours = hmac.compare_digest(parts[3].encode(), _mac(parts[1], attempt).encode())
    return (parts[1], attempt) if is_ours else None


def _mac(outbox_id: str, attempt: int) -> str:
    text = f"{outbox_id}.{attempt}".encode()
    return hmac.new(settings.WHATSFLOW_HASH_KEY.encode(), text, hashlib.sha256).hexdigest()[:8]


COLUMNS = {
    "phone_number_id": "text",
    "wamid": "text",
    "status": "text",
    "participant": "text",
    "at": "time",
    "token": "text",
    "error_code": "int",
    "error": "text",
    "pricing": "json",
    "created_at": "time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A status event and the outbox row that it speaks of."""

    id: int
    outbox_id: str
    number: str
    wamid: str
    status: str
    at: datetime
    error_code: int | None
    error: str


def record(cursor: database.Cursor, statuses: Sequence[InboundStatus], now: datetime) -> int:
    """Keep each status once and apply the new ones; gives how many were new."""
    rows = [
        (
            s.phone_number_id,
            s.wamid,
            s.status[:16],
            s.participant,
            s.at or now,
            s.token,
            s.error_code,
            (s.error_details or s.error_title or "")[:300],
            database.dumps(s.pricing) if s.pricing else None,
            now,
        )
        for s in statuses
    ]
    made = cursor.insert_returning(
        "conversations_statusevent",
        COLUMNS,
        rows,
        "ON CONFLICT (phone_number_id, wamid, status, participant) DO NOTHING"
        " RETURNING id, phone_number_id, status, token",
    )
    apply(cursor, [int(row[0]) for row in made], now)
    _weigh_evidence(cursor, [(number, token) for _, number, name, token in made if name in EVIDENT])
    return len(made)


def apply_orphans(cursor: database.Cursor, wamids: Sequence[str], now: datetime) -> None:
    """Apply the statuses that came before these messages were known."""
    apply(cursor, _orphans(cursor, wamids), now)


def _orphans(cursor: database.Cursor, wamids: Sequence[str]) -> list[int]:
    among = cursor.among("wamid", "text", wamids)
    rows = cursor.rows(
        f"SELECT id FROM conversations_statusevent WHERE applied_at IS NULL AND {among.sql}", among.params
    )
    return [int(id_) for (id_,) in rows]


def apply(cursor: database.Cursor, ids: Sequence[int], now: datetime) -> None:
    if not ids:
        return
    found = _match(cursor, ids)
    if not found:
        return
    settle(cursor, found, now)
    # A row that is known by its token now may have statuses that came without one.
    earlier = _orphans(cursor, sorted({k.wamid for k in found}))
    found += _match(cursor, [id_ for id_ in earlier if id_ not in ids])
    _move_messages(cursor, found)
    among = cursor.among("id", "id", [k.id for k in found])
    cursor.run(f"UPDATE conversations_statusevent SET applied_at = {{now}} WHERE {among.sql}", among.params)


def _match(cursor: database.Cursor, ids: Sequence[int]) -> list[Known]:
    among = cursor.among("id", "id", ids)
    rows = cursor.rows(
        "SELECT id, phone_number_id, wamid, status, at, token, error_code, error"
        f" FROM conversations_statusevent WHERE {among.sql} ORDER BY id",
        among.params,
    )
    by_wamid = _outbox_of(cursor, [r[2] for r in rows])
    found = []
    for id_, number, wamid, status, at, token, code, error in rows:
        told = read_token(token)
        outbox_id = told[0] if told else by_wamid.get((number, wamid))
        if outbox_id:
            found.append(
                Known(
                    id=id_,
                    outbox_id=outbox_id,
                    number=number,
                    wamid=wamid,
                    status=status,
                    at=database.as_time(at),
                    error_code=code,
                    error=error,
                )
            )
    return found


def _outbox_of(cursor: database.Cursor, wamids: Sequence[str]) -> dict[tuple[str, str], str]:
    among = cursor.among("wamid", "text", sorted(set(wamids)))
    rows = cursor.rows(
        f"SELECT phone_number_id, wamid, id FROM conversations_outbox WHERE wamid IS NOT NULL AND {among.sql}",
        among.params,
    )
    return {(number, wamid): outbox_id for number, wamid, outbox_id in rows}


def settle(cursor: database.Cursor, found: Sequence[Known], now: datetime) -> None:
    """A status proves that Meta took the message: rows that wait for an answer are accepted with its wamid."""
    source = cursor.source(
        {"o": "text", "w": "text"}, sorted({(k.outbox_id, k.wamid) for k in found}), alias="k"
    )
    settled = cursor.rows(
        "UPDATE conversations_outbox SET state = 'accepted', wamid = k.w, reason = 'proved by a status'"
        f" FROM {source.sql} WHERE conversations_outbox.id = k.o"
        # A row that evidence had queued again is proved as well: it must not leave twice.
        " AND (conversations_outbox.state IN ('sending', 'ambiguous', 'parked')"
        " OR (conversations_outbox.state = 'queued' AND conversations_outbox.attempt > 0))"
        " RETURNING conversations_outbox.id",
        source.params,
    )
    cursor.run(
        f"UPDATE conversations_message SET wamid = k.w FROM {source.sql}"
        " WHERE conversations_message.outbox_id = k.o AND conversations_message.wamid IS NULL",
        source.params,
    )
    twice = cursor.rows(
        f"SELECT o.id, o.contact_id FROM conversations_outbox AS o JOIN {source.sql} ON o.id = k.o"
        " WHERE o.wamid <> k.w",
        source.params,
    )
    for outbox_id, contact_id in twice:
        report_double(cursor, outbox_id, contact_id, now)
    facts.record(
        cursor,
        [
            facts.Fact(at=now, name="message_proved", correlation=outbox_id, data={"by": "status"})
            for (outbox_id,) in settled
        ],
    )


def report_double(cursor: database.Cursor, outbox_id: str, contact_id: int, now: datetime) -> None:
    """Two wamids for one row: it reached Meta twice. Seen, counted, shown."""
    facts.open_incident(
        cursor,
        "double_send",
        "A message reached Meta twice: two message ids carry its token.",
        scope=outbox_id,
        severity="error",
    )
    facts.record(
        cursor,
        [facts.Fact(at=now, name="message_doubled", contact_id=contact_id, correlation=outbox_id)],
    )


def _move_messages(cursor: database.Cursor, found: Sequence[Known]) -> None:
    """Raise each message to the furthest status told; failed only from accepted or sent."""
    best: dict[str, Known] = {}
    for known in found:
        if known.status in STATUS_RANK:
            held = best.get(known.outbox_id)
            if held is None or STATUS_RANK[known.status] > STATUS_RANK[held.status]:
                best[known.outbox_id] = known
    source = cursor.source(
        {"o": "text", "s": "text", "r": "int", "a": "time"},
        [(k.outbox_id, k.status, STATUS_RANK[k.status], k.at) for k in best.values()],
        alias="k",
    )
    cursor.run(
        f"UPDATE conversations_message SET status = k.s, status_at = k.a FROM {source.sql}"
        " WHERE conversations_message.outbox_id = k.o AND conversations_message.status <> 'failed'"
        f" AND k.r > {RANK_SQL.format(column='conversations_message.status')}",
        source.params,
    )
    failed = [k for k in found if k.status == "failed"]
    source = cursor.source(
        {"o": "text", "c": "int", "e": "text", "a": "time"},
        [(k.outbox_id, k.error_code, k.error, k.at) for k in failed],
        alias="k",
    )
    cursor.run(
        "UPDATE conversations_message SET status = 'failed', status_at = k.a, error_code = k.c, error = k.e"
        f" FROM {source.sql} WHERE conversations_message.outbox_id = k.o"
        " AND conversations_message.status IN ('', 'accepted', 'sent')",
        source.params,
    )
    _tell(cursor, found)


def _tell(cursor: database.Cursor, found: Sequence[Known]) -> None:
    facts.record(
        cursor,
        [
            facts.Fact(
                at=k.at,
                name=f"message_{k.status}",
                phone_number_id=k.number,
                correlation=k.outbox_id,
                data={"code": k.error_code} if k.error_code else {},
            )
            for k in found
        ],
    )


def _weigh_evidence(cursor: database.Cursor, told: Sequence[tuple[str, str | None]]) -> None:
    """Retrying on evidence needs our token in the statuses: on after 20 in a row, off when one comes without."""
    with_token: dict[str, int] = {}
    without: set[str] = set()
    for number, token in told:
        if read_token(token):
            with_token[number] = with_token.get(number, 0) + 1
        else:
            without.add(number)
    for number, count in with_token.items():
        cursor.run(
            "UPDATE conversations_number SET evidence_statuses = evidence_statuses + %s,"
            " has_evidence = (evidence_statuses + %s >= %s)"
            " WHERE phone_number_id = %s AND evidence_statuses < %s",
            [count, count, EVIDENCE_AFTER, number, EVIDENCE_AFTER],
        )
    for number in without:
        cursor.run(
            "UPDATE conversations_number SET evidence_statuses = 0, has_evidence = %s WHERE phone_number_id = %s",
            [False, number],
        )

"""The outbox: our handover to Meta. T1 releases a message to the wire, T2 writes Meta's verdict.

Whatever forbids a message (window, opt-out, owner, breaker, kill switch, pace) is checked in T1, the transaction
that releases it, not when it was queued. A row that was released is never released again without proof.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from conversations import breakers, clock, consent, lanes, pacing, statuses
from conversations.whatsapp.errors import Verdict
from flows import database, facts
from flows.failpoints import reach

SEND_LEASE_SECONDS = 45
AMBIGUOUS_HOLD_SECONDS = 120
WINDOW = timedelta(hours=24)

COLUMNS = {
    "id": "text",
    "dedup_key": "text",
    "contact_id": "id",
    "seq": "id",
    "phone_number_id": "text",
    "session_id": "text",
    "ref": "text",
    "content": "json",
    "context_wamid": "text",
    "kind": "text",
    "by": "text",
    "priority": "int",
    "policy": "text",
    "state": "text",
    "reason": "text",
    "attempt": "int",
    "not_before": "time",
    "expires_at": "time",
    "created_at": "time",
    "correlation": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message on its way into the outbox; ``kind`` is reply, agent, confirmation, system or campaign."""

    id: str
    dedup_key: str
    contact_id: int
    seq: int
    phone_number_id: str
    content: Mapping[str, Any]
    kind: str
    policy: str
    not_before: datetime
    expires_at: datetime
    created_at: datetime
    session_id: str | None = None
    ref: str | None = None
    context_wamid: str | None = None
    by: str = ""
    priority: int = 0
    correlation: str = ""


def new_id() -> str:
    """A UUIDv7 in hex: ids rise with time, so the queue's order is the index's order."""
    bits = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return f"{bits & ~(0xF << 76) & ~(0x3 << 62) | (0x7 << 76) | (0x2 << 62):032x}"


def add(cursor: database.Cursor, messages: Sequence[NewMessage]) -> None:
    rows = [
        (
            m.id,
            m.dedup_key,
            m.contact_id,
            m.seq,
            m.phone_number_id,
            m.session_id,
            m.ref,
            database.dumps(dict(m.content)),
            m.context_wamid,
            m.kind,
            m.by,
            m.priority,
            m.policy,
            "queued",
            "",
            0,
            m.not_before,
            m.expires_at,
            m.created_at,
            m.correlation,
        )
        for m in messages
    ]
    cursor.insert("conversations_outbox", COLUMNS, rows)


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
    "SELECT o.id, o.contact_id, o.content, o.context_wamid, o.correlation, o.kind, p.phone, p.bsuid, c.id, c.pair_until"
    " FROM conversations_outbox AS o"
    " JOIN conversations_conversation AS c"
    "  ON c.contact_id = o.contact_id AND c.phone_number_id = o.phone_number_id"
    " JOIN conversations_contact AS p ON p.id = o.contact_id"
    " WHERE o.phone_number_id = %s AND o.state IN ('queued', 'leased') AND o.not_before <= %s AND o.expires_at > %s"
    # The contact's earlier messages first; one whose fate is unknown holds the others for a while only.
    " AND NOT EXISTS (SELECT 1 FROM conversations_outbox AS e WHERE e.contact_id = o.contact_id AND e.seq < o.seq"
    "  AND (e.state IN ('queued', 'leased', 'sending') OR (e.state = 'ambiguous' AND e.sent_at > %s)))"
    " AND NOT p.is_blocked AND (NOT p.is_opted_out OR o.kind = 'confirmation')"
    " AND (c.owner <> 'person' OR o.kind <> 'reply')"
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
        rows = _eligible(cursor, number, limit)
        if not rows:
            return []
        released = _let_go(cursor, number, waba_id, rows)
        if allowed.is_broken:
            breakers.begin_probe(cursor, breakers.scopes_of(number, waba_id))
        pacing.spend(cursor, number, rate, allowed.tokens - len(released))
    reach("send.t1")
    return released


def _eligible(cursor: database.Cursor, number: str, limit: int) -> list[database.Row]:
    moment = clock.now(cursor)
    held_since = database.now() - timedelta(seconds=AMBIGUOUS_HOLD_SECONDS)
    return cursor.rows(
        _ELIGIBLE + (" FOR UPDATE OF o SKIP LOCKED" if cursor.postgres else ""),
        [number, moment, moment, held_since, pacing.pair_limit(moment), limit],
    )


def _let_go(
    cursor: database.Cursor, number: str, waba_id: str, rows: Sequence[database.Row]
) -> list[Released]:
    among = cursor.among("id", "text", [r[0] for r in rows])
    moved: dict[str, int] = dict(
        cursor.rows(
            "UPDATE conversations_outbox SET state = 'sending', attempt = attempt + 1, sent_at = {now},"
            f" lease_until = {database.later(str(SEND_LEASE_SECONDS))}"
            f" WHERE state IN ('queued', 'leased') AND {among.sql} RETURNING id, attempt",
            among.params,
        )
    )
    now = clock.now(cursor)
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
        [(id_, n, now, "", "started", "") for id_, n in sorted(moved.items())],
    )
    _pace_pairs(cursor, [r for r in rows if r[0] in moved], now)
    return [
        Released(
            id=id_,
            attempt=moved[id_],
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
        for id_, contact_id, content, context, correlation, kind, phone, bsuid, _, _ in rows
        if id_ in moved
    ]


def _pace_pairs(cursor: database.Cursor, rows: Sequence[database.Row], now: datetime) -> None:
    pairs = [(row[8], pacing.pair_after(database.as_time(row[9]) if row[9] else None, now)) for row in rows]
    source = cursor.source({"c": "id", "u": "time"}, pairs)
    cursor.run(
        f"UPDATE conversations_conversation SET pair_until = v.u FROM {source.sql}"
        " WHERE conversations_conversation.id = v.c",
        source.params,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A released message with Meta's verdict on it."""

    message: Released
    verdict: Verdict
    http_status: int | None
    wrote_bytes: bool


_VERDICT_COLUMNS = {
    "id": "text",
    "n": "int",
    "state": "text",
    "wamid": "text",
    "code": "int",
    "words": "text",
    "not_before": "time",
    "http": "int",
    "wrote": "boolean",
    "fbtrace": "text",
    "detail": "text",
}


def record_verdicts(judged: Sequence[Judged]) -> None:
    """T2: write the verdicts of a batch; a row that a status settled meanwhile keeps its state."""
    with database.write() as cursor:
        now = clock.now(cursor)
        rows = [
            (
                j.message.id,
                j.message.attempt,
                j.verdict.state,
                j.verdict.wamid,
                j.verdict.code,
                (j.verdict.words if j.verdict.state != "accepted" else "")[:200],
                now + timedelta(seconds=j.verdict.backoff_seconds),
                j.http_status,
                j.wrote_bytes,
                (j.verdict.fbtrace or "")[:100],
                (j.verdict.message or "")[:300],
            )
            for j in sorted(judged, key=lambda j: j.message.id)
        ]
        source = cursor.source(_VERDICT_COLUMNS, rows)
        settled = {
            id_
            for (id_,) in cursor.rows(
                "UPDATE conversations_outbox SET state = v.state, wamid = v.wamid, error_code = v.code,"
                f" reason = v.words, not_before = v.not_before FROM {source.sql}"
                " WHERE conversations_outbox.id = v.id AND conversations_outbox.attempt = v.n"
                " AND conversations_outbox.state IN ('sending', 'ambiguous', 'parked')"
                " RETURNING conversations_outbox.id",
                source.params,
            )
        }
        cursor.run(
            "UPDATE conversations_sendattempt SET outcome = v.state, wamid = v.wamid, graph_code = v.code,"
            " http = v.http, wrote_bytes = v.wrote, fbtrace = v.fbtrace, message = v.detail"
            f" FROM {source.sql} WHERE conversations_sendattempt.outbox_id = v.id"
            " AND conversations_sendattempt.n = v.n",
            source.params,
        )
        reach("send.t2")
        _update_bubbles(cursor, source, settled)
        accepted = [j for j in judged if j.verdict.wamid]
        _look_for_doubles(cursor, [j for j in accepted if j.message.id not in settled], now)
        statuses.apply_orphans(cursor, [j.verdict.wamid or "" for j in accepted], now)
        _take_effects(cursor, judged, now)
        _tell(cursor, [j for j in judged if j.message.id in settled], now)


def _update_bubbles(cursor: database.Cursor, source: database.Source, settled: set[str]) -> None:
    if not settled:
        return
    cursor.run(
        "UPDATE conversations_message SET wamid = COALESCE(v.wamid, conversations_message.wamid),"
        " status = CASE WHEN v.state = 'accepted' AND conversations_message.status = '' THEN 'accepted'"
        "  WHEN v.state = 'refused' THEN 'failed' ELSE conversations_message.status END,"
        " error_code = v.code, error = v.words"
        f" FROM {source.sql} WHERE conversations_message.outbox_id = v.id"
        " AND v.state IN ('accepted', 'refused')",
        source.params,
    )


def _look_for_doubles(cursor: database.Cursor, late: Sequence[Judged], now: datetime) -> None:
    for judged in late:
        row = cursor.one(
            "SELECT wamid, contact_id FROM conversations_outbox WHERE id = %s", [judged.message.id]
        )
        if row and row[0] and row[0] != judged.verdict.wamid:
            statuses.report_double(cursor, judged.message.id, row[1], now)


def _take_effects(cursor: database.Cursor, judged: Sequence[Judged], now: datetime) -> None:
    """What a code means beyond its message: breakers, a slower number, an opt-out."""
    if any(j.verdict.state == "accepted" for j in judged):
        scopes = {s for j in judged for s in breakers.scopes_of(j.message.phone_number_id, j.message.waba_id)}
        breakers.close(cursor, sorted(scopes))
    for j in judged:
        verdict, number = j.verdict, j.message.phone_number_id
        if verdict.effect == "open_breaker_account":
            scope = f"account:{j.message.waba_id}" if j.message.waba_id else f"number:{number}"
            breakers.trip(cursor, scope, code=verdict.code, reason=verdict.words)
        elif verdict.effect == "open_breaker_number":
            breakers.trip(cursor, f"number:{number}", code=verdict.code, reason=verdict.words)
        elif verdict.effect == "open_breaker_marketing":
            breakers.trip(cursor, f"marketing:{number}", code=verdict.code, reason=verdict.words)
        elif verdict.effect == "slow_number":
            pacing.slow_down(cursor, number)
        elif verdict.effect == "opt_out":
            change = consent.Change(
                contact_id=j.message.contact_id,
                is_granted=False,
                source=f"meta {verdict.code}",
                scope="marketing",
                at=now,
            )
            consent.apply(cursor, [change])
        if verdict.state == "queued" and verdict.scope in {"number", "app"}:
            pacing.hold(cursor, number, verdict.backoff_seconds)


_fact_names = {
    "accepted": "message_accepted",
    "refused": "message_refused",
    "ambiguous": "message_unknown",
    "queued": "message_postponed",
}


def _tell(cursor: database.Cursor, judged: Sequence[Judged], now: datetime) -> None:
    facts.record(
        cursor,
        [
            facts.Fact(
                at=now,
                name=_fact_names[j.verdict.state],
                contact_id=j.message.contact_id,
                phone_number_id=j.message.phone_number_id,
                correlation=j.message.id,
                data={"code": j.verdict.code, "attempt": j.message.attempt} if j.verdict.code else {},
            )
            for j in judged
        ],
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


class WindowClosed(Exception):
    """Free text more than 24 h after the contact's last message: only a template may go."""


def enqueue_manual(
    contact_id: int,
    phone_number_id: str,
    content: Mapping[str, Any],
    *,
    by: str,
    kind: str = "agent",
    dedup_key: str | None = None,
) -> str:
    """Queue a message of a person or of the API; gives the outbox id, the same one for the same ``dedup_key``.

    Raises: WindowClosed; LookupError where contact and number never met.
    """
    with database.write() as cursor:
        now = clock.now(cursor)
        row = cursor.one(
            "SELECT id, last_inbound_at FROM conversations_conversation"
            " WHERE contact_id = %s AND phone_number_id = %s",
            [contact_id, phone_number_id],
        )
        if row is None:
            raise LookupError(f"contact {contact_id} has no conversation with number {phone_number_id}")
        closes_at = database.as_time(row[1]) + WINDOW if row[1] else now
        is_template = content.get("type") == "template"
        if not is_template and closes_at <= now:
            raise WindowClosed
        outbox_id = new_id()
        key = dedup_key or f"{kind}:{outbox_id}"
        known = cursor.one("SELECT id FROM conversations_outbox WHERE dedup_key = %s", [key])
        if known:
            return str(known[0])
        lanes.create(cursor, [contact_id])
        message = NewMessage(
            id=outbox_id,
            dedup_key=key,
            contact_id=contact_id,
            seq=lanes.take_out_numbers(cursor, contact_id, 1),
            phone_number_id=phone_number_id,
            content=content,
            kind=kind,
            policy="park",
            not_before=now,
            expires_at=now + WINDOW if is_template else closes_at,
            created_at=now,
            by=by,
        )
        add(cursor, [message])
        add_bubbles(cursor, [(message, int(row[0]), None, None)])
        return outbox_id


BUBBLE_COLUMNS = {
    "conversation_id": "id",
    "contact_id": "id",
    "phone_number_id": "text",
    "is_inbound": "boolean",
    "outbox_id": "text",
    "ref": "text",
    "kind": "text",
    "text": "text",
    "content": "json",
    "context_wamid": "text",
    "session_id": "text",
    "flow_id": "text",
    "step_id": "text",
    "sender": "text",
    "status": "text",
    "error": "text",
    "at": "time",
}

Bubble = tuple[NewMessage, int, str | None, str | None]


def add_bubbles(cursor: database.Cursor, bubbles: Sequence[Bubble]) -> None:
    """Show outgoing messages in their conversations: (message, conversation, flow, step)."""
    cursor.insert(
        "conversations_message",
        BUBBLE_COLUMNS,
        [
            (
                conversation_id,
                m.contact_id,
                m.phone_number_id,
                False,
                m.id,
                m.ref,
                str(m.content.get("type", ""))[:24],
                text_of(m.content),
                database.dumps(dict(m.content)),
                m.context_wamid,
                m.session_id,
                flow_id,
                step_id,
                m.by,
                "",
                "",
                m.created_at,
            )
            for m, conversation_id, flow_id, step_id in bubbles
        ],
    )
    _touch_conversations(cursor, bubbles)


def _touch_conversations(cursor: database.Cursor, bubbles: Sequence[Bubble]) -> None:
    last = {conversation_id: m for m, conversation_id, _, _ in bubbles}
    source = cursor.source(
        {"c": "id", "t": "text", "a": "time"},
        [(c, text_of(m.content)[:200], m.created_at) for c, m in sorted(last.items())],
    )
    cursor.run(
        f"UPDATE conversations_conversation SET last_text = v.t, last_message_at = v.a FROM {source.sql}"
        " WHERE conversations_conversation.id = v.c",
        source.params,
    )


def text_of(content: Mapping[str, Any]) -> str:
    """What a message says in words, for lists and search."""
    raw = content.get("interactive")
    body = (
        content.get("body") or content.get("caption") or (raw.get("body") if isinstance(raw, dict) else None)
    )
    if isinstance(body, dict):
        body = body.get("text")
    return str(body or content.get("name") or f"[{content.get('type', '')}]")

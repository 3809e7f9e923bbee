"""T2: Meta's verdicts on released messages, written in batches with all that they mean for others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from conversations import breakers, clock, consent, pacing, statuses
from conversations.release import Released
from conversations.whatsapp.errors import Verdict
from flows import database, facts
from flows.failpoints import reach


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


def record(judged: Sequence[Judged]) -> None:
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
                # What is parked moves by proof alone.
                " AND (conversations_outbox.state IN ('sending', 'ambiguous')"
                "  OR (conversations_outbox.state = 'parked' AND v.state = 'accepted'))"
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
        _update_bubbles(cursor, [row for row in rows if row[0] in settled])
        accepted = [j for j in judged if j.verdict.wamid]
        _look_for_doubles(cursor, [j for j in accepted if j.message.id not in settled], now)
        statuses.apply_orphans(cursor, [j.verdict.wamid or "" for j in accepted], now)
        _take_effects(cursor, judged, now)
        _tell(cursor, [j for j in judged if j.message.id in settled], now)


def _update_bubbles(cursor: database.Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
    source = cursor.source(_VERDICT_COLUMNS, rows)
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
    # A whole batch that came too fast is one reason to slow down, not thirty.
    for number in sorted({j.message.phone_number_id for j in judged if j.verdict.effect == "slow_number"}):
        pacing.slow_down(cursor, number)
    for j in judged:
        verdict, number = j.verdict, j.message.phone_number_id
        if verdict.effect == "open_breaker_account":
            scope = f"account:{j.message.waba_id}" if j.message.waba_id else f"number:{number}"
            breakers.trip(cursor, scope, code=verdict.code, reason=verdict.words)
        elif verdict.effect == "open_breaker_number":
            breakers.trip(cursor, f"number:{number}", code=verdict.code, reason=verdict.words)
        elif verdict.effect == "open_breaker_marketing":
            breakers.trip(cursor, f"marketing:{number}", code=verdict.code, reason=verdict.words)
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

"""Turns: many lanes in one transaction. Claim, read, run the engine lane by lane, commit what still holds.

A lane whose engine raises drops out of its batch alone. What failed is tried again input by input, so that after
three attempts the one that fails is set aside and not one that stood beside it.
"""

import logging
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, OperationalError

from conversations import calls, clock, consent, inbox, lanes, outbox, surroundings, timers
from conversations.inbox import Input
from conversations.lanes import Claimed
from conversations.walks import Walk
from flows import database, facts, registry
from flows.failpoints import reach

log = logging.getLogger(__name__)

# The slowest engine of a batch must not hold up the others: what is left goes into the next commit.
ENGINE_SECONDS = 0.05
RETRY_AFTER_SECONDS = 1.0


def work(limit: int | None = None) -> int:
    """Take runnable lanes through one turn each; gives the number of inputs worked on."""
    claimed = lanes.claim(limit or settings.WHATSFLOW_LANES_PER_BATCH)
    if not claimed:
        return 0
    reach("turn.claimed")
    return _turn_batch(claimed)


def work_on_suspect() -> int:
    """Take one lane whose last turn did not come to its end through a turn, alone."""
    return sum(_turn_suspect(lane) for lane in lanes.claim(1, suspects=True))


def _turn_suspect(lane: Claimed) -> int:
    if lane.attempts > lanes.MAX_ATTEMPTS:
        return _quarantine(lane, "its turn ended this process again and again", "")
    return _turn_alone(lane)


def _turn_batch(claimed: Sequence[Claimed]) -> int:
    """A turn of all; where what one lane wrote cannot be stored, each takes its turn alone."""
    try:
        return _turn(claimed)
    except OperationalError:
        _let_go(claimed)
        raise
    except Exception:
        log.exception("a batch of %s lanes failed; they are worked on one by one", len(claimed))
        return sum(_turn_alone(lane) for lane in claimed)


def _turn_alone(lane: Claimed) -> int:
    try:
        return _turn([lane])
    except OperationalError:
        _let_go([lane])
        raise
    except Exception as error:  # noqa: BLE001 - the door of this way: whatever went wrong is counted and kept
        _fail(lane, error)
        return 0


def _let_go(claimed: Sequence[Claimed]) -> None:
    """Nothing was written: the lanes need not wait for their leases to run out. Their attempts stay counted."""
    with suppress(DatabaseError):
        lanes.let_go([(lane.contact_id, lane.epoch) for lane in claimed])


def _turn(claimed: Sequence[Claimed]) -> int:
    cursor = database.read()
    inputs, around, now = surroundings.load(cursor, claimed)
    walks: list[Walk] = []
    releases: list[lanes.Release] = []
    began = time.monotonic()
    for lane in claimed:
        if releases and time.monotonic() - began > ENGINE_SECONDS:
            releases.append(_untouched(lane))
            continue
        walk = _walk(lane, inputs[lane.contact_id], around, now)
        if walk is not None:
            walks.append(walk)
            releases.append(_release(walk, inputs[lane.contact_id]))
    reach("turn.mid")
    database.again(lambda: _commit(walks, releases, now))
    reach("turn.after_commit")
    return sum(walk.turns for walk in walks)


def _walk(
    lane: Claimed, inputs: Sequence[Input], around: surroundings.Surroundings, now: datetime
) -> Walk | None:
    try:
        walk = Walk(lane, around, registry.current(), now, _history)
        waiting = sorted(inputs, key=Input.order)
        while one := next((i for i in waiting if walk.may_take(i)), None):
            walk.take(one)
            waiting.remove(one)
            if lane.is_suspect:
                break
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - the door of the engine: a lane's fault must not reach its neighbors
        _fail(lane, error)
        return None
    return walk


def _fail(lane: Claimed, error: Exception) -> None:
    """Let a lane wait and try again, or set its input aside when its attempts are used up."""
    log.error("a turn of contact %s failed", lane.contact_id, exc_info=error)
    if lane.attempts >= lanes.MAX_ATTEMPTS:
        trace = "".join(traceback.format_exception(error))
        _quarantine(lane, f"{type(error).__name__}: {error}", trace)
    else:
        lanes.give_back(lane.contact_id, lane.epoch, after_seconds=RETRY_AFTER_SECONDS * lane.attempts)


def _history(contact_id: int, flow_id: str) -> tuple[int, datetime | None]:
    row = database.read().one(
        "SELECT count(*), max(started_at) FROM conversations_session WHERE contact_id = %s AND flow_id = %s",
        [contact_id, flow_id],
    )
    count, last = row or (0, None)
    return int(count), database.as_time(last) if last else None


def _untouched(lane: Claimed) -> lanes.Release:
    return lanes.Release(
        contact_id=lane.contact_id,
        epoch=lane.epoch,
        consumed=0,
        sent=0,
        low_seq=lane.low_seq,
        is_calling=lane.is_calling,
    )


def _release(walk: Walk, inputs: Sequence[Input]) -> lanes.Release:
    consumed = set(walk.writes.done)
    return lanes.Release(
        contact_id=walk.lane.contact_id,
        epoch=walk.lane.epoch,
        consumed=len(consumed),
        sent=walk.sent,
        low_seq=inbox.lowest_open(walk.lane, inputs, consumed),
        is_calling=walk.is_blocked,
    )


def _commit(walks: Sequence[Walk], releases: Sequence[lanes.Release], now: datetime) -> None:
    if not releases:
        return
    with database.write() as cursor:
        held = lanes.commit(cursor, releases)
        kept = [walk for walk in walks if walk.lane.contact_id in held]
        for walk in kept:
            walk.number_messages(held[walk.lane.contact_id])
        if kept:
            with cursor.pipeline():
                _write(cursor, kept, now)
        reach("turn.before_commit")


def _write(cursor: database.Cursor, walks: Sequence[Walk], now: datetime) -> None:
    writes = [walk.writes for walk in walks]
    inbox.finish(cursor, [id_ for w in writes for id_ in w.done])
    rows = [row for w in writes for row in w.sessions.values()]
    _write_sessions(cursor, rows, now)
    _write_journal(cursor, [row for w in writes for row in w.journal])
    messages = [bubble for w in writes for bubble in w.messages]
    outbox.add(cursor, [message for message, *_ in messages])
    outbox.add_bubbles(cursor, messages)
    timers.set_many(cursor, [row for w in writes for row in w.timers.values()])
    timers.retire(cursor, [(r.id, r.session.wait_no, r.session.state == "ended") for r in rows])
    calls.add(cursor, [row for w in writes for row in w.called])
    consent.apply(cursor, [change for w in writes for change in w.consents])
    _write_contacts(cursor, walks)
    _write_conversations(cursor, walks)
    _write_handoffs(cursor, [row for w in writes for row in w.handoffs])
    facts.record(cursor, [fact for w in writes for fact in w.facts])
    for kind, scope, reason in {i for w in writes for i in w.incidents}:
        facts.open_incident(cursor, kind, reason, scope=scope)


def _write_sessions(cursor: database.Cursor, rows: Sequence[surroundings.SessionRow], now: datetime) -> None:
    cursor.insert(
        "conversations_session",
        {
            "id": "text",
            "contact_id": "id",
            "phone_number_id": "text",
            "flow_id": "text",
            "flow_hash": "text",
            "step_id": "text",
            "state": "text",
            "outcome": "text",
            "data": "json",
            "campaign_row": "json",
            "steps_count": "int",
            "started_at": "time",
            "updated_at": "time",
            "ended_at": "time",
        },
        # What ended goes first: a contact has one live session on a number.
        [_session_values(row, now) for row in sorted(rows, key=lambda r: r.session.state != "ended")],
        "ON CONFLICT (id) DO UPDATE SET step_id = excluded.step_id, state = excluded.state,"
        " outcome = excluded.outcome, data = excluded.data, steps_count = excluded.steps_count,"
        " updated_at = excluded.updated_at, ended_at = excluded.ended_at",
    )


def _session_values(row: surroundings.SessionRow, now: datetime) -> tuple[Any, ...]:
    session = row.session
    has_ended = session.state == "ended"
    return (
        row.id,
        row.contact_id,
        row.number,
        row.flow_id,
        row.flow_hash,
        session.step_id or "",
        session.state,
        session.outcome or "",
        database.dumps(session.to_json()),
        database.dumps(row.campaign) if row.campaign is not None else None,
        row.journaled,
        row.started_at,
        now,
        now if has_ended else None,
    )


def _write_journal(cursor: database.Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
    cursor.insert(
        "conversations_sessionstep",
        {
            "session_id": "text",
            "step_no": "int",
            "kind": "text",
            "input": "json",
            "now": "time",
            "seed": "id",
            "epoch": "id",
            "inbox_id": "id",
        },
        rows,
    )


def _write_contacts(cursor: database.Cursor, walks: Sequence[Walk]) -> None:
    changed = [walk.contact for walk in walks if walk.contact.is_changed]
    source = cursor.source(
        {"c": "id", "n": "text", "l": "text", "z": "text", "f": "json", "g": "json"},
        [
            (c.id, c.name, c.language, c.timezone, database.dumps(c.fields), database.dumps(c.groups))
            for c in changed
        ],
    )
    if changed:
        cursor.run(
            "UPDATE conversations_contact SET name = v.n, language = v.l, timezone = v.z, fields = v.f, groups = v.g"
            f" FROM {source.sql} WHERE conversations_contact.id = v.c",
            source.params,
        )


def _write_conversations(cursor: database.Cursor, walks: Sequence[Walk]) -> None:
    contact_ids = {walk.lane.contact_id for walk in walks}
    changed = [
        row
        for (contact_id, _), row in (walks[0].around.conversations.items() if walks else ())
        if contact_id in contact_ids and row.is_changed
    ]
    source = cursor.source(
        {"c": "id", "o": "text", "t": "text", "w": "time", "u": "time", "f": "time", "g": "json"},
        [
            (
                c.id,
                c.owner,
                c.team,
                c.waiting_since,
                c.unmatched_replied_at,
                c.failure_replied_at,
                database.dumps(c.guard),
            )
            for c in changed
        ],
    )
    if changed:
        # A person who took over since this turn began keeps the conversation.
        cursor.run(
            "UPDATE conversations_conversation SET"
            " owner = CASE WHEN conversations_conversation.owner = 'person' THEN 'person' ELSE v.o END,"
            " team = v.t, waiting_since = v.w, unmatched_replied_at = v.u, failure_replied_at = v.f, guard = v.g"
            f" FROM {source.sql} WHERE conversations_conversation.id = v.c",
            source.params,
        )


def _write_handoffs(cursor: database.Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
    cursor.insert(
        "conversations_handoff",
        {
            "contact_id": "id",
            "phone_number_id": "text",
            "session_id": "text",
            "team": "text",
            "note": "text",
            "opened_at": "time",
            "state": "text",
        },
        [(*row, "open") for row in rows],
    )


def _fail_session(cursor: database.Cursor, session_id: str) -> None:
    """End a session whose call's result cannot be taken: it would wait for it for ever, and its contact with it."""
    now = clock.now(cursor)
    rows = cursor.rows(
        "UPDATE conversations_session SET state = 'ended', outcome = 'failed', ended_at = %s, updated_at = %s"
        " WHERE id = %s AND state <> 'ended' RETURNING contact_id, phone_number_id, flow_id",
        [now, now, session_id],
    )
    facts.record(
        cursor,
        [
            facts.Fact(
                at=now,
                name="session_ended",
                contact_id=contact_id,
                session_id=session_id,
                flow_id=flow_id,
                phone_number_id=number,
                data={"outcome": "failed", "reason": "the result of its call could not be taken"},
            )
            for contact_id, number, flow_id in rows
        ],
    )


def _quarantine(lane: Claimed, cause: str, trace: str) -> int:
    """Set the head of a lane aside as dead and let the others of the same contact go on."""
    with database.write() as cursor:
        inputs = inbox.fetch(cursor, [lane])[lane.contact_id]
        if not inputs:
            return 0
        # What a suspect lane's turn takes first: while it calls, only a result moves it.
        results = [one for one in inputs if one.kind == "call"] if lane.is_calling else []
        head = min(results or inputs, key=Input.order)
        release = lanes.Release(
            contact_id=lane.contact_id,
            epoch=lane.epoch,
            consumed=1,
            sent=0,
            low_seq=inbox.lowest_open(lane, inputs, {head.id}),
            is_calling=False,
        )
        if lane.contact_id in lanes.commit(cursor, [release]):
            cursor.run(
                "UPDATE conversations_inbox SET state = 'dead', attempts = %s, done_at = {now} WHERE id = %s",
                [lane.attempts, head.id],
            )
            facts.bury(cursor, "inbox", str(head.id), cause=cause, trace=trace, attempts=lane.attempts)
            if head.kind == "call":
                _fail_session(cursor, str(head.payload["session_id"]))
            log.error("an input of contact %s is set aside: %s", lane.contact_id, cause)
    return 1

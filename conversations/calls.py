"""Calls: what a segment asked of a processor runs outside any transaction; its result is the next input.

queued → started (committed before it runs) → done | unknown. A call that was started and has no result is run
again only if it was declared idempotent, with the same key; else its outcome is unknown and the flow says so.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections

from conversations import clock, inbox, lanes
from flows import database, facts, registry
from flows.apis import call as apis
from flows.apis.asking import Asked
from flows.apis.call import longest_seconds
from flows.engine.session import Call
from flows.failpoints import reach
from flows.processing.discovery import find
from flows.processing.runner import Outcome, Runner

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
# Beyond its own time limit a call has this long to be written down before another process takes it up.
GRACE_SECONDS = 20
_COLUMNS = (
    "id, session_id, contact_id, phone_number_id, kind, name, flow_id, request, timeout_seconds, attempts"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    id: str
    session_id: str
    contact_id: int
    phone_number_id: str
    kind: str
    name: str
    flow_id: str
    request: Mapping[str, Any]
    timeout_seconds: float | None
    attempt: int


CallRow = tuple[str, str, int, str, str, str, str, str, float | None, bool, str, int, str, datetime]


def row_of(
    call: Call, *, session_id: str, contact_id: int, number: str, correlation: str, now: datetime
) -> CallRow:
    """An API's promises and time are those of its record as it is now; a processor's are in the call."""
    record = registry.current().apis.get(call.name) if call.kind == "api" else None
    seconds = longest_seconds(record) if record else call.timeout_seconds
    may_repeat = record.is_repeatable if record else bool(call.idempotent)
    request = {"args": dict(call.args), "context": dict(call.context), "older": call.older}
    flow = call.context.get("flow") or {}
    return (
        call.id,
        session_id,
        contact_id,
        number,
        call.kind,
        call.name,
        str(flow.get("id", "")),
        database.dumps(request),
        seconds,
        may_repeat,
        "queued",
        0,
        correlation,
        now,
    )


def add(cursor: database.Cursor, rows: Sequence[CallRow]) -> None:
    """Queue calls with the segments that end with them."""
    cursor.insert(
        "conversations_call",
        {
            "id": "text",
            "session_id": "text",
            "contact_id": "id",
            "phone_number_id": "text",
            "kind": "text",
            "name": "text",
            "flow_id": "text",
            "request": "json",
            "timeout_seconds": "double precision",
            "is_idempotent": "boolean",
            "state": "text",
            "attempts": "int",
            "correlation": "text",
            "created_at": "time",
            "code_hash": "text",
            "trace": "text",
        },
        [(*row, "", "") for row in rows],
    )


# A condition for a look outside any transaction.
WAITING = "EXISTS (SELECT 1 FROM conversations_call WHERE state = 'queued')"


def claim(limit: int, kind: str = "processor") -> list[Started]:
    """Mark calls of a kind as started before they run, so that a crash cannot hide that they did."""
    until = database.later(f"COALESCE(timeout_seconds, 60) + {GRACE_SECONDS}")
    with database.write() as cursor:
        rows = cursor.rows(
            "WITH picked AS MATERIALIZED (SELECT id FROM conversations_call WHERE state = 'queued' AND kind = %s"
            " ORDER BY created_at LIMIT %s {skip})"
            f" UPDATE conversations_call SET state = 'started', attempts = attempts + 1, lease_until = {until}"
            f" WHERE id IN (SELECT id FROM picked) RETURNING {_COLUMNS}",
            [kind, limit],
        )
    if rows:
        reach("step.started")
    return [
        Started(
            id=id_,
            session_id=session_id,
            contact_id=contact_id,
            phone_number_id=number,
            kind=kind,
            name=name,
            flow_id=flow_id,
            request=database.as_json(request),
            timeout_seconds=timeout,
            attempt=attempts,
        )
        for id_, session_id, contact_id, number, kind, name, flow_id, request, timeout, attempts in rows
    ]


def complete(call: Started, outcome: Outcome, code_hash: str) -> bool:
    """Journal the result and hand it to the lane; False when somebody else settled the call meanwhile."""
    result = {
        "id": call.id,
        "outcome": outcome.state,
        "value": outcome.value,
        "go_to": outcome.go_to,
        "send": list(outcome.send),
        "reason": outcome.reason,
    }
    return database.again(lambda: _settle(call, outcome, result, code_hash))


def _settle(call: Started, outcome: Outcome, result: Mapping[str, Any], code_hash: str) -> bool:
    with database.write() as cursor:
        settled = cursor.rows(
            "UPDATE conversations_call SET state = %s, result = %s, seconds = %s, trace = %s, code_hash = %s,"
            " done_at = {now} WHERE id = %s AND attempts = %s AND state = 'started' RETURNING contact_id",
            [
                "unknown" if outcome.state == "unknown" else "done",
                database.dumps(result),
                outcome.seconds,
                (outcome.traceback or outcome.reason or "")[-8000:],
                code_hash,
                call.id,
                call.attempt,
            ],
        )
        if settled:
            # The contact as it is now: it may have been merged while the call ran.
            _hand_over(cursor, call.id, settled[0][0], call.phone_number_id, call.session_id, result)
            _record(cursor, call, outcome)
    return bool(settled)


def _hand_over(
    cursor: database.Cursor,
    call_id: str,
    contact_id: int,
    number: str,
    session_id: str,
    result: Mapping[str, Any],
) -> None:
    new = inbox.enqueue(
        cursor,
        contact_id,
        number,
        "call",
        {"session_id": session_id, **result},
        dedup_key=f"call:{call_id}",
        correlation=f"s{session_id}",
    )
    if new:
        lanes.resume(cursor, [contact_id])


def _record(cursor: database.Cursor, call: Started, outcome: Outcome) -> None:
    name = {"ok": "call_answered", "failed": "call_failed", "unknown": "call_lost"}[outcome.state]
    fact = facts.Fact(
        at=clock.now(cursor),
        name=name,
        contact_id=call.contact_id,
        session_id=call.session_id,
        flow_id=call.flow_id,
        phone_number_id=call.phone_number_id,
        correlation=call.id,
        data={
            "kind": call.kind,
            "name": call.name,
            "seconds": round(outcome.seconds, 4),
            "reason": outcome.reason,
        },
    )
    facts.record(cursor, [fact])
    if outcome.state != "ok":
        facts.open_incident(
            cursor,
            "processor",
            f"{call.name}: {outcome.reason}"[:300],
            scope=call.name,
            data={"call": call.id},
        )


def recover() -> int:
    """Take up calls whose process is gone: idempotent ones run again, of the others the outcome is unknown."""
    overdue = "SELECT 1 FROM conversations_call WHERE state = 'started' AND lease_until < {now} LIMIT 1"
    if database.read().one(overdue) is None:
        return 0
    with database.write() as cursor:
        again = cursor.run(
            "UPDATE conversations_call SET state = 'queued' WHERE state = 'started' AND lease_until < {now}"
            " AND is_idempotent AND attempts < %s",
            [MAX_ATTEMPTS],
        )
        lost = cursor.rows(
            "UPDATE conversations_call SET state = 'unknown', done_at = {now}, trace = 'its process ended'"
            " WHERE state = 'started' AND lease_until < {now}"
            " RETURNING id, contact_id, phone_number_id, session_id, name, flow_id"
        )
        for call_id, contact_id, number, session_id, _, _ in lost:
            reason = "the process that ran it ended before it answered"
            result = {"id": call_id, "outcome": "unknown", "value": None, "reason": reason}
            _hand_over(cursor, call_id, contact_id, number, session_id, result)
        _record_lost(cursor, lost)
    return again + len(lost)


def _record_lost(cursor: database.Cursor, lost: Sequence[database.Row]) -> None:
    moment = clock.now(cursor)
    facts.record(
        cursor,
        [
            facts.Fact(
                at=moment,
                name="call_lost",
                contact_id=contact_id,
                session_id=session_id,
                flow_id=flow_id,
                phone_number_id=number,
                correlation=call_id,
                data={"name": name, "reason": "its process ended"},
            )
            for call_id, contact_id, number, session_id, name, flow_id in lost
        ],
    )
    for call_id, _, _, _, name, _ in lost:
        reason = f"{name}: its process ended before it answered"
        facts.open_incident(cursor, "processor", reason, scope=name, data={"call": call_id})


class Dispatcher:
    """Runs the calls of this process: processors in killable children, APIs in threads that wait for others.

    A call that waits holds a row and a thread, so that answers which need none are not delayed by it.
    """

    def __init__(self, wake: Callable[[], None], size: int | None = None) -> None:
        children = size or settings.WHATSFLOW_PROCESSOR_CHILDREN
        self._runner = Runner(children)
        self._benches = {
            "processor": _Bench("call", children, wake),
            "api": _Bench("api", settings.WHATSFLOW_API_CALLS, wake),
        }

    def pump(self) -> int:
        """Start as many calls of each kind as there is room for."""
        return sum(bench.fill(kind, self._run) for kind, bench in self._benches.items())

    def _run(self, call: Started) -> None:
        try:
            outcome, code_hash = self._outcome(call)
            reach("step.called")
            complete(call, outcome, code_hash)
        except Exception:  # a thread's door: the lease runs out and the sweeper takes the call up
            log.exception("call %s could not be settled", call.id)
        finally:
            connections.close_all()

    def _outcome(self, call: Started) -> tuple[Outcome, str]:
        if call.kind == "api":
            return _api_outcome(call)
        info = find(call.name, call.flow_id)
        if info is None:
            return Outcome(state="failed", reason=f"no processor {call.name}"), ""
        key = f"wf-{call.id}"
        outcome = self._runner.run(
            info,
            call.request["args"],
            call.request["context"],
            idem_key=key,
            timeout=call.timeout_seconds,
            older=bool(call.request.get("older")),
            ask=Asked(key, contact_id=call.contact_id, flow_id=call.flow_id),
        )
        return outcome, info.module_hash

    def close(self) -> None:
        for bench in self._benches.values():
            bench.close()
        self._runner.close()


class _Bench:
    """So many places for calls of one kind; who is done wakes the loop that fills them."""

    def __init__(self, name: str, size: int, wake: Callable[[], None]) -> None:
        self._size, self._wake = size, wake
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._free = threading.Semaphore(size)

    def fill(self, kind: str, run: Callable[[Started], None]) -> int:
        places = 0
        while places < self._size and self._free.acquire(blocking=False):
            places += 1
        started = claim(places, kind) if places else []
        for _ in range(places - len(started)):
            self._free.release()
        for call in started:
            self._pool.submit(run, call).add_done_callback(self._done)
        return len(started)

    def _done(self, _: object) -> None:
        self._free.release()
        self._wake()

    def close(self) -> None:
        self._pool.shutdown(wait=True)


def _api_outcome(call: Started) -> tuple[Outcome, str]:
    record = registry.current().apis.get(call.name)
    if record is None:
        return Outcome(state="failed", reason=f"no API {call.name}"), ""
    args, key = call.request["args"], f"wf-{call.id}"
    called = apis.call(record, args, key=key, contact_id=call.contact_id, flow_id=call.flow_id)
    outcome = Outcome(
        state=called.state,
        value=called.value,
        reason=called.reason or called.code or None,
        seconds=called.seconds,
    )
    return outcome, record.hash

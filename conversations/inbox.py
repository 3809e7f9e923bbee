"""The inbox: every input of a lane, once for ever, in the order in which it came."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conversations import clock, lanes
from flows import database

# At one moment a reply goes before a call's result, and both before what a clock does.
KIND_ORDER = {"message": 0, "hand_back": 0, "start": 0, "call": 1, "timer": 2}
_timer_order = {"remind": 0, "timeout": 1, "pause": 2, "handoff": 2, "expire": 3}
PER_LANE = 10

COLUMNS = {
    "dedup_key": "text",
    "kind": "text",
    "contact_id": "id",
    "phone_number_id": "text",
    "seq": "id",
    "payload": "json",
    "correlation": "text",
    "state": "text",
    "attempts": "int",
    "due_at": "time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInput:
    dedup_key: str
    kind: str
    contact_id: int
    phone_number_id: str
    payload: Mapping[str, Any]
    due_at: datetime
    correlation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    id: int
    kind: str
    contact_id: int
    phone_number_id: str
    seq: int
    payload: Mapping[str, Any] = field(default_factory=dict)
    correlation: str
    due_at: datetime

    def order(self) -> tuple[datetime, int, int, int]:
        """Earlier time first; at equal times a reply, a result, a reminder, a timeout, a pause, an expiry."""
        timer = _timer_order.get(str(self.payload.get("key", "")).partition(":")[0], 0)
        return (self.due_at, KIND_ORDER.get(self.kind, 0), timer, self.seq)


def known_keys(cursor: database.Cursor, keys: Sequence[str]) -> set[str]:
    if not keys:
        return set()
    return {str(k) for (k,) in cursor.rows(*keys_query(cursor, keys))}


def keys_query(cursor: database.Cursor, keys: Sequence[str]) -> database.Query:
    among = cursor.among("dedup_key", "text", keys)
    return f"SELECT dedup_key FROM conversations_inbox WHERE {among.sql}", among.params


def add(cursor: database.Cursor, inputs: Sequence[NewInput]) -> None:
    """Append inputs whose keys are not known to their lanes, in the order given."""
    counts: dict[int, int] = {}
    for new in inputs:
        counts[new.contact_id] = counts.get(new.contact_id, 0) + 1
    if not counts:
        return
    lanes.lock(cursor, list(counts))
    following = lanes.take_numbers(cursor, counts)
    rows = []
    for new in inputs:
        seq = following[new.contact_id]
        following[new.contact_id] = seq + 1
        rows.append(
            (
                new.dedup_key,
                new.kind,
                new.contact_id,
                new.phone_number_id,
                seq,
                database.dumps(dict(new.payload)),
                new.correlation,
                "new",
                0,
                new.due_at,
            )
        )
    cursor.insert("conversations_inbox", COLUMNS, rows, stamp="created_at")


def enqueue(
    cursor: database.Cursor,
    contact_id: int,
    phone_number_id: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    dedup_key: str | None = None,
    correlation: str = "",
) -> bool:
    """Give a lane one input that did not come by webhook; False when its key was there before."""
    key = dedup_key or f"{kind}:{uuid.uuid4().hex}"
    if known_keys(cursor, [key]):
        return False
    new = NewInput(
        dedup_key=key,
        kind=kind,
        contact_id=contact_id,
        phone_number_id=phone_number_id,
        payload=payload,
        due_at=clock.now(cursor),
        correlation=correlation,
    )
    add(cursor, [new])
    return True


def fetch(cursor: database.Cursor, claimed: Sequence[lanes.Claimed]) -> dict[int, list[Input]]:
    """Read the next inputs of each claimed lane, a call's results first."""
    return read(claimed, cursor.rows(*query(cursor, claimed)))


def query(cursor: database.Cursor, claimed: Sequence[lanes.Claimed]) -> database.Query:
    source = cursor.source({"c": "id", "low": "id"}, [(lane.contact_id, lane.low_seq) for lane in claimed])
    columns = "i.id, i.kind, i.contact_id, i.phone_number_id, i.seq, i.payload, i.correlation, i.due_at"
    if cursor.postgres:
        sql = (
            f"SELECT {columns} FROM {source.sql} CROSS JOIN LATERAL ("
            " SELECT * FROM conversations_inbox WHERE contact_id = v.c AND seq >= v.low AND state = 'new'"
            f" ORDER BY (kind = 'call') DESC, seq LIMIT {PER_LANE}) AS i"
        )
    else:
        sql = (
            f"SELECT {columns} FROM {source.sql} JOIN conversations_inbox AS i"
            " ON i.contact_id = v.c AND i.seq >= v.low WHERE i.state = 'new'"
            " ORDER BY i.contact_id, (i.kind = 'call') DESC, i.seq"
        )
    return sql, source.params


def read(claimed: Sequence[lanes.Claimed], rows: Sequence[database.Row]) -> dict[int, list[Input]]:
    found: dict[int, list[Input]] = {lane.contact_id: [] for lane in claimed}
    for id_, kind, contact_id, number, seq, payload, correlation, due_at in rows:
        if len(found[contact_id]) < PER_LANE:
            found[contact_id].append(
                Input(
                    id=id_,
                    kind=kind,
                    contact_id=contact_id,
                    phone_number_id=number,
                    seq=seq,
                    payload=database.as_json(payload),
                    correlation=correlation,
                    due_at=database.as_time(due_at),
                )
            )
    return found


def finish(cursor: database.Cursor, ids: Sequence[int]) -> None:
    among = cursor.among("id", "id", ids)
    cursor.run(
        f"UPDATE conversations_inbox SET state = 'done', done_at = {{now}} WHERE {among.sql}", among.params
    )


def lowest_open(lane: lanes.Claimed, fetched: Sequence[Input], consumed: set[int]) -> int:
    """The lowest number that may still wait; results of calls may lie above inputs that wait, so they do not count."""
    ordinary = [i for i in fetched if i.kind != "call"]
    waiting = [i.seq for i in ordinary if i.id not in consumed]
    if waiting:
        return min(waiting)
    return max((i.seq + 1 for i in ordinary), default=lane.low_seq)

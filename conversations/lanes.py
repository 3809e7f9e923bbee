"""Lanes: one row a contact serializes all that happens to it. A claim raises the epoch; a commit must hold it.

A batch counts an attempt for each of its lanes, so lanes that saw a crash are claimed alone: the one that kills
its worker quarantines itself and no neighbor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows import database

LEASE_SECONDS = 60
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    contact_id: int
    epoch: int
    attempts: int
    low_seq: int
    is_calling: bool

    @property
    def is_suspect(self) -> bool:
        """Its last turn did not come to its end: it is worked on alone, one input at a time."""
        return self.attempts > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a lane's row becomes when its turn commits."""

    contact_id: int
    epoch: int
    consumed: int
    sent: int
    low_seq: int
    is_calling: bool


# Conditions for a look outside any transaction, so that an idle worker takes no write lock.
_RUNNABLE = (
    "SELECT 1 FROM conversations_lane WHERE pending > 0 AND runnable_at <= {now} AND lease_until < {now}"
)
WAITING = f"EXISTS ({_RUNNABLE} AND turn_attempts = 0)"
SUSPECTS_WAITING = f"EXISTS ({_RUNNABLE} AND turn_attempts > 0)"


def are_waiting(cursor: database.Cursor) -> bool:
    row = cursor.one(f"SELECT {WAITING} OR {SUSPECTS_WAITING}")
    return bool(row and row[0])


def claim(limit: int, *, suspects: bool = False) -> list[Claimed]:
    """Claim up to ``limit`` runnable lanes in a transaction of its own; suspects are taken one by one."""
    attempts = "turn_attempts > 0" if suspects else "turn_attempts = 0"
    with database.write() as cursor:
        rows = cursor.rows(
            # Materialized: a planner may run a subquery with a limit again for each row, and take more than that.
            "WITH picked AS MATERIALIZED (SELECT contact_id FROM conversations_lane"
            "  WHERE pending > 0 AND runnable_at <= {now} AND lease_until < {now}"
            f"  AND {attempts} ORDER BY runnable_at LIMIT %s {{skip}})"
            " UPDATE conversations_lane SET epoch = epoch + 1, turn_attempts = turn_attempts + 1,"
            f" lease_until = {database.later(str(LEASE_SECONDS))}"
            " WHERE contact_id IN (SELECT contact_id FROM picked) AND lease_until < {now}"
            " RETURNING contact_id, epoch, turn_attempts, low_seq, is_calling",
            [1 if suspects else limit],
        )
    return [
        Claimed(contact_id=c, epoch=e, attempts=a, low_seq=low, is_calling=bool(calling))
        for c, e, a, low, calling in rows
    ]


_release_columns = {
    "contact_id": "id",
    "epoch": "id",
    "consumed": "int",
    "sent": "int",
    "low_seq": "id",
    "is_calling": "boolean",
}


def commit(cursor: database.Cursor, releases: Sequence[Release]) -> dict[int, int]:
    """Release lanes with their new counts; only those returned still held their epoch, only those may be written.

    Gives the first of each lane's outgoing numbers: staff may have taken some since the claim. A lane in a call
    is not runnable until ``resume``; one with inputs left is runnable again behind the others.
    """
    if not releases:
        return {}
    rows = [
        (r.contact_id, r.epoch, r.consumed, r.sent, r.low_seq, r.is_calling)
        for r in sorted(releases, key=lambda r: r.contact_id)
    ]
    lock(cursor, [r[0] for r in rows])
    source = cursor.source(_release_columns, rows)
    far = database.later("315360000")
    returned = cursor.rows(
        "UPDATE conversations_lane SET lease_until = '2000-01-01 00:00:00+00', turn_attempts = 0,"
        " pending = pending - v.consumed, out_seq = out_seq + v.sent, low_seq = v.low_seq,"
        " is_calling = v.is_calling,"
        f" runnable_at = CASE WHEN v.is_calling THEN {far} ELSE {{now}} END"
        f" FROM {source.sql}"
        " WHERE conversations_lane.contact_id = v.contact_id AND conversations_lane.epoch = v.epoch"
        # A lane that was released is not released again, should a commit be repeated whose answer was lost.
        " AND conversations_lane.lease_until > '2001-01-01 00:00:00+00'"
        " RETURNING conversations_lane.contact_id, conversations_lane.out_seq",
        source.params,
    )
    sent = {release.contact_id: release.sent for release in releases}
    return {int(c): int(following) - sent[int(c)] for c, following in returned}


def give_back(contact_id: int, epoch: int, *, after_seconds: float) -> None:
    """Let a lane go whose engine failed; its attempt stays counted and it is runnable again later."""
    with database.write() as cursor:
        cursor.run(
            "UPDATE conversations_lane SET lease_until = '2000-01-01 00:00:00+00',"
            f" runnable_at = {database.later('%s')} WHERE contact_id = %s AND epoch = %s",
            [after_seconds, contact_id, epoch],
        )


def let_go(claims: Sequence[tuple[int, int]]) -> None:
    """Let claimed lanes (contact, epoch) go untouched after a failure; their attempts stay counted."""
    with database.write() as cursor:
        source = cursor.source({"c": "id", "e": "id"}, sorted(claims))
        cursor.run(
            "UPDATE conversations_lane SET lease_until = '2000-01-01 00:00:00+00'"
            f" FROM {source.sql} WHERE conversations_lane.contact_id = v.c AND conversations_lane.epoch = v.e",
            source.params,
        )


def lock(cursor: database.Cursor, contact_ids: Sequence[int]) -> None:
    """Lock lane rows in id order, as the splitter and the turns do, so that they cannot deadlock."""
    if not cursor.postgres:
        return
    among = cursor.among("contact_id", "id", sorted(set(contact_ids)))
    cursor.rows(
        f"SELECT 1 FROM conversations_lane WHERE {among.sql} ORDER BY contact_id FOR UPDATE", among.params
    )


def create(cursor: database.Cursor, contact_ids: Sequence[int]) -> None:
    """Make sure that each contact has its lane."""
    cursor.insert(
        "conversations_lane",
        {
            "contact_id": "id",
            "next_seq": "id",
            "low_seq": "id",
            "out_seq": "id",
            "pending": "int",
            "epoch": "id",
            "lease_until": "time",
            "runnable_at": "time",
            "is_calling": "boolean",
            "turn_attempts": "int",
        },
        [(c, 1, 1, 1, 0, 0, _long_ago, _long_ago, False, 0) for c in sorted(set(contact_ids))],
        "ON CONFLICT (contact_id) DO NOTHING",
    )


def take_numbers(cursor: database.Cursor, counts: dict[int, int]) -> dict[int, int]:
    """Reserve ``count`` input numbers for each contact and raise what is pending; gives the first number of each."""
    source = cursor.source({"contact_id": "id", "k": "int"}, sorted(counts.items()))
    rows: list[tuple[Any, ...]] = cursor.rows(
        f"UPDATE conversations_lane SET next_seq = next_seq + v.k, pending = pending + v.k FROM {source.sql}"
        " WHERE conversations_lane.contact_id = v.contact_id"
        " RETURNING conversations_lane.contact_id, conversations_lane.next_seq",
        source.params,
    )
    taken = {int(c): int(following) - counts[int(c)] for c, following in rows}
    missing = {c: k for c, k in counts.items() if c not in taken}
    if missing:
        # A contact that did not come by webhook may have no lane yet.
        create(cursor, list(missing))
        taken.update(take_numbers(cursor, missing))
    return taken


def resume(cursor: database.Cursor, contact_ids: Sequence[int]) -> None:
    """Make lanes runnable whose call has a result."""
    among = cursor.among("contact_id", "id", list(contact_ids))
    cursor.run(f"UPDATE conversations_lane SET runnable_at = {{now}} WHERE {among.sql}", among.params)


def wake_answered() -> int:
    """Make lanes runnable that sleep although a call's result is there: its wake-up and a commit crossed."""
    asleep = (
        " WHERE pending > 0 AND is_calling AND runnable_at > {now} AND EXISTS (SELECT 1"
        "  FROM conversations_inbox AS i WHERE i.contact_id = conversations_lane.contact_id"
        "  AND i.seq >= conversations_lane.low_seq AND i.state = 'new' AND i.kind = 'call')"
    )
    if database.read().one(f"SELECT 1 FROM conversations_lane {asleep} LIMIT 1") is None:
        return 0
    with database.write() as cursor:
        return cursor.run(f"UPDATE conversations_lane SET runnable_at = {{now}} {asleep}")


def take_out_numbers(cursor: database.Cursor, contact_id: int, count: int) -> int:
    """Reserve numbers in a contact's outgoing order, for a sender other than a turn."""
    row = cursor.one(
        "UPDATE conversations_lane SET out_seq = out_seq + %s WHERE contact_id = %s RETURNING out_seq - %s",
        [count, contact_id, count],
    )
    if row is None:
        raise LookupError(f"contact {contact_id} has no lane")
    return int(row[0])


_long_ago = database.as_time("2000-01-01 00:00:00")

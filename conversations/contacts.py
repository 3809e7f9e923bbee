"""Contacts, keyed by a set of ids: whoever writes is found or made, and two that prove to be one are merged."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from conversations import lanes
from conversations.whatsapp.received import Sender
from flows import database, facts

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A sender as the tables know it: ``keys`` are (portfolio, kind, value)."""

    sender: Sender
    scope: str

    @property
    def keys(self) -> list[Key]:
        found: list[Key] = []
        if self.sender.bsuid:
            found.append((self.scope, "bsuid", self.sender.bsuid))
        if self.sender.phone:
            found.append(("", "phone", self.sender.phone))
        if self.sender.parent_bsuid:
            found.append(("", "parent", self.sender.parent_bsuid))
        return found


def known(cursor: database.Cursor, keys: Sequence[Key]) -> dict[Key, int]:
    if not keys:
        return {}
    return read_known(cursor.rows(*known_query(cursor, keys)))


def known_query(cursor: database.Cursor, keys: Sequence[Key]) -> database.Query:
    source = cursor.source({"p": "text", "k": "text", "v": "text"}, sorted(set(keys)), alias="w")
    sql = (
        "SELECT i.portfolio, i.kind, i.value, i.contact_id FROM conversations_contactidentity AS i"
        f" JOIN {source.sql} ON i.portfolio = w.p AND i.kind = w.k AND i.value = w.v"
    )
    return sql, source.params


def read_known(rows: Sequence[database.Row]) -> dict[Key, int]:
    return {(p, k, v): int(c) for p, k, v, c in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """``of`` gives each person's contact, by position; ``created`` are those met for the first time."""

    of: list[int]
    created: frozenset[int]


def resolve(
    cursor: database.Cursor, people: Sequence[Person], now: datetime, owners: dict[Key, int] | None = None
) -> Resolved:
    """Find or make the contact of each person; ids that a payload brings together are brought together here.

    ``owners`` is what ``known`` gives for their keys, where the caller has asked already.
    """
    if owners is None:
        owners = known(cursor, [key for person in people for key in person.keys])
    fresh = _new_people(people, owners)
    created = _create(cursor, fresh, now)
    missing: dict[Key, int] = {}
    for person, contact_id in zip(fresh, created, strict=True):
        for key in person.keys:
            owners[key] = missing[key] = contact_id
    for person in people:
        ids = sorted({owners[k] for k in person.keys if k in owners})
        keeper = ids[0]
        for other in ids[1:]:
            merge(cursor, keeper, other, now)
            owners = {k: keeper if c == other else c for k, c in owners.items()}
            missing = {k: keeper if c == other else c for k, c in missing.items()}
        for key in person.keys:
            if key not in owners:
                owners[key] = missing[key] = keeper
    _remember(cursor, missing, now)
    found = [owners[p.keys[0]] for p in people]
    return Resolved(of=found, created=frozenset(created))


def _new_people(people: Sequence[Person], owners: dict[Key, int]) -> list[Person]:
    """The first of each person of whom no id is known, neither in the tables nor earlier in this batch."""
    seen: set[Key] = set()
    fresh = []
    for person in people:
        if not any(k in owners or k in seen for k in person.keys):
            fresh.append(person)
        seen.update(person.keys)
    return fresh


def _create(cursor: database.Cursor, people: Sequence[Person], now: datetime) -> list[int]:
    tags = [uuid.uuid4().hex for _ in people]
    rows = [
        (
            tag,
            (p.sender.profile_name or "")[:200],
            p.sender.phone or "",
            p.sender.bsuid or "",
            "",
            "",
            "{}",
            "[]",
            False,
            False,
            False,
            now,
        )
        for tag, p in zip(tags, people, strict=True)
    ]
    made = cursor.insert_returning(
        "conversations_contact",
        {
            "uuid": "uuid" if cursor.postgres else "text",
            "name": "text",
            "phone": "text",
            "bsuid": "text",
            "language": "text",
            "timezone": "text",
            "fields": "json",
            "groups": "json",
            "is_opted_out": "boolean",
            "has_marketing_consent": "boolean",
            "is_blocked": "boolean",
            "created_at": "time",
        },
        rows,
        "RETURNING uuid, id",
    )
    ids = {str(tag).replace("-", ""): int(id_) for tag, id_ in made}
    lanes.create(cursor, sorted(ids.values()))
    return [ids[tag] for tag in tags]


def _remember(cursor: database.Cursor, identities: dict[Key, int], now: datetime) -> None:
    cursor.insert(
        "conversations_contactidentity",
        {"contact_id": "id", "portfolio": "text", "kind": "text", "value": "text", "created_at": "time"},
        [(c, p, k, v, now) for (p, k, v), c in sorted(identities.items())],
        "ON CONFLICT (portfolio, kind, value) DO NOTHING",
    )
    phones = [(c, v) for (_, k, v), c in identities.items() if k == "phone"]
    bsuids = [(c, v) for (_, k, v), c in identities.items() if k == "bsuid"]
    for column, pairs in (("phone", phones), ("bsuid", bsuids)):
        if not pairs:
            continue
        source = cursor.source({"c": "id", "v": "text"}, pairs, alias="w")
        cursor.run(
            f"UPDATE conversations_contact SET {column} = w.v FROM {source.sql}"
            f" WHERE conversations_contact.id = w.c AND conversations_contact.{column} = ''",
            source.params,
        )


_FOLLOW = (
    "conversations_consententry",
    "conversations_message",
    "conversations_handoff",
    "conversations_call",
    "conversations_timer",
    "flows_event",
)


def merge(cursor: database.Cursor, keeper: int, other: int, now: datetime) -> None:
    """Make ``other`` part of ``keeper``: its waiting inputs and messages go behind the keeper's.

    Opt-out wins over opt-in. Of two live sessions on one number the keeper's stays; the other ends *merged*.
    """
    lanes.create(cursor, [keeper, other])
    lanes.lock(cursor, [keeper, other])
    _renumber_inbox(cursor, keeper, other)
    _renumber_outbox(cursor, keeper, other)
    _merge_conversations(cursor, keeper, other)
    _merge_sessions(cursor, keeper, other, now)
    for table in _FOLLOW:
        cursor.run(f"UPDATE {table} SET contact_id = %s WHERE contact_id = %s", [keeper, other])
    cursor.run(
        "UPDATE conversations_contactidentity SET contact_id = %s WHERE contact_id = %s", [keeper, other]
    )
    _merge_row(cursor, keeper, other)
    facts.record(
        cursor,
        [facts.Fact(at=now, name="contacts_merged", contact_id=keeper, data={"merged": other})],
    )


def _renumber_inbox(cursor: database.Cursor, keeper: int, other: int) -> None:
    rows = cursor.rows(
        "SELECT id, kind FROM conversations_inbox WHERE contact_id = %s AND state = 'new' ORDER BY seq",
        [other],
    )
    if rows:
        first = lanes.take_numbers(cursor, {keeper: len(rows)})[keeper]
        source = cursor.source({"i": "id", "s": "id"}, [(i, first + n) for n, (i, _) in enumerate(rows)])
        cursor.run(
            f"UPDATE conversations_inbox SET contact_id = %s, seq = v.s FROM {source.sql}"
            " WHERE conversations_inbox.id = v.i",
            [keeper, *source.params],
        )
    # A call of the other's goes on: the keeper sleeps until its result, unless that is there already.
    has_result = any(kind == "call" for _, kind in rows)
    cursor.run(
        "UPDATE conversations_lane SET is_calling = %s,"
        f" runnable_at = {'{now}' if has_result else database.later('315360000')}"
        " WHERE contact_id = %s AND EXISTS"
        " (SELECT 1 FROM conversations_lane AS o WHERE o.contact_id = %s AND o.is_calling)",
        [True, keeper, other],
    )
    # The epoch rises, so that a turn of the other lane that is under way is fenced off.
    cursor.run(
        "UPDATE conversations_lane SET pending = 0, epoch = epoch + 1, merged_into = %s WHERE contact_id = %s",
        [keeper, other],
    )


def _renumber_outbox(cursor: database.Cursor, keeper: int, other: int) -> None:
    rows = cursor.rows("SELECT id FROM conversations_outbox WHERE contact_id = %s ORDER BY seq", [other])
    if rows:
        first = lanes.take_out_numbers(cursor, keeper, len(rows))
        source = cursor.source({"i": "text", "s": "id"}, [(i, first + n) for n, (i,) in enumerate(rows)])
        cursor.run(
            f"UPDATE conversations_outbox SET contact_id = %s, seq = v.s FROM {source.sql}"
            " WHERE conversations_outbox.id = v.i",
            [keeper, *source.params],
        )


def _merge_conversations(cursor: database.Cursor, keeper: int, other: int) -> None:
    pairs = cursor.rows(
        "SELECT o.id, k.id FROM conversations_conversation AS o JOIN conversations_conversation AS k"
        " ON k.phone_number_id = o.phone_number_id AND k.contact_id = %s WHERE o.contact_id = %s",
        [keeper, other],
    )
    for old, kept in pairs:
        for table in ("conversations_message", "conversations_note"):
            cursor.run(f"UPDATE {table} SET conversation_id = %s WHERE conversation_id = %s", [kept, old])
        cursor.run("DELETE FROM conversations_conversation WHERE id = %s", [old])
    cursor.run("UPDATE conversations_conversation SET contact_id = %s WHERE contact_id = %s", [keeper, other])


def _merge_sessions(cursor: database.Cursor, keeper: int, other: int, now: datetime) -> None:
    cursor.run(
        "UPDATE conversations_session SET state = 'ended', outcome = 'merged', ended_at = %s, updated_at = %s"
        " WHERE contact_id = %s AND state <> 'ended' AND phone_number_id IN"
        " (SELECT phone_number_id FROM conversations_session WHERE contact_id = %s AND state <> 'ended')",
        [now, now, other, keeper],
    )
    cursor.run("UPDATE conversations_session SET contact_id = %s WHERE contact_id = %s", [keeper, other])


def _merge_row(cursor: database.Cursor, keeper: int, other: int) -> None:
    flags = cursor.rows(
        "SELECT is_opted_out, is_blocked, name, phone, bsuid FROM conversations_contact WHERE id = %s",
        [other],
    )
    for opted_out, blocked, name, phone, bsuid in flags:
        cursor.run(
            "UPDATE conversations_contact SET is_opted_out = (is_opted_out OR %s), is_blocked = (is_blocked OR %s),"
            " name = CASE WHEN name = '' THEN %s ELSE name END,"
            " phone = CASE WHEN phone = '' THEN %s ELSE phone END,"
            " bsuid = CASE WHEN bsuid = '' THEN %s ELSE bsuid END WHERE id = %s",
            [bool(opted_out), bool(blocked), name, phone, bsuid, keeper],
        )
    cursor.run(
        "UPDATE conversations_contact SET merged_into_id = %s, phone = '', bsuid = '' WHERE id = %s",
        [keeper, other],
    )


def change_ids(cursor: database.Cursor, old: Person, new: Person, now: datetime) -> int | None:
    """Follow a customer to a new phone number or user id; None when the old ids are not known."""
    owners = known(cursor, [*old.keys, *new.keys])
    ids = [owners[k] for k in old.keys if k in owners]
    if not ids:
        return None
    contact_id = ids[0]
    for taken in {owners[k] for k in new.keys if k in owners} - {contact_id}:
        merge(cursor, contact_id, taken, now)
    _remember(cursor, dict.fromkeys(new.keys, contact_id), now)
    if new.sender.phone:
        cursor.run(
            "UPDATE conversations_contact SET phone = %s WHERE id = %s", [new.sender.phone, contact_id]
        )
    if new.sender.bsuid:
        cursor.run(
            "UPDATE conversations_contact SET bsuid = %s WHERE id = %s", [new.sender.bsuid, contact_id]
        )
    return contact_id

"""The splitter: what the webhook stored becomes inputs of lanes, in order of arrival, a batch a transaction.

One at a time works (a lock of the transaction). Whatever cannot be split is set aside with its cause: an error
to Meta would only make it come again for seven days.
"""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError

from conversations import clock, consent, contacts, inbox, statuses
from conversations.whatsapp import inbound
from conversations.whatsapp.received import (
    InboundMessage,
    InboundOther,
    InboundStatus,
    NumberChange,
    Parsed,
)
from flows import database, facts
from flows.failpoints import reach

log = logging.getLogger(__name__)

BATCH = 500
# A condition for a look outside any transaction.
WAITING = "EXISTS (SELECT 1 FROM conversations_webhookdelivery WHERE state = 'raw')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    id: int
    received_at: datetime
    is_simulated: bool
    parsed: Parsed


@dataclass(slots=True, kw_only=True)
class Batch:
    """What a batch of deliveries holds once it is known whose it is."""

    offset: timedelta
    now: datetime
    numbers: dict[str, "Line"]
    messages: list[tuple[Delivery, InboundMessage]] = field(default_factory=list)
    statuses: list[InboundStatus] = field(default_factory=list)
    changes: list[NumberChange] = field(default_factory=list)
    others: list[InboundOther] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    quarantined: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A number of ours, as far as splitting needs it."""

    scope: str
    is_simulated: bool


def split(limit: int = BATCH) -> int:
    """Split up to ``limit`` deliveries; gives how many, 0 when another process does it or nothing waits."""
    try:
        return _split_batch(limit)
    except OperationalError:
        raise
    except Exception:
        log.exception("a batch of deliveries failed; they are split one by one")
        return _split_first()


def _split_first() -> int:
    """Split the oldest delivery alone, or set it aside with the traceback."""
    try:
        return _split_batch(1)
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - the door of this way: whatever went wrong is kept with its trace
        trace = traceback.format_exc()
        with database.write() as cursor:
            row = cursor.one(
                "SELECT id FROM conversations_webhookdelivery WHERE state = 'raw' ORDER BY id LIMIT 1"
            )
            if row is None:
                return 0
            cause = f"splitting failed: {type(error).__name__}"
            cursor.run(
                "UPDATE conversations_webhookdelivery SET state = 'quarantined', reason = %s WHERE id = %s",
                [cause, row[0]],
            )
            facts.bury(cursor, "webhook", str(row[0]), cause=cause, trace=trace, attempts=1)
        return 1


def _split_batch(limit: int) -> int:
    with database.write() as cursor:
        alone, rows, numbers, moment = cursor.together(
            database.alone_query(cursor, "splitter"),
            (_RAW, [limit]),
            (_NUMBERS, []),
            (f"SELECT {clock.COLUMNS}", []),
        )
        if not alone[0][0] or not rows:
            return 0
        now, offset = clock.read(*moment[0]), timedelta(seconds=float(moment[0][1] or 0))
        batch = _sort(rows, Batch(offset=offset, now=now, numbers=_lines(numbers)))
        _take_messages(cursor, batch)
        reach("split.mid")
        statuses.record(cursor, batch.statuses, batch.now)
        _keep_values(cursor, batch)
        _follow_changes(cursor, batch)
        _tell_others(cursor, batch)
        _apply_preferences(cursor, batch)
        _close(cursor, batch)
        reach("split.before_commit")
    reach("split.after_commit")
    return len(rows)


_RAW = (
    "SELECT id, body, is_simulated, received_at FROM conversations_webhookdelivery"
    " WHERE state = 'raw' ORDER BY id LIMIT %s {skip}"
)
_NUMBERS = "SELECT phone_number_id, portfolio, waba_id, is_simulated FROM conversations_number"


def _sort(rows: Sequence[database.Row], batch: Batch) -> Batch:
    for id_, body, is_simulated, received_at in rows:
        try:
            parsed = inbound.parse(inbound.load(bytes(body)))
        except inbound.BadBody as error:
            batch.quarantined.append((id_, f"the body cannot be read: {error}"))
            continue
        delivery = Delivery(
            id=id_,
            received_at=database.as_time(received_at),
            is_simulated=bool(is_simulated),
            parsed=parsed,
        )
        _place(batch, delivery)
    return batch


def _lines(rows: Sequence[database.Row]) -> dict[str, Line]:
    return {
        number: Line(scope=portfolio or waba or "default", is_simulated=bool(simulated))
        for number, portfolio, waba, simulated in rows
    }


def _place(batch: Batch, delivery: Delivery) -> None:
    reasons = [f"{fault.place}: {fault.reason}" for fault in delivery.parsed.faults]
    for item in delivery.parsed.items:
        if _is_foreign(batch, delivery, item):
            reasons.append(f"not ours: phone_number_id {item.phone_number_id}")
            continue
        if isinstance(item, InboundMessage) and not item.sender.is_known:
            reasons.append(f"message {item.wamid[-12:]} names no sender")
            continue
        match item:
            case InboundMessage():
                batch.messages.append((delivery, item))
            case InboundStatus():
                batch.statuses.append(item)
            case NumberChange():
                batch.changes.append(item)
            case InboundOther():
                batch.others.append(item)
    if reasons:
        batch.quarantined.append((delivery.id, "; ".join(reasons)[:300]))
    else:
        batch.split.append(delivery.id)


def _is_foreign(batch: Batch, delivery: Delivery, item: inbound.Inbound) -> bool:
    """A simulated delivery can never speak for a real number, nor the other way round."""
    line = batch.numbers.get(item.phone_number_id or "")
    if line is None:
        return bool(item.phone_number_id) and not isinstance(item, InboundOther)
    return line.is_simulated is not delivery.is_simulated


def _take_messages(cursor: database.Cursor, batch: Batch) -> None:
    """New messages become bubbles, and those that a flow can answer become inputs."""
    if not batch.messages:
        return
    among = cursor.among("wamid", "text", sorted({m.wamid for _, m in batch.messages}))
    inputs, bubbles, identities = cursor.together(
        inbox.keys_query(cursor, sorted({m.dedup_key for _, m in batch.messages})),
        (f"SELECT phone_number_id, wamid FROM conversations_message WHERE {among.sql}", among.params),
        contacts.known_query(cursor, [key for p in _people(batch, batch.messages) for key in p.keys]),
    )
    fresh = _only_new(batch.messages, {key for (key,) in inputs}, set(bubbles))
    if not fresh:
        return
    people = _people(batch, fresh)
    resolved = contacts.resolve(cursor, people, batch.now, contacts.read_known(identities))
    arrivals = _arrivals(batch, fresh, resolved)
    conversation_ids = _touch_conversations(cursor, arrivals, batch.now)
    _add_bubbles(cursor, arrivals, conversation_ids)
    _apply_words(cursor, arrivals)
    inbox.add(cursor, [a.as_input() for a in arrivals if a.message.is_conversational])


def _people(batch: Batch, messages: Sequence[tuple[Delivery, InboundMessage]]) -> list[contacts.Person]:
    return [
        contacts.Person(sender=m.sender, scope=batch.numbers[m.phone_number_id].scope) for _, m in messages
    ]


def _only_new(
    messages: Sequence[tuple[Delivery, InboundMessage]], known: set[str], shown: set[database.Row]
) -> list[tuple[Delivery, InboundMessage]]:
    """Each message once: not seen in this batch, nor as an input (by key), nor as a bubble (by number and id)."""
    unique = {pair[1].dedup_key: pair for pair in reversed(messages)}
    ordered = [pair for pair in messages if unique.get(pair[1].dedup_key) is pair]
    return [
        (d, m) for d, m in ordered if m.dedup_key not in known and (m.phone_number_id, m.wamid) not in shown
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A new message with its contact and the moment that counts for windows and waits."""

    message: InboundMessage
    delivery_id: int
    contact_id: int
    is_new_contact: bool
    arrived_at: datetime
    window_at: datetime
    word: str | None

    @property
    def text(self) -> str:
        return str(self.message.message.get("text") or "")

    def as_input(self) -> inbox.NewInput:
        return inbox.NewInput(
            dedup_key=self.message.dedup_key,
            kind="message",
            contact_id=self.contact_id,
            phone_number_id=self.message.phone_number_id,
            payload={
                "message": {**self.message.message, "at": self.arrived_at.isoformat()},
                "wamid": self.message.wamid,
                "context_wamid": self.message.context_wamid,
                "is_new_contact": self.is_new_contact,
                "word": self.word,
            },
            due_at=self.arrived_at,
            correlation=f"d{self.delivery_id}",
        )


def _arrivals(
    batch: Batch, known: Sequence[tuple[Delivery, InboundMessage]], resolved: contacts.Resolved
) -> list[Arrival]:
    arrivals = []
    fresh = set(resolved.created)
    last = datetime.min.replace(tzinfo=UTC)
    for (delivery, message), contact_id in zip(known, resolved.of, strict=True):
        # No two at one moment: what a person said first is the earlier one for ever.
        last = arrived_at = max(delivery.received_at + batch.offset, last + timedelta(microseconds=1))
        claimed = message.sent_at if message.sent_at and not delivery.is_simulated else None
        is_new = contact_id in fresh and message.is_conversational
        if is_new:
            fresh.discard(contact_id)
        arrivals.append(
            Arrival(
                message=message,
                delivery_id=delivery.id,
                contact_id=contact_id,
                is_new_contact=is_new,
                arrived_at=arrived_at,
                # Meta counts the window from its own time of the message, which is never after its arrival.
                window_at=min(claimed, arrived_at) if claimed else arrived_at,
                word=consent.word_of(message.message.get("text")) if message.type == "text" else None,
            )
        )
    return arrivals


def _touch_conversations(
    cursor: database.Cursor, arrivals: Sequence[Arrival], now: datetime
) -> dict[tuple[int, str], int]:
    """Make or move forward the conversation of each arrival; a closed one is the bot's again."""
    rows: dict[tuple[int, str], list[Any]] = {}
    names: dict[int, str] = {}
    for a in arrivals:
        key = (a.contact_id, a.message.phone_number_id)
        row = rows.setdefault(key, [*key, "bot", "", None, a.arrived_at, "", 0, "{}", now])
        if a.message.opens_window:
            row[4] = max(row[4] or a.window_at, a.window_at)
            row[6] = _preview(a)
            row[7] += 1
        row[5] = a.arrived_at
        if a.message.sender.profile_name:
            names[a.contact_id] = a.message.sender.profile_name[:200]
    made = cursor.insert_returning(
        "conversations_conversation",
        {
            "contact_id": "id",
            "phone_number_id": "text",
            "owner": "text",
            "team": "text",
            "last_inbound_at": "time",
            "last_message_at": "time",
            "last_text": "text",
            "unread_count": "int",
            "guard": "json",
            "created_at": "time",
        },
        [tuple(row) for _, row in sorted(rows.items())],
        "ON CONFLICT (contact_id, phone_number_id) DO UPDATE SET"
        " last_inbound_at = CASE WHEN excluded.last_inbound_at IS NULL"
        "  OR conversations_conversation.last_inbound_at > excluded.last_inbound_at"
        "  THEN conversations_conversation.last_inbound_at ELSE excluded.last_inbound_at END,"
        " last_message_at = excluded.last_message_at,"
        " last_text = CASE WHEN excluded.last_text = '' THEN conversations_conversation.last_text"
        "  ELSE excluded.last_text END,"
        " unread_count = conversations_conversation.unread_count + excluded.unread_count,"
        " owner = CASE WHEN conversations_conversation.owner = 'closed' THEN 'bot'"
        "  ELSE conversations_conversation.owner END"
        " RETURNING contact_id, phone_number_id, id",
    )
    _touch_contacts(cursor, rows, names)
    return {(int(c), n): int(id_) for c, n, id_ in made}


def _touch_contacts(
    cursor: database.Cursor, rows: dict[tuple[int, str], list[Any]], names: dict[int, str]
) -> None:
    seen: dict[int, Any] = {}
    for (contact_id, _), row in rows.items():
        if row[4] is not None:
            seen[contact_id] = max(seen.get(contact_id) or row[4], row[4])
    source = cursor.source(
        {"c": "id", "a": "time", "n": "text"},
        [(c, at, names.get(c, "")) for c, at in sorted(seen.items())],
        alias="w",
    )
    cursor.run(
        "UPDATE conversations_contact SET last_inbound_at = w.a,"
        " name = CASE WHEN conversations_contact.name = '' THEN w.n ELSE conversations_contact.name END"
        f" FROM {source.sql} WHERE conversations_contact.id = w.c",
        source.params,
    )


def _preview(arrival: Arrival) -> str:
    return (arrival.text or f"[{arrival.message.message.get('type', arrival.message.type)}]")[:200]


BUBBLE_COLUMNS = {
    "conversation_id": "id",
    "contact_id": "id",
    "phone_number_id": "text",
    "is_inbound": "boolean",
    "wamid": "text",
    "kind": "text",
    "text": "text",
    "content": "json",
    "context_wamid": "text",
    "sender": "text",
    "status": "text",
    "error_code": "int",
    "error": "text",
    "claimed_at": "time",
    "at": "time",
}


def _add_bubbles(
    cursor: database.Cursor, arrivals: Sequence[Arrival], conversation_ids: dict[tuple[int, str], int]
) -> None:
    cursor.insert(
        "conversations_message",
        BUBBLE_COLUMNS,
        [
            (
                conversation_ids[a.contact_id, a.message.phone_number_id],
                a.contact_id,
                a.message.phone_number_id,
                True,
                a.message.wamid,
                str(a.message.message.get("type", a.message.type))[:24],
                a.text,
                database.dumps(a.message.message),
                a.message.context_wamid,
                "",
                "",
                a.message.error_code,
                "",
                a.message.sent_at,
                a.arrived_at,
            )
            for a in arrivals
        ],
        "ON CONFLICT (phone_number_id, wamid) DO NOTHING",
    )


def _apply_words(cursor: database.Cursor, arrivals: Sequence[Arrival]) -> None:
    """STOP counts from here on, before any turn: the lane may be busy with a call."""
    changes = [
        consent.Change(
            contact_id=a.contact_id,
            is_granted=False,
            source="keyword",
            detail=a.text,
            at=a.arrived_at,
        )
        for a in arrivals
        if a.word == "stop"
    ]
    consent.apply(cursor, changes)


def _follow_changes(cursor: database.Cursor, batch: Batch) -> None:
    for change in batch.changes:
        line = batch.numbers.get(change.phone_number_id or "")
        scope = line.scope if line else change.waba_id or "default"
        contacts.change_ids(
            cursor,
            contacts.Person(sender=change.old, scope=scope),
            contacts.Person(sender=change.new, scope=scope),
            batch.now,
        )


def _keep_values(cursor: database.Cursor, batch: Batch) -> None:
    """Values that are neither messages nor statuses are kept whole, once; a repeated one has no effect."""
    values = [
        *((c.dedup_key, "messages", "number_change", c.phone_number_id, c.raw, c.at) for c in batch.changes),
        *((o.dedup_key, o.field, o.kind, o.phone_number_id, o.value, o.at) for o in batch.others),
    ]
    rows = {
        key: (key, field, kind, number, database.dumps(value), at or batch.now)
        for key, field, kind, number, value, at in values
    }
    columns = {
        "dedup_key": "text",
        "field": "text",
        "kind": "text",
        "phone_number_id": "text",
        "value": "json",
        "at": "time",
    }
    made = cursor.insert_returning(
        "conversations_webhookvalue",
        columns,
        list(rows.values()),
        "ON CONFLICT (dedup_key) DO NOTHING RETURNING dedup_key",
    )
    fresh = {key for (key,) in made}
    batch.changes = [c for c in {c.dedup_key: c for c in batch.changes}.values() if c.dedup_key in fresh]
    batch.others = [o for o in {o.dedup_key: o for o in batch.others}.values() if o.dedup_key in fresh]


def _tell_others(cursor: database.Cursor, batch: Batch) -> None:
    facts.record(
        cursor,
        [
            facts.Fact(
                at=other.at or batch.now,
                name="webhook_value_received",
                phone_number_id=other.phone_number_id,
                data={"field": other.field, "kind": other.kind, "key": other.dedup_key},
            )
            for other in batch.others
        ],
    )


def _apply_preferences(cursor: database.Cursor, batch: Batch) -> None:
    changes = []
    for other in batch.others:
        choice = str(other.value.get("value", ""))
        if other.kind != "preference" or other.customer is None or choice not in {"stop", "resume"}:
            continue
        line = batch.numbers.get(other.phone_number_id or "")
        person = contacts.Person(sender=other.customer, scope=line.scope if line else other.waba_id)
        owners = contacts.known(cursor, person.keys)
        for contact_id in sorted(set(owners.values())):
            changes.append(
                consent.Change(
                    contact_id=contact_id,
                    is_granted=choice == "resume",
                    source="user_preferences",
                    scope="marketing",
                    at=other.at or batch.now,
                )
            )
    consent.apply(cursor, changes)


def _close(cursor: database.Cursor, batch: Batch) -> None:
    among = cursor.among("id", "id", batch.split)
    cursor.run(f"UPDATE conversations_webhookdelivery SET state = 'split' WHERE {among.sql}", among.params)
    for id_, reason in batch.quarantined:
        cursor.run(
            "UPDATE conversations_webhookdelivery SET state = 'quarantined', reason = %s WHERE id = %s",
            [reason[:300], id_],
        )
        facts.bury(cursor, "webhook", str(id_), cause=reason)

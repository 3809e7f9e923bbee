"""What the turns of a batch need to know, read for all its lanes at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conversations import clock, inbox
from conversations.inbox import Input
from conversations.lanes import Claimed
from flows import database
from flows.engine.session import Session


@dataclass(slots=True, kw_only=True)
class ContactRow:
    """A contact as its turn sees and changes it."""

    id: int
    name: str
    phone: str
    bsuid: str
    language: str
    timezone: str
    fields: dict[str, Any]
    groups: list[str]
    is_opted_out: bool
    is_blocked: bool
    is_changed: bool = False

    @property
    def user_id(self) -> str:
        return self.phone or self.bsuid


@dataclass(slots=True, kw_only=True)
class ConversationRow:
    id: int
    contact_id: int
    number: str
    owner: str
    last_inbound_at: datetime | None
    unmatched_replied_at: datetime | None
    failure_replied_at: datetime | None
    guard: dict[str, Any]
    team: str = ""
    waiting_since: datetime | None = None
    is_changed: bool = False


@dataclass(slots=True, kw_only=True)
class SessionRow:
    """A session and the columns around it; ``journaled`` is the length of its journal."""

    id: str
    contact_id: int
    number: str
    session: Session
    flow_id: str
    flow_hash: str
    campaign: dict[str, Any] | None
    journaled: int
    started_at: datetime
    is_new: bool = False
    is_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRow:
    phone_number_id: str
    display_phone_number: str
    default_language: str
    default_timezone: str
    unmatched_reply: Mapping[str, str]
    failure_reply: Mapping[str, str]
    has_evidence: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    contacts: Mapping[int, ContactRow]
    conversations: Mapping[tuple[int, str], ConversationRow]
    sessions: Mapping[tuple[int, str], SessionRow]
    numbers: Mapping[str, NumberRow]
    refs: Mapping[tuple[str, str], str] = field(default_factory=dict)


_CONTACTS = (
    "SELECT id, name, phone, bsuid, language, timezone, fields, groups, is_opted_out, is_blocked"
    " FROM conversations_contact WHERE "
)
_CONVERSATIONS = (
    "SELECT id, contact_id, phone_number_id, owner, last_inbound_at, unmatched_replied_at,"
    " failure_replied_at, guard, team, waiting_since FROM conversations_conversation WHERE "
)
_SESSIONS = (
    "SELECT id, contact_id, phone_number_id, data, flow_id, flow_hash, campaign_row, steps_count, started_at"
    " FROM conversations_session WHERE state <> 'ended' AND "
)
_NUMBERS = (
    "SELECT phone_number_id, display_phone_number, default_language, default_timezone, unmatched_reply,"
    " failure_reply, has_evidence FROM conversations_number"
)


def load(
    cursor: database.Cursor, claimed: Sequence[Claimed]
) -> tuple[dict[int, list[Input]], Surroundings, datetime]:
    """All that the turns of these lanes need: their inputs, what is around them, the clock."""
    ids = [lane.contact_id for lane in claimed]
    contact = cursor.among("id", "id", ids)
    of_contact = cursor.among("contact_id", "id", ids)
    waiting, contacts, conversations, sessions, numbers, moment = cursor.together(
        inbox.query(cursor, claimed),
        (_CONTACTS + contact.sql, contact.params),
        (_CONVERSATIONS + of_contact.sql, of_contact.params),
        (_SESSIONS + of_contact.sql, of_contact.params),
        (_NUMBERS, []),
        (f"SELECT {clock.COLUMNS}", []),
    )
    inputs = inbox.read(claimed, waiting)
    around = Surroundings(
        contacts=_contacts(contacts),
        conversations=_conversations(conversations),
        sessions=_sessions(sessions),
        numbers=_numbers(numbers),
        refs=_refs(cursor, [one for many in inputs.values() for one in many]),
    )
    return inputs, around, clock.read(*moment[0])


def _contacts(rows: Sequence[database.Row]) -> dict[int, ContactRow]:
    return {
        id_: ContactRow(
            id=id_,
            name=name,
            phone=phone,
            bsuid=bsuid,
            language=language,
            timezone=timezone,
            fields=database.as_json(fields),
            groups=database.as_json(groups),
            is_opted_out=bool(out),
            is_blocked=bool(blocked),
        )
        for id_, name, phone, bsuid, language, timezone, fields, groups, out, blocked in rows
    }


def _conversations(rows: Sequence[database.Row]) -> dict[tuple[int, str], ConversationRow]:
    return {
        (contact_id, number): ConversationRow(
            id=id_,
            contact_id=contact_id,
            number=number,
            owner=owner,
            last_inbound_at=_time(last_inbound_at),
            unmatched_replied_at=_time(unmatched),
            failure_replied_at=_time(failure),
            guard=database.as_json(guard),
            team=team,
            waiting_since=_time(waiting),
        )
        for id_, contact_id, number, owner, last_inbound_at, unmatched, failure, guard, team, waiting in rows
    }


def _sessions(rows: Sequence[database.Row]) -> dict[tuple[int, str], SessionRow]:
    return {
        (contact_id, number): SessionRow(
            id=id_,
            contact_id=contact_id,
            number=number,
            session=Session.from_json(database.as_json(data)),
            flow_id=flow_id,
            flow_hash=flow_hash,
            campaign=database.as_json(campaign),
            journaled=journaled,
            started_at=database.as_time(started_at),
        )
        for id_, contact_id, number, data, flow_id, flow_hash, campaign, journaled, started_at in rows
    }


def _numbers(rows: Sequence[database.Row]) -> dict[str, NumberRow]:
    return {
        number: NumberRow(
            phone_number_id=number,
            display_phone_number=display,
            default_language=language,
            default_timezone=timezone,
            unmatched_reply=database.as_json(unmatched),
            failure_reply=database.as_json(failure),
            has_evidence=bool(evidence),
        )
        for number, display, language, timezone, unmatched, failure, evidence in rows
    }


def _refs(cursor: database.Cursor, inputs: Sequence[Input]) -> dict[tuple[str, str], str]:
    """Which of our messages the customers' messages answer: (number, wamid) -> the engine's ref."""
    wamids = sorted({str(w) for i in inputs if (w := i.payload.get("context_wamid"))})
    if not wamids:
        return {}
    among = cursor.among("wamid", "text", wamids)
    rows = cursor.rows(
        f"SELECT phone_number_id, wamid, ref, id FROM conversations_message WHERE {among.sql}", among.params
    )
    # A message of ours that no flow sent has no ref; it is still not the one that a wait asked with.
    return {(number, wamid): ref or f"message.{id_}" for number, wamid, ref, id_ in rows}


def _time(value: Any) -> datetime | None:
    return None if value is None else database.as_time(value)

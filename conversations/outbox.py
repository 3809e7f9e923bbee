"""The outbox: our handover to Meta, one row a message, in each contact's order; and their bubbles.

``release`` lets rows go to the wire, ``verdicts`` writes what Meta said, ``reconcile`` deals with the unknown.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from conversations import clock, lanes
from flows import database

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
    if not bubbles:
        return
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

"""The invariants of the conversation way, checked from the tables alone: each a query for what breaks it.

Some hold at every moment; those marked ``at_rest`` hold once nothing is under way any more.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from conversations.models.conversation import STATUS_RANK
from conversations.statuses import RANK_SQL
from flows import database

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """``sql`` selects what breaks it; its first column names the culprit."""

    code: str
    says: str
    sql: str
    at_rest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    invariant: Invariant
    count: int
    examples: tuple[str, ...]

    @property
    def is_breach(self) -> bool:
        return self.count > 0


_event_rank = (
    "CASE e.status " + " ".join(f"WHEN '{s}' THEN {r}" for s, r in STATUS_RANK.items()) + " ELSE 0 END"
)

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        code="I2",
        says="each input had its effect once",
        sql="SELECT inbox_id FROM conversations_sessionstep WHERE kind <> 'interrupt' AND inbox_id IS NOT NULL"
        " GROUP BY inbox_id HAVING count(*) > 1",
    ),
    Invariant(
        code="I2",
        says="each message of Meta's is one bubble",
        sql="SELECT min(id) FROM conversations_message WHERE wamid IS NOT NULL"
        " GROUP BY phone_number_id, wamid HAVING count(*) > 1",
    ),
    Invariant(
        code="I3",
        says="at rest every input is done or dead",
        sql="SELECT id FROM conversations_inbox WHERE state = 'new'",
        at_rest=True,
    ),
    Invariant(
        code="I3",
        says="at rest every delivery is split or quarantined",
        sql="SELECT id FROM conversations_webhookdelivery WHERE state = 'raw'",
        at_rest=True,
    ),
    Invariant(
        code="I3",
        says="an input is dead exactly when it has an open dead letter",
        sql="SELECT i.id FROM conversations_inbox AS i WHERE (i.state = 'dead') <> EXISTS ("
        "SELECT 1 FROM flows_deadletter AS d WHERE d.source = 'inbox' AND d.source_id = CAST(i.id AS text)"
        " AND d.resolved_at IS NULL)",
    ),
    Invariant(
        code="I4",
        says="a lane's inputs are numbered without gaps and doubles",
        sql="SELECT contact_id FROM conversations_inbox GROUP BY contact_id"
        " HAVING count(*) <> count(DISTINCT seq)",
    ),
    Invariant(
        code="I4",
        says="a contact's messages are worked on in the order in which they came",
        sql="SELECT later.id FROM conversations_sessionstep AS first"
        " JOIN conversations_inbox AS a ON a.id = first.inbox_id AND a.kind = 'message'"
        " JOIN conversations_sessionstep AS later ON later.id > first.id"
        " JOIN conversations_inbox AS b ON b.id = later.inbox_id AND b.kind = 'message'"
        " AND b.contact_id = a.contact_id WHERE b.seq < a.seq",
    ),
    Invariant(
        code="I4",
        says="the turns of a contact do not overlap: their epochs only rise",
        sql="SELECT later.id FROM conversations_sessionstep AS first JOIN conversations_sessionstep AS later"
        " ON later.session_id = first.session_id AND later.id > first.id WHERE later.epoch < first.epoch",
    ),
    Invariant(
        code="I4",
        says="what a lane says is pending is what waits in its inbox",
        sql="SELECT l.contact_id FROM conversations_lane AS l WHERE l.pending <> ("
        "SELECT count(*) FROM conversations_inbox AS i WHERE i.contact_id = l.contact_id AND i.state = 'new')",
    ),
    Invariant(
        code="I4",
        says="no input waits below the place where its lane looks",
        sql="SELECT i.id FROM conversations_inbox AS i JOIN conversations_lane AS l ON l.contact_id = i.contact_id"
        " WHERE i.state = 'new' AND i.seq < l.low_seq",
    ),
    Invariant(
        code="I5",
        says="every outgoing message has its bubble, and every bubble its message",
        sql="SELECT o.id FROM conversations_outbox AS o LEFT JOIN conversations_message AS m ON m.outbox_id = o.id"
        " WHERE m.id IS NULL UNION ALL SELECT m.outbox_id FROM conversations_message AS m"
        " LEFT JOIN conversations_outbox AS o ON o.id = m.outbox_id"
        " WHERE m.outbox_id IS NOT NULL AND o.id IS NULL",
    ),
    Invariant(
        code="I5",
        says="every outgoing message of a session follows from a turn of its journal",
        sql="SELECT o.id FROM conversations_outbox AS o WHERE o.session_id IS NOT NULL AND NOT EXISTS ("
        "SELECT 1 FROM conversations_sessionstep AS s WHERE s.session_id = o.session_id)",
    ),
    Invariant(
        code="I5",
        says="a journal has no gaps",
        sql="SELECT session_id FROM conversations_sessionstep GROUP BY session_id"
        " HAVING count(*) <> max(step_no) + 1",
    ),
    Invariant(
        code="I6",
        says="accepted means that Meta gave an id",
        sql="SELECT id FROM conversations_outbox WHERE (state = 'accepted') <> (wamid IS NOT NULL)",
    ),
    Invariant(
        code="I6",
        says="no message has two ids of Meta's without an incident",
        sql="SELECT a.outbox_id FROM conversations_sendattempt AS a JOIN conversations_outbox AS o"
        " ON o.id = a.outbox_id WHERE a.wamid IS NOT NULL AND o.wamid IS NOT NULL AND a.wamid <> o.wamid"
        " AND NOT EXISTS (SELECT 1 FROM flows_incident AS i WHERE i.kind = 'double_send' AND i.scope = o.id)",
    ),
    Invariant(
        code="I7",
        says="nothing stays past its deadline without an incident",
        sql="SELECT id FROM conversations_outbox WHERE state = 'parked' AND NOT EXISTS ("
        "SELECT 1 FROM flows_incident AS i WHERE i.kind IN ('parked', 'breaker'))",
    ),
    Invariant(
        code="I7",
        says="at rest no message is between the queue and its verdict",
        sql="SELECT id FROM conversations_outbox WHERE state IN ('leased', 'sending')",
        at_rest=True,
    ),
    Invariant(
        code="I7",
        says="at rest a session that calls has its call",
        sql="SELECT s.id FROM conversations_session AS s WHERE s.state = 'calling' AND NOT EXISTS ("
        "SELECT 1 FROM conversations_call AS c WHERE c.session_id = s.id AND c.state IN ('queued', 'started'))",
        at_rest=True,
    ),
    Invariant(
        code="I8",
        says="a contact's messages left in the order of their creation",
        sql="SELECT later.id FROM conversations_outbox AS first JOIN conversations_outbox AS later"
        " ON later.contact_id = first.contact_id AND later.seq > first.seq"
        " WHERE first.attempt = 1 AND later.attempt > 0 AND later.sent_at < first.sent_at"
        # Of two contacts that were merged each had an order of its own.
        " AND NOT EXISTS (SELECT 1 FROM conversations_lane AS l WHERE l.merged_into = first.contact_id)",
    ),
    Invariant(
        code="I9",
        says="no status was lost and none went back",
        sql="SELECT m.id FROM conversations_message AS m JOIN conversations_statusevent AS e"
        " ON e.phone_number_id = m.phone_number_id AND e.wamid = m.wamid"
        f" WHERE NOT m.is_inbound AND m.status <> 'failed' AND {_event_rank} > {RANK_SQL.format(column='m.status')}",
        at_rest=True,
    ),
)


def check(*, at_rest: bool) -> Iterator[Finding]:
    """Look for breaches; while work is under way only the invariants that hold at every moment are asked."""
    cursor = database.read()
    for invariant in INVARIANTS:
        if at_rest or not invariant.at_rest:
            rows = cursor.rows(invariant.sql)
            examples = tuple(str(row[0]) for row in rows[:SHOWN])
            yield Finding(invariant=invariant, count=len(rows), examples=examples)

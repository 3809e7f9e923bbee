"""End a session from outside of its lane: an operator's move, never a turn's."""

from typing import Any

from conversations import clock, lanes
from conversations.models import Call, Session, Timer
from flows import database, facts

HIDDEN = "•••"


class SessionEnded(Exception):
    """The session is over already."""


def end_session(session_id: str, *, by: str) -> None:
    """End a live session as abandoned and make its timers and calls of no account.

    The lane's epoch is raised first, so that a turn which has the session in hand cannot commit over this; its
    input stays in the inbox and is worked on again, without the session.

    Raises: SessionEnded.
    """
    with database.write() as cursor:
        session = Session.objects.filter(pk=session_id).first()
        if session is None or not _fence(cursor, session):
            raise SessionEnded(session_id)
        now = clock.now(cursor)
        session.refresh_from_db()
        if session.state == "ended":
            raise SessionEnded(session_id)
        session.state, session.outcome, session.ended_at, session.updated_at = "ended", "abandoned", now, now
        session.data = session.data | {"state": "ended", "outcome": "abandoned"}
        session.save(update_fields=["state", "outcome", "ended_at", "updated_at", "data"])
        Timer.objects.filter(session_id=session_id, state="open").update(state="gone")
        Call.objects.filter(session_id=session_id, state="queued").update(state="unknown", done_at=now)
        _record(cursor, session, by)


def _fence(cursor: database.Cursor, session: Session) -> int:
    lanes.create(cursor, [session.contact_id])
    lanes.lock(cursor, [session.contact_id])
    return cursor.run(
        "UPDATE conversations_lane SET epoch = epoch + 1, lease_until = {now}, runnable_at = {now},"
        " turn_attempts = 0, is_calling = %s WHERE contact_id = %s",
        [False, session.contact_id],
    )


def _record(cursor: database.Cursor, session: Session, by: str) -> None:
    fact = facts.Fact(
        at=session.ended_at,
        name="session_ended",
        contact_id=session.contact_id,
        session_id=session.pk,
        flow_id=session.flow_id,
        flow_hash=session.flow_hash,
        step_id=session.step_id,
        phone_number_id=session.phone_number_id,
        data={"outcome": "abandoned", "by": by},
    )
    facts.record(cursor, [fact])


def shown_frames(session: Session) -> list[dict[str, Any]]:
    """The frames of a session, outermost first, as people may see them: what a flow calls sensitive is hidden."""
    stack = session.data.get("frames")
    return (
        [_shown_frame(frame) for frame in stack if isinstance(frame, dict)] if isinstance(stack, list) else []
    )


def _shown_frame(frame: dict[str, Any]) -> dict[str, Any]:
    hidden = frame.get("sensitive", [])
    variables = frame.get("variables", {})
    return {
        "flow": frame.get("flow_id"),
        "step": frame.get("step_id"),
        "variables": {name: HIDDEN if name in hidden else value for name, value in variables.items()},
    }

"""The engine's two doors: `start` a session and `resume` it with an input.

Both are pure: the same session, input, world and time give the same turn.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from flows.engine.answers import find_option
from flows.engine.effects import CallResult, Event, HandBack, Input, Reply, Timer
from flows.engine.progress import EngineError, LimitReached, Progress, StepFailed
from flows.engine.replies import IncomingMessage, as_reply, plain_value
from flows.engine.roots import older_reply
from flows.engine.session import CALLING, ENDED, PAUSED, RUNNING, WAITING, WITH_PERSON, Session, Turn
from flows.engine.steps import PHASES, end_pause, take_call_result, take_hand_back, take_handoff_timeout
from flows.engine.transitions import fail, first_frame, give_up
from flows.engine.waits import (
    expire,
    is_expired,
    is_reminder_due,
    is_stale,
    remind,
    take_reply,
    take_timeout,
    terms_of,
)
from flows.engine.world import World

Action = Callable[[], None]


def start(
    world: World,
    flow_hash: str,
    *,
    session_id: str,
    trigger: IncomingMessage | None = None,
    now: datetime,
    seed: int = 0,  # noqa: ARG001  # drawn and journaled with `now`; no step draws lots yet
) -> Turn:
    """Enter a flow and run to the first wait, call or end.

    Raises: EngineError when nobody has the flow.
    """
    flow = world.flow(flow_hash)
    if flow is None:
        raise EngineError("unknown_flow", f"no flow has the hash {flow_hash}")
    frame = first_frame(flow, dict(flow.variables))
    progress = Progress(world, Session(id=session_id, state=RUNNING, frames=(frame,)), now)
    if trigger:
        _hear(progress, trigger)
        progress.reply = as_reply(trigger, plain_value(trigger))
    progress.record("session_started", hash=flow.hash, trigger=trigger.type if trigger else None)
    return _run(progress, lambda: progress.require_room(progress.frames, progress.reply))


def resume(
    world: World,
    session: Session,
    input: Input,  # noqa: A002  # the word of the design
    *,
    now: datetime,
    seed: int = 0,  # noqa: ARG001  # drawn and journaled with `now`; no step draws lots yet
) -> Turn:
    """Give a session its next input; one that is not current changes nothing.

    Raises: EngineError when nobody has a flow that the session is pinned to.
    """
    progress = Progress(world, session, now)
    action = _action(progress, input)
    return _run(progress, action) if action else Turn(session=session)


def _run(progress: Progress, action: Action) -> Turn:
    _attempt(progress, action)
    while progress.state == RUNNING:
        _attempt(progress, lambda: PHASES[progress.frame.phase](progress))
    return progress.turn()


def _attempt(progress: Progress, action: Action) -> None:
    try:
        action()
    except StepFailed as failure:
        fail(progress, failure)
    except LimitReached as limit:
        give_up(progress, limit)


def _hear(progress: Progress, message: IncomingMessage) -> None:
    """Begin a turn with a message, which also opens the window."""
    progress.begin_turn(older_reply(message))
    heard_at = _moment(message.at) or progress.now
    progress.heard_at = max(heard_at, progress.heard_at or heard_at)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- which inputs are current ------------------------------------------------------------------------


def _action(progress: Progress, given: Input) -> Action | None:
    """Return what the input does to the session, None where it is not current."""
    if progress.state == ENDED:
        return None
    if isinstance(given, Reply):
        return _reply_action(progress, given)
    if isinstance(given, CallResult):
        return _call_action(progress, given)
    if isinstance(given, Timer):
        return _timer_action(progress, given)
    return _hand_back_action(progress, given)


def _reply_action(progress: Progress, given: Reply) -> Action | None:
    message = given.message
    if message.type == "reaction" or progress.state not in (WAITING, PAUSED):
        return None
    _hear(progress, message)
    if progress.state == WAITING:
        return lambda: take_reply(progress, message, given.context_ref)
    if progress.step.spec.get("on_reply") == "resume":
        return lambda: _resume_by_reply(progress, message)
    return lambda: progress.record("reply_ignored", type=message.type)


def _resume_by_reply(progress: Progress, message: IncomingMessage) -> None:
    progress.take(as_reply(message, plain_value(message)), {}, is_sensitive=False)
    end_pause(progress)


def _call_action(progress: Progress, given: CallResult) -> Action | None:
    if progress.state != CALLING or given.id != progress.call_id:
        return None
    return lambda: take_call_result(progress, given)


def _hand_back_action(progress: Progress, _: HandBack) -> Action | None:
    if progress.state != WITH_PERSON:
        return None
    progress.begin_turn(None)
    return lambda: take_hand_back(progress)


def _timer_action(progress: Progress, timer: Timer) -> Action | None:
    if timer.wait_no != progress.wait_no:
        return None
    act = _due(progress, timer.key)
    if act is None:
        return None
    progress.begin_turn(None)
    return lambda: act(progress)


def _due(progress: Progress, key: str) -> Callable[[Progress], None] | None:
    """Return what a timer does in the state the session is in."""
    if progress.state == PAUSED and key == "pause":
        return end_pause
    if progress.state == WITH_PERSON and key == "handoff":
        return take_handoff_timeout
    return _due_in_wait(progress, key) if progress.state == WAITING else None


def _due_in_wait(progress: Progress, key: str) -> Callable[[Progress], None] | None:
    name, _, number = key.partition(":")
    if name == "remind" and number.isdecimal() and is_reminder_due(progress, int(number)):
        return lambda progress: remind(progress, int(number))
    if key == "timeout" and progress.step.wait and progress.step.wait.timeout:
        return take_timeout
    return expire if key == "expire" and is_expired(progress) else None


# --- what the shell asks and does when another flow takes a message ---------------------------------


def is_interruptible(world: World, session: Session) -> bool:
    """Say whether another flow's trigger may break in: no frame says `interrupt: never`."""
    flows = (world.flow(frame.flow_hash) for frame in session.frames)
    return all(flow is None or flow.is_interruptible for flow in flows)


def stop(session: Session, outcome: str, *, reason: str | None = None) -> Turn:
    """End a session from outside: interrupted, merged, migrated; an ended one stays as it is."""
    if session.state == ENDED:
        return Turn(session=session)
    ended = replace(session, state=ENDED, outcome=outcome, reason=reason, question=None, call_id=None)
    data = {"flow": session.flow_id, "step": session.step_id, "outcome": outcome, "reason": reason}
    return Turn(session=ended, effects=(Event(name="session_ended", data={**data, "messages": 0}),))


def current_choice_matches(
    world: World, session: Session, message: IncomingMessage, context_ref: str | None, *, now: datetime
) -> bool:
    """Say whether the session waits for a choice and this message names one of its options."""
    progress = Progress(world, session, now)
    wait = progress.step.wait if session.state == WAITING else None
    if wait is None or wait.type != "choice" or session.question is None:
        return False
    if is_stale(session.question, message, context_ref):
        return False
    terms = terms_of(progress, wait, session.question)
    return find_option(message, terms.options, terms.synonyms) is not None

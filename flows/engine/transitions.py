"""Where a session goes: to the next step, out of a flow, into another, and along a failure's path."""

from typing import Any

from flows.engine.definition import Flow, Step
from flows.engine.effects import Failed
from flows.engine.progress import LimitReached, Progress, StepFailed
from flows.engine.session import RUNNING, Frame

MOST_DEPTH = 8


def go_to(progress: Progress, step_id: str) -> None:
    progress.move(step_id=step_id, phase="enter", index=0, then=None)


def go_on(progress: Progress) -> None:
    """Leave the body of a step: to its post-processors, else to what follows."""
    if progress.step.post_processors:
        progress.move(phase="post", index=0)
    else:
        advance(progress)


def advance(progress: Progress) -> None:
    """Leave the step as its rules say; `then`, which a split or a hand-back set, goes before them."""
    step, frame = progress.step, progress.frame
    if frame.then is not None:
        go_to(progress, frame.then)
        return
    if step.id == progress.flow.end:
        complete(progress)
        return
    _take(progress, step.on_success or _ruled(progress, step))


def pass_over(progress: Progress) -> None:
    """Leave an inactive step: by `on_success`, the else of its rules, or the next in the list."""
    step, flow = progress.step, progress.flow
    progress.record("step_passed_over")
    if step.id == flow.end:
        complete(progress)
    elif step.on_success:
        go_to(progress, step.on_success)
    else:
        otherwise = [rule.step for rule in step.next_step or () if rule.when is None]
        _take(progress, otherwise[0] if otherwise else flow.following[step.id])


def _ruled(progress: Progress, step: Step) -> str | None:
    for rule in step.next_step or ():
        if rule.when is None or progress.is_true(rule.when):
            return rule.step
    return progress.flow.following[step.id]


def _take(progress: Progress, step_id: str | None) -> None:
    if step_id is None:
        complete(progress)
    else:
        go_to(progress, step_id)


# --- flows -------------------------------------------------------------------------------------------


def first_frame(flow: Flow, variables: dict[str, Any]) -> Frame:
    return Frame(flow_id=flow.id, flow_hash=flow.hash, step_id=flow.start, variables=variables)


def find_flow(progress: Progress, flow_id: str) -> Flow | None:
    flow_hash = progress.world.latest(flow_id)
    return progress.world.flow(flow_hash) if flow_hash else None


def enter(progress: Progress, flow: Flow, args: dict[str, Any], *, is_call: bool) -> None:
    """Put a flow on top of the current frame, or in its place.

    Raises: LimitReached where the frames would be too many, StepFailed where their values would.
    """
    if is_call and len(progress.frames) >= MOST_DEPTH:
        raise LimitReached("too_deep", f"flows call each other at most {MOST_DEPTH} deep")
    frame = first_frame(flow, {**flow.variables, **args})
    kept = progress.frames if is_call else progress.frames[:-1]
    progress.require_room([*kept, frame], progress.reply)
    if not is_call:
        progress.pop()
    progress.push(frame)
    progress.record("flow_entered", hash=flow.hash, mode="call" if is_call else "goto")


def complete(progress: Progress) -> None:
    finish(progress, "completed")


def finish(progress: Progress, outcome: str, reason: str | None = None, result: Any = None) -> None:
    """End the innermost flow: on to its `next_flow`, back to the caller, or to the session's end.

    Raises: StepFailed in the caller's step when the outcome is none that it goes on from.
    """
    if outcome == "completed" and not progress.closing and _enter_next_flow(progress):
        return
    if len(progress.frames) == 1:
        progress.end(progress.closing or outcome, reason)
        return
    progress.record("flow_ended", outcome=outcome, reason=reason)
    child = progress.flow.id
    progress.pop()
    _save_child(progress, {"outcome": outcome, "reason": reason, "result": result})
    if outcome != "completed":
        raise StepFailed("child_failed", f'the flow "{child}" ended {outcome}', reason)
    progress.move(phase="post", index=0)


def _enter_next_flow(progress: Progress) -> bool:
    flow = progress.flow
    if flow.next_flow is None:
        return False
    following = find_flow(progress, flow.next_flow)
    if following is None:
        progress.record("next_flow_missing", next_flow=flow.next_flow)
        return False
    enter(progress, following, carried(progress, following), is_call=False)
    return True


def carried(progress: Progress, target: Flow) -> dict[str, Any]:
    """Return the variables that one flow of the older dialect leaves to the next: all; any other: none."""
    if progress.flow.is_older and target.is_older:
        return dict(progress.frame.variables)
    return {}


def _save_child(progress: Progress, record: dict[str, Any]) -> None:
    save_as = progress.step.save_as
    if save_as:
        progress.save({save_as: record})


# --- failures ----------------------------------------------------------------------------------------


def fail(progress: Progress, failure: StepFailed) -> None:
    """Record a failure and take the first path that is there: step, frame, caller, and so on outward."""
    record_failure(progress, failure.code, failure.message, failure.detail)
    _stop_waiting(progress)
    target = (progress.step.on_unknown if failure.is_unknown else None) or progress.step.on_fail
    while not _took(progress, target):
        if len(progress.frames) == 1:
            progress.end(progress.closing or "failed", failure.code)
            return
        progress.record("flow_ended", outcome="failed", reason=failure.code)
        progress.pop()
        _save_failed_child(progress, failure.code)
        target = progress.step.on_fail


def _stop_waiting(progress: Progress) -> None:
    progress.state = RUNNING
    progress.question = None
    progress.call_id = None


def _took(progress: Progress, target: str | None) -> bool:
    """Go to the step's own target, else once to the frame's `on_error`."""
    flow = progress.flow
    if target is None and flow.on_error and not progress.frame.has_used_on_error:
        target = flow.on_error
        progress.move(has_used_on_error=True)
    if target is None:
        return False
    go_to(progress, target)
    return True


def _save_failed_child(progress: Progress, reason: str) -> None:
    try:
        _save_child(progress, {"outcome": "failed", "reason": reason, "result": None})
    except StepFailed as refused:
        record_failure(progress, refused.code, refused.message, refused.detail)


def give_up(progress: Progress, limit: LimitReached) -> None:
    """Give the root's `on_error` its last words after a limit; without one the session ends failed."""
    record_failure(progress, limit.code, limit.message, None)
    _stop_waiting(progress)
    last_words = progress.flow_of(progress.frames[0]).on_error
    if progress.closing or last_words is None:
        progress.end(progress.closing or "failed", limit.code)
        return
    progress.begin_last_words("failed", limit.code)
    progress.move(has_used_on_error=True)
    go_to(progress, last_words)


def record_failure(
    progress: Progress, code: str, message: str, detail: Any, *, event: str = "step_failed"
) -> None:
    progress.effects.append(
        Failed(
            code=code,
            flow_id=progress.flow.id,
            step_id=progress.step.shown_as,
            message=message,
            detail=detail,
        )
    )
    progress.record(event, code=code, message=message)
    if code == "window_closed":
        progress.record("window_closed")

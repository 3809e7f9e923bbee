"""The types of steps, and the phases that each goes through: enter, pre, body, (wait), post.

Adding a type is one function and one row in BODIES.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from flows.engine.calls import call_api, call_processor, result_failure, take_result
from flows.engine.dates import NoDate, moment_after
from flows.engine.definition import ProcessorCall
from flows.engine.durations import parse_duration
from flows.engine.effects import CallResult, Handoff, Publish, SetConsent, SetContact, SetGroups, SetTimer
from flows.engine.progress import LimitReached, Progress, StepFailed
from flows.engine.sending import queue, rendered
from flows.engine.session import PAUSED, RUNNING, WITH_PERSON
from flows.engine.transitions import (
    advance,
    carried,
    complete,
    enter,
    find_flow,
    finish,
    go_on,
    go_to,
    pass_over,
    record_failure,
)
from flows.engine.waits import ask

MOST_STEPS = {None: 100, "expired": 100, "failed": 10}
MOST_SESSION_STEPS = 1_000
OWN_FIELDS = frozenset({"name", "language", "timezone"})


def _enter(progress: Progress) -> None:
    most = MOST_STEPS[progress.closing]
    if progress.turn_steps >= most:
        raise LimitReached("too_many_steps", f"a turn takes at most {most} steps")
    if progress.steps >= MOST_SESSION_STEPS and not progress.closing:
        raise LimitReached("session_too_long", f"a session takes at most {MOST_SESSION_STEPS} steps")
    progress.turn_steps += 1
    progress.steps += 1
    step = progress.step
    if not step.is_active:
        pass_over(progress)
        return
    progress.record("step_entered", type=step.type)
    progress.move(phase="pre" if step.pre_processors else "body", index=0)


def _run_pre(progress: Progress) -> None:
    if not _run_entry(progress, progress.step.pre_processors):
        progress.move(phase="body", index=0)


def _run_post(progress: Progress) -> None:
    if not _run_entry(progress, progress.step.post_processors):
        advance(progress)


def _run_entry(progress: Progress, entries: tuple[ProcessorCall, ...]) -> bool:
    """Call the next processor of a list; False when all have run."""
    index = progress.frame.index
    if index >= len(entries):
        return False
    try:
        is_called = call_processor(progress, entries[index])
    except StepFailed as failure:
        _excuse(progress, entries[index], failure)
        is_called = False
    if not is_called:
        progress.move(index=index + 1)
    return True


def _excuse(progress: Progress, entry: ProcessorCall, failure: StepFailed) -> None:
    """Let a failed entry pass that says `continue`; what it would have saved is null."""
    if not entry.continues:
        raise failure
    record_failure(progress, failure.code, failure.message, failure.detail, event="processor_failure_passed")
    if entry.save_as:
        progress.save({entry.save_as: None})


def take_call_result(progress: Progress, result: CallResult) -> None:
    """Go on with the step whose call came back.

    Raises: StepFailed when the call failed and its entry does not say `continue`.
    """
    phase, index = progress.frame.phase, progress.frame.index
    if phase == "body":
        if not _taken(progress, result, progress.step.save_as):
            go_on(progress)
        return
    entries = progress.step.pre_processors if phase == "pre" else progress.step.post_processors
    entry = entries[index]
    try:
        has_moved = _taken(progress, result, entry.save_as)
    except StepFailed as failure:
        _excuse(progress, entry, failure)
        has_moved = False
    if not has_moved:
        progress.move(index=index + 1)


def _taken(progress: Progress, result: CallResult, save_as: str | None) -> bool:
    if result.outcome != "ok":
        raise result_failure(progress, result)
    return take_result(progress, result, save_as)


# --- the body of each type ---------------------------------------------------------------------------


def _say(progress: Progress) -> None:
    step = progress.step
    contents = rendered(progress, step.content, step.id)
    asks = step.wait is not None and not progress.closing
    refs = queue(progress, contents, asks=asks) if contents else []
    if asks:
        ask(progress, contents, refs)
    elif step.wait is not None:
        _close(progress)
    else:
        go_on(progress)


def _close(progress: Progress) -> None:
    """End a session that is saying its last words where any other would wait."""
    progress.end(progress.closing or "completed", progress.reason)


def _set(progress: Progress) -> None:
    """Apply all entries of one step to the state before it."""
    spec = progress.step.spec
    variables = progress.value(spec.get("set") or {})
    contact = progress.value(spec.get("contact") or {})
    groups = {
        name: tuple(progress.print(group) for group in _listed((spec.get("groups") or {}).get(name)))
        for name in ("add", "remove")
    }
    progress.save(variables)
    if contact:
        progress.effects.append(SetContact(values=contact))
        progress.know(_with_fields(progress.contact, contact))
    if any(groups.values()):
        progress.effects.append(SetGroups(**groups))
        progress.know(_with_groups(progress.contact, groups))
    if spec.get("consent"):
        progress.effects.append(SetConsent(value=spec["consent"]))
    progress.record("values_set", variables=progress.masked(variables), contact=contact)
    go_on(progress)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _with_fields(contact: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in values.items() if name in OWN_FIELDS}
    others = {name: value for name, value in values.items() if name not in OWN_FIELDS}
    return {**contact, **own, "fields": {**(contact.get("fields") or {}), **others}}


def _with_groups(contact: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    kept = [group for group in contact.get("groups") or () if group not in groups["remove"]]
    return {**contact, "groups": list(dict.fromkeys([*kept, *groups["add"]]))}


def _call_api(progress: Progress) -> None:
    spec = progress.step.spec
    call_api(progress, spec["api"], spec.get("args"))


def _call_processor(progress: Progress) -> None:
    spec = progress.step.spec
    call_processor(progress, ProcessorCall(name=spec["name"], args=spec.get("args")))


def _enter_flow(progress: Progress) -> None:
    spec = progress.step.spec
    target = find_flow(progress, spec["flow"])
    if target is None and progress.flow.is_older:
        progress.record("next_flow_missing", next_flow=spec["flow"])
        complete(progress)
        return
    if target is None:
        raise StepFailed("flow_missing", f'there is no flow "{spec["flow"]}"')
    args = {**carried(progress, target), **progress.value(spec.get("args") or {})}
    enter(progress, target, args, is_call=spec.get("mode", "call") == "call")


def _pause(progress: Progress) -> None:
    seconds = _pause_seconds(progress)
    if seconds <= 0:
        go_on(progress)
    elif progress.closing:
        _close(progress)
    else:
        progress.wait_no += 1
        progress.state = PAUSED
        progress.record("paused", seconds=seconds)
        progress.effects.append(SetTimer(key="pause", wait_no=progress.wait_no, after_seconds=seconds))


def _pause_seconds(progress: Progress) -> float:
    spec = progress.step.spec
    try:
        if spec.get("for"):
            return parse_duration(spec["for"])
        until = str(progress.value(spec.get("until") or "now"))
        return (moment_after(until, progress.local_now) - progress.now).total_seconds()
    except (NoDate, ValueError, OverflowError) as problem:
        raise StepFailed("pause_unreadable", str(problem)) from None


def end_pause(progress: Progress) -> None:
    progress.state = RUNNING
    progress.record("pause_ended")
    go_on(progress)


def _split(progress: Progress) -> None:
    step, flow = progress.step, progress.flow
    who = progress.contact.get("user_id") or progress.contact.get("phone") or progress.session.id
    digest = hashlib.sha256(f"{who}:{flow.id}:{step.id}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64 * sum(arm.weight for arm in step.arms)
    chosen = step.arms[-1]
    for arm in step.arms:
        place -= arm.weight
        if place < 0:
            chosen = arm
            break
    progress.record("arm_chosen", arm=chosen.name)
    if chosen.step is None:
        complete(progress)
    else:
        progress.move(phase="post", index=0, then=chosen.step)


def _hand_off(progress: Progress) -> None:
    step = progress.step
    note = step.spec.get("note")
    printed = progress.print(note) if note else None
    contents = rendered(progress, step.content, step.id)
    if contents:
        queue(progress, contents)
    keeps = bool(step.spec.get("step") or step.timeout) and not progress.closing
    team = step.spec.get("team")
    progress.effects.append(Handoff(team=team, note=printed, keeps_session=keeps))
    progress.record("handed_off", team=team)
    if not keeps:
        progress.end(progress.closing or "handed_off", progress.reason)
        return
    progress.wait_no += 1
    progress.state = WITH_PERSON
    if step.timeout:
        after = step.timeout.after
        progress.effects.append(SetTimer(key="handoff", wait_no=progress.wait_no, after_seconds=after))


def take_hand_back(progress: Progress) -> None:
    progress.state = RUNNING
    progress.record("handed_back")
    progress.move(phase="post", index=0, then=progress.step.spec.get("step") or None)


def take_handoff_timeout(progress: Progress) -> None:
    """Go on without a person.

    Raises: StepFailed when the step names no way on.
    """
    timeout = progress.step.timeout
    progress.state = RUNNING
    progress.record("handoff_timed_out")
    if timeout is None or timeout.step is None:
        raise StepFailed("handoff_timed_out", "nobody handed the conversation back in time")
    go_to(progress, timeout.step)


def _publish(progress: Progress) -> None:
    spec = progress.step.spec
    data = progress.storable(progress.value(spec.get("data")))
    progress.effects.append(Publish(event=spec["event"], data=data))
    progress.record("published", event=spec["event"])
    go_on(progress)


def _end(progress: Progress) -> None:
    spec = progress.step.spec
    reason = progress.print(spec["reason"]) if spec.get("reason") else None
    result = progress.storable(progress.value(spec.get("result")))
    finish(progress, spec.get("outcome") or "completed", reason, result)


BODIES: dict[str, Callable[[Progress], None]] = {
    "message": _say,
    "branch": go_on,
    "set": _set,
    "api": _call_api,
    "processor": _call_processor,
    "flow": _enter_flow,
    "pause": _pause,
    "split": _split,
    "handoff": _hand_off,
    "publish": _publish,
    "end": _end,
}
PHASES: dict[str, Callable[[Progress], None]] = {
    "enter": _enter,
    "pre": _run_pre,
    "body": lambda progress: BODIES[progress.step.type](progress),
    "post": _run_post,
}

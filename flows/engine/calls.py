"""Calls of processors and APIs: out as the last effect of a segment, and in again as its result."""

from collections.abc import Mapping
from typing import Any

from flows.engine.definition import ProcessorCall, ProcessorInfo
from flows.engine.effects import Call, CallResult
from flows.engine.progress import Progress, StepFailed
from flows.engine.roots import older_user_id
from flows.engine.sending import queue, require_allowed
from flows.engine.session import CALLING, RUNNING
from flows.engine.transitions import go_to

OLDER_OWN_NAMES = ("user_id", "user_response")


def call_processor(progress: Progress, entry: ProcessorCall) -> bool:
    """Put out the call of one processor; False when it is not there and the flow goes on without it.

    Raises: StepFailed when its arguments cannot be rendered, or it is not there.
    """
    info = progress.world.processors(entry.name, progress.flow.id)
    if info is None:
        progress.record("processor_missing", processor=entry.name)
        if not progress.flow.is_older:
            raise StepFailed("processor_missing", f'there is no processor "{entry.name}"')
        return False
    if progress.flow.is_older:
        _put_out(progress, "processor", entry.name, _older_payload(progress, entry.args), info)
    else:
        _put_out(progress, "processor", entry.name, progress.value(entry.args or {}), info)
    return True


def call_api(progress: Progress, name: str, args: Any) -> None:
    _put_out(progress, "api", name, progress.value(args or {}), None)


def _put_out(
    progress: Progress, kind: str, name: str, args: Mapping[str, Any], info: ProcessorInfo | None
) -> None:
    if progress.closing == "expired":
        # Last words of an expired session are one segment, and a call would end it.
        progress.record("call_skipped", call=name)
        progress.end("expired")
        return
    call_id = progress.next_ref()
    progress.record("call_started", id=call_id, kind=kind, call=name)
    progress.effects.append(
        Call(
            id=call_id,
            kind=kind,
            name=name,
            args=args,
            context=_context(progress),
            timeout_seconds=info.timeout_seconds if info else None,
            idempotent=info.idempotent if info else None,
            older=progress.flow.is_older,
        )
    )
    progress.state = CALLING
    progress.call_id = call_id


def _context(progress: Progress) -> dict[str, Any]:
    flow = progress.flow
    return {
        "contact": dict(progress.contact),
        "variables": dict(progress.frame.variables),
        "reply": dict(progress.reply) if progress.reply else None,
        "flow": {"id": flow.id, "hash": flow.hash},
        "step": progress.step.shown_as,
        "now": progress.now.isoformat(),
        "language": progress.language,
        "user_id": older_user_id(progress.contact),
    }


def _older_payload(progress: Progress, template: Any) -> dict[str, Any]:
    """Return the payload of an older processor; its own keys become session variables."""
    text = (progress.turn_reply or {}).get("user_response")
    payload = {"user_response": text} if template is None else progress.loose_value(template)
    if not isinstance(payload, dict):
        payload = {"user_response": payload}
    own = {key: value for key, value in payload.items() if key not in OLDER_OWN_NAMES}
    progress.save(own)
    return {**payload, "user_id": older_user_id(progress.contact)}


def take_result(progress: Progress, result: CallResult, save_as: str | None) -> bool:
    """Take in what a successful call gave; True when it sent the session to another step.

    Raises: StepFailed when the value cannot be kept, or what it sends or names is not there.
    """
    progress.state = RUNNING
    progress.call_id = None
    saved = _saved(progress, result.value, save_as)
    progress.save(saved)
    progress.record("call_succeeded", id=result.id, variables=progress.masked(saved))
    if result.send:
        queue(progress, _contents(result.send))
    if result.go_to is None:
        return False
    if result.go_to not in progress.flow.steps:
        raise StepFailed(
            "go_to_missing", f'the processor named "{result.go_to}", which is no step of this flow'
        )
    go_to(progress, result.go_to)
    return True


def _saved(progress: Progress, value: Any, save_as: str | None) -> dict[str, Any]:
    if progress.flow.is_older:
        return {str(key): entry for key, entry in value.items()} if isinstance(value, dict) else {}
    return {save_as: value} if save_as else {}


def _contents(send: tuple[Any, ...]) -> list[Any]:
    contents = [{"type": "text", "body": entry} if isinstance(entry, str) else entry for entry in send]
    for content in contents:
        require_allowed(content)
    return contents


def result_failure(progress: Progress, result: CallResult) -> StepFailed:
    """Record a call that failed, or whose outcome nobody knows, and return it as a failure of the step."""
    progress.state = RUNNING
    progress.call_id = None
    is_unknown = result.outcome == "unknown"
    code = "call_unknown" if is_unknown else "call_failed"
    progress.record(code, id=result.id, reason=result.reason)
    return StepFailed(code, result.reason or f"the call ended {result.outcome}", is_unknown=is_unknown)

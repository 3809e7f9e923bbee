"""A flow as frozen dataclasses, made once per version from a valid, canonical document."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.durations import parse_duration
from flows.engine.keys import OLDER_MARK, SHOWN_AS_MARK

DEFAULT_EXPIRE_AFTER = "23h"
DEFAULT_RETRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorInfo:
    """What a processor declares of itself, as far as the engine needs it."""

    name: str
    timeout_seconds: float | None = None
    idempotent: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    when: str | None
    step: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorCall:
    name: str
    args: Any = None
    save_as: str | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    id: str
    title: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    content: tuple[Mapping[str, Any], ...] = ()
    max: int = DEFAULT_RETRIES
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    after: float
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    after: float
    content: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    type: str
    save_as: str | None = None
    sensitive: bool = False
    retry: Retry = Retry()
    timeout: Timeout | None = None
    remind: tuple[Reminder, ...] = ()
    choices: tuple[Choice, ...] = ()
    synonyms: Mapping[str, tuple[str, ...]]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    name: str
    weight: float
    step: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what all types share, and the keys of its own type in `spec`."""

    id: str
    type: str
    name: str
    shown_as: str
    is_active: bool
    pre_processors: tuple[ProcessorCall, ...]
    post_processors: tuple[ProcessorCall, ...]
    next_step: tuple[Rule, ...] | None
    on_success: str | None
    on_fail: str | None
    on_unknown: str | None
    content: tuple[Mapping[str, Any], ...]
    wait: Wait | None
    timeout: Timeout | None
    arms: tuple[Arm, ...]
    save_as: str | None
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    flow_id: str
    flow_hash: str
    type: str
    match: str = "exact"
    text: str = ""
    id: str | None = None
    accents: bool = True
    is_active: bool = True
    number: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    not_groups: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    id: str
    hash: str
    name: str
    description: str
    is_active: bool
    is_older: bool
    triggers: tuple[Trigger, ...]
    start: str
    end: str | None
    steps: Mapping[str, Step]
    following: Mapping[str, str | None]
    next_flow: str | None
    variables: Mapping[str, Any]
    dataset: str | None
    language: str | None
    translations: Mapping[str, Mapping[str, str]]
    expire_after: float
    on_expire: str | None
    is_interruptible: bool
    reentry: Any
    on_error: str | None


def flow_hash(document: Any) -> str:
    """Return the SHA-256 of the canonical JSON: key order and white space do not count."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_flow(document: Mapping[str, Any], flow_hash: str) -> Flow:
    """Build the definition of a valid canonical document.

    Raises: KeyError, TypeError or ValueError on a document that was not validated.
    """
    steps = [_step(raw) for raw in document["steps"]]
    ids: list[str | None] = [step.id for step in steps]
    settings = document.get("settings") or {}
    return Flow(
        id=document["id"],
        hash=flow_hash,
        name=document.get("name") or document["id"],
        description=document.get("description") or "",
        is_active=document.get("is_active", True),
        is_older=document.get(OLDER_MARK) == "older",
        triggers=parse_triggers(document, flow_hash),
        start=document.get("start") or steps[0].id,
        end=document.get("end") or None,
        steps={step.id: step for step in steps},
        following=dict(zip([step.id for step in steps], [*ids[1:], None], strict=True)),
        next_flow=document.get("next_flow") or None,
        variables=document.get("variables") or {},
        dataset=document.get("dataset") or None,
        language=document.get("language") or None,
        translations=document.get("translations") or {},
        expire_after=parse_duration(settings.get("expire_after", DEFAULT_EXPIRE_AFTER)),
        on_expire=settings.get("on_expire") or None,
        is_interruptible=settings.get("interrupt", "keywords") != "never",
        reentry=settings.get("reentry", "always"),
        on_error=document.get("on_error") or None,
    )


def parse_triggers(document: Mapping[str, Any], flow_hash: str) -> tuple[Trigger, ...]:
    raw = document.get("trigger")
    if raw is None:
        return ()
    entries = raw if isinstance(raw, list) else [raw]
    return tuple(_trigger(entry, document, flow_hash) for entry in entries)


def _trigger(raw: Any, document: Mapping[str, Any], flow_hash: str) -> Trigger:
    fields: Mapping[str, Any] = {"type": "keyword", "text": raw} if isinstance(raw, str) else raw
    kind = fields["type"]
    own_id = {"button": "id", "referral": "source_id", "media": "kind"}.get(kind, "")
    return Trigger(
        flow_id=document["id"],
        flow_hash=flow_hash,
        type=kind,
        match=fields.get("match", "exact"),
        text=fields.get("text", ""),
        id=fields.get(own_id),
        accents=fields.get("accents", True),
        is_active=document.get("is_active", True),
        number=_words(fields.get("number")),
        groups=_words(fields.get("groups")),
        not_groups=_words(fields.get("not_groups")),
        hours=_words(fields.get("hours")),
    )


def _words(raw: Any) -> tuple[str, ...]:
    if raw is None:
        return ()
    return tuple(raw) if isinstance(raw, list) else (raw,)


def _step(raw: Mapping[str, Any]) -> Step:
    kind = raw.get("type", "message")
    return Step(
        id=raw["id"],
        type=kind,
        # The name of a `processor` step is the processor's.
        name=raw["id"] if kind == "processor" else raw.get("name") or raw["id"],
        shown_as=raw.get(SHOWN_AS_MARK) or raw["id"],
        is_active=raw.get("is_active", True),
        pre_processors=_processor_calls(raw.get("pre_processors")),
        post_processors=_processor_calls(raw.get("post_processors")),
        next_step=_rules(raw["next_step"]) if "next_step" in raw else None,
        on_success=raw.get("on_success") or None,
        on_fail=raw.get("on_fail") or None,
        on_unknown=raw.get("on_unknown") or None,
        content=as_contents(raw.get("content")),
        wait=_wait(raw["wait_for"]) if raw.get("wait_for") else None,
        timeout=_timeout(raw.get("timeout")),
        arms=tuple(_arm(arm, number) for number, arm in enumerate(raw.get("arms") or (), 1)),
        save_as=raw.get("save_as") or None,
        spec=raw,
    )


def _rules(raw: Any) -> tuple[Rule, ...]:
    if not isinstance(raw, list):
        return (Rule(when=None, step=raw or None),)
    return tuple(Rule(when=rule.get("when"), step=rule.get("step") or None) for rule in raw)


def _processor_calls(raw: Any) -> tuple[ProcessorCall, ...]:
    return tuple(_processor_call(entry) for entry in raw or ())


def _processor_call(raw: Any) -> ProcessorCall:
    if isinstance(raw, str):
        return ProcessorCall(name=raw)
    return ProcessorCall(
        name=raw["name"],
        args=raw.get("args"),
        save_as=raw.get("save_as") or None,
        continues=raw.get("on_fail") == "continue",
    )


def as_contents(raw: Any) -> tuple[Mapping[str, Any], ...]:
    """Return one content or a list of them as a tuple."""
    if not raw:
        return ()
    return tuple(raw) if isinstance(raw, list) else (raw,)


def _wait(raw: Mapping[str, Any]) -> Wait:
    return Wait(
        type=raw["type"],
        save_as=raw.get("save_as") or None,
        sensitive=raw.get("sensitive", False),
        retry=_retry(raw.get("retry")),
        timeout=_timeout(raw.get("timeout")),
        remind=tuple(
            Reminder(after=parse_duration(entry["after"]), content=as_contents(entry["content"]))
            for entry in raw.get("remind") or ()
        ),
        choices=tuple(
            Choice(id=entry["id"], title=entry["title"], synonyms=_words(entry.get("synonyms")))
            for entry in raw.get("choices") or ()
        ),
        synonyms={key: _words(words) for key, words in (raw.get("synonyms") or {}).items()},
        options=raw,
    )


def _retry(raw: Mapping[str, Any] | None) -> Retry:
    if not raw:
        return Retry()
    return Retry(
        content=as_contents(raw.get("content")),
        max=raw.get("max", DEFAULT_RETRIES),
        step=raw.get("step") or None,
    )


def _timeout(raw: Mapping[str, Any] | None) -> Timeout | None:
    if not raw:
        return None
    return Timeout(after=parse_duration(raw["after"]), step=raw.get("step") or None)


def _arm(raw: Mapping[str, Any], number: int) -> Arm:
    return Arm(name=raw.get("name") or str(number), weight=raw.get("weight", 1), step=raw.get("step") or None)

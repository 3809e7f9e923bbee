"""What goes into a turn and what comes out of it; everything goes to JSON and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from flows.engine.replies import IncomingMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The customer's message; `context_ref` is the ref of our message that it answers, if we can tell."""

    kind: ClassVar[str] = "reply"
    message: IncomingMessage
    context_ref: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"input": self.kind, "message": self.message.to_json(), "context_ref": self.context_ref}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What a call came to. Shapes: `outcome` is ok, failed or unknown; `send` are contents to be sent."""

    kind: ClassVar[str] = "call_result"
    id: str
    outcome: str
    value: Any = None
    go_to: str | None = None
    send: tuple[Any, ...] = ()
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"input": self.kind, **_fields(self), "send": list(self.send)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A timer that fell due. Shapes: `key` is timeout, remind:<n>, pause, expire or handoff."""

    kind: ClassVar[str] = "timer"
    key: str
    wait_no: int

    def to_json(self) -> dict[str, Any]:
        return {"input": self.kind, **_fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """A person gave the conversation back to the bot."""

    kind: ClassVar[str] = "hand_back"

    def to_json(self) -> dict[str, Any]:
        return {"input": self.kind}


Input = Reply | CallResult | Timer | HandBack


def input_from_json(record: Mapping[str, Any]) -> Input:
    """Read an input back from its JSON.

    Raises: KeyError or TypeError for what no input wrote.
    """
    rest = {key: value for key, value in record.items() if key != "input"}
    if record["input"] == Reply.kind:
        rest["message"] = IncomingMessage.from_json(rest["message"])
    if record["input"] == CallResult.kind:
        rest["send"] = tuple(rest["send"])
    made: Input = _INPUTS[record["input"]](**rest)
    return made


_INPUTS: dict[str, Any] = {kind.kind: kind for kind in (Reply, CallResult, Timer, HandBack)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message to the contact, wholly rendered; `asks` marks one whose answer a wait expects."""

    kind: ClassVar[str] = "send"
    ref: str
    content: Mapping[str, Any]
    asks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A processor or API call; it ends the segment, and a CallResult with its id continues the turn."""

    kind_of_effect: ClassVar[str] = "call"
    id: str
    kind: str
    name: str
    args: Mapping[str, Any]
    context: Mapping[str, Any]
    timeout_seconds: float | None = None
    idempotent: bool | None = None
    older: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """A timer of a wait; one with the same key and wait number takes the place of the earlier one."""

    kind: ClassVar[str] = "set_timer"
    key: str
    wait_no: int
    after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetContact:
    """New values of the contact: name, language and timezone are its own, all else are its fields."""

    kind: ClassVar[str] = "set_contact"
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGroups:
    kind: ClassVar[str] = "set_groups"
    add: tuple[str, ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConsent:
    kind: ClassVar[str] = "set_consent"
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    kind: ClassVar[str] = "handoff"
    team: str | None
    note: str | None
    keeps_session: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    kind: ClassVar[str] = "publish"
    event: str
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An author's mistake, or a call that failed: recorded, and the flow took its failure's path."""

    kind: ClassVar[str] = "failed"
    code: str
    flow_id: str
    step_id: str
    message: str
    detail: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, in the past tense, with flow and step in its data: the trace."""

    kind: ClassVar[str] = "event"
    name: str
    data: Mapping[str, Any]


Effect = Send | Call | SetTimer | SetContact | SetGroups | SetConsent | Handoff | Publish | Failed | Event


def effect_to_json(effect: Effect) -> dict[str, Any]:
    return {"effect": _kind_of(type(effect)), **_fields(effect)}


def effect_from_json(record: Mapping[str, Any]) -> Effect:
    """Read an effect back from its JSON.

    Raises: KeyError or TypeError for what no effect wrote.
    """
    rest = {key: value for key, value in record.items() if key != "effect"}
    if record["effect"] == SetGroups.kind:
        rest = {key: tuple(names) for key, names in rest.items()}
    made: Effect = _EFFECTS[record["effect"]](**rest)
    return made


def _kind_of(kind: Any) -> str:
    return str(getattr(kind, "kind_of_effect", None) or kind.kind)


def _fields(record: Any) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__slots__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


_EFFECTS: dict[str, Any] = {
    _kind_of(kind): kind
    for kind in (Send, Call, SetTimer, SetContact, SetGroups, SetConsent, Handoff, Publish, Failed, Event)
}

"""A session: one walk of a contact through a flow, as plain frozen data that goes to JSON and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.effects import (
    Call,
    CallResult,
    Effect,
    Event,
    Failed,
    HandBack,
    Handoff,
    Input,
    Publish,
    Reply,
    Send,
    SetConsent,
    SetContact,
    SetGroups,
    SetTimer,
    Timer,
    effect_from_json,
    effect_to_json,
    input_from_json,
)

__all__ = [
    "Call",
    "CallResult",
    "Effect",
    "Event",
    "Failed",
    "Frame",
    "HandBack",
    "Handoff",
    "Input",
    "Publish",
    "Question",
    "Reply",
    "Send",
    "Session",
    "SetConsent",
    "SetContact",
    "SetGroups",
    "SetTimer",
    "Timer",
    "Turn",
    "effect_from_json",
    "effect_to_json",
    "input_from_json",
]

RUNNING, WAITING, CALLING, PAUSED, WITH_PERSON, ENDED = (
    "running",
    "waiting",
    "calling",
    "paused",
    "with_person",
    "ended",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A flow inside a session and the place in it.

    Shapes: `phase` is enter, pre, body, wait or post; `index` the processor within pre or post; `then` the
    step that follows whatever the rules say.
    """

    flow_id: str
    flow_hash: str
    step_id: str
    phase: str = "enter"
    index: int = 0
    then: str | None = None
    has_used_on_error: bool = False
    variables: Mapping[str, Any]
    sensitive: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        record = {name: getattr(self, name) for name in self.__slots__} | {"sensitive": list(self.sensitive)}
        return {name: value for name, value in record.items() if value or name == "variables"}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Frame":
        return cls(**{**record, "sensitive": tuple(record.get("sensitive", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a waiting session asked: the refs of the messages that asked, and what can be tapped in them.

    Units: `asked_at` and `silent_since` are ISO 8601.
    """

    refs: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    tries: int = 0
    stale_taps: int = 0
    reminders: int = 0
    asked_at: str
    silent_since: str

    def to_json(self) -> dict[str, Any]:
        record = {name: getattr(self, name) for name in self.__slots__}
        return record | {"refs": list(self.refs), "options": [list(option) for option in self.options]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Question":
        options = tuple((entry[0], entry[1]) for entry in record["options"])
        return cls(**{**record, "refs": tuple(record["refs"]), "options": options})


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The state between two inputs.

    Shapes: `state` and `outcome` are those of the product's table of states; `closing` is the outcome of a
    session that is saying its last words. `turn_*` belong to the turn, which calls may break into segments: its
    steps and messages so far (counted anew for last words), all that it said, and its older reply names.
    """

    id: str
    state: str
    outcome: str | None = None
    reason: str | None = None
    frames: tuple[Frame, ...]
    counter: int = 0
    wait_no: int = 0
    steps: int = 0
    reply: Mapping[str, Any] | None = None
    question: Question | None = None
    call_id: str | None = None
    closing: str | None = None
    turn_steps: int = 0
    turn_messages: int = 0
    turn_said: int = 0
    turn_reply: Mapping[str, Any] | None = None

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    @property
    def flow_id(self) -> str:
        return self.frame.flow_id

    @property
    def flow_hash(self) -> str:
        return self.frame.flow_hash

    @property
    def step_id(self) -> str:
        return self.frame.step_id

    @property
    def variables(self) -> Mapping[str, Any]:
        return self.frame.variables

    @property
    def root_flow_id(self) -> str:
        return self.frames[0].flow_id

    def to_json(self) -> dict[str, Any]:
        """Return the session as JSON; what is null or zero is left out."""
        record = {name: getattr(self, name) for name in self.__slots__}
        record["frames"] = [frame.to_json() for frame in self.frames]
        record["question"] = self.question.to_json() if self.question else None
        return {name: value for name, value in record.items() if value not in (None, 0)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Session":
        fields = dict(record)
        fields["frames"] = tuple(Frame.from_json(frame) for frame in record["frames"])
        if "question" in record:
            fields["question"] = Question.from_json(record["question"])
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    session: Session
    effects: tuple[Effect, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "session": self.session.to_json(),
            "effects": [effect_to_json(effect) for effect in self.effects],
        }

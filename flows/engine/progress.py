"""One turn in the making: the session opened for change, and the effects gathered so far."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from flows.engine.dateformat import zone_of
from flows.engine.definition import Flow, Step
from flows.engine.effects import Effect, Event
from flows.engine.expressions import ExpressionError, is_true, print_text, value_of
from flows.engine.roots import Roots
from flows.engine.scopes import Scope
from flows.engine.session import ENDED, Frame, Question, Session, Turn
from flows.engine.values import UnstorableValue, as_json, size_of
from flows.engine.world import World

MOST_SESSION_BYTES = 65_536
# What a session holds beside its values: frames, refs and ids are bounded by their own limits.
RESERVED_BYTES = 12_288
MASK = "•••"


class StepFailed(Exception):
    """A failure of the current step; it takes the step's failure path."""

    def __init__(self, code: str, message: str, detail: Any = None, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail
        self.is_unknown = is_unknown


class LimitReached(Exception):
    """A limit of steps, messages or depth; it skips `on_fail`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EngineError(Exception):
    """A mistake of the caller, such as a flow hash that nobody has."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Progress:
    """The mutable side of one turn; nothing outside the engine sees it."""

    def __init__(self, world: World, session: Session, now: datetime) -> None:
        self.world = world
        self.session = session
        self.now = now
        self.frames = list(session.frames)
        self.state = session.state
        self.outcome = session.outcome
        self.reason = session.reason
        self.counter = session.counter
        self.wait_no = session.wait_no
        self.steps = session.steps
        self.reply = session.reply
        self.question: Question | None = session.question
        self.call_id = session.call_id
        self.closing = session.closing
        self.turn_steps = session.turn_steps
        self.turn_messages = session.turn_messages
        self.turn_said = session.turn_said
        self.turn_reply = session.turn_reply
        self.contact: Mapping[str, Any] = world.contact
        self.effects: list[Effect] = []
        self.heard_at = world.last_inbound_at
        self._scope: Scope | None = None
        self._flow: Flow | None = None
        self._language: tuple[Flow, Mapping[str, Any], str] | None = None

    # --- where it stands -------------------------------------------------------------------------

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    @property
    def flow(self) -> Flow:
        frame = self.frames[-1]
        if self._flow is None or self._flow.hash != frame.flow_hash:
            self._flow = self.flow_of(frame)
        return self._flow

    def flow_of(self, frame: Frame) -> Flow:
        flow = self.world.flow(frame.flow_hash)
        if flow is None:
            raise EngineError("unknown_flow", f"no flow has the hash {frame.flow_hash} of {frame.flow_id}")
        return flow

    @property
    def step(self) -> Step:
        return self.flow.steps[self.frames[-1].step_id]

    def move(self, **changes: Any) -> None:
        """Change the place of the innermost frame; its variables are changed by `save`."""
        self.frames[-1] = replace(self.frames[-1], **changes)

    def push(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._scope = None

    def pop(self) -> None:
        self.frames.pop()
        self._scope = None

    def cut_to_root(self) -> None:
        del self.frames[1:]
        self._scope = None

    # --- what it records -------------------------------------------------------------------------

    def next_ref(self) -> str:
        self.counter += 1
        return f"{self.session.id}.{self.counter}"

    def record(self, name: str, **data: Any) -> None:
        """Add an event with the flow and step where it happened."""
        frame = self.frames[-1]
        step = self.flow.steps.get(frame.step_id)
        shown = step.shown_as if step else frame.step_id
        self.effects.append(Event(name=name, data={"flow": frame.flow_id, "step": shown, **data}))

    def masked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return variables as the trace may show them."""
        hidden = self.frames[-1].sensitive
        return {name: MASK if name in hidden else value for name, value in values.items()}

    def begin_turn(self, reply: Mapping[str, Any] | None) -> None:
        """Count anew; `reply` is what the older dialect calls the message that began the turn."""
        self.turn_steps = 0
        self.turn_messages = 0
        self.turn_said = 0
        self.turn_reply = reply
        self._scope = None

    def begin_last_words(self, outcome: str, reason: str | None) -> None:
        """Leave all frames but the root, with steps and messages counted anew."""
        self.cut_to_root()
        self.closing = outcome
        self.reason = reason
        self.turn_steps = 0
        self.turn_messages = 0

    def end(self, outcome: str, reason: str | None = None) -> None:
        self.state = ENDED
        self.outcome = outcome
        self.reason = reason
        self.question = None
        self.call_id = None
        self.record("session_ended", outcome=outcome, reason=reason, messages=self.turn_said)

    # --- what it keeps ---------------------------------------------------------------------------

    def save(self, values: Mapping[str, Any], *, is_sensitive: bool = False) -> None:
        """Keep session variables in the innermost frame.

        Raises: StepFailed when they cannot be stored or the session would be too large.
        """
        if not values:
            return
        frame = self.frames[-1]
        stored = {name: self.storable(value) for name, value in values.items()}
        kept = {*frame.sensitive, *stored} if is_sensitive else set(frame.sensitive) - set(stored)
        changed = replace(frame, variables={**frame.variables, **stored}, sensitive=tuple(sorted(kept)))
        self.require_room([*self.frames[:-1], changed], self.reply)
        self.frames[-1] = changed
        self._scope = None

    def take(self, reply: Mapping[str, Any], values: Mapping[str, Any], *, is_sensitive: bool) -> None:
        """Take in an accepted answer: as the reply, and as session variables.

        Raises: StepFailed when the session would be too large; then nothing is taken in.
        """
        before = self.reply
        self.reply = {**reply, "sensitive": True} if is_sensitive else reply
        self._scope = None
        try:
            self.save(values, is_sensitive=is_sensitive)
            if not values:
                self.require_room(self.frames, self.reply)
        except StepFailed:
            self.reply = before
            raise

    def forgive(self) -> None:
        """Let every frame use its `on_error` again: an answer was accepted."""
        self.frames = [
            replace(frame, has_used_on_error=False) if frame.has_used_on_error else frame
            for frame in self.frames
        ]
        self._scope = None

    def know(self, contact: Mapping[str, Any]) -> None:
        """See the contact as it is after this segment's effects."""
        self.contact = contact
        self._scope = None

    def storable(self, value: Any) -> Any:
        try:
            return as_json(value)
        except UnstorableValue as problem:
            raise StepFailed("value_refused", str(problem)) from None

    def require_room(self, frames: list[Frame], reply: Any) -> None:
        taken = size_of([[frame.variables for frame in frames], reply, self.turn_reply])
        if taken > MOST_SESSION_BYTES - RESERVED_BYTES:
            raise StepFailed("session_too_large", f"the session would hold {taken} bytes of values")

    # --- what it says and computes ---------------------------------------------------------------

    @property
    def scope(self) -> Scope:
        if self._scope is None:
            self._scope = Roots(
                world=self.world,
                contact=self.contact,
                flow=self.flow,
                frames=self.frames,
                reply=self.reply,
                turn_reply=self.turn_reply,
                now=self.local_now,
                language=self.language,
            ).scope()
        return self._scope

    def print(self, text: str) -> str:
        try:
            return print_text(text, self.scope)
        except ExpressionError as problem:
            raise StepFailed("render_failed", str(problem)) from None

    def value(self, data: Any) -> Any:
        try:
            return value_of(data, self.scope)
        except ExpressionError as problem:
            raise StepFailed("render_failed", str(problem)) from None

    def loose_value(self, data: Any) -> Any:
        """Return a payload of the older dialect: what cannot be found in it is null."""
        if isinstance(data, Mapping):
            return {key: self.loose_value(entry) for key, entry in data.items()}
        if isinstance(data, list):
            return [self.loose_value(entry) for entry in data]
        try:
            return self.value(data)
        except StepFailed:
            return None

    def is_true(self, condition: str) -> bool:
        try:
            return is_true(condition, self.scope)
        except ExpressionError as problem:
            raise StepFailed("condition_failed", str(problem)) from None

    @property
    def zone(self) -> tzinfo:
        return zone_of(self.contact.get("timezone"))

    @property
    def local_now(self) -> datetime:
        return self.now.astimezone(self.zone)

    @property
    def language(self) -> str:
        """The language to write to this contact in: theirs if the flow has it, else the flow's."""
        known = self._language
        if known is None or known[0] is not self.flow or known[1] is not self.contact:
            known = self._language = (self.flow, self.contact, self._chosen_language())
        return known[2]

    def _chosen_language(self) -> str:
        flow = self.flow
        for tag in _tags(self.contact.get("language")):
            if tag in flow.translations or tag == flow.language:
                return tag
        return flow.language or self.number_language

    @property
    def number_language(self) -> str:
        return self.world.number.get("default_language") or "en"

    @property
    def contact_language(self) -> str:
        """The language that the contact is taken to write in."""
        return self.contact.get("language") or self.flow.language or self.number_language

    def translation(self) -> Mapping[str, str]:
        return self.flow.translations.get(self.language, {})

    # --- how it is closed ------------------------------------------------------------------------

    def turn(self) -> Turn:
        session = Session(
            id=self.session.id,
            state=self.state,
            outcome=self.outcome,
            reason=self.reason,
            frames=tuple(self.frames),
            counter=self.counter,
            wait_no=self.wait_no,
            steps=self.steps,
            reply=self.reply,
            question=self.question,
            call_id=self.call_id,
            closing=self.closing,
            turn_steps=self.turn_steps,
            turn_messages=self.turn_messages,
            turn_said=self.turn_said,
            turn_reply=self.turn_reply,
        )
        return Turn(session=session, effects=tuple(self.effects))


def _tags(language: Any) -> list[str]:
    """Return a language tag and its main part: "hi_IN" is also "hi"."""
    if not language:
        return []
    return [language, str(language).replace("-", "_").split("_")[0]]

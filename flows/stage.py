"""One conversation on the pure engine: a contact, a clock, timers and stubs, and all that is said."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.engine import triggers
from flows.engine.content import options
from flows.engine.definition import Flow, ProcessorInfo
from flows.engine.effects import (
    Call,
    CallResult,
    Effect,
    Event,
    Failed,
    HandBack,
    Handoff,
    Input,
    Reply,
    Send,
    SetContact,
    SetGroups,
    SetTimer,
    Timer,
)
from flows.engine.replies import IncomingMessage
from flows.engine.run import current_choice_matches, resume, start
from flows.engine.session import ENDED, PAUSED, WAITING, WITH_PERSON, Session, Turn
from flows.engine.world import World

START = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
NUMBER = {
    "phone_number_id": "100000000000001",
    "display_phone_number": "+1 555 0100",
    "default_language": "en",
}
CONTACT: Mapping[str, Any] = {
    "name": "Asha",
    "phone": "+919876543210",
    "user_id": None,
    "language": None,
    "timezone": "UTC",
    "groups": [],
    "fields": {},
    "is_new": False,
}
OWN_KEYS = frozenset({"name", "language", "timezone"})
# At one time the earlier of these goes first.
TIMER_ORDER = ("remind", "timeout", "pause", "handoff", "expire")


class ScriptError(Exception):
    """The script asks for what cannot be: a stub that is not there, an option that nobody offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The flows and data that a conversation can reach, and the processors that exist."""

    flows: Mapping[str, Flow]
    data: Mapping[str, Any] = field(default_factory=dict)
    globals: Mapping[str, Any] = field(default_factory=dict)
    processors: Any = None

    def by_hash(self, flow_hash: str) -> Flow | None:
        return next((flow for flow in self.flows.values() if flow.hash == flow_hash), None)


@dataclass(kw_only=True)
class Stage:
    """What happens is played here; ``said`` are the bot's messages that no assertion has taken yet."""

    library: Library
    case: Mapping[str, Any]
    now: datetime = START
    session: Session | None = None
    said: list[Send] = field(default_factory=list)
    sent: list[Send] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    timers: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    transcript: list[str] = field(default_factory=list)
    contact: dict[str, Any] = field(default_factory=dict)
    campaign: Mapping[str, Any] | None = None
    last_inbound_at: datetime | None = None
    steps: set[tuple[str, str]] = field(default_factory=set)
    _count: int = 0
    _used: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contact = {**copy.deepcopy(dict(CONTACT)), **copy.deepcopy(dict(self.case.get("contact") or {}))}
        if "now" in self.case:
            moment = datetime.fromisoformat(self.case["now"])
            self.now = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    @property
    def world(self) -> World:
        return World(
            flow=self.library.by_hash,
            latest=lambda flow_id: flow.hash if (flow := self.library.flows.get(flow_id)) else None,
            contact=self.contact,
            data=lambda name: self.case.get("data", self.library.data.get(name.removesuffix(".json"))),
            globals=self.case.get("global", self.library.globals),
            campaign=self.campaign,
            last_inbound_at=self.last_inbound_at,
            processors=self._processor,
            number=NUMBER,
        )

    def _processor(self, name: str, flow_id: str) -> ProcessorInfo | None:
        if name in (self.case.get("processors") or {}):
            return ProcessorInfo(name=name)
        known = self.library.processors(name, flow_id) if self.library.processors else None
        return ProcessorInfo(name=name) if known else None

    # --- what the customer and the world do -----------------------------------------------------------

    def hear(self, message: IncomingMessage, context_ref: str | None = None) -> None:
        """Take a message the way the product does: the current choice, a trigger, the session, a trigger."""
        self.last_inbound_at = self.now
        session = self.session if self.session and self.session.state != ENDED else None
        if session and session.state == WITH_PERSON:
            return
        waits = session and session.state in {WAITING, PAUSED}
        if waits and not self._is_for_another(message, context_ref):
            self._resume(Reply(message=message, context_ref=context_ref))
            return
        found = self._candidates(message)
        if not found:
            self._note("unmatched")
        else:
            if session:
                self.session = replace(session, state=ENDED, outcome="interrupted")
                self.timers.clear()
            self.enter(found[0].flow_id, message)

    def _is_for_another(self, message: IncomingMessage, context_ref: str | None) -> bool:
        session = self.session
        if session is None or current_choice_matches(self.world, session, message, context_ref, now=self.now):
            return False
        frames = [self.library.by_hash(frame.flow_hash) for frame in session.frames]
        if any(flow is not None and not flow.is_interruptible for flow in frames):
            return False
        found = self._candidates(message)
        return bool(found) and triggers.is_exact_class(found[0])

    def _candidates(self, message: IncomingMessage) -> list[triggers.Candidate]:
        every = tuple(trigger for flow in self.library.flows.values() for trigger in flow.triggers)
        return triggers.match(every, message, contact=self.contact, number=NUMBER, now=self.now)

    def enter(self, flow_id: str, message: IncomingMessage | None = None) -> None:
        """Start a flow, by a message or by us."""
        self._count += 1
        flow = self.library.flows.get(flow_id)
        if flow is None:
            raise ScriptError(f'there is no flow "{flow_id}"')
        turn = start(self.world, flow.hash, session_id=f"s{self._count}", trigger=message, now=self.now)
        self._take(turn)

    def hand_back(self) -> None:
        self._resume(HandBack())

    def advance(self, seconds: float) -> None:
        """Let time pass, and fire what falls due on the way, in order."""
        until = self.now + timedelta(seconds=seconds)
        while due := self._next_timer(until):
            self.now, key, wait_no = due
            del self.timers[key]
            self.transcript.append(f"   ({self.now:%a %H:%M} {key})")
            self._resume(Timer(key=key, wait_no=wait_no))
        self.now = until

    def _next_timer(self, until: datetime) -> tuple[datetime, str, int] | None:
        ready = [(at, key, wait_no) for key, (at, wait_no) in self.timers.items() if at <= until]
        return min(
            ready, key=lambda entry: (entry[0], TIMER_ORDER.index(entry[1].split(":")[0])), default=None
        )

    def ref_of(self, option_id: str, which: int | None) -> tuple[str | None, str]:
        """The ref of the message whose option is tapped, and the option's title."""
        if which is not None:
            try:
                messages = [self.sent[which - 1 if which > 0 else which]]
            except IndexError:
                raise ScriptError(f"the bot said {len(self.sent)} messages, there is no {which}") from None
        else:
            messages = list(reversed(self.sent))
        for message in messages:
            for option in options(message.content):
                if option.id == option_id:
                    return message.ref, option.title
        raise ScriptError(f'no message of the bot offers the option "{option_id}"')

    # --- what the engine does -------------------------------------------------------------------------

    def _resume(self, given: Input) -> None:
        if self.session is None or self.session.state == ENDED:
            return
        self._take(resume(self.world, self.session, given, now=self.now))

    def _take(self, turn: Turn) -> None:
        self.session = turn.session
        call: Call | None = None
        for effect in turn.effects:
            call = effect if isinstance(effect, Call) else call
            self._apply(effect)
        if turn.session.state == ENDED:
            self.timers.clear()
        if call is not None:
            self._resume(self._answer(call))

    def _apply(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.said.append(effect)
            self.sent.append(effect)
            self.transcript.append(f"bot: {summary(effect.content)}")
        elif isinstance(effect, SetTimer):
            self.timers[effect.key] = (self.now + timedelta(seconds=effect.after_seconds), effect.wait_no)
        elif isinstance(effect, SetContact):
            self._set_contact(effect.values)
        elif isinstance(effect, SetGroups):
            groups = [group for group in self.contact["groups"] if group not in effect.remove]
            self.contact["groups"] = list(dict.fromkeys([*groups, *effect.add]))
        elif isinstance(effect, Event):
            self._note(effect.name)
            if effect.name == "step_entered":
                self.steps.add((str(effect.data.get("flow")), str(effect.data.get("step"))))
        elif isinstance(effect, Failed):
            self._note(f"failed:{effect.code}")
            self.transcript.append(f"   failed at {effect.flow_id}.{effect.step_id}: {effect.message}")
        elif isinstance(effect, Handoff):
            self.transcript.append(f"   (handed off to {effect.team or 'a person'})")

    def _note(self, name: str) -> None:
        self.events.append(name)

    def _set_contact(self, values: Mapping[str, Any]) -> None:
        own = {key: value for key, value in values.items() if key in OWN_KEYS}
        fields = {key: value for key, value in values.items() if key not in OWN_KEYS}
        self.contact |= own
        self.contact["fields"] = {**self.contact["fields"], **fields}

    def _answer(self, call: Call) -> CallResult:
        self.calls.append(call)
        stub = self._stub(call)
        self.transcript.append(f"   ({call.kind} {call.name}: {stub.get('outcome', 'ok')})")
        value = stub.get("json") if call.kind == "api" else stub.get("result")
        outcome = stub.get("outcome", "failed" if stub.get("status", 200) >= 400 else "ok")
        return CallResult(
            id=call.id,
            outcome=outcome,
            value=copy.deepcopy(value),
            go_to=stub.get("go_to"),
            send=tuple(stub.get("send") or ()),
            reason=stub.get("reason"),
        )

    def _stub(self, call: Call) -> Mapping[str, Any]:
        """The next stub of a call; a list is used up entry by entry."""
        kind = "api" if call.kind == "api" else "processors"
        given = (self.case.get(kind) or {}).get(call.name)
        if given is None:
            raise ScriptError(f'{call.kind} "{call.name}" is called, but has no stub in "{kind}"')
        if isinstance(given, dict):
            return given
        used = self._used.get((kind, call.name), 0)
        self._used[kind, call.name] = used + 1
        if used >= len(given):
            raise ScriptError(
                f'{call.kind} "{call.name}" is called {used + 1} times, it has {len(given)} stubs'
            )
        stub: Mapping[str, Any] = given[used]
        return stub


def summary(content: Mapping[str, Any]) -> str:
    """One line for a transcript: the type, the texts, and what can be tapped."""
    texts = " / ".join(texts_of(content))
    offered = ", ".join(option.id for option in options(content))
    return f"[{content.get('type')}] {texts}" + (f" <{offered}>" if offered else "")


def texts_of(value: Any, key: str = "") -> list[str]:
    """All texts of a content that a person sees."""
    if isinstance(value, str):
        return [] if key in {"type", "id", "link", "media"} else [value]
    if isinstance(value, Mapping):
        return [text for name, inner in value.items() for text in texts_of(inner, name)]
    if isinstance(value, (list, tuple)):
        return [text for inner in value for text in texts_of(inner, key)]
    return []

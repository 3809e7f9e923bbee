"""A driver for engine tests: one contact, one session, flows given as documents."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.engine import session as sessions
from flows.engine.definition import Flow, ProcessorInfo, flow_hash, parse_flow
from flows.engine.dialect import is_older, translate
from flows.engine.replies import IncomingMessage
from flows.engine.run import current_choice_matches, resume, start
from flows.engine.session import CallResult, HandBack, Reply, Session, Timer, Turn
from flows.engine.world import World

NOON = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)  # 12:00 in Kolkata, a Sunday
CONTACT: dict[str, Any] = {
    "name": "Ravi",
    "phone": "+919876543210",
    "user_id": "IN.1",
    "language": "en",
    "timezone": "Asia/Kolkata",
    "groups": ["vip"],
    "fields": {"city": "Pune"},
    "is_new": False,
}


def text(body: str | None, at: datetime = NOON) -> IncomingMessage:
    return IncomingMessage(type="text", text=body, at=at.isoformat())


def tapped(option_id: str, title: str | None = None, at: datetime = NOON) -> IncomingMessage:
    return IncomingMessage(type="tap", id=option_id, title=title, text=title, at=at.isoformat())


def message(kind: str, at: datetime = NOON, **fields: Any) -> IncomingMessage:
    return IncomingMessage(type=kind, at=at.isoformat(), **fields)


class Walk:
    """Walks through the first of the flows; after each turn everything must survive JSON."""

    def __init__(self, *documents: Mapping[str, Any], **world: Any) -> None:
        self.flows: dict[str, Flow] = {}
        self.live: dict[str, str] = {}
        for document in documents:
            self.publish(document)
        self.first = next(iter(self.live.values()))
        self.now = NOON
        self.contact = {**CONTACT, **world.pop("contact", {})}
        self.processors = set(world.pop("processors", ()))
        self.world_fields = world
        self.session: Session = None  # type: ignore[assignment]
        self.turn: Turn = None  # type: ignore[assignment]
        self.heard_at: datetime | None = NOON

    def publish(self, document: Mapping[str, Any]) -> None:
        canonical = translate(document).document if is_older(document) else document
        hash_ = flow_hash(document)
        flow = parse_flow(canonical, hash_)
        self.flows[hash_] = flow
        self.live[flow.id] = hash_

    @property
    def world(self) -> World:
        fields = {
            "flow": self.flows.get,
            "latest": self.live.get,
            "contact": self.contact,
            "last_inbound_at": self.heard_at,
            "processors": self._processor,
            "number": {"phone_number_id": "1", "default_language": "en"},
            **self.world_fields,
        }
        return World(**fields)

    def _processor(self, name: str, _flow_id: str) -> ProcessorInfo | None:
        if name not in self.processors:
            return None
        return ProcessorInfo(name=name, timeout_seconds=5.0, idempotent=True)

    # --- inputs ----------------------------------------------------------------------------------

    def start(self, trigger: IncomingMessage | str | None = "hi") -> "Walk":
        given = text(trigger, self.now) if isinstance(trigger, str) else trigger
        if given is not None:
            self.heard_at = self.now
        return self._take(start(self.world, self.first, session_id="s", trigger=given, now=self.now))

    def say(self, given: IncomingMessage | str, of: str | None = None) -> "Walk":
        heard = text(given, self.now) if isinstance(given, str) else given
        self.heard_at = self.now
        return self.give(Reply(message=heard, context_ref=of))

    def tap(self, option_id: str, title: str | None = None, of: str | None = None) -> "Walk":
        return self.say(tapped(option_id, title or option_id.title(), self.now), of)

    def result(self, outcome: str = "ok", **fields: Any) -> "Walk":
        return self.give(CallResult(id=self.session.call_id or "none", outcome=outcome, **fields))

    def timer(self, key: str, *, after: float = 0, wait_no: int | None = None) -> "Walk":
        self.now += timedelta(seconds=after)
        return self.give(Timer(key=key, wait_no=self.session.wait_no if wait_no is None else wait_no))

    def hand_back(self) -> "Walk":
        return self.give(HandBack())

    def give(self, given: sessions.Input) -> "Walk":
        copied = sessions.input_from_json(json.loads(json.dumps(given.to_json())))
        assert copied == given
        return self._take(resume(self.world, self.session, copied, now=self.now))

    def matches_choice(self, given: IncomingMessage, of: str | None = None) -> bool:
        return current_choice_matches(self.world, self.session, given, of, now=self.now)

    def _take(self, turn: Turn) -> "Walk":
        record = json.loads(json.dumps(turn.to_json()))
        assert Session.from_json(record["session"]) == turn.session
        effects = tuple(sessions.effect_from_json(effect) for effect in record["effects"])
        assert [sessions.effect_to_json(effect) for effect in effects] == record["effects"]
        self.turn, self.session = turn, turn.session
        return self

    # --- what came of it -------------------------------------------------------------------------

    def of(self, kind: type) -> list[Any]:
        return [effect for effect in self.turn.effects if isinstance(effect, kind)]

    @property
    def sent(self) -> list[Mapping[str, Any]]:
        return [effect.content for effect in self.of(sessions.Send)]

    @property
    def texts(self) -> list[str]:
        return [content.get("body", content["type"]) for content in self.sent]

    @property
    def refs(self) -> list[str]:
        return [effect.ref for effect in self.of(sessions.Send)]

    @property
    def call(self) -> sessions.Call:
        return self.of(sessions.Call)[-1]

    @property
    def events(self) -> list[str]:
        return [effect.name for effect in self.of(sessions.Event)]

    def event(self, name: str) -> Mapping[str, Any]:
        return next(effect.data for effect in self.of(sessions.Event) if effect.name == name)

    @property
    def failures(self) -> list[str]:
        return [effect.code for effect in self.of(sessions.Failed)]

    @property
    def timers(self) -> dict[str, float]:
        return {effect.key: effect.after_seconds for effect in self.of(sessions.SetTimer)}

    @property
    def state(self) -> str:
        return self.session.state

    @property
    def outcome(self) -> str | None:
        return self.session.outcome

    @property
    def step(self) -> str:
        return self.session.step_id

    @property
    def variables(self) -> Mapping[str, Any]:
        return self.session.variables


def say(step_id: str, body: str = "", **more: Any) -> dict[str, Any]:
    """A message step that says one text."""
    return {"id": step_id, "content": {"type": "text", "body": body or step_id}, **more}


def ask(step_id: str, kind: str = "any", *, body: str = "", **more: Any) -> dict[str, Any]:
    """A message step that asks with one text and saves the answer under its own id."""
    step_keys = {"next_step", "on_fail", "on_success", "post_processors", "pre_processors", "is_active"}
    wait = {"type": kind, "save_as": step_id, **{key: more[key] for key in more if key not in step_keys}}
    return {**say(step_id, body), "wait_for": wait, **{key: more[key] for key in more if key in step_keys}}


def buttons(*ids: str, body: str = "Pick") -> dict[str, Any]:
    return {
        "type": "buttons",
        "body": body,
        "buttons": [{"id": option, "title": option.title()} for option in ids],
    }


def flow(*steps: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    return {"id": "main", **keys, "steps": list(steps)}

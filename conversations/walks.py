"""One lane's turn, in memory: which flow takes an input, what the engine makes of it, and what is to be written."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from conversations import calls, consent, guards, outbox
from conversations.inbox import Input
from conversations.lanes import Claimed
from conversations.surroundings import ContactRow, ConversationRow, NumberRow, SessionRow, Surroundings
from conversations.timers import TimerRow
from flows import database
from flows.engine import run, triggers
from flows.engine.definition import ProcessorInfo
from flows.engine.durations import parse_duration
from flows.engine.matching import folded
from flows.engine.replies import IncomingMessage
from flows.engine.session import (
    Call,
    CallResult,
    Event,
    Failed,
    HandBack,
    Handoff,
    Publish,
    Reply,
    Send,
    Session,
    SetConsent,
    SetContact,
    SetGroups,
    SetTimer,
    Timer,
    Turn,
)
from flows.engine.world import World
from flows.facts import Fact
from flows.processing.discovery import find
from flows.registry import Snapshot

REPEAT_AFTER = timedelta(hours=1)
_unmatched_default = {
    "en": "Sorry, I did not understand that. Send *hi* to see what I can do.",
    "hi": "माफ़ कीजिए, मैं समझ नहीं पाया। विकल्प देखने के लिए *hi* भेजें।",
}
_failure_default = {
    "en": "Sorry, something went wrong on our side. Please try again a little later.",
    "hi": "क्षमा करें, हमारी ओर से कुछ गड़बड़ हो गई। कृपया थोड़ी देर बाद फिर कोशिश करें।",
}

JournalRow = tuple[str, int, str, str, datetime, int, int, int]
HandoffRow = tuple[int, str, str, str, str, datetime]
# How many sessions of a flow a contact has started, and when the last one was: for `reentry`.
History = Callable[[int, str], tuple[int, datetime | None]]


@dataclass(slots=True, kw_only=True)
class Writes:
    """What a lane's turn will write, all of it or nothing."""

    done: list[int] = field(default_factory=list)
    sessions: dict[str, SessionRow] = field(default_factory=dict)
    journal: list[JournalRow] = field(default_factory=list)
    messages: list[outbox.Bubble] = field(default_factory=list)
    timers: dict[tuple[str, str], TimerRow] = field(default_factory=dict)
    called: list[calls.CallRow] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    consents: list[consent.Change] = field(default_factory=list)
    handoffs: list[HandoffRow] = field(default_factory=list)
    incidents: list[tuple[str, str, str]] = field(default_factory=list)


class Walk:
    """The turn of one lane over its inputs."""

    def __init__(
        self,
        lane: Claimed,
        around: Surroundings,
        snapshot: Snapshot,
        now: datetime,
        history: History,
    ) -> None:
        self.lane, self.now, self.snapshot = lane, now, snapshot
        self.around = around
        self.contact: ContactRow = around.contacts[lane.contact_id]
        self.history = history
        self.sessions: dict[str, SessionRow] = {
            number: row
            for (contact_id, number), row in around.sessions.items()
            if contact_id == lane.contact_id
        }
        self.writes = Writes()
        self.turns = 0
        self._sent = 0

    # --- Inputs ----------------------------------------------------------------------------------------------
    def take(self, one: Input) -> None:
        """Work on one input."""
        _takers[one.kind](self, one)
        self.writes.done.append(one.id)
        self.turns += 1

    def may_take(self, one: Input) -> bool:
        """Whether it is this input's turn: while a call is under way what the contact says waits for its result."""
        return not (self.is_blocked and one.kind in {"message", "start"})

    @property
    def is_blocked(self) -> bool:
        """Whether the lane should sleep until a call of this contact has its result."""
        return any(row.session.state == "calling" for row in self.sessions.values())

    def _take_message(self, one: Input) -> None:
        if self.contact.is_blocked:
            return
        message = IncomingMessage.from_json(one.payload["message"])
        conversation = self._conversation(one)
        if self._takes_word(one, conversation):
            return
        if conversation.owner in {"waiting", "person"}:
            return
        context = one.payload.get("context_wamid")
        ref = self.around.refs.get((one.phone_number_id, str(context))) if context else None
        reply = Reply(message=message, context_ref=ref)
        row = self.sessions.get(one.phone_number_id)
        before = len(self.writes.messages)
        self._route(one, conversation, row, reply)
        self._watch_circles(one, conversation, message, before)

    def _takes_word(self, one: Input, conversation: ConversationRow) -> bool:
        word = one.payload.get("word")
        if word == "start" and self.contact.is_opted_out:
            self.contact.is_opted_out = False
            self._consent(one, granted=True, source="keyword", detail="start", scope="all")
        elif word == "stop":
            self.contact.is_opted_out = True  # the splitter wrote it down
        else:
            return False
        self._say(one, conversation, consent.confirmation(word, self._language(one)), "confirmation")
        return True

    def _route(self, one: Input, conversation: ConversationRow, row: SessionRow | None, reply: Reply) -> None:
        """Give a message to whoever takes it first, in the order of the flow language."""
        message = reply.message
        world = self._world(one, row)
        waits = row is not None and row.session.state == "waiting"
        if (
            row
            and waits
            and run.current_choice_matches(world, row.session, message, reply.context_ref, now=self.now)
        ):
            self._resume(one, row, reply)
            return
        candidates = triggers.match(
            self.snapshot.triggers,
            message,
            contact=world.contact,
            number=world.number,
            now=self.now,
        )
        first = self._first_allowed(candidates)
        if row is None:
            if first:
                self._start(one, first.flow_id, first.flow_hash, message)
            else:
                self._unmatched(one, conversation, message)
        elif first and triggers.is_exact_class(first) and run.is_interruptible(world, row.session):
            self._interrupt(row, one)
            self._start(one, first.flow_id, first.flow_hash, message)
        else:
            self._resume(one, row, reply)

    def _first_allowed(self, candidates: Sequence[triggers.Candidate]) -> triggers.Candidate | None:
        return next((c for c in candidates if self._may_enter(c)), None)

    def _may_enter(self, candidate: triggers.Candidate) -> bool:
        flow = self.snapshot.flow(candidate.flow_hash)
        reentry: Any = flow.reentry if flow else "always"
        if reentry == "always":
            return True
        last_at: datetime | None
        count, last_at = self.history(self.contact.id, candidate.flow_id)
        if any(row.flow_id == candidate.flow_id and row.is_new for row in self.writes.sessions.values()):
            count, last_at = count + 1, self.now
        if reentry == "once" or last_at is None:
            return count == 0
        every = reentry["every"] if isinstance(reentry, Mapping) else reentry
        return self.now - last_at >= timedelta(seconds=parse_duration(every))

    def _take_timer(self, one: Input) -> None:
        row = self.sessions.get(one.phone_number_id)
        key = str(one.payload["key"])
        if row is None or row.id != one.payload["session_id"]:
            return
        conversation = self._conversation(one)
        if conversation.owner == "person":
            # While a person talks the flow's clock stands still; it is looked at again in a while.
            timer = (row.id, key, int(one.payload["wait_no"]), self.contact.id, one.phone_number_id)
            self.writes.timers[row.id, key] = (*timer, self.now + timedelta(minutes=1))
            return
        self._resume(one, row, Timer(key=key, wait_no=int(one.payload["wait_no"])))

    def _take_call(self, one: Input) -> None:
        row = self.sessions.get(one.phone_number_id)
        if row is None or row.id != one.payload["session_id"]:
            return
        result = CallResult(
            id=one.payload["id"],
            outcome=one.payload["outcome"],
            value=one.payload.get("value"),
            go_to=one.payload.get("go_to"),
            send=tuple(one.payload.get("send") or ()),
            reason=one.payload.get("reason"),
        )
        self._resume(one, row, result)

    def _take_hand_back(self, one: Input) -> None:
        row = self.sessions.get(one.phone_number_id)
        if row is not None and row.session.state == "with_person":
            self._resume(one, row, HandBack())

    def _take_start(self, one: Input) -> None:
        """Start a flow for a contact by name: staff, a campaign or the API asked for it."""
        flow_id = str(one.payload["flow_id"])
        flow_hash = one.payload.get("flow_hash") or self.snapshot.latest(flow_id)
        met = (self.contact.id, one.phone_number_id) in self.around.conversations
        if flow_hash is None or not met:
            reason = "contact and number never met" if flow_hash else "no such flow is live"
            self._fact(one, "start_refused", {"flow": flow_id, "reason": reason})
            return
        row = self.sessions.get(one.phone_number_id)
        if row is not None:
            self._interrupt(row, one)
        self._start(one, flow_id, flow_hash, None, campaign=one.payload.get("campaign"))

    # --- Sessions --------------------------------------------------------------------------------------------
    def _start(
        self,
        one: Input,
        flow_id: str,
        flow_hash: str,
        trigger: IncomingMessage | None,
        campaign: dict[str, Any] | None = None,
    ) -> None:
        session_id = outbox.new_id()
        world = self._world(one, None, campaign)
        seed = self._seed(session_id, 0)
        turn = run.start(world, flow_hash, session_id=session_id, trigger=trigger, now=self.now, seed=seed)
        row = SessionRow(
            id=session_id,
            contact_id=self.contact.id,
            number=one.phone_number_id,
            session=turn.session,
            flow_id=flow_id,
            flow_hash=flow_hash,
            campaign=campaign,
            journaled=0,
            started_at=self.now,
            is_new=True,
        )
        self.sessions[one.phone_number_id] = row
        record = {"flow_hash": flow_hash, "trigger": trigger.to_json() if trigger else None}
        self._apply(one, row, turn, "start", record, seed)

    def _resume(self, one: Input, row: SessionRow, given: Reply | Timer | CallResult | HandBack) -> None:
        seed = self._seed(row.id, row.journaled)
        turn = run.resume(self._world(one, row), row.session, given, now=self.now, seed=seed)
        if turn.session is row.session and not turn.effects:
            return
        self._apply(one, row, turn, given.kind, given.to_json(), seed)

    def _interrupt(self, row: SessionRow, one: Input) -> None:
        self._apply(one, row, run.stop(row.session, "interrupted"), "interrupt", {"by": one.kind}, 0)

    def _apply(
        self, one: Input, row: SessionRow, turn: Turn, kind: str, record: Mapping[str, Any], seed: int
    ) -> None:
        said_before = row.session.turn_messages if kind == "call_result" else 0
        row.session, row.is_changed = turn.session, True
        journal = (
            row.id,
            row.journaled,
            kind,
            database.dumps(record),
            self.now,
            seed,
            self.lane.epoch,
            one.id,
        )
        self.writes.journal.append(journal)
        row.journaled += 1
        self.writes.sessions[row.id] = row
        sends = 0
        for effect in turn.effects:
            sends += isinstance(effect, Send)
            _appliers[type(effect)](self, one, row, effect)
        if turn.session.state == "ended":
            self.sessions.pop(one.phone_number_id, None)
            if turn.session.outcome == "failed" and not sends + said_before:
                self._failure(one)

    # --- Effects ---------------------------------------------------------------------------------------------
    def _send(self, one: Input, row: SessionRow, effect: Send) -> None:
        self._queue(one, effect.content, "reply", ref=effect.ref, row=row)

    def _call(self, one: Input, row: SessionRow, effect: Call) -> None:
        self.writes.called.append(
            calls.row_of(
                effect,
                session_id=row.id,
                contact_id=self.contact.id,
                number=row.number,
                correlation=one.correlation,
                now=self.now,
            )
        )

    def _set_timer(self, _one: Input, row: SessionRow, effect: SetTimer) -> None:
        due_at = self.now + timedelta(seconds=effect.after_seconds)
        self.writes.timers[row.id, effect.key] = (
            row.id,
            effect.key,
            effect.wait_no,
            self.contact.id,
            row.number,
            due_at,
        )

    def _set_contact(self, _one: Input, _row: SessionRow, effect: SetContact) -> None:
        for name, value in effect.values.items():
            if name in {"name", "language", "timezone"}:
                setattr(self.contact, name, "" if value is None else str(value))
            else:
                self.contact.fields[name] = value
        self.contact.is_changed = True

    def _set_groups(self, _one: Input, _row: SessionRow, effect: SetGroups) -> None:
        kept = [g for g in self.contact.groups if g not in effect.remove]
        self.contact.groups = kept + [g for g in effect.add if g not in kept]
        self.contact.is_changed = True

    def _set_consent(self, one: Input, row: SessionRow, effect: SetConsent) -> None:
        granted = effect.value == "marketing_in"
        self._consent(one, granted=granted, source="flow", detail=row.flow_id, scope="marketing")

    def _hand_off(self, one: Input, row: SessionRow, effect: Handoff) -> None:
        self._give_to_people(one, row.id, effect.team or "", effect.note or "")

    def _publish(self, one: Input, row: SessionRow, effect: Publish) -> None:
        self._fact(one, "event_published", {"event": effect.event, "data": effect.data}, row)

    def _failed(self, one: Input, row: SessionRow, effect: Failed) -> None:
        data = {
            "code": effect.code,
            "flow": effect.flow_id,
            "step": effect.step_id,
            "message": effect.message,
            "detail": effect.detail,
        }
        self._fact(one, "step_failed", data, row)
        scope = f"{effect.flow_id}/{effect.step_id}"
        self.writes.incidents.append(("flow", scope, effect.message))

    def _event(self, one: Input, row: SessionRow, effect: Event) -> None:
        self._fact(one, effect.name, effect.data, row)
        if effect.name == "handoff_timed_out":
            # Nobody came: the bot speaks again, and whoever looks at the queue sees that it is over.
            conversation = self._conversation(one)
            conversation.owner, conversation.waiting_since = "bot", None
            conversation.is_changed = True

    # --- What the shell itself says --------------------------------------------------------------------------
    def _unmatched(self, one: Input, conversation: ConversationRow, message: IncomingMessage) -> None:
        self._fact(one, "message_unmatched", {"type": message.type})
        last = conversation.unmatched_replied_at
        if last is not None and self.now - last < REPEAT_AFTER:
            return
        texts = {**_unmatched_default, **self._number(one).unmatched_reply}
        if self._say(one, conversation, self._in_language(one, texts), "system"):
            conversation.unmatched_replied_at = self.now
            conversation.is_changed = True

    def _failure(self, one: Input) -> None:
        conversation = self._conversation(one)
        last = conversation.failure_replied_at
        if last is not None and self.now - last < REPEAT_AFTER:
            return
        texts = {**_failure_default, **self._number(one).failure_reply}
        if self._say(one, conversation, self._in_language(one, texts), "system"):
            conversation.failure_replied_at = self.now
            conversation.is_changed = True

    def _say(self, one: Input, conversation: ConversationRow, text: str, kind: str) -> bool:
        """Queue a text of our own, inside the window only; an empty text means that nothing is said."""
        closes_at = (conversation.last_inbound_at or self.now) + outbox.WINDOW
        if not text or closes_at <= self.now:
            return False
        return self._queue(one, {"type": "text", "body": text}, kind, ref=f"{kind}.{one.id}", row=None)

    def _watch_circles(
        self, one: Input, conversation: ConversationRow, message: IncomingMessage, before: int
    ) -> None:
        """Hand over to a person when the same texts go round: the other side is then a machine too."""
        answers = [m for m, _, _, _ in self.writes.messages[before:]]
        is_reasked = any(f.name == "reply_refused" for f in self.writes.facts)
        if message.type != "text" or not answers or is_reasked:
            conversation.is_changed |= "pair" in conversation.guard
            conversation.guard = guards.forget_pair(conversation.guard)
            return
        answered = "\0".join(outbox.text_of(m.content) for m in answers)
        conversation.guard, is_circle = guards.note_pair(
            conversation.guard, folded(message.text or ""), answered, self.now
        )
        conversation.is_changed = True
        if is_circle:
            del self.writes.messages[before:]
            self._sent -= len(answers)
            conversation.guard = guards.forget_pair(conversation.guard)
            self._fact(one, "bot_suspected", {"turns": guards.SAME_PAIR_TURNS})
            self.writes.incidents.append(
                ("bot_suspected", f"conversation/{conversation.id}", "The same texts went round four times.")
            )
            self._give_to_people(one, "", "", "The same texts went round: perhaps a machine writes.")

    def _give_to_people(self, one: Input, session_id: str, team: str, note: str) -> None:
        conversation = self._conversation(one)
        conversation.owner, conversation.team = "waiting", team[:64]
        conversation.waiting_since = self.now
        conversation.is_changed = True
        self.writes.handoffs.append(
            (self.contact.id, one.phone_number_id, session_id, team[:64], note, self.now)
        )

    def _queue(
        self, one: Input, content: Mapping[str, Any], kind: str, *, ref: str, row: SessionRow | None
    ) -> bool:
        conversation = self._conversation(one)
        conversation.guard, allowed = guards.take(conversation.guard, 1, self.now)
        conversation.is_changed = True
        if not allowed:
            self._fact(one, "send_limit_reached", {"ref": ref}, row)
            scope = f"conversation/{conversation.id}"
            self.writes.incidents.append(
                ("runaway", scope, "More messages to one person than a flow may send.")
            )
            return False
        is_template = content.get("type") == "template"
        opened_at = conversation.last_inbound_at
        expires_at = self.now + outbox.WINDOW if is_template or not opened_at else opened_at + outbox.WINDOW
        message = outbox.NewMessage(
            id=outbox.new_id(),
            dedup_key=f"ref:{ref}",
            contact_id=self.contact.id,
            seq=self._sent,  # its place in this turn; the commit gives it its number
            phone_number_id=one.phone_number_id,
            content=content,
            kind=kind,
            policy="evidence" if self._number(one).has_evidence and not is_template else "park",
            not_before=self.now,
            expires_at=expires_at,
            created_at=self.now,
            session_id=row.id if row else None,
            ref=ref,
            correlation=one.correlation,
        )
        self._sent += 1
        session = row.session if row else None
        self.writes.messages.append(
            (
                message,
                conversation.id,
                session.flow_id if session else None,
                session.step_id if session else None,
            )
        )
        return True

    @property
    def sent(self) -> int:
        return self._sent

    def number_messages(self, first: int) -> None:
        """Give this turn's messages their numbers in the contact's outgoing order."""
        numbered: list[outbox.Bubble] = []
        for message, conversation_id, flow_id, step_id in self.writes.messages:
            seq = first + len(numbered)
            numbered.append((replace(message, seq=seq), conversation_id, flow_id, step_id))
        self.writes.messages = numbered

    # --- Small things ----------------------------------------------------------------------------------------
    def _conversation(self, one: Input) -> ConversationRow:
        return self.around.conversations[self.contact.id, one.phone_number_id]

    def _number(self, one: Input) -> NumberRow:
        return self.around.numbers[one.phone_number_id]

    def _language(self, one: Input) -> str:
        return self.contact.language or self._number(one).default_language

    def _in_language(self, one: Input, texts: Mapping[str, str]) -> str:
        language = self._language(one)
        base = language.partition("-")[0].partition("_")[0]
        return next((texts[key] for key in (language, base, "en") if key in texts), "")

    def _world(self, one: Input, row: SessionRow | None, campaign: dict[str, Any] | None = None) -> World:
        number = self._number(one)
        contact = self.contact
        return World(
            flow=self.snapshot.flow,
            latest=self.snapshot.latest,
            contact={
                "name": contact.name,
                "phone": contact.phone,
                "user_id": contact.user_id,
                "language": self._language(one),
                "timezone": contact.timezone or number.default_timezone,
                "groups": contact.groups,
                "fields": contact.fields,
                "is_new": bool(one.payload.get("is_new_contact")),
            },
            data=self.snapshot.data,
            globals=self.snapshot.globals,
            campaign=row.campaign if row else campaign,
            last_inbound_at=self._conversation(one).last_inbound_at,
            processors=_declared,
            number={
                "phone_number_id": number.phone_number_id,
                "display_phone_number": number.display_phone_number,
                "default_language": number.default_language,
            },
        )

    def _consent(self, one: Input, *, granted: bool, source: str, detail: str, scope: str) -> None:
        self.writes.consents.append(
            consent.Change(
                contact_id=self.contact.id,
                is_granted=granted,
                source=source,
                detail=detail,
                scope=scope,
                at=one.due_at,
            )
        )

    def _fact(self, one: Input, name: str, data: Mapping[str, Any], row: SessionRow | None = None) -> None:
        session: Session | None = row.session if row else None
        self.writes.facts.append(
            Fact(
                at=self.now,
                name=name,
                contact_id=self.contact.id,
                session_id=row.id if row else None,
                flow_id=str(data.get("flow") or (session.flow_id if session else "")) or None,
                flow_hash=session.flow_hash if session else None,
                step_id=str(data.get("step") or (session.step_id if session else "")) or None,
                phone_number_id=one.phone_number_id,
                correlation=one.correlation,
                data=data,
            )
        )

    def _seed(self, session_id: str, step_no: int) -> int:
        """Drawn from the journal's place, so that the same input takes the same path when it runs again."""
        digest = hashlib.sha256(f"{session_id}:{step_no}".encode()).digest()
        return int.from_bytes(digest[:6])


def _declared(name: str, flow_id: str) -> ProcessorInfo | None:
    info = find(name, flow_id)
    if info is None:
        return None
    return ProcessorInfo(name=info.name, timeout_seconds=info.timeout_seconds, idempotent=info.idempotent)


_takers: dict[str, Callable[[Walk, Input], None]] = {
    "message": Walk._take_message,  # noqa: SLF001 - the table belongs to the class
    "timer": Walk._take_timer,  # noqa: SLF001
    "call": Walk._take_call,  # noqa: SLF001
    "hand_back": Walk._take_hand_back,  # noqa: SLF001
    "start": Walk._take_start,  # noqa: SLF001
}
_appliers: dict[type, Callable[[Walk, Input, SessionRow, Any], None]] = {
    Send: Walk._send,  # noqa: SLF001
    Call: Walk._call,  # noqa: SLF001
    SetTimer: Walk._set_timer,  # noqa: SLF001
    SetContact: Walk._set_contact,  # noqa: SLF001
    SetGroups: Walk._set_groups,  # noqa: SLF001
    SetConsent: Walk._set_consent,  # noqa: SLF001
    Handoff: Walk._hand_off,  # noqa: SLF001
    Publish: Walk._publish,  # noqa: SLF001
    Failed: Walk._failed,  # noqa: SLF001
    Event: Walk._event,  # noqa: SLF001
}

"""What the names in expressions mean: the reserved roots, and the flat scope of the older dialect."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.engine.definition import Flow
from flows.engine.replies import NO_REPLY, IncomingMessage
from flows.engine.scopes import Scope
from flows.engine.session import Frame
from flows.engine.world import World

OLDER_REPLY_NAMES = ("user_response", "id", "value")
_NOT_DIGIT = re.compile(r"\D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Everything that names can reach at one moment of a session."""

    world: World
    contact: Mapping[str, Any]
    flow: Flow
    frames: Sequence[Frame]
    reply: Mapping[str, Any] | None
    turn_reply: Mapping[str, Any] | None
    now: datetime
    language: str

    def scope(self) -> Scope:
        look_up = self.look_up_older if self.flow.is_older else self.look_up
        return Scope(look_up, now=self.now, language=self.language)

    def look_up(self, name: str) -> Any:
        """Return what a name of the flow language means.

        Raises: KeyError for what is undefined.
        """
        root = _ROOTS.get(name)
        return root(self) if root else self.frames[-1].variables[name]

    def look_up_older(self, name: str) -> Any:
        """Return what a name of the older dialect means: reply, variables, campaign, contact, global."""
        if name == "user_id":
            return older_user_id(self.contact)
        reply = self.turn_reply or {}
        if reply.get(name) is not None:
            return reply[name]
        for names in self._older_places():
            if name in names:
                return names[name]
        if name in OLDER_REPLY_NAMES:
            return None
        return self.look_up(name)

    def _older_places(self) -> tuple[Mapping[str, Any], ...]:
        return (
            self.frames[-1].variables,
            self.world.campaign or {},
            self.contact.get("fields") or {},
            {key: value for key, value in self.contact.items() if key != "fields"},
            self.world.globals,
        )


def older_user_id(contact: Mapping[str, Any]) -> str | None:
    """Return the digits of the phone, else the business-scoped user id."""
    digits = _NOT_DIGIT.sub("", contact.get("phone") or "")
    return digits or contact.get("user_id")


def older_reply(message: IncomingMessage) -> dict[str, Any]:
    """Return the reply names of the older dialect for the message that began a turn."""
    if message.type == "tap":
        return {"user_response": message.title or message.text, "id": message.id, "value": message.title}
    return dict.fromkeys(OLDER_REPLY_NAMES, message.text)


def _parent(frames: Sequence[Frame]) -> dict[str, Any]:
    """Return the caller's variables; without a caller there are none."""
    if len(frames) < 2:
        raise KeyError("parent")
    callers = frames[:-1]
    above = {"parent": _parent(callers)} if len(callers) > 1 else {}
    return {**callers[-1].variables, **above}


def _data(roots: Roots) -> Any:
    if roots.flow.dataset is None:
        raise KeyError("data")
    return roots.world.data(roots.flow.dataset)


_ROOTS: dict[str, Callable[[Roots], Any]] = {
    "contact": lambda roots: roots.contact,
    "reply": lambda roots: roots.reply or NO_REPLY,
    "flow": lambda roots: {"id": roots.flow.id, "name": roots.flow.name, "language": roots.language},
    "data": _data,
    "global": lambda roots: roots.world.globals,
    "now": lambda roots: roots.now.isoformat(timespec="seconds"),
    "campaign": lambda roots: roots.world.campaign,
    "parent": lambda roots: _parent(roots.frames),
}

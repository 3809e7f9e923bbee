"""What the doors read: a conversation as a thread, the window for free text, versions by their numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from conversations.models import Conversation, KillSwitch, Message, Outbox, SendAttempt
from conversations.whatsapp import errors
from flows.models import Event, Publication

WINDOW = timedelta(hours=24)
PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a thread: a message with its way to Meta, or a fact between messages."""

    at: datetime
    message: Message | None = None
    outbox: Outbox | None = None
    event: Event | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """``earlier`` is the id before which to ask for more, None at the beginning of all."""

    entries: tuple[Entry, ...]
    earlier: int | None


def window_closes_at(conversation: Conversation) -> datetime | None:
    """When free text stops being allowed; None where the customer never wrote."""
    return conversation.last_inbound_at + WINDOW if conversation.last_inbound_at else None


def window_is_open(conversation: Conversation, now: datetime) -> bool:
    closes_at = window_closes_at(conversation)
    return closes_at is not None and now < closes_at


def kill_switch() -> KillSwitch:
    return KillSwitch.objects.filter(pk=1).first() or KillSwitch(pk=1)


def failure_words(code: int | None, fallback: str = "") -> str:
    """Say in words for staff what Meta's ``code`` means; ``fallback`` is Meta's own text."""
    row = errors.lookup(code) if code is not None else None
    if row is None:
        return fallback or ("" if code is None else _("Meta's code %(code)s") % {"code": code})
    return row.words


def versions(pairs: Iterable[tuple[str | None, str | None]]) -> dict[tuple[str | None, str | None], int]:
    """The newest publication number of each (flow id, version hash)."""
    wanted = {hash_ for _flow, hash_ in pairs if hash_}
    if not wanted:
        return {}
    found = Publication.objects.filter(version_id__in=wanted).order_by("number")
    return {
        (flow, hash_): number for flow, hash_, number in found.values_list("flow_id", "version_id", "number")
    }


def version_of(event: Event) -> tuple[str | None, str | None]:
    """The flow that an event speaks of and its version; a session's own hash is that of its outermost flow."""
    return event.flow_id, event.data.get("hash") or event.flow_hash


def thread(conversation: Conversation, names: Sequence[str], *, before: int | None = None) -> Thread:
    """Read the newest messages (older than message ``before``) and the facts named ``names`` among them.

    Four queries whatever the length.
    """
    older = Q(id__lt=before) if before else Q()
    messages = list(conversation.messages.filter(older).order_by("-id")[: PAGE + 1])
    more, messages = len(messages) > PAGE, messages[:PAGE][::-1]
    outbox = Outbox.objects.in_bulk(
        [m.outbox_id for m in messages if m.outbox_id and m.status in {"", "accepted"}]
    )
    events = _events(conversation, names, messages if more or before else [], has_end=before is not None)
    numbers = versions([version_of(e) for e in events])
    entries = [
        Entry(at=m.at, message=m, outbox=outbox.get(m.outbox_id) if m.outbox_id else None) for m in messages
    ]
    entries += [Entry(at=e.at, event=e, version=numbers.get(version_of(e))) for e in events]
    # At one moment what the customer wrote comes first, then what the flow did, then what it said.
    entries.sort(key=lambda e: (e.at, 0 if e.message and e.message.is_inbound else 1 if e.event else 2))
    return Thread(entries=tuple(entries), earlier=messages[0].pk if more else None)


def _events(
    conversation: Conversation, names: Sequence[str], messages: Sequence[Message], *, has_end: bool
) -> list[Event]:
    """Facts from the first to the last of ``messages``; without messages there is no bound."""
    events = Event.objects.filter(
        contact_id=conversation.contact_id,
        phone_number_id__in=[conversation.phone_number_id, ""],
        name__in=names,
    )
    if messages:
        events = events.filter(at__gte=messages[0].at)
    if messages and has_end:
        events = events.filter(at__lte=messages[-1].at)
    return list(events.order_by("-id")[: 4 * PAGE])[::-1]


def last_attempts(outbox_ids: Sequence[str]) -> dict[str, Any]:
    """The newest attempt of each outbox row."""
    attempts = SendAttempt.objects.filter(outbox_id__in=outbox_ids).order_by("n")
    return {attempt.outbox_id: attempt for attempt in attempts}

"""Who owns a conversation: the bot, or a person. Each change is one transaction with a compare-and-set on the owner."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from django.db.models import Q

from conversations import clock, inbox
from conversations.models import Conversation, Handoff
from flows import database, facts


class Person(Protocol):
    """A user, as far as ownership is concerned."""

    pk: Any

    def get_username(self) -> str: ...


class OwnerChanged(Exception):
    """The conversation is not owned as the move needs it; somebody else was faster, or it was never so."""


def take_over(conversation: Conversation, user: Person) -> None:
    """Give the conversation to ``user``; the bot is silent from this commit on.

    Raises: OwnerChanged where a person, ``user`` too, owns it already.
    """
    with database.write() as cursor:
        now = clock.now(cursor)
        _change(
            conversation,
            Q(owner__in=["bot", "waiting", "closed"]),
            {"owner": "person", "owner_user_id": user.pk, "waiting_since": None},
        )
        _silence_bot(cursor, conversation)
        taken = _handoffs(conversation, "open").update(state="taken", by_id=user.pk)
        if not taken:
            Handoff.objects.create(
                contact_id=conversation.contact_id,
                phone_number_id=conversation.phone_number_id,
                state="taken",
                by_id=user.pk,
                opened_at=now,
            )
        _record(cursor, "conversation_taken_over", conversation, user, now)


def _silence_bot(cursor: database.Cursor, conversation: Conversation) -> None:
    """What the bot had queued and not yet sent is not said any more, and does not hold up what the person says."""
    cursor.run(
        "UPDATE conversations_outbox SET state = 'cancelled', reason = 'a person took over'"
        " WHERE contact_id = %s AND phone_number_id = %s AND kind = 'reply' AND state IN ('queued', 'leased')",
        [conversation.contact_id, conversation.phone_number_id],
    )


def hand_back(conversation: Conversation, user: Person) -> None:
    """Give the conversation back to the bot; a session that waited for this goes on.

    Raises: OwnerChanged where the bot owns it.
    """
    with database.write() as cursor:
        now = clock.now(cursor)
        _change(conversation, Q(owner__in=["person", "waiting"]), _bot)
        _handoffs(conversation, "open", "taken").update(state="returned", closed_at=now)
        _tell_lane(cursor, conversation, user)
        _record(cursor, "conversation_handed_back", conversation, user, now)


def close(conversation: Conversation, user: Person) -> None:
    """Say that the conversation is done with; the next message opens it for the bot again.

    A session that is with a person goes on as on a hand-back, for nobody else would ever resume it.

    Raises: OwnerChanged where it is closed.
    """
    with database.write() as cursor:
        now = clock.now(cursor)
        was_with_people = conversation.owner in {"person", "waiting"}
        _change(conversation, Q(owner=conversation.owner) & ~Q(owner="closed"), {**_bot, "owner": "closed"})
        _handoffs(conversation, "open", "taken").update(state="closed", closed_at=now)
        if was_with_people:
            _tell_lane(cursor, conversation, user)
        _record(cursor, "conversation_closed", conversation, user, now)


_bot: Mapping[str, Any] = {"owner": "bot", "owner_user_id": None, "waiting_since": None, "team": ""}


def _change(conversation: Conversation, condition: Q, values: Mapping[str, Any]) -> None:
    if not Conversation.objects.filter(condition, pk=conversation.pk).update(**values):
        conversation.refresh_from_db(fields=["owner", "owner_user"])
        raise OwnerChanged(conversation.owner)
    for name, value in values.items():
        setattr(conversation, name, value)


def _handoffs(conversation: Conversation, *states: str) -> Any:
    return Handoff.objects.filter(
        contact_id=conversation.contact_id,
        phone_number_id=conversation.phone_number_id,
        state__in=states,
    )


def _tell_lane(cursor: database.Cursor, conversation: Conversation, user: Person) -> None:
    inbox.enqueue(
        cursor,
        conversation.contact_id,
        conversation.phone_number_id,
        "hand_back",
        {"by": user.get_username()},
    )


def _record(
    cursor: database.Cursor, name: str, conversation: Conversation, user: Person, now: datetime
) -> None:
    fact = facts.Fact(
        at=now,
        name=name,
        contact_id=conversation.contact_id,
        phone_number_id=conversation.phone_number_id,
        data={"by": user.get_username(), "conversation": conversation.pk},
    )
    facts.record(cursor, [fact])

"""Quarantine: take an input that was set aside and put it before the machine once more."""

from django.db import transaction
from django.utils.translation import gettext as _

from conversations import hints, lanes
from conversations.models import Inbox
from flows import database
from flows.facts import DeadLetter


class NotReplayable(Exception):
    """What the dead letter stands for is gone, or is no longer set aside."""


def replay(letter: DeadLetter, *, by: str) -> None:
    """Give the input another three attempts and mark the letter resolved; a new failure opens it again.

    Raises: NotReplayable.
    """
    again = _ways.get(letter.source)
    if again is None:
        raise NotReplayable(_("An input of this kind cannot be replayed."))
    with database.write() as cursor:
        if not _resolve(cursor, letter, by):
            raise NotReplayable(_("It was replayed already."))
        again(cursor, letter.source_id)
        transaction.on_commit(lambda: hints.wake("in"))


def _resolve(cursor: database.Cursor, letter: DeadLetter, by: str) -> int:
    return cursor.run(
        "UPDATE flows_deadletter SET resolved_at = {now}, resolved_by = %s"
        " WHERE id = %s AND resolved_at IS NULL",
        [by, letter.pk],
    )


def _replay_input(cursor: database.Cursor, source_id: str) -> None:
    """Put a dead input at the end of its lane: its old place lies below what the lane still looks at."""
    found = Inbox.objects.filter(pk=source_id, state="dead").values_list("contact_id", flat=True).first()
    if found is None:
        raise NotReplayable(_("The input is not dead any more."))
    lanes.create(cursor, [found])
    lanes.lock(cursor, [found])
    seq = lanes.take_numbers(cursor, {found: 1})[found]
    changed = cursor.run(
        "UPDATE conversations_inbox SET state = 'new', attempts = 0, seq = %s, due_at = {now}, done_at = NULL"
        " WHERE id = %s AND state = 'dead'",
        [seq, int(source_id)],
    )
    if not changed:
        raise NotReplayable(_("The input is not dead any more."))


def _replay_delivery(cursor: database.Cursor, source_id: str) -> None:
    changed = cursor.run(
        "UPDATE conversations_webhookdelivery SET state = 'raw', reason = ''"
        " WHERE id = %s AND state = 'quarantined'",
        [int(source_id)],
    )
    if not changed:
        raise NotReplayable(_("The delivery is not quarantined any more."))


# By ``DeadLetter.source``.
_ways = {"inbox": _replay_input, "webhook": _replay_delivery}

"""Rows whose fate is unknown: a status, evidence, or a person settles them; none is forgotten."""

from datetime import timedelta

import pytest
from django.utils import timezone

from conversations import clock, outbox, reconcile
from conversations.models import Contact, Message, Number, Outbox
from flows.facts import Event, Incident
from tests.conversations import bodies
from tests.factories import ContactFactory, ConversationFactory


@pytest.fixture
def contact(number) -> Contact:
    Number.objects.update(has_evidence=True, evidence_statuses=20)
    return ConversationFactory.create(contact=ContactFactory.create(phone=bodies.PHONE)).contact


def sent(contact: Contact, *, ago: float, status: str = "", **given) -> str:
    """A message that was released so many seconds ago."""
    key = outbox.enqueue_manual(contact.pk, bodies.NUMBER, {"type": "text", "body": "x"}, by="anna")
    values = {"state": "accepted", "attempt": 1, "policy": "evidence"} | given
    Outbox.objects.filter(pk=key).update(sent_at=timezone.now() - timedelta(seconds=ago), **values)
    Message.objects.filter(outbox_id=key).update(status=status)
    return key


def live_channel(count: int = 3, ago: float = 300, status: str = "sent") -> None:
    for _ in range(count):
        sent(ConversationFactory.create().contact, ago=ago, status=status)


def state(key: str) -> str:
    return Outbox.objects.get(pk=key).state


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "played"])
def test_a_row_is_queued_again_when_the_channel_is_live_and_silent_about_it(contact, status):
    doubtful = sent(contact, ago=700, state="ambiguous")
    live_channel(status=status)
    assert reconcile.sweep()["queued"] == 1
    assert state(doubtful) == "queued"
    assert Event.objects.get(name="message_retried").correlation == doubtful


@pytest.mark.parametrize(
    ("ago", "count", "channel_ago", "status"),
    [
        (590, 3, 300, "sent"),
        (700, 2, 300, "sent"),
        (700, 3, 800, "sent"),
        (700, 3, 300, ""),
        (700, 3, 300, "accepted"),
        (700, 3, 300, "failed"),
    ],
    ids=["too early", "too few", "earlier ones", "no status", "accepted only", "failed"],
)
def test_without_the_whole_evidence_a_row_waits(contact, ago, count, channel_ago, status):
    doubtful = sent(contact, ago=ago, state="ambiguous")
    live_channel(count, channel_ago, status)
    reconcile.sweep()
    assert state(doubtful) == "ambiguous"


def test_a_row_that_was_overtaken_by_a_later_one_is_parked(contact):
    doubtful = sent(contact, ago=700, state="ambiguous")
    sent(contact, ago=100)
    live_channel()
    reconcile.sweep()
    assert state(doubtful) == "parked"


def test_a_row_that_only_a_person_may_resend_is_parked_after_two_minutes(contact):
    early, late = (sent(contact, ago=ago, state="ambiguous", policy="park") for ago in (110, 130))
    live_channel()
    assert reconcile.sweep()["parked"] == 1
    assert (state(early), state(late)) == ("ambiguous", "parked")


def test_without_tokens_in_the_statuses_everything_parks(contact):
    Number.objects.update(has_evidence=False)
    doubtful = sent(contact, ago=700, state="ambiguous")
    live_channel()
    reconcile.sweep()
    assert state(doubtful) == "parked"


def test_evidence_that_never_comes_parks_the_row_when_its_time_is_over(contact):
    doubtful = sent(contact, ago=700, state="ambiguous")
    reconcile.sweep()
    assert state(doubtful) == "ambiguous"
    clock.jump(86_400)
    reconcile.sweep()
    assert state(doubtful) == "parked"
    assert Incident.objects.filter(kind="parked").exists()


@pytest.mark.parametrize("state_before", ["queued", "leased"])
def test_what_was_not_sent_in_time_expires(contact, state_before):
    late = sent(contact, ago=0, state=state_before)
    clock.jump(86_401)
    assert reconcile.sweep()["expired"] == 1
    assert state(late) == "expired"
    assert Event.objects.get(name="message_expired").correlation == late


@pytest.mark.parametrize("final", ["accepted", "refused", "expired", "cancelled", "parked"])
def test_what_is_final_for_deadlines_stays(contact, final):
    key = sent(contact, ago=100_000, state=final)
    clock.jump(90_000)
    reconcile.sweep()
    assert state(key) == final


def test_a_row_in_sending_is_never_queued_again(contact):
    key = sent(contact, ago=46, state="sending", lease_until=timezone.now() - timedelta(seconds=1))
    live_channel()
    reconcile.sweep()
    assert state(key) == "ambiguous"


def test_with_nothing_to_reconcile_nothing_is_written(contact):
    assert reconcile.sweep() == {}

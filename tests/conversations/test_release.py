"""T1: what may go to the wire, in which order, and what forbids it at the last moment."""

from datetime import timedelta

import pytest
from django.utils import timezone

from conversations import clock, outbox, pacing, parked, reconcile, release
from conversations.models import (
    Breaker,
    Bucket,
    Contact,
    Conversation,
    KillSwitch,
    Message,
    Number,
    Outbox,
    SendAttempt,
)
from flows import database
from flows.facts import Event, Incident
from tests.conversations import bodies
from tests.factories import ContactFactory, ConversationFactory

TEXT = {"type": "text", "body": "Hello"}
TEMPLATE = {"type": "template", "name": "hello", "language": "en"}
# SQLite's clock counts milliseconds: a moment taken here may lie a little after the database's "now".
TICK = timedelta(milliseconds=10)


@pytest.fixture
def contact(number) -> Contact:
    return ConversationFactory.create(contact=ContactFactory.create(phone=bodies.PHONE)).contact


def queue(contact: Contact, content=TEXT, **given) -> str:
    return outbox.enqueue_manual(contact.pk, bodies.NUMBER, content, by="anna", **given)


def let_go(limit: int = 32, rate: float = 60) -> list[str]:
    return [m.id for m in release.release(bodies.NUMBER, bodies.WABA, rate, limit)]


def others(count: int) -> list[Contact]:
    return [ConversationFactory.create().contact for _ in range(count)]


def state(outbox_id: str) -> str:
    return Outbox.objects.get(pk=outbox_id).state


def conclude(outbox_id: str, to: str = "accepted") -> None:
    Outbox.objects.filter(pk=outbox_id).update(state=to, wamid=f"w{outbox_id}" if to == "accepted" else None)


# --- order ---


def test_a_contact_has_at_most_one_message_on_its_way(contact):
    first, second = queue(contact), queue(contact)
    assert let_go() == [first]
    assert let_go() == []
    conclude(first)
    assert let_go() == [second]


@pytest.mark.parametrize(
    ("before", "may_leave"),
    [
        ("queued", False),
        ("leased", False),
        ("sending", False),
        ("ambiguous", False),
        ("accepted", True),
        ("refused", True),
        ("expired", True),
        ("cancelled", True),
        ("parked", True),
    ],
)
def test_what_comes_before_holds_a_message_until_it_has_its_verdict(contact, before, may_leave):
    first, second = queue(contact), queue(contact)
    later = timezone.now() + timedelta(hours=1)
    Outbox.objects.filter(pk=first).update(state=before, sent_at=timezone.now(), not_before=later)
    assert let_go() == ([second] if may_leave else [])


def test_a_doubt_holds_the_next_message_for_two_minutes_only(contact):
    first, second = queue(contact), queue(contact)
    long_ago = timezone.now() - timedelta(seconds=121)
    Outbox.objects.filter(pk=first).update(state="ambiguous", sent_at=long_ago)
    assert let_go() == [second]


def test_answers_go_before_less_urgent_messages(number):
    slow, quick = (queue(c) for c in others(2))
    Outbox.objects.filter(pk=slow).update(priority=5)
    assert let_go(1) == [quick]


def test_release_writes_the_attempt_with_it(contact):
    sent = queue(contact)
    (message,) = release.release(bodies.NUMBER, bodies.WABA, 60, 10)
    row = Outbox.objects.get()
    assert (row.state, row.attempt, message.attempt) == ("sending", 1, 1)
    assert (row.lease_until - row.sent_at).total_seconds() == pytest.approx(45, abs=1)
    attempt = SendAttempt.objects.get()
    assert (attempt.outbox_id, attempt.n, attempt.outcome) == (sent, 1, "started")


def test_a_message_before_its_time_stays(contact):
    sent = queue(contact)
    Outbox.objects.update(not_before=clock.now() + timedelta(minutes=5))
    assert let_go() == []
    clock.jump(301)
    assert let_go() == [sent]


# --- what forbids a message (G12) ---


@pytest.mark.parametrize(
    ("kind", "content"), [("agent", TEXT), ("reply", TEXT), ("campaign", TEMPLATE), ("system", TEXT)]
)
def test_an_opted_out_contact_gets_nothing_but_the_confirmation(contact, kind, content):
    held, confirmation = queue(contact, content, kind=kind), queue(contact, kind="confirmation")
    Contact.objects.update(is_opted_out=True)
    assert let_go() == [confirmation]
    row = Outbox.objects.get(pk=held)
    assert (row.state, row.reason) == ("cancelled", "the contact opted out")
    assert Event.objects.get(name="message_cancelled").correlation == held


def test_a_blocked_contact_gets_nothing(contact):
    held = queue(contact)
    Contact.objects.update(is_blocked=True)
    assert (let_go(), state(held)) == ([], "cancelled")


def test_a_persons_words_do_not_wait_behind_the_bots(contact):
    """The bot's answer was queued when a person took over: it must not leave, nor hold what the person says."""
    bots, persons = queue(contact, kind="reply"), queue(contact)
    Conversation.objects.update(owner="person")
    assert let_go() == [persons]
    assert Outbox.objects.get(pk=bots).reason == "a person has the conversation"


@pytest.mark.parametrize("owner", ["bot", "waiting", "closed"])
def test_the_bots_answers_leave_while_no_person_has_the_conversation(contact, owner):
    sent = queue(contact, kind="reply")
    Conversation.objects.update(owner=owner)
    assert let_go() == [sent]


def test_the_kill_switch_stops_everything_at_once(contact):
    sent = queue(contact)
    KillSwitch.objects.create(is_on=True)
    assert (let_go(), state(sent)) == ([], "queued")
    KillSwitch.objects.update(is_on=False)
    assert let_go() == [sent]


def test_nothing_leaves_where_outbound_is_switched_off(contact, settings):
    settings.WHATSFLOW_OUTBOUND = False
    sent = queue(contact)
    assert (let_go(), state(sent)) == ([], "queued")


@pytest.mark.parametrize("scope", [f"number:{bodies.NUMBER}", f"account:{bodies.WABA}"])
def test_an_open_breaker_keeps_messages_queued_and_lets_one_probe_out(number, scope):
    for contact in others(3):
        queue(contact)
    Breaker.objects.create(scope=scope, state="open", probe_at=timezone.now() + timedelta(minutes=1))
    assert let_go() == []
    Breaker.objects.update(probe_at=timezone.now() - TICK)
    assert len(let_go()) == 1
    assert let_go() == []
    assert Breaker.objects.get().state == "half_open"


def test_a_breaker_of_another_number_stops_nobody_here(contact):
    Breaker.objects.create(scope="number:7", state="open", probe_at=timezone.now() + timedelta(minutes=1))
    sent = queue(contact)
    assert let_go() == [sent]


def test_outside_the_window_nothing_but_a_template_is_queued(contact):
    Conversation.objects.update(last_inbound_at=clock.now() - timedelta(hours=24, seconds=1))
    with pytest.raises(outbox.WindowClosed):
        queue(contact)
    assert queue(contact, TEMPLATE)


def test_a_message_whose_window_closes_while_it_waits_expires(contact):
    Conversation.objects.update(last_inbound_at=clock.now() - timedelta(hours=23, minutes=59))
    sent, behind = queue(contact), queue(contact, TEMPLATE)
    clock.jump(120)
    assert let_go() == []
    assert reconcile.sweep()["expired"] == 1
    assert state(sent) == "expired"
    assert Incident.objects.get(kind="expired").count == 1
    assert let_go() == [behind]


def test_whom_we_never_met_is_not_written_to(number):
    stranger = ContactFactory.create()
    with pytest.raises(LookupError):
        queue(stranger)


def test_the_same_key_queues_a_message_once(contact):
    assert queue(contact, dedup_key="api:1") == queue(contact, dedup_key="api:1")
    assert Outbox.objects.count() == Message.objects.count() == 1


# --- pace ---


def test_no_more_leave_than_the_bucket_holds(number):
    for contact in others(12):
        queue(contact)
    assert len(let_go(rate=5)) == 5
    assert let_go(rate=0.001) == []
    Bucket.objects.update(at=timezone.now() - timedelta(seconds=1) - TICK, rate=5)
    assert len(let_go(rate=5)) == 5


def test_a_number_that_was_held_owes_the_tokens_of_that_time(number):
    for contact in others(3):
        queue(contact)
    let_go(1)
    with database.write() as cursor:
        pacing.hold(cursor, bodies.NUMBER, 10)
    assert let_go() == []
    Bucket.objects.update(at=timezone.now() - timedelta(seconds=11))
    assert len(let_go()) == 2


def test_a_number_that_was_slowed_down_is_as_fast_as_before_after_ten_minutes(number):
    let_go()
    with database.write() as cursor:
        for _ in range(3):
            pacing.slow_down(cursor, bodies.NUMBER)
    speeds = []
    for seconds in (0, 300, 700):
        Bucket.objects.update(at=timezone.now() - timedelta(seconds=seconds), rate=7.5)
        with database.write() as cursor:
            speeds.append(pacing.allowance(cursor, bodies.NUMBER, bodies.WABA, 60).rate)
    assert speeds == [pytest.approx(7.5, abs=0.5), pytest.approx(37.5, abs=0.5), 60]
    assert Number.objects.get().rate == 60


def test_the_rate_that_staff_sets_holds_at_once(number):
    for contact in others(9):
        queue(contact)
    assert len(let_go(1, rate=60)) == 1
    assert len(let_go(rate=2)) == 2


def test_a_person_gets_forty_five_at_once_and_then_one_each_six_seconds(contact):
    for _ in range(47):
        queue(contact)
    for _ in range(45):
        (sent,) = let_go()
        conclude(sent)
    assert let_go() == []
    clock.jump(7)
    (sent,) = let_go()
    conclude(sent)
    assert let_go() == []


# --- parked, and who decides ---


def test_an_operator_resends_or_drops_a_parked_message_once(contact):
    first, second = queue(contact), queue(contact)
    Outbox.objects.update(state="parked")
    parked.resend(first, by="anna")
    parked.drop(second, by="anna")
    assert (state(first), state(second)) == ("queued", "cancelled")
    for move in (parked.resend, parked.drop):
        with pytest.raises(parked.NotParked):
            move(first, by="anna")
    assert let_go() == [first]
    names = Event.objects.filter(name__startswith="message_re").values_list("name", flat=True)
    assert list(names) == ["message_resent"]


def test_handing_back_is_of_this_attempt_alone(contact):
    queue(contact)
    (message,) = release.release(bodies.NUMBER, bodies.WABA, 60, 10)
    Outbox.objects.update(attempt=2)
    release.hand_back(message)
    assert Outbox.objects.get().state == "sending"

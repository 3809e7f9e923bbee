"""Guards against circles: the same texts going round, and more messages than a person sends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import clock, guards
from conversations.models import Conversation, Handoff, Outbox
from flows.facts import Event, Incident
from tests.conversations.way import flow, say

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def parrot(way):
    way.publish(
        flow("hello", say("say", "Hello, how can I help?")),
        flow("twice", say("a", "One"), say("b", "Two")),
        flow("many", *(say(f"s{n}", f"{n}") for n in range(9))),
    )
    return way


def test_the_same_texts_four_times_running_bring_in_a_person(parrot):
    said = parrot.talk("hello", "hello", "hello", "hello", "hello")
    assert said == ["Hello, how can I help?"] * 3
    assert Conversation.objects.get().owner == "waiting"
    assert Handoff.objects.get().state == "open"
    assert Event.objects.filter(name="bot_suspected").count() == 1
    assert Incident.objects.filter(kind="bot_suspected").count() == 1


def test_other_words_in_between_break_the_circle(parrot):
    parrot.talk("hello", "hello", "hello", "twice", "hello", "hello", "hello")
    assert Conversation.objects.get().owner == "bot"


def test_over_five_minutes_it_is_no_circle(parrot):
    for _ in range(6):
        parrot.talk("hello")
        clock.jump(120)
    assert Conversation.objects.get().owner == "bot"


def test_a_circle_in_one_delivery_is_seen_too(parrot):
    parrot.say(*["hello"] * 6)
    parrot.drain()
    assert parrot.said() == ["Hello, how can I help?"] * 3
    assert list(Outbox.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3]


def test_no_more_than_twenty_messages_a_minute_go_to_a_person(parrot):
    clock.jump(60.5 - clock.now().second)  # the limit counts by the minutes of the clock
    for text in ("many", "twice", "many", "twice", "many"):
        parrot.talk(text)
    assert Outbox.objects.count() == guards.PER_MINUTE
    assert Event.objects.filter(name="send_limit_reached").count() == 11
    assert Incident.objects.get(kind="runaway").count >= 1
    clock.jump(61)
    assert parrot.talk("twice") == ["One", "Two"]


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 40_000)), max_size=60))
def test_limits_hold_whatever_is_asked_for(asked):
    guard: guards.Guard = {}
    sent: list[datetime] = []
    now = NOON
    for wanted, seconds in asked:
        now += timedelta(seconds=seconds)
        guard, allowed = guards.take(guard, wanted, now)
        assert 0 <= allowed <= wanted
        sent += [now] * allowed
    for at in sent:
        minute = [s for s in sent if s.replace(second=0) == at.replace(second=0)]
        assert len(minute) <= guards.PER_MINUTE
        assert len([s for s in sent if s.date() == at.date()]) <= guards.PER_DAY

"""Timers: waits that run out, reminders, silence; each moment is an input once."""

from datetime import timedelta

import pytest

from conversations import clock, splitter, timers, turns
from conversations.models import Conversation, Inbox, Outbox, Session, Timer
from flows.facts import Event
from tests.conversations.way import ask, flow, say


@pytest.fixture
def nudged(way):
    """A question with a reminder after a minute, an end after ten, and words said after an hour of silence."""
    wait = {
        "remind": [{"after": "1m", "content": {"type": "text", "body": "Still there?"}}],
        "timeout": {"after": "10m", "step": "late"},
    }
    way.publish(
        flow(
            "survey",
            ask("ask", "How was it?", wait=wait),
            say("thanks", "Thanks!", next_step=None),
            say("late", "Too late", next_step=None),
        ),
        flow(
            "silent",
            ask("ask", "Anybody?"),
            say("thanks", "Thanks!", next_step=None),
            say("bye", "Bye then", next_step=None),
            settings={"expire_after": "1h", "on_expire": "bye"},
        ),
    )
    return way


def pass_time(way, **span) -> list[str]:
    before = Outbox.objects.count()
    clock.jump(timedelta(**span).total_seconds())
    way.drain()
    return way.said()[before:]


def test_a_reminder_is_sent_once_and_then_the_wait_times_out(nudged):
    nudged.talk("survey")
    assert pass_time(nudged, seconds=50) == []
    assert pass_time(nudged, seconds=15) == ["Still there?"]
    assert pass_time(nudged, minutes=5) == []
    assert pass_time(nudged, minutes=5) == ["Too late"]
    assert Session.objects.get().outcome == "completed"
    assert set(Timer.objects.values_list("state", flat=True)) <= {"fired", "gone"}


def test_an_answer_in_time_lets_the_timers_go(nudged):
    nudged.talk("survey", "fine")
    assert pass_time(nudged, hours=2) == []
    assert set(Timer.objects.values_list("state", flat=True)) == {"gone"}
    assert not Inbox.objects.filter(kind="timer").exists()


def test_an_answer_after_the_timeout_is_an_ordinary_message(nudged):
    nudged.talk("survey")
    pass_time(nudged, minutes=11)
    nudged.talk("fine")
    assert Event.objects.filter(name="message_unmatched").count() == 1


def test_silence_ends_a_session_with_its_last_words(nudged):
    nudged.talk("silent")
    assert pass_time(nudged, minutes=61) == ["Bye then"]
    assert Session.objects.get().outcome == "expired"


def test_a_timer_fires_once_whoever_looks(nudged):
    nudged.talk("survey")
    clock.jump(700)
    assert timers.fire() == 2
    assert timers.fire() == 0
    nudged.drain()
    keys = Inbox.objects.filter(kind="timer").order_by("seq").values_list("payload__key", flat=True)
    assert list(keys) == ["remind:1", "timeout"]
    assert nudged.said() == ["How was it?", "Still there?", "Too late"]


def test_an_answer_that_came_before_the_moment_goes_before_the_timer(nudged):
    """Both are there when the lane is claimed: the earlier one wins."""
    nudged.talk("silent")
    nudged.say("here!")
    splitter.split()
    clock.jump(3700)
    timers.fire()
    turns.work()
    nudged.drain()
    assert nudged.said() == ["Anybody?", "Thanks!"]


def test_the_timers_of_an_interrupted_session_are_gone(nudged):
    nudged.talk("survey", "silent")
    open_timers = Timer.objects.filter(state="open")
    assert {t.session_id for t in open_timers} == {nudged.session().pk}


def test_what_begins_and_ends_in_one_turn_leaves_no_timer(nudged):
    nudged.say("survey", "fine")
    nudged.drain()
    assert nudged.said() == ["How was it?", "Thanks!"]
    assert not Timer.objects.filter(state="open").exists()


def test_while_a_person_talks_the_flows_clock_stands_still(nudged):
    nudged.talk("silent")
    Conversation.objects.update(owner="person")
    assert pass_time(nudged, minutes=61) == []
    assert nudged.session().state == "waiting"
    Conversation.objects.update(owner="bot")
    assert pass_time(nudged, minutes=2) == ["Bye then"]


def test_a_refused_answer_restarts_silence_but_not_the_timeout(way):
    wait = {"type": "number", "timeout": {"after": "10m", "step": "late"}}
    way.publish(
        flow("age", ask("ask", "How old?", wait=wait), say("ok", "Ok", next_step=None), say("late", "Late"))
    )
    way.talk("age")
    pass_time(way, minutes=6)
    way.talk("no idea")
    assert pass_time(way, minutes=5)[-1] == "Late"


def test_a_pause_goes_on_by_itself(way):
    way.publish(flow("later", say("a", "One"), {"id": "p", "type": "pause", "for": "30m"}, say("b", "Two")))
    assert way.talk("later") == ["One"]
    assert way.talk("hello?") == []
    assert pass_time(way, minutes=31) == ["Two"]


def test_a_reminder_that_may_not_be_sent_any_more_is_skipped_and_the_wait_goes_on(way):
    remind = [{"after": "25h", "content": {"type": "text", "body": "Still there?"}}]
    wait = {"remind": remind, "timeout": {"after": "30h", "step": "late"}}
    way.publish(
        flow(
            "slow",
            ask("ask", "Well?", wait=wait),
            say("ok", "Ok", next_step=None),
            {"id": "late", "type": "end", "outcome": "abandoned"},
            settings={"expire_after": "40h"},
        )
    )
    way.talk("slow")
    assert pass_time(way, hours=26) == []
    assert Event.objects.filter(name="reminder_skipped").count() == 1
    pass_time(way, hours=5)
    assert Session.objects.get().outcome == "abandoned"


def test_the_clock_goes_ahead_only_and_only_where_the_simulator_is_on(number, settings):
    before = clock.now()
    assert clock.jump(3600) >= before + timedelta(hours=1)
    for wrong in (0, -1, 401 * 86_400):
        with pytest.raises(ValueError, match="expected more than 0"):
            clock.jump(wrong)
    settings.SIMULATOR_ENABLED = False
    with pytest.raises(ValueError, match="only where the simulator is on"):
        clock.jump(1)

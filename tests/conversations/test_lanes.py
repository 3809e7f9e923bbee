"""Lanes: who may work on a contact, and what becomes of the input that breaks its turn."""

import threading

import pytest
from django.db import OperationalError, connections

from conversations import inbox, lanes, outbox, quarantine, splitter, turns
from conversations.models import Inbox, Lane, Outbox, Session, SessionStep
from conversations.walks import Walk
from flows import database
from flows.facts import DeadLetter, Incident
from tests.conversations import bodies
from tests.conversations.way import ask, flow, say

LONG_AGO = "2000-01-01 00:00Z"
OTHERS = [f"9196077001{n:02d}" for n in range(20)]


class Crash(BaseException):
    """Stands for a process that ends: nothing in it is caught."""


@pytest.fixture
def hours(way):
    way.publish(flow("hours", say("say", "We are open.")))
    return way


def release_all() -> None:
    """Let all leases run out and all waits be over."""
    Lane.objects.update(lease_until=LONG_AGO, runnable_at=LONG_AGO)


def work_through(way, rounds: int = 20) -> None:
    for _ in range(rounds):
        release_all()
        way.drain()


def poison(monkeypatch, text: str, error: type[BaseException] = ValueError) -> list[str]:
    """Let the turn of each message with this text raise; gives the list of what was tried."""
    tried: list[str] = []
    take = Walk.take

    def breaking(self, one):
        said = one.payload.get("message", {}).get("text", one.kind)
        tried.append(said)
        if said == text:
            raise error(said)
        take(self, one)

    monkeypatch.setattr(Walk, "take", breaking)
    return tried


# --- claim and fence (G3, F3, F11) ---


def test_of_four_workers_one_gets_a_lane(way):
    way.say("hi")
    splitter.split()
    got: list[int] = []

    def claim() -> None:
        got.append(len(lanes.claim(64)))
        connections.close_all()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [0, 0, 0, 1]


@pytest.mark.parametrize("suspects", [False, True])
def test_a_claim_takes_no_more_than_its_limit(way, suspects):
    for phone in OTHERS:
        way.say("hi", phone=phone)
    splitter.split()
    Lane.objects.update(turn_attempts=int(suspects))
    claimed = lanes.claim(3, suspects=suspects)
    assert len(claimed) == (1 if suspects else 3)
    assert Lane.objects.filter(epoch__gt=0).count() == len(claimed)


def test_a_claimed_lane_is_nobody_elses_until_its_lease_ends(way):
    way.say("hi")
    splitter.split()
    assert len(lanes.claim(64)) == 1
    assert not lanes.are_waiting(database.read())
    assert lanes.claim(64) == lanes.claim(64, suspects=True) == []
    release_all()
    (again,) = lanes.claim(64, suspects=True)
    assert (again.epoch, again.attempts, again.is_suspect) == (2, 2, True)


def test_a_zombies_commit_writes_nothing(hours, monkeypatch):
    """A worker that slept through its lease comes back when another has done the work."""
    hours.say("hours")
    splitter.split()
    real_commit = turns._commit

    def sleep_through_the_lease(walks, releases, now):
        monkeypatch.setattr(turns, "_commit", real_commit)
        release_all()
        turns.work_on_suspect()
        before = [Outbox.objects.count(), SessionStep.objects.count(), Inbox.objects.get().done_at]
        real_commit(walks, releases, now)
        assert [Outbox.objects.count(), SessionStep.objects.count(), Inbox.objects.get().done_at] == before

    monkeypatch.setattr(turns, "_commit", sleep_through_the_lease)
    turns.work()
    lane = Lane.objects.get()
    assert (lane.epoch, lane.pending, lane.out_seq) == (2, 0, 2)
    assert hours.said() == ["We are open."]


def test_a_commit_that_is_repeated_because_its_answer_was_lost_has_one_effect(hours, monkeypatch):
    hours.say("hours")
    splitter.split()
    real_commit, count = turns._commit, [0]

    def lose_the_answer(*given):
        real_commit(*given)
        count[0] += 1
        if count[0] == 1:
            raise OperationalError("server closed the connection")

    monkeypatch.setattr(turns, "_commit", lose_the_answer)
    turns.work()
    lane = Lane.objects.get()
    assert (count[0], lane.pending, lane.out_seq, lane.turn_attempts) == (2, 0, 2, 0)
    assert hours.said() == ["We are open."]


def test_a_commit_that_the_database_turned_away_is_tried_again_at_once(hours, monkeypatch):
    hours.say("hours")
    splitter.split()
    real_commit, count = turns._commit, [0]

    def deadlock_twice(*given):
        count[0] += 1
        if count[0] < 3:
            raise OperationalError("deadlock detected")
        real_commit(*given)

    monkeypatch.setattr(turns, "_commit", deadlock_twice)
    turns.work()
    assert hours.said() == ["We are open."]


def test_whoever_takes_a_number_during_a_turn_does_not_break_it(hours, monkeypatch):
    """Staff writes while the engine works: both messages leave, each with a number of its own."""
    hours.talk("hours")
    hours.say("hours")
    splitter.split()
    real_commit = turns._commit

    def write_meanwhile(*given):
        contact_id = Lane.objects.get().contact_id
        outbox.enqueue_manual(contact_id, bodies.NUMBER, {"type": "text", "body": "By hand"}, by="anna")
        real_commit(*given)

    monkeypatch.setattr(turns, "_commit", write_meanwhile)
    turns.work()
    assert hours.said() == ["We are open.", "By hand", "We are open."]
    assert list(Outbox.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3]


# --- order ---


def test_messages_of_one_contact_at_once_are_taken_in_order(way):
    way.publish(
        flow(
            "names",
            ask("first", "First?", wait={"save_as": "a"}),
            ask("last", "Last?", wait={"save_as": "b"}),
            say("done", "{{ a }} {{ b }}"),
        )
    )
    way.say("names", "Ada", "Lovelace")
    way.drain()
    assert way.said() == ["First?", "Last?", "Ada Lovelace"]


def test_two_first_messages_in_two_deliveries_at_once_start_one_session(way):
    way.publish(flow("names", ask("first", "First?"), say("done", "Thanks, {{ answer }}")))
    way.say("names")
    way.say("Ada")
    way.drain()
    assert way.said() == ["First?", "Thanks, Ada"]
    assert Session.objects.count() == 1


def test_an_input_beyond_the_first_ten_waits_for_the_next_turn(way):
    way.say(*(f"m{n}" for n in range(25)))
    way.drain()
    assert way.inputs("new") == []
    steps = Inbox.objects.order_by("done_at", "seq").values_list("seq", flat=True)
    assert list(steps) == list(range(1, 26))


def test_a_batch_takes_many_lanes_and_ends_with_all_of_them(hours, settings):
    settings.WHATSFLOW_LANES_PER_BATCH = 7
    for phone in OTHERS:
        hours.say("hours", phone=phone)
    hours.drain()
    assert hours.said() == ["We are open."] * len(OTHERS)


def test_a_slow_engine_leaves_the_rest_of_its_batch_to_the_next(hours, monkeypatch):
    for phone in OTHERS[:3]:
        hours.say("hours", phone=phone)
    splitter.split()
    monkeypatch.setattr(turns, "ENGINE_SECONDS", 0.0)
    hours.drain()
    assert hours.said() == ["We are open."] * 3
    assert set(Lane.objects.values_list("turn_attempts", flat=True)) == {0}


# --- poison (G10, F46) ---


def test_a_poison_input_is_set_aside_after_three_attempts_and_the_lane_goes_on(hours, monkeypatch):
    tried = poison(monkeypatch, "bad")
    hours.say("bad", "a", "b", "c", "d", "e")
    work_through(hours)
    assert hours.inputs() == [("message", "dead"), *[("message", "done")] * 5]
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.source_id, letter.attempts) == ("inbox", str(Inbox.objects.first().pk), 3)
    assert letter.cause == "ValueError: bad"
    assert "raise error(said)" in letter.trace
    assert Incident.objects.get(kind="quarantine").closed_at is None
    assert tried == ["bad"] * 3 + ["a", "b", "c", "d", "e"]


def test_an_input_that_ends_its_process_is_set_aside_after_three_attempts(hours, monkeypatch):
    poison(monkeypatch, "bad", Crash)
    hours.say("bad", "a", "b")
    crashes = 0
    for _ in range(10):
        release_all()
        try:
            hours.drain()
        except Crash:
            crashes += 1
    assert crashes == 3
    assert hours.inputs() == [("message", "dead"), ("message", "done"), ("message", "done")]
    assert "again and again" in DeadLetter.objects.get().cause


@pytest.mark.parametrize("error", [ValueError, Crash])
def test_the_good_input_before_the_poison_is_not_the_one_set_aside(hours, monkeypatch, error):
    poison(monkeypatch, "bad", error)
    hours.say("a", "bad", "b")
    for _ in range(15):
        release_all()
        try:
            hours.drain()
        except Crash:
            continue
    assert hours.inputs() == [("message", "done"), ("message", "dead"), ("message", "done")]


def test_a_poison_does_not_hold_up_its_neighbors(hours, monkeypatch):
    poison(monkeypatch, "bad")
    hours.say("bad")
    for phone in OTHERS:
        hours.say("hours", phone=phone)
    hours.drain()
    assert hours.said() == ["We are open."] * len(OTHERS)


def test_lanes_that_saw_a_crash_are_worked_on_alone(hours, monkeypatch):
    tried = poison(monkeypatch, "bad", Crash)
    hours.say("bad")
    for phone in OTHERS[:3]:
        hours.say("hours", phone=phone)
    with pytest.raises(Crash):
        hours.drain()
    release_all()
    batches: list[int] = []
    real_turn = turns._turn

    def count(claimed):
        batches.append(len(claimed))
        return real_turn(claimed)

    monkeypatch.setattr(turns, "_turn", count)
    for _ in range(4):
        release_all()
        try:
            hours.drain()
        except Crash:
            continue
    assert set(batches) == {1}
    assert hours.said() == ["We are open."] * 3
    assert tried.count("bad") == 3


def test_what_cannot_be_stored_is_one_lanes_trouble(hours, monkeypatch):
    """A value that the database refuses makes its lane fail; the others of the batch commit without it."""
    real_write = turns._write

    def refuse_bad_ones(cursor, walks, now):
        if any(w.contact.phone == bodies.PHONE for w in walks):
            raise ValueError("a value that cannot be stored")
        real_write(cursor, walks, now)

    monkeypatch.setattr(turns, "_write", refuse_bad_ones)
    hours.say("hours")
    for phone in OTHERS[:3]:
        hours.say("hours", phone=phone)
    hours.drain()
    assert hours.said() == ["We are open."] * 3
    work_through(hours)
    assert DeadLetter.objects.get().cause == "ValueError: a value that cannot be stored"


def test_a_session_that_cannot_be_read_is_one_lanes_trouble(way):
    way.publish(flow("names", ask("first", "First?"), say("done", "Thanks, {{ answer }}")))
    for phone in (bodies.PHONE, *OTHERS[:3]):
        way.say("names", phone=phone)
    way.drain()
    Session.objects.filter(contact__phone=bodies.PHONE).update(data={"state": "waiting", "unheard": "of"})
    for phone in (bodies.PHONE, *OTHERS[:3]):
        way.say("Ada", phone=phone)
    way.drain()
    assert way.said().count("Thanks, Ada") == 3


def test_a_failed_turn_is_tried_again_later_and_later(hours, monkeypatch):
    poison(monkeypatch, "bad")
    hours.say("bad")
    waits = []
    for _ in range(2):
        hours.drain()
        lane = Lane.objects.get()
        waits.append((lane.runnable_at - database.now()).total_seconds())
        Lane.objects.update(runnable_at=LONG_AGO)
    assert 0.5 < waits[0] <= 1
    assert 1.5 < waits[1] <= 2


def test_a_replayed_input_has_three_attempts_again(hours, monkeypatch):
    tried = poison(monkeypatch, "bad")
    hours.say("bad")
    work_through(hours, 4)
    quarantine.replay(DeadLetter.objects.get(), by="anna")
    work_through(hours, 4)
    assert tried == ["bad"] * 6
    assert DeadLetter.objects.get().resolved_at is None
    monkeypatch.undo()
    quarantine.replay(DeadLetter.objects.get(), by="anna")
    hours.drain()
    assert hours.inputs() == [("message", "done")]


# --- small things ---


def test_numbers_in_the_outgoing_order_need_a_lane(number):
    with database.write() as cursor, pytest.raises(LookupError):
        lanes.take_out_numbers(cursor, 4711, 1)


def test_an_input_is_given_to_a_lane_once_by_its_key(hours):
    hours.talk("hours")
    contact_id = Lane.objects.get().contact_id
    for expected in (True, False):
        with database.write() as cursor:
            given = inbox.enqueue(
                cursor, contact_id, bodies.NUMBER, "start", {"flow_id": "hours"}, dedup_key="start:1"
            )
        assert given is expected
    hours.drain()
    assert hours.said() == ["We are open."] * 2

"""Calls: a processor runs outside any transaction, once; what it gave is the next input."""

import time

import pytest
from django.utils import timezone

from conversations import calls, lanes, sessions
from conversations.models import Call, Contact, Inbox, Lane, Outbox, Session
from conversations.walks import Walk
from flows.facts import Event, Incident
from flows.processing import discovery
from flows.processing.runner import Outcome
from tests.conversations import bodies
from tests.conversations.way import ask, flow, say
from tests.factories import NumberFactory

PROCESSORS = """
    from flows.processing import processor, Result

    @processor
    def double(value):
        return value * 2

    @processor
    def broken(value):
        raise ValueError("no such thing")

    @processor(timeout_seconds=1)
    def endless(value):
        while True:
            pass

    @processor(idempotent=True)
    def steady(value):
        return value
"""


def step(name: str, **more):
    return {
        "id": "work",
        "type": "processor",
        "name": name,
        "args": {"value": "ab"},
        "save_as": "got",
        **more,
    }


@pytest.fixture
def workshop(way):
    ends = [
        say("done", "Got {{ got }}", next_step=None),
        say("failed", "It failed", next_step=None),
        say("unknown", "Nobody knows", next_step=None),
    ]
    edges = {"on_fail": "failed", "on_unknown": "unknown"}
    way.publish(
        *(
            flow(name, say("wait", "One moment"), step(name, **edges), *ends)
            for name in ("double", "broken", "endless", "steady")
        ),
        flow("hours", say("say", "We are open.")),
        flow("asks", ask("ask", "A?"), step("double", **edges), *ends),
        processors=PROCESSORS,
    )
    return way


@pytest.fixture
def dispatcher():
    made = calls.Dispatcher(lambda: None, size=2)
    yield made
    made.close()


def until(way, dispatcher, condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was never met"
        way.drain(dispatcher)
        time.sleep(0.02)


def started(way, name: str) -> calls.Started:
    """Take a flow to its call and mark the call as started, as a process does before it runs it."""
    way.talk(name)
    (call,) = calls.claim(10)
    return call


def outcome(state: str = "ok", value="abab", **more) -> Outcome:
    return Outcome(state=state, value=value, seconds=0.01, **more)


def lose_process() -> None:
    Call.objects.update(lease_until="2000-01-01 00:00Z")


# --- through a real child ---


@pytest.mark.parametrize(
    ("name", "said"), [("double", "Got abab"), ("broken", "It failed"), ("endless", "Nobody knows")]
)
def test_a_processors_outcome_takes_its_edge(workshop, dispatcher, name, said):
    workshop.say(name)
    until(
        workshop, dispatcher, lambda: not Session.objects.exclude(state="ended").exists() and workshop.said()
    )
    assert workshop.said() == ["One moment", said]


def test_what_is_said_before_a_call_leaves_before_it_runs(workshop):
    assert workshop.talk("double") == ["One moment"]
    call = Call.objects.get()
    assert (call.state, call.attempts, workshop.session(state="calling").state) == ("queued", 0, "calling")


# --- the journal of calls ---


def test_a_result_is_journaled_and_is_the_next_input(workshop):
    call = started(workshop, "double")
    assert Call.objects.get().state == "started"
    assert calls.complete(call, outcome(), "code") is True
    row = Call.objects.get()
    assert (row.state, row.result["value"], row.code_hash) == ("done", "abab", "code")
    workshop.drain()
    assert workshop.said() == ["One moment", "Got abab"]
    fact = Event.objects.get(name="call_answered")
    assert (fact.data["name"], fact.correlation) == ("double", call.id)


def test_a_result_counts_once(workshop):
    call = started(workshop, "double")
    assert calls.complete(call, outcome(), "") is True
    assert calls.complete(call, outcome(value="else"), "") is False
    workshop.drain()
    assert workshop.said()[-1] == "Got abab"
    assert Inbox.objects.filter(kind="call").count() == 1


def test_a_failed_call_opens_an_incident_that_names_the_processor(workshop):
    call = started(workshop, "broken")
    calls.complete(call, outcome("failed", None, reason="ValueError: no such thing", traceback="t"), "")
    incident = Incident.objects.get(kind="processor")
    assert (incident.scope, incident.reason) == ("broken", "broken: ValueError: no such thing")
    assert Call.objects.get().trace == "t"


def test_a_processor_that_is_gone_is_a_failed_call(workshop, dispatcher):
    workshop.talk("double")
    (workshop.folder / "processors" / "things.py").unlink()
    discovery.refresh()
    until(workshop, dispatcher, lambda: Call.objects.get().state == "done")
    workshop.drain()
    assert workshop.said()[-1] == "It failed"


# --- lost processes (G5, F5, F6) ---


def test_an_idempotent_call_runs_again_with_the_same_key_after_its_process_was_lost(workshop):
    first = started(workshop, "steady")
    assert calls.recover() == 0
    lose_process()
    assert calls.recover() == 1
    (second,) = calls.claim(10)
    assert (second.id, second.attempt) == (first.id, 2)
    assert calls.complete(first, outcome(value="late"), "") is False
    assert calls.complete(second, outcome(value="good"), "") is True
    workshop.drain()
    assert workshop.said()[-1] == "Got good"


def test_a_call_that_is_not_idempotent_is_unknown_after_its_process_was_lost(workshop):
    call = started(workshop, "double")
    lose_process()
    assert calls.recover() == 1
    assert calls.claim(10) == []
    assert calls.complete(call, outcome(), "") is False
    workshop.drain()
    assert workshop.said() == ["One moment", "Nobody knows"]
    assert Call.objects.get().state == "unknown"
    assert Event.objects.filter(name="call_lost").count() == 1


def test_an_idempotent_call_is_given_up_after_three_attempts(workshop):
    started(workshop, "steady")
    for _ in range(2):
        lose_process()
        calls.recover()
        assert len(calls.claim(10)) == 1
    lose_process()
    calls.recover()
    workshop.drain()
    assert workshop.said()[-1] == "Nobody knows"


# --- the lane of a contact in a call ---


def test_the_lane_sleeps_until_the_result_is_there(workshop):
    call = started(workshop, "double")
    lane = Lane.objects.get()
    assert lane.is_calling
    assert lane.runnable_at > timezone.now() + timezone.timedelta(days=365)
    workshop.say("hours")
    workshop.drain()
    assert workshop.said() == ["One moment"]
    calls.complete(call, outcome(), "")
    workshop.drain()
    assert workshop.said() == ["One moment", "Got abab", "We are open."]
    assert not Lane.objects.get().is_calling


def test_messages_around_a_result_are_taken_in_the_order_in_which_they_came(workshop):
    workshop.publish(
        flow(
            "form",
            step("double"),
            ask("first", "First?", wait={"save_as": "a"}),
            ask("last", "Last?", wait={"save_as": "b"}),
            say("end", "{{ a }} {{ b }}"),
        )
    )
    call = started(workshop, "form")
    workshop.say("Ada")
    workshop.drain()
    calls.complete(call, outcome(), "")
    workshop.say("Lovelace")
    workshop.drain()
    assert workshop.said() == ["First?", "Last?", "Ada Lovelace"]


def test_what_a_contact_says_on_another_number_waits_too(workshop):
    NumberFactory.create(phone_number_id="1000000002", waba_id=bodies.WABA)
    workshop.say("double")
    workshop.say("hours", number="1000000002")
    workshop.drain()
    assert workshop.said() == ["One moment"]
    (call,) = calls.claim(10)
    calls.complete(call, outcome(), "")
    workshop.drain()
    assert sorted(workshop.said()) == ["Got abab", "One moment", "We are open."]
    assert list(Outbox.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3]


def test_a_wake_up_that_was_lost_is_made_good_by_the_sweep(workshop):
    call = started(workshop, "double")
    calls.complete(call, outcome(), "")
    Lane.objects.update(runnable_at="2099-01-01 00:00Z")
    assert workshop.drain() == 0
    assert (lanes.wake_answered(), lanes.wake_answered()) == (1, 0)
    workshop.drain()
    assert workshop.said()[-1] == "Got abab"


def test_a_result_that_cannot_be_taken_ends_its_session_and_frees_the_contact(workshop, monkeypatch):
    call = started(workshop, "double")
    calls.complete(call, outcome(), "")
    workshop.say("hours")

    def refuse(*_):
        raise ValueError("a bad result")

    with monkeypatch.context() as patched:
        patched.setattr(Walk, "_resume", refuse)
        for _ in range(6):
            Lane.objects.update(lease_until="2000-01-01 00:00Z", runnable_at="2000-01-01 00:00Z")
            workshop.drain()
    workshop.drain()
    assert workshop.said() == ["One moment", "We are open."]
    assert Session.objects.get(flow_id="double").outcome == "failed"


def test_the_result_for_a_session_that_was_ended_meanwhile_changes_nothing(workshop):
    call = started(workshop, "double")
    sessions.end_session(workshop.session(state="calling").pk, by="anna")
    calls.complete(call, outcome(), "")
    workshop.drain()
    assert workshop.said() == ["One moment"]
    assert workshop.inputs("new") == []
    assert workshop.talk("hours") == ["We are open."]


def test_the_context_of_a_call_speaks_of_contact_flow_and_step(workshop):
    workshop.talk("asks", "yes")
    context = Call.objects.get().request["context"]
    contact = Contact.objects.get()
    assert (context["flow"]["id"], context["step"]) == ("asks", "work")
    assert context["contact"]["phone"] == contact.phone
    assert context["reply"]["text"] == "yes"

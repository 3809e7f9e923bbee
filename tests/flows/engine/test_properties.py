"""What holds for any walk: sessions survive JSON, turns are repeatable, nothing raises, state is bounded."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.engine.effects import CallResult, HandBack, Reply, Send, Timer, effect_from_json, input_from_json
from flows.engine.replies import IncomingMessage
from flows.engine.run import resume, start
from flows.engine.session import Question, Session
from flows.engine.values import size_of
from flows.engine.world import World
from tests.flows.engine.test_answers import MESSAGES
from tests.flows.engine.walks import NOON, Walk, ask, buttons, flow, say

DOCUMENT = flow(
    {
        **ask(
            "pick",
            "choice",
            timeout={"after": "2h", "step": "bye"},
            remind=[{"after": "1h", "content": buttons("x")}],
        ),
        "content": buttons("red", "blue"),
        "post_processors": [{"name": "p", "save_as": "d", "on_fail": "continue"}],
    },
    ask("day", "date", retry={"max": 1, "step": "pick"}, pre_processors=["p"]),
    {"id": "child", "type": "flow", "flow": "child", "save_as": "c", "on_fail": "hand"},
    {
        "id": "set",
        "type": "set",
        "set": {"n": "{{ n | default: 0 | plus: 1 }}", "r": "{{ reply.value }}"},
        "on_fail": "hand",
    },
    {"id": "pause", "type": "pause", "for": "10m", "on_reply": "resume"},
    {"id": "hand", "type": "handoff", "step": "any", "timeout": {"after": "1h", "step": "pick"}},
    ask("any", "any", next_step="pick"),
    say("bye", "Bye {{ d | default: 'x' }}", next_step=None),
    on_error="hand",
    settings={"on_expire": "bye"},
)
CHILD = {
    "id": "child",
    "steps": [
        ask("mail", "email"),
        {"id": "e", "type": "end", "outcome": "completed", "result": "{{ mail }}"},
    ],
}

INPUTS = st.one_of(
    st.builds(Reply, message=MESSAGES, context_ref=st.none() | st.sampled_from(["s.1", "s.2", "s.9"])),
    st.builds(
        Reply,
        message=st.sampled_from(["red", "blue", "1", "tomorrow", "a@b.org"]).map(
            lambda body: IncomingMessage(type="text", text=body, at=NOON.isoformat())
        ),
    ),
    st.builds(
        CallResult,
        id=st.integers(1, 12).map(lambda number: f"s.{number}"),
        outcome=st.sampled_from(["ok", "failed", "unknown"]),
        value=st.none() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3),
        go_to=st.sampled_from([None, None, "pick", "nowhere"]),
    ),
    st.builds(
        Timer,
        key=st.sampled_from(["timeout", "remind:1", "remind:0", "pause", "expire", "handoff"]),
        wait_no=st.integers(0, 6),
    ),
    st.just(HandBack()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(INPUTS, st.integers(0, 40_000)), max_size=12))
def test_any_inputs_give_repeatable_bounded_turns_that_survive_json(inputs):
    walk = Walk(DOCUMENT, CHILD, processors=["p"]).start()
    for given_input, seconds in inputs:
        walk.now += timedelta(seconds=seconds)
        before = walk.session
        current = [given_input]
        if before.state == "calling":
            current.append(CallResult(id=before.call_id, outcome="ok", value="v"))
        for one in current:
            before = walk.session
            walk.give(one)
            again = resume(
                walk.world, Session.from_json(json.loads(json.dumps(before.to_json()))), one, now=walk.now
            )
            assert again == walk.turn
            assert size_of(walk.session.to_json()) <= 65_536
            assert len([effect for effect in walk.turn.effects if isinstance(effect, Send)]) <= 12
            assert all("{{" not in json.dumps(content) for content in walk.sent if "Bye" in str(content))
            assert walk.session.counter >= before.counter


@given(MESSAGES)
def test_a_message_survives_json(message):
    assert IncomingMessage.from_json(json.loads(json.dumps(message.to_json()))) == message


def test_starting_is_repeatable():
    walk = Walk(DOCUMENT, CHILD, processors=["p"]).start(None)
    assert start(walk.world, walk.first, session_id="s", now=walk.now) == walk.turn


def test_refs_and_call_ids_are_numbered_through_the_session():
    walk = Walk(flow(ask("a", post_processors=["p"]), say("b")), processors=["p"]).start()
    assert walk.refs == ["s.1"]
    assert walk.say("x").call.id == "s.2"
    assert walk.result().refs == ["s.3"]


def test_what_no_input_or_effect_wrote_is_not_read():
    with pytest.raises(KeyError):
        input_from_json({"input": "nothing"})
    with pytest.raises(KeyError):
        effect_from_json({"effect": "nothing"})


def test_a_session_tells_where_it_is():
    walk = Walk(flow({"id": "c", "type": "flow", "flow": "child"}), CHILD).start()
    session = walk.session
    assert (session.flow_id, session.root_flow_id, session.step_id) == ("child", "main", "mail")
    assert session.flow_hash == walk.live["child"]
    assert dict(session.variables) == {}


def test_a_world_may_know_nothing_but_a_flow_and_a_contact():
    walk = Walk(flow(say("a", "{{ data }}", pre_processors=["p"]), dataset="d"))
    world = World(flow=walk.flows.get, latest=walk.live.get, contact={})
    turn = start(world, walk.first, session_id="s", now=walk.now)
    assert turn.session.reason == "processor_missing"


def test_a_question_survives_json():
    question = Question(refs=("s.1",), options=(("a", "A"),), asked_at="x", silent_since="y")
    assert Question.from_json(json.loads(json.dumps(question.to_json()))) == question


def test_the_refs_of_a_question_are_bounded():
    walk = Walk(flow(ask("a", "number", retry={"max": 20}))).start()
    for number in range(20):
        walk.say(f"no {'x' * number}")
    assert len(walk.session.question.refs) == 21
    assert walk.state == "waiting"

"""Section 3 of the flow language: steps, their order, next rules and calls."""

from datetime import timedelta

import pytest

from flows.engine.progress import EngineError
from flows.engine.session import (
    CallResult,
    HandBack,
    Handoff,
    Publish,
    Reply,
    SetConsent,
    SetContact,
    SetGroups,
    Timer,
)
from tests.flows.engine.walks import NOON, Walk, ask, buttons, flow, say, text


def test_the_smallest_flow_says_its_text_and_is_completed():
    walk = Walk(
        {
            "id": "hours",
            "trigger": "hours",
            "steps": [{"id": "say", "content": {"type": "text", "body": "We are open."}}],
        }
    ).start()
    assert walk.texts == ["We are open."]
    assert (walk.state, walk.outcome, walk.step) == ("ended", "completed", "say")
    assert walk.event("session_started") == {
        "flow": "hours",
        "step": "say",
        "hash": walk.first,
        "trigger": "text",
    }
    assert walk.event("session_ended")["messages"] == 1


def test_starting_a_flow_that_nobody_has_is_the_callers_mistake():
    walk = Walk(flow(say("a")))
    walk.first = "unknown"
    with pytest.raises(EngineError) as raised:
        walk.start()
    assert raised.value.code == "unknown_flow"


def test_resuming_a_session_whose_version_is_gone_is_the_callers_mistake():
    walk = Walk(flow(ask("a"))).start()
    walk.flows.clear()
    with pytest.raises(EngineError, match="no flow has the hash"):
        walk.say("x")


def test_contents_of_a_step_go_out_in_order_and_the_last_one_asks():
    walk = Walk(
        flow(
            {
                "id": "a",
                "content": [{"type": "text", "body": "1"}, {"type": "text", "body": "2"}],
                "wait_for": {"type": "any"},
            }
        )
    ).start()
    assert walk.texts == ["1", "2"]
    assert walk.refs == ["s.1", "s.2"]
    assert [effect.asks for effect in walk.turn.effects if hasattr(effect, "asks")] == [False, True]


def test_start_names_the_first_step_and_end_the_last():
    walk = Walk(flow(say("a"), say("b"), say("c", next_step="a"), start="b", end="c")).start()
    assert walk.texts == ["b", "c"]
    assert walk.outcome == "completed"


@pytest.mark.parametrize(
    ("next_step", "said"),
    [
        ("c", ["a", "c"]),
        (None, ["a"]),
        ("", ["a"]),
        ([{"when": "x == 1", "step": "c"}, {"step": "b"}], ["a", "c"]),
        ([{"when": "x == 2", "step": "c"}, {"step": None}], ["a"]),
        ([{"when": "x == 2", "step": "c"}, {"when": "x == 1", "step": "b"}], ["a", "b", "c"]),
        ([{"when": "x == 2", "step": "c"}], ["a", "b", "c"]),
    ],
)
def test_next_takes_the_first_true_rule_else_the_next_in_the_list(next_step, said):
    steps = [say("a", next_step=next_step), say("b"), say("c")]
    assert Walk(flow(*steps, variables={"x": 1})).start().texts == said


def test_on_success_is_used_when_nothing_failed():
    assert Walk(flow(say("a", on_success="c"), say("b"), say("c"))).start().texts == ["a", "c"]


def test_a_condition_that_cannot_be_evaluated_fails_the_step():
    walk = Walk(flow(say("a", next_step=[{"when": "x[y", "step": "a"}], on_fail="b"), say("b"))).start()
    assert walk.failures == ["condition_failed"]
    assert walk.texts == ["a", "b"]


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({}, ["b", "c"]),
        ({"on_success": "c"}, ["c"]),
        ({"next_step": "c"}, ["c"]),
        ({"next_step": None}, []),
        ({"next_step": [{"when": "true", "step": "b"}, {"step": "c"}]}, ["c"]),
        ({"next_step": [{"when": "true", "step": "c"}]}, ["b", "c"]),
    ],
)
def test_an_inactive_step_is_passed_over(links, said):
    first = say("a", is_active=False, pre_processors=["p"], wait_for={"type": "any"}, **links)
    walk = Walk(flow(first, say("b"), say("c")), processors=["p"]).start()
    assert walk.texts == said
    assert "step_passed_over" in walk.events
    assert walk.outcome == "completed"


def test_an_inactive_end_step_ends_the_flow():
    walk = Walk(flow(say("a", is_active=False, next_step="b"), say("b"), end="a")).start()
    assert (walk.texts, walk.outcome) == ([], "completed")


def test_a_step_runs_pre_processors_renders_waits_saves_and_runs_post_processors():
    step = ask(
        "name",
        "text",
        body="Hello {{ greeting }}",
        pre_processors=[{"name": "p1", "save_as": "greeting"}, "p2"],
        post_processors=[{"name": "p3", "args": {"who": "{{ name }}"}, "save_as": "details"}],
    )
    walk = Walk(flow(step, say("end", "{{ details }}")), processors=["p1", "p2", "p3"]).start()
    assert (walk.call.name, walk.state, walk.sent) == ("p1", "calling", [])
    assert walk.result(value="there").call.name == "p2"
    assert walk.result(value="ignored").texts == ["Hello there"]
    assert walk.say("Asha").call.args == {"who": "Asha"}
    assert walk.result(value={"a": 1}).texts == ['{"a": 1}']
    assert walk.variables == {"greeting": "there", "name": "Asha", "details": {"a": 1}}


def test_a_call_is_the_last_effect_and_carries_what_a_processor_needs():
    walk = Walk(
        flow({"id": "a", "type": "processor", "name": "p", "args": {"x": 1}}), processors=["p"]
    ).start()
    call = walk.turn.effects[-1]
    assert call is walk.call
    assert (call.id, call.kind, call.name, call.args) == ("s.1", "processor", "p", {"x": 1})
    assert (call.timeout_seconds, call.idempotent, call.older) == (5.0, True, False)
    assert call.context["contact"]["name"] == "Ravi"
    assert call.context["reply"]["text"] == "hi"
    assert call.context["flow"] == {"id": "main", "hash": walk.first}
    assert call.context["step"] == "a"
    assert call.context["language"] == "en"
    assert call.context["user_id"] == "919876543210"
    assert call.context["now"] == NOON.isoformat()


def test_an_api_step_is_a_call_of_kind_api():
    step = {"id": "a", "type": "api", "api": "book", "args": {"day": "{{ day }}"}, "save_as": "booking"}
    walk = Walk(flow(step, say("b", "{{ booking.reference }}"), variables={"day": "x"})).start()
    assert (walk.call.kind, walk.call.name, walk.call.args) == ("api", "book", {"day": "x"})
    assert walk.call.timeout_seconds is None
    assert walk.result(value={"reference": "R-1"}).texts == ["R-1"]


def test_a_processor_step_without_save_as_keeps_nothing():
    walk = Walk(flow({"id": "a", "type": "processor", "name": "p"}), processors=["p"]).start()
    assert walk.result(value=1).variables == {}
    assert walk.event("call_succeeded")["variables"] == {}


def test_the_result_of_a_call_counts_once():
    walk = Walk(flow(ask("q", post_processors=["p"]), ask("b")), processors=["p"]).start().say("x")
    given = CallResult(id=walk.session.call_id, outcome="ok", value=1)
    assert walk.give(given).state == "waiting"
    before = walk.session
    assert walk.give(given).turn.effects == ()
    assert walk.session is before


def test_another_calls_result_and_anything_else_is_not_current_while_calling():
    walk = Walk(flow({"id": "a", "type": "processor", "name": "p"}), processors=["p"]).start()
    before = walk.session
    inputs = [CallResult(id="s.9", outcome="ok"), Timer(key="expire", wait_no=0), HandBack()]
    for given in [*inputs, Reply(message=text("x"))]:
        assert walk.give(given).turn.effects == ()
        assert walk.session is before


def test_a_processor_may_send_contents_and_name_the_next_step():
    steps = [{"id": "a", "type": "processor", "name": "p", "next_step": "b"}, say("b"), say("c")]
    walk = Walk(flow(*steps), processors=["p"]).start()
    walk.result(send=("plain", {"type": "text", "body": "rich"}), go_to="c")
    assert walk.texts == ["plain", "rich", "c"]


def test_a_pre_processor_that_names_a_step_leaves_the_rest_out():
    walk = Walk(flow(say("a", pre_processors=["p", "q"]), say("b")), processors=["p", "q"]).start()
    assert walk.result(go_to="b").texts == ["b"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"go_to": "nowhere"}, "go_to_missing"),
        ({"send": ({"type": "text", "body": ""},)}, "content_refused"),
        ({"send": (5,)}, "content_refused"),
        ({"value": 10**400}, "value_refused"),
        ({"value": 1, "outcome": "failed"}, "call_failed"),
        ({"outcome": "unknown"}, "call_unknown"),
        ({"value": "x" * 60_000}, "session_too_large"),
    ],
)
def test_what_a_call_gives_can_fail_the_step(given, code):
    step = {"id": "a", "type": "processor", "name": "p", "save_as": "v", "on_fail": "sorry"}
    walk = Walk(flow(step, say("sorry")), processors=["p"]).start()
    assert walk.result(**given).failures == [code]
    assert walk.texts == ["sorry"]


@pytest.mark.parametrize("where", ["pre_processors", "post_processors"])
def test_a_failed_entry_that_says_continue_saves_null_and_goes_on(where):
    entries = [{"name": "p", "save_as": "v", "on_fail": "continue"}, {"name": "q", "on_fail": "continue"}]
    walk = Walk(flow(say("a", **{where: entries}), say("b")), processors=["p", "q"]).start()
    walk.result("failed", reason="down")
    assert walk.failures == ["call_failed"]
    assert "processor_failure_passed" in walk.events
    assert walk.variables == {"v": None}
    walk.result("unknown")
    assert walk.outcome == "completed"


def test_a_missing_processor_fails_the_step_unless_its_entry_says_continue():
    entry = {"name": "gone", "save_as": "v", "on_fail": "continue"}
    walk = Walk(flow(say("a", pre_processors=[entry]), say("b", pre_processors=["gone"]))).start()
    assert walk.events.count("processor_missing") == 2
    assert walk.texts == ["a"]
    assert (walk.outcome, walk.session.reason) == ("failed", "processor_missing")


def test_a_branch_sends_nothing():
    branch = {"id": "b", "type": "branch", "next_step": [{"when": "reply.text == 'hi'", "step": "c"}]}
    assert Walk(flow(branch, say("x"), say("c"))).start().texts == ["c"]


def test_set_sees_the_state_before_the_step_in_all_its_entries():
    step = {
        "id": "a",
        "type": "set",
        "set": {
            "a": "{{ b }}",
            "b": "{{ a }}",
            "n": "{{ n | plus: 1 }}",
            "t": "n is {{ n }}",
            "l": ["{{ n }}"],
        },
        "contact": {"name": "Asha", "age": "{{ n }}", "city": None},
        "groups": {"add": ["gold", "{{ a }}"], "remove": "vip"},
        "consent": "marketing_in",
    }
    shown = say(
        "b",
        "{{ contact.name }} {{ contact.fields.age }} {{ contact.groups }} {{ contact.fields.city | default: 'none' }}",
    )
    walk = Walk(flow(step, shown, variables={"a": 1, "b": "two", "n": 5})).start()
    assert walk.variables == {"a": "two", "b": 1, "n": 6, "t": "n is 5", "l": [5]}
    assert walk.of(SetContact)[0].values == {"name": "Asha", "age": 5, "city": None}
    assert walk.of(SetGroups)[0].add == ("gold", "1")
    assert walk.of(SetGroups)[0].remove == ("vip",)
    assert walk.of(SetConsent)[0].value == "marketing_in"
    assert walk.texts == ['Asha 5 ["gold", "1"] none']
    assert walk.event("values_set")["variables"] == dict(walk.variables)


def test_a_set_step_may_set_nothing():
    walk = Walk(flow({"id": "a", "type": "set"}), contact={"fields": None, "groups": None}).start()
    assert not walk.of(SetContact)
    assert walk.outcome == "completed"


def test_a_set_step_starts_fields_and_groups_that_were_not_there():
    step = {"id": "a", "type": "set", "contact": {"x": 1}, "groups": {"add": "g"}}
    body = "{{ contact.fields.x }} {{ contact.groups[0] }}"
    walk = Walk(flow(step, say("b", body)), contact={"fields": None, "groups": None}).start()
    assert walk.texts == ["1 g"]


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ({"for": "30m"}, 1800),
        ({"until": "18:00"}, 6 * 3600),
        ({"until": "10:00"}, 22 * 3600),
        ({"until": "2026-11-23"}, 12 * 3600),
        ({"until": "{{ due_at }}"}, 3600),
    ],
)
def test_pause_survives_until_its_timer(keys, seconds):
    due_at = (NOON + timedelta(hours=1)).isoformat()
    walk = Walk(flow({"id": "p", "type": "pause", **keys}, say("b"), variables={"due_at": due_at})).start()
    assert (walk.state, walk.timers) == ("paused", {"pause": seconds})
    assert walk.timer("timeout").turn.effects == ()
    assert walk.timer("pause", wait_no=7).turn.effects == ()
    assert walk.timer("pause", after=seconds).texts == ["b"]
    assert walk.timer("pause").turn.effects == ()


@pytest.mark.parametrize("until", ["2026-11-22T05:00:00Z", "2020-01-01", "12:00", ""])
def test_a_pause_until_now_or_earlier_goes_on_at_once(until):
    assert Walk(flow({"id": "p", "type": "pause", "until": until}, say("b"))).start().texts == ["b"]


def test_a_pause_until_something_unreadable_fails():
    walk = Walk(flow({"id": "p", "type": "pause", "until": "soon", "on_fail": "b"}, say("b"))).start()
    assert walk.failures == ["pause_unreadable"]


def test_a_paused_session_ignores_a_reply_with_an_event():
    walk = Walk(flow({"id": "p", "type": "pause", "for": "1h"}, say("b"))).start()
    assert walk.say("hello?").events == ["reply_ignored"]
    assert walk.state == "paused"


def test_a_paused_session_resumes_on_a_reply_if_it_says_so():
    pause = {"id": "p", "type": "pause", "for": "1h", "on_reply": "resume"}
    walk = Walk(flow(pause, say("b", "{{ reply.text }}"))).start()
    assert walk.say("hello?").texts == ["hello?"]


def test_a_split_chooses_the_same_arm_for_the_same_contact_and_keeps_to_the_weights():
    arms = [{"name": "a", "weight": 1, "step": "a"}, {"name": "b", "weight": 3, "step": "b"}]
    document = flow({"id": "x", "type": "split", "arms": arms}, say("a", next_step=None), say("b"))
    chosen = [
        Walk(document, contact={"user_id": f"IN.{number}"}).start().event("arm_chosen")["arm"]
        for number in range(200)
    ]
    again = Walk(document, contact={"user_id": "IN.0"}).start()
    assert again.event("arm_chosen")["arm"] == chosen[0]
    assert again.texts == [chosen[0]]
    assert 20 < chosen.count("a") < 80


def test_a_split_arm_without_a_step_completes_and_runs_no_further():
    document = flow({"id": "x", "type": "split", "arms": [{"step": None}]}, say("b"))
    walk = Walk(document, contact={"user_id": None, "phone": None}).start()
    assert (walk.texts, walk.outcome) == ([], "completed")
    assert walk.event("arm_chosen")["arm"] == "1"


def test_a_split_whose_weights_are_all_nothing_takes_the_last_arm():
    arms = [{"name": "a", "weight": 0, "step": "a"}, {"name": "b", "weight": 0, "step": "b"}]
    walk = Walk(flow({"id": "x", "type": "split", "arms": arms}, say("a"), say("b"))).start()
    assert walk.event("arm_chosen")["arm"] == "b"


def test_arms_are_followed_from_the_end_step_too():
    arms = [{"name": "a", "weight": 1, "step": "a"}]
    assert Walk(
        flow({"id": "x", "type": "split", "arms": arms}, say("b"), say("a"), end="x")
    ).start().texts == ["a"]


def test_a_handoff_without_a_way_on_ends_all_frames():
    handoff = {"id": "h", "type": "handoff", "team": "sales", "note": "Ride: {{ x }}"}
    walk = Walk(
        flow({**handoff, "content": {"type": "text", "body": "A colleague writes."}}, variables={"x": 1})
    ).start()
    assert walk.of(Handoff) == [Handoff(team="sales", note="Ride: 1", keeps_session=False)]
    assert walk.texts == ["A colleague writes."]
    assert (walk.state, walk.outcome) == ("ended", "handed_off")
    assert walk.hand_back().turn.effects == ()


def test_a_handoff_with_a_step_goes_on_there_when_handed_back():
    walk = Walk(flow({"id": "h", "type": "handoff", "step": "c"}, say("b"), say("c"))).start()
    assert (walk.state, walk.of(Handoff)[0].keeps_session, walk.timers) == ("with_person", True, {})
    assert walk.say("hello").turn.effects == ()
    assert walk.timer("handoff", wait_no=3).turn.effects == ()
    assert walk.hand_back().texts == ["c"]


def test_a_handoff_with_a_timeout_alone_goes_on_at_its_next_step_when_handed_back():
    handoff = {"id": "h", "type": "handoff", "timeout": {"after": "1h", "step": "c"}}
    walk = Walk(flow(handoff, say("b", next_step=None), say("c"))).start()
    assert walk.timers == {"handoff": 3600}
    assert walk.timer("pause").turn.effects == ()
    assert walk.hand_back().texts == ["b"]


@pytest.mark.parametrize(("step", "said"), [({"step": "c"}, ["c"]), ({}, ["b"])])
def test_a_handoff_that_nobody_hands_back_in_time_takes_its_timeout(step, said):
    handoff = {"id": "h", "type": "handoff", "timeout": {"after": "1h", **step}, "on_fail": "b"}
    walk = Walk(flow(handoff, say("b", next_step=None), say("c"))).start()
    assert walk.timer("handoff", after=3600).texts == said


def test_a_handoff_timer_of_a_step_without_a_timeout_fails_it():
    walk = Walk(flow({"id": "h", "type": "handoff", "step": "c"}, say("c"))).start()
    assert walk.timer("handoff").failures == ["handoff_timed_out"]


def test_publish_hands_an_event_to_the_publisher():
    step = {"id": "p", "type": "publish", "event": "lead", "data": {"score": "{{ score }}"}}
    walk = Walk(flow(step, variables={"score": 7})).start()
    assert walk.of(Publish) == [Publish(event="lead", data={"score": 7})]


@pytest.mark.parametrize("outcome", ["completed", "failed", "abandoned"])
def test_an_end_step_gives_the_session_its_outcome_and_reason(outcome):
    walk = Walk(
        flow({"id": "e", "type": "end", "outcome": outcome, "reason": "no {{ x }}"}, variables={"x": 1})
    ).start()
    assert (walk.outcome, walk.session.reason) == (outcome, "no 1")


def test_an_ended_session_takes_no_input():
    walk = Walk(flow(say("a"))).start()
    for given in (walk.say("x"), walk.timer("expire"), walk.hand_back(), walk.result()):
        assert given.turn.effects == ()


def test_a_campaign_starts_a_flow_without_a_message():
    walk = Walk(
        flow(say("a", "{{ campaign.bike }} {{ reply.text | default: 'nobody' }}")), campaign={"bike": "V4"}
    )
    assert walk.start(None).texts == ["V4 nobody"]
    assert walk.event("session_started")["trigger"] is None


def test_interactive_contents_are_rendered_wherever_a_text_stands():
    content = {
        **buttons("a", "b", body="{{ x }}"),
        "header": {"type": "image", "link": "https://e.com/{{ x }}.png"},
    }
    walk = Walk(flow({"id": "a", "content": content}, variables={"x": "bike"})).start()
    assert walk.sent[0]["header"]["link"] == "https://e.com/bike.png"
    assert walk.sent[0]["body"] == "bike"


def test_content_that_meta_forbids_fails_the_step_and_none_of_it_is_queued():
    contents = [{"type": "text", "body": "fine"}, {"type": "text", "body": "{{ long }}"}]
    walk = Walk(
        flow({"id": "a", "content": contents, "on_fail": "b"}, say("b"), variables={"long": "x" * 5000})
    ).start()
    assert walk.texts == ["b"]
    assert walk.failures == ["content_refused"]


def test_a_long_list_body_is_only_noticed():
    rows = [{"title": "S", "rows": [{"id": "a", "title": "A"}]}]
    content = {"type": "list", "body": "x" * 2000, "button": "Go", "sections": rows}
    assert len(Walk(flow({"id": "a", "content": content})).start().sent) == 1


def test_a_trigger_whose_time_cannot_be_read_was_heard_now():
    walk = Walk(flow(say("a", "{{ reply.at }}")))
    walk.heard_at = None
    message = text("hi")
    assert walk.start(type(message)(type="text", text="hi", at="?")).texts == ["?"]


def test_a_trigger_time_without_a_zone_is_utc():
    walk = Walk(flow(say("a")))
    assert walk.start(type(text("x"))(type="text", text="hi", at="2026-11-22T06:30:00")).texts == ["a"]

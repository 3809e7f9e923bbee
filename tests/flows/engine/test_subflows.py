"""Section 5 of the flow language: flows that call flows, go to flows and follow flows."""

import pytest

from tests.flows.engine.walks import Walk, ask, flow, say

BROKEN = "{{ nothing }}"


def call(step_id="c", target="child", **keys):
    return {"id": step_id, "type": "flow", "flow": target, **keys}


def child(*steps, **keys):
    return {"id": "child", "steps": list(steps), **keys}


def test_a_called_flow_has_its_defaults_and_args_and_reads_its_caller():
    body = "{{ size }} {{ color }} {{ parent.name }} {{ name | default: 'not mine' }}"
    walk = Walk(
        flow(call(args={"color": "{{ name }}"}), variables={"name": "red"}),
        child(say("s", body), variables={"size": "XL", "color": "blue"}),
    ).start()
    assert walk.texts == ["XL red red not mine"]
    assert "flow_entered" in walk.events


def test_a_grandchild_reaches_its_callers_caller():
    walk = Walk(
        flow(call(), variables={"x": 1}),
        child(call("g", "grandchild"), variables={"y": 2}),
        {"id": "grandchild", "steps": [say("s", "{{ parent.y }} {{ parent.parent.x }}")]},
    ).start()
    assert walk.texts == ["2 1"]


def test_the_root_has_no_parent():
    assert Walk(flow(say("a", "{{ parent.x | default: 'none' }}"))).start().texts == ["none"]


def test_a_completed_child_goes_on_by_post_processors_and_on_success():
    steps = [
        call(save_as="v", on_success="ok", post_processors=["p"]),
        say("no"),
        say("ok", "{{ v.result.n }}"),
    ]
    end = {"id": "e", "type": "end", "result": {"n": "{{ n }}"}}
    walk = Walk(flow(*steps), child(end, variables={"n": 5}), processors=["p"]).start()
    assert walk.call.name == "p"
    assert walk.result().texts == ["5"]
    assert walk.variables == {"v": {"outcome": "completed", "reason": None, "result": {"n": 5}}}


@pytest.mark.parametrize("outcome", ["failed", "abandoned"])
def test_a_child_that_did_not_complete_takes_on_fail(outcome):
    end = {"id": "e", "type": "end", "outcome": outcome, "reason": "why"}
    walk = Walk(
        flow(call(save_as="v", on_fail="sorry"), say("no"), say("sorry", "{{ v.outcome }} {{ v.reason }}")),
        child(end),
    )
    assert walk.start().texts == [f"{outcome} why"]
    assert walk.failures == ["child_failed"]


def test_a_failure_goes_outward_from_step_to_frame_to_caller():
    walk = Walk(
        flow(call(save_as="v", on_fail="sorry"), say("sorry", "{{ v.reason }}")),
        child(say("s", BROKEN)),
    ).start()
    assert walk.texts == ["render_failed"]
    assert "flow_ended" in walk.events


def test_a_childs_on_error_comes_before_the_callers_on_fail():
    walk = Walk(
        flow(call(on_fail="sorry", next_step=None), say("sorry")),
        child(say("s", BROKEN), say("mine"), on_error="mine"),
    ).start()
    assert walk.texts == ["mine"]
    assert walk.outcome == "completed"


def test_the_callers_on_error_comes_after_its_on_fail():
    walk = Walk(flow(call(), say("sorry"), on_error="sorry"), child(say("s", BROKEN))).start()
    assert walk.texts == ["sorry"]
    walk = Walk(flow(call()), child(say("s", BROKEN))).start()
    assert (walk.outcome, walk.session.reason) == ("failed", "render_failed")


def test_on_unknown_is_asked_of_the_failing_step_only():
    walk = Walk(
        flow(call(on_unknown="u", on_fail="f"), say("u", next_step=None), say("f")),
        child({"id": "a", "type": "api", "api": "x"}),
    ).start()
    assert walk.result("unknown").texts == ["f"]


def test_a_failed_child_whose_record_has_no_room_still_takes_on_fail():
    walk = Walk(
        flow(call(save_as="v", on_fail="f"), say("f"), variables={"x": "y" * 53_029}),
        child(say("s", BROKEN)),
    ).start()
    assert walk.failures == ["render_failed", "session_too_large"]
    assert walk.texts == ["f"]


def test_a_missing_child_fails_the_step():
    walk = Walk(flow(call(target="gone", on_fail="f"), say("f"))).start()
    assert (walk.failures, walk.texts) == (["flow_missing"], ["f"])


def test_a_child_is_pinned_when_it_is_entered():
    walk = Walk(flow(call(), say("b")), child(ask("q"), say("old"))).start()
    walk.publish(child(ask("q"), say("new")))
    assert walk.say("x").texts == ["old", "b"]


def test_goto_replaces_the_frame_and_hands_over_only_args():
    walk = Walk(
        flow(call(mode="goto", args={"a": "{{ x }}"}), say("b"), variables={"x": 1}),
        child(say("s", "{{ a }} {{ x | default: 'gone' }}")),
    ).start()
    assert walk.texts == ["1 gone"]
    assert (len(walk.session.frames), walk.session.root_flow_id) == (1, "child")


def test_goto_in_a_called_flow_comes_back_to_the_caller():
    walk = Walk(
        flow(call(), say("b")),
        child(call("g", "third", mode="goto")),
        {"id": "third", "steps": [say("t", "{{ parent.x | default: 'no x' }}")]},
    ).start()
    assert walk.texts == ["no x", "b"]


def test_next_flow_follows_a_completed_flow_and_no_other():
    other = {"id": "other", "steps": [say("o")]}
    assert Walk(flow(say("a"), next_flow="other"), other).start().texts == ["a", "o"]
    failed = {"id": "e", "type": "end", "outcome": "abandoned"}
    assert Walk(flow(failed, next_flow="other"), other).start().texts == []


def test_a_missing_next_flow_is_an_event():
    walk = Walk(flow(say("a"), next_flow="gone")).start()
    assert walk.event("next_flow_missing")["next_flow"] == "gone"
    assert walk.outcome == "completed"


def test_flows_call_each_other_at_most_eight_deep():
    walk = Walk(flow(call(target="main", on_fail="f"), say("f"), say("e"), on_error="e")).start()
    assert walk.failures == ["too_deep"]
    assert (walk.texts, len(walk.session.frames), walk.outcome) == (["e"], 1, "failed")


def test_depth_eight_is_still_allowed():
    flows = [{"id": f"f{n}", "steps": [call(target=f"f{n + 1}")]} for n in range(1, 8)]
    walk = Walk(*flows, {"id": "f8", "steps": [ask("q")]}).start()
    assert len(walk.session.frames) == 8


def test_args_that_leave_no_room_fail_the_calling_step():
    walk = Walk(
        flow(call(args={"y": "{{ x }}"}, on_fail="f"), say("f"), variables={"x": "z" * 40_000}),
        child(say("s")),
    ).start()
    assert (walk.failures, walk.texts) == (["session_too_large"], ["f"])


def test_expiry_is_the_roots_while_a_child_waits():
    document = flow(call(), say("bye"), settings={"expire_after": "1h", "on_expire": "bye"})
    walk = Walk(document, child(ask("q"), settings={"expire_after": "5h"})).start()
    assert walk.timers["expire"] == 3600
    walk.timer("expire", after=3600)
    assert (walk.texts, walk.outcome, len(walk.session.frames)) == (["bye"], "expired", 1)


def test_an_answer_in_a_child_lets_every_frame_use_on_error_again():
    walk = Walk(
        flow(say("a", BROKEN), say("e", next_step="c"), call(on_fail="a"), on_error="e"),
        child(ask("q"), say("s", BROKEN)),
    ).start()
    assert walk.texts == ["e", "q"]
    assert walk.say("x").texts == ["e", "q"]


def test_an_end_step_with_a_child_that_failed_ends_the_childs_flow_only():
    walk = Walk(flow(call(), say("b")), child(say("s"))).start()
    assert walk.texts == ["s", "b"]

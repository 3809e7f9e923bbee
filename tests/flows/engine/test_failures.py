"""Failure paths, unknown outcomes and limits: section 3 of the flow language."""

import pytest

from tests.flows.engine.walks import Walk, ask, flow, say

BROKEN = "{{ nothing }}"


def test_a_failure_takes_the_steps_on_fail():
    walk = Walk(flow(say("a", BROKEN, on_fail="b"), say("b"), on_error="c")).start()
    assert walk.texts == ["b"]
    assert walk.failures == ["render_failed"]
    assert "step_failed" in walk.events


def test_a_failure_without_on_fail_takes_on_error_once_between_two_accepted_answers():
    steps = [say("a", BROKEN), ask("sorry", next_step="a")]
    walk = Walk(flow(*steps, on_error="sorry")).start()
    assert walk.texts == ["sorry"]
    assert walk.say("again").texts == ["sorry"]


def test_on_error_is_not_taken_twice_without_an_accepted_answer():
    steps = [say("a", BROKEN), say("sorry", next_step="a")]
    walk = Walk(flow(*steps, on_error="sorry")).start()
    assert walk.texts == ["sorry"]
    assert (walk.outcome, walk.session.reason) == ("failed", "render_failed")


def test_a_failed_on_error_step_ends_the_session():
    walk = Walk(flow(say("a", BROKEN), say("sorry", BROKEN), on_error="sorry")).start()
    assert (walk.outcome, walk.failures) == ("failed", ["render_failed", "render_failed"])
    assert walk.event("session_ended")["messages"] == 0


def test_later_processors_of_a_failed_step_do_not_run_and_what_was_queued_stays():
    step = say("a", post_processors=["p", "q"], on_fail="b")
    walk = Walk(flow(step, say("b")), processors=["p", "q"]).start()
    assert walk.texts == ["a"]
    assert walk.result("failed", reason="down").texts == ["b"]


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({"on_unknown": "u", "on_fail": "f"}, ["u"]),
        ({"on_fail": "f"}, ["f"]),
        ({}, ["e"]),
    ],
)
def test_an_unknown_outcome_takes_on_unknown_else_on_fail_else_on_error(links, said):
    step = {"id": "a", "type": "api", "api": "x", **links}
    ends = [say(name, next_step=None) for name in ("u", "f", "e")]
    assert Walk(flow(step, *ends, on_error="e")).start().result("unknown").texts == said


def test_a_failed_call_does_not_take_on_unknown():
    step = {"id": "a", "type": "api", "api": "x", "on_unknown": "u"}
    walk = Walk(flow(step, say("u"))).start().result("failed")
    assert (walk.texts, walk.outcome) == ([], "failed")


def loop(**keys):
    return flow({"id": "a", "type": "branch", "next_step": "a"}, **keys)


def test_a_turn_takes_at_most_a_hundred_steps():
    walk = Walk(loop()).start()
    assert walk.session.steps == 100
    assert (walk.outcome, walk.failures) == ("failed", ["too_many_steps"])


def test_a_limit_skips_on_fail_and_gives_the_roots_on_error_its_last_words():
    step = {"id": "a", "type": "branch", "next_step": "a", "on_fail": "b"}
    walk = Walk(
        flow(
            step,
            say("b"),
            say("sorry", next_step="human"),
            {"id": "human", "type": "handoff"},
            on_error="sorry",
        )
    )
    walk.start()
    assert walk.texts == ["sorry"]
    assert (walk.outcome, walk.session.reason) == ("failed", "too_many_steps")
    assert "handed_off" in walk.events


def test_last_words_have_ten_steps_of_their_own():
    steps = [{"id": "a", "type": "branch", "next_step": "a"}, {"id": "e", "type": "branch", "next_step": "e"}]
    walk = Walk(flow(*steps, on_error="e")).start()
    assert walk.session.steps == 110
    assert walk.failures == ["too_many_steps", "too_many_steps"]
    assert walk.outcome == "failed"


def test_a_turn_sends_at_most_ten_messages_and_last_words_two():
    steps = [say("a", next_step="a"), say("e", next_step="e")]
    walk = Walk(flow(*steps, on_error="e")).start()
    assert walk.texts == ["a"] * 10 + ["e"] * 2
    assert walk.event("session_ended")["messages"] == 12
    assert walk.failures == ["too_many_messages", "too_many_messages"]


def test_messages_of_a_turn_are_counted_over_its_calls():
    step = say("a", post_processors=["p"], next_step="a")
    walk = Walk(flow(step), processors=["p"]).start()
    for _ in range(9):
        walk.result()
    assert walk.result().outcome == "failed"


@pytest.mark.parametrize("last", [{"wait_for": {"type": "any"}}, {"next_step": "p"}])
def test_last_words_do_not_wait(last):
    pause = {"id": "p", "type": "pause", "for": "1h"}
    walk = Walk(
        flow({"id": "a", "type": "branch", "next_step": "a"}, say("e", **last), pause, on_error="e")
    ).start()
    assert (walk.texts, walk.outcome) == (["e"], "failed")


def test_last_words_may_call():
    steps = [{"id": "a", "type": "branch", "next_step": "a"}, say("e", pre_processors=["p"])]
    walk = Walk(flow(*steps, on_error="e"), processors=["p"]).start()
    assert walk.state == "calling"
    assert walk.result().texts == ["e"]
    assert walk.outcome == "failed"


def test_last_words_skip_the_next_flow():
    document = {**loop(on_error="e"), "next_flow": "other"}
    document["steps"].append(say("e"))
    walk = Walk(document, {"id": "other", "steps": [say("other")]}).start()
    assert walk.texts == ["e"]


def test_a_session_takes_at_most_a_thousand_steps():
    steps = [ask("a"), *({"id": f"b{number}", "type": "branch", "next_step": None} for number in range(98))]
    for number, step in enumerate(steps[1:], 1):
        step["next_step"] = f"b{number}" if number < 98 else "a"
    walk = Walk(flow(*steps)).start()
    while walk.state == "waiting":
        walk.say("x")
    assert walk.session.steps == 1000
    assert walk.failures == ["session_too_long"]


def test_the_session_stays_within_64_kilobytes():
    step = {"id": "a", "type": "api", "api": "x", "save_as": "v", "on_fail": "b"}
    walk = Walk(flow(step, {**step, "id": "c", "save_as": "w"}, say("b"))).start()
    walk.result(value="x" * 40_000)
    walk.result(value="y" * 30_000)
    assert (walk.failures, walk.texts) == (["session_too_large"], ["b"])
    assert "w" not in walk.variables


def test_a_reply_too_large_for_the_session_fails_the_step():
    walk = Walk(flow(ask("a", on_fail="b"), say("b"), variables={"v": "x" * 52_500})).start()
    assert walk.say("y" * 4_000).failures == ["session_too_large"]


def test_default_values_too_large_for_a_session_end_it():
    walk = Walk(flow(say("a"), variables={"v": "x" * 60_000})).start()
    assert (walk.outcome, walk.failures) == ("failed", ["session_too_large"])


def test_too_many_choices_for_a_session_fail_the_step():
    choices = [{"id": f"c{number}", "title": "x" * 200} for number in range(400)]
    walk = Walk(flow(ask("a", "choice", choices=choices))).start()
    assert walk.failures == ["session_too_large"]

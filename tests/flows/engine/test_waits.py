"""Section 4 of the flow language: questions, answers, taps, clocks."""

from datetime import timedelta

import pytest

from flows.engine.run import is_interruptible, stop
from flows.engine.session import Session
from flows.engine.texts import REASKS
from tests.flows.engine.walks import Walk, ask, buttons, flow, message, say, tapped, text


def choice(step_id="pick", *ids, **more):
    step = ask(step_id, "choice", **more)
    return {**step, "content": buttons(*(ids or ("red", "blue")))}


def test_an_accepted_answer_is_saved_and_shown_as_reply():
    body = "{{ reply.value }}/{{ reply.text }}/{{ reply.raw }}/{{ reply.type }}/{{ reply.at }}"
    walk = Walk(flow(ask("a", "number"), say("b", body))).start().say(" 1,200 ")
    assert walk.texts == ["1200/ 1,200 / 1,200 /text/2026-11-22T06:30:00+00:00"]
    assert walk.variables == {"a": 1200}
    assert walk.event("reply_accepted")["variables"] == {"a": 1200}


def test_the_trigger_message_is_the_reply_of_the_first_segment():
    assert Walk(flow(say("a", "{{ reply.text }} {{ reply.value }}"))).start("hello").texts == ["hello hello"]


@pytest.mark.parametrize(
    ("answer", "saved"),
    [
        (tapped("red", "Red"), {"id": "red", "title": "Red", "text": "Red"}),
        (tapped("blue"), {"id": "blue", "title": "Blue", "text": "Blue"}),
        (text("RED"), {"id": "red", "title": "Red", "text": "RED"}),
        (text("2"), {"id": "blue", "title": "Blue", "text": "2"}),
        (text("२"), {"id": "blue", "title": "Blue", "text": "२"}),
        (text("Crimson"), {"id": "red", "title": "Red", "text": "Crimson"}),
        (text("  Ｂｌｕｅ "), {"id": "blue", "title": "Blue", "text": "  Ｂｌｕｅ "}),
    ],
)
def test_a_choice_is_made_by_tap_id_title_synonym_or_number(answer, saved):
    walk = Walk(flow(choice(synonyms={"red": ["crimson", "scarlet"]}))).start().say(answer)
    assert walk.variables == {"pick": saved}
    assert (walk.session.reply["id"], walk.session.reply["title"]) == (saved["id"], saved["title"])


@pytest.mark.parametrize(
    "answer", [text("green"), text("3"), text("0"), text(""), message("image"), text("1.0")]
)
def test_anything_else_is_no_choice(answer):
    assert "reply_refused" in Walk(flow(choice())).start().say(answer).events


def test_choices_without_buttons_are_typed_and_have_synonyms():
    choices = [{"id": "s", "title": "Small {{ n }}", "synonyms": "tiny"}, {"id": "l", "title": "Large"}]
    walk = Walk(flow(ask("a", "choice", choices=choices), variables={"n": 1})).start()
    assert walk.session.question.options == (("s", "Small 1"), ("l", "Large"))
    assert walk.say("tiny").variables["a"]["id"] == "s"


def test_choices_add_to_the_buttons_of_the_step():
    step = {
        **choice("pick", "red"),
        "wait_for": {
            "type": "choice",
            "choices": [{"id": "red", "title": "R"}, {"id": "no", "title": "None"}],
        },
    }
    assert Walk(flow(step)).start().session.question.options == (("red", "Red"), ("no", "None"))


def test_the_options_are_those_of_the_last_interactive_content():
    step = ask("pick", "choice")
    step["content"] = [buttons("a", "b"), buttons("c", "d"), {"type": "text", "body": "Well?"}]
    walk = Walk(flow(step)).start()
    assert walk.session.question.options == (("c", "C"), ("d", "D"))


# --- wrong answers -------------------------------------------------------------------------------


def test_a_wrong_answer_gets_the_retrys_content_and_then_its_step():
    retry = {"content": {"type": "text", "body": "A number, please."}, "max": 2, "step": "human"}
    walk = Walk(flow(ask("a", "number", retry=retry), say("b"), say("human"))).start()
    assert walk.say("x").texts == ["A number, please."]
    assert walk.say("y").texts == ["A number, please."]
    assert walk.say("z").texts == ["human"]
    assert walk.variables == {}


def test_without_a_retry_the_built_in_text_is_sent_three_times_and_then_the_step_fails():
    walk = Walk(flow(ask("a", "number", on_fail="b"), say("b"))).start()
    for _ in range(3):
        assert walk.say("x").texts == [REASKS["en"]["number"]]
    assert walk.say("x").texts == ["b"]
    assert walk.failures == ["wait_exhausted"]


@pytest.mark.parametrize(("language", "used"), [("hi", "hi"), ("hi_IN", "hi"), ("xx", "en"), (None, "en")])
def test_the_built_in_text_is_in_the_contacts_language(language, used):
    walk = Walk(flow(ask("a", "number")), contact={"language": language}).start().say("x")
    assert walk.texts == [REASKS[used]["number"]]


def test_no_retry_at_all_fails_at_the_first_wrong_answer():
    assert Walk(flow(ask("a", "number", retry={"max": 0}))).start().say("x").failures == ["wait_exhausted"]


def test_options_stay_valid_after_a_re_ask_and_those_of_an_interactive_one_count():
    walk = Walk(flow(choice())).start()
    assert walk.say("x").say("red").variables["pick"]["id"] == "red"
    walk = Walk(flow(choice(retry={"content": buttons("green")}))).start().say("x")
    assert walk.say("green").variables["pick"]["id"] == "green"


def test_a_re_ask_that_cannot_be_rendered_fails_the_step():
    retry = {"content": {"type": "text", "body": "{{ nothing }}"}}
    walk = Walk(flow(ask("a", "number", retry=retry, on_fail="b"), say("b"))).start().say("x")
    assert (walk.texts, walk.state) == (["b"], "ended")


def test_a_reaction_is_no_answer():
    walk = Walk(flow(ask("a"))).start()
    assert walk.say(message("reaction", text="👍")).turn.effects == ()
    assert walk.state == "waiting"


def test_a_sensitive_answer_is_masked_in_the_trace_and_its_variable_marked():
    step = ask("pin", "text", sensitive=True, post_processors=["p"])
    walk = Walk(flow(step, {"id": "s", "type": "set", "set": {"pin": "gone"}}), processors=["p"]).start()
    walk.say("1234")
    event = walk.event("reply_accepted")
    assert "1234" not in str(event)
    assert walk.session.frame.sensitive == ("pin",)
    assert walk.session.reply["sensitive"] is True
    assert walk.call.context["variables"] == {"pin": "1234"}
    assert walk.result().session.frame.sensitive == ()


# --- taps ----------------------------------------------------------------------------------------


def test_a_tap_on_any_message_that_asked_this_question_answers_it():
    walk = Walk(flow(choice())).start()
    assert walk.say("x").refs == ["s.2"]
    assert walk.tap("red", of="s.1").variables["pick"]["id"] == "red"


def test_a_tap_without_a_context_answers_if_its_id_is_an_option():
    assert Walk(flow(choice())).start().tap("red").outcome == "completed"


def test_a_tap_that_belongs_to_this_question_but_names_no_option_is_a_wrong_answer():
    assert "reply_refused" in Walk(flow(choice())).start().tap("green", of="s.1").events


@pytest.mark.parametrize(("option", "of"), [("red", "s.0"), ("green", None)])
def test_a_stale_tap_is_asked_again_once_and_costs_no_retry(option, of):
    walk = Walk(flow(choice(retry={"max": 0}))).start()
    first = walk.tap(option, of=of)
    assert first.events == ["stale_tap"]
    assert (first.texts, first.refs, first.session.question.tries) == (["Pick"], ["s.2"], 0)
    second = walk.tap(option, of=of)
    assert (second.events, second.texts) == (["stale_tap"], [])
    assert walk.tap("red", of="s.2").variables["pick"]["id"] == "red"


def test_a_stale_tap_repeats_only_the_message_that_asks():
    step = {**choice(), "content": [{"type": "text", "body": "Intro"}, buttons("red", "blue")]}
    assert Walk(flow(step)).start().tap("old", of="x").texts == ["Pick"]
    assert Walk(flow(ask("a"))).start().tap("old", of="x").texts == ["a"]


def test_a_stale_tap_on_a_step_that_said_nothing_is_only_recorded():
    walk = Walk(flow({"id": "a", "wait_for": {"type": "any"}})).start().tap("old")
    assert (walk.events, walk.texts) == (["stale_tap"], [])


def test_a_question_that_cannot_be_asked_again_fails_the_step():
    document = flow(choice(on_fail="b"), say("b"), dataset="d")
    document["steps"][0]["content"]["body"] = "{{ data.body }}"
    data = {"body": "Pick"}
    walk = Walk(document, data=lambda _: data).start()
    data.clear()
    assert walk.tap("old", of="x").texts == ["b"]


def test_typed_text_is_never_stale():
    assert Walk(flow(ask("a"))).start().say("x", of="old").outcome == "completed"


def test_a_tap_on_a_wait_for_text_gives_its_title():
    step = {**ask("a", "text"), "content": buttons("red", "blue")}
    assert Walk(flow(step)).start().tap("red", "Red").variables == {"a": "Red"}


# --- clocks --------------------------------------------------------------------------------------


def test_the_clocks_of_a_question_start_with_it():
    remind = [{"after": "1h", "content": {"type": "text", "body": "Still there?"}}]
    walk = Walk(flow(ask("a", timeout={"after": "2h", "step": "b"}, remind=remind), say("b"))).start()
    assert walk.timers == {"timeout": 7200, "remind:1": 3600, "expire": 82800}


def test_a_refused_answer_restarts_expiry_alone():
    walk = Walk(flow(ask("a", "number", timeout={"after": "2h", "step": "b"}), say("b"))).start()
    walk.now += timedelta(hours=1)
    assert walk.say("x").timers == {"expire": 82800}


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ({"timeout": {"after": "24h", "step": "b"}}, 24 * 3600 + 1),
        ({"timeout": {"after": "23h", "step": "b"}}, 23 * 3600 + 1),
        ({"remind": [{"after": "25h", "content": {"type": "text", "body": "x"}}]}, 26 * 3600),
        ({"remind": [{"after": "22h", "content": {"type": "text", "body": "x"}}]}, 23 * 3600),
    ],
)
def test_a_timeout_or_reminder_as_long_as_expiry_moves_expiry_behind_it(keys, seconds):
    assert Walk(flow(ask("a", **keys), say("b"))).start().timers["expire"] == seconds


def test_a_timeout_fires_once_and_goes_to_its_step():
    walk = Walk(
        flow(ask("a", timeout={"after": "2h", "step": "c"}), say("b", next_step=None), say("c"))
    ).start()
    assert walk.timer("timeout", after=7200).texts == ["c"]
    assert "wait_timed_out" in walk.events
    assert walk.timer("timeout", wait_no=1).turn.effects == ()


def test_a_timeout_without_a_step_fails_the_step():
    walk = Walk(flow(ask("a", timeout={"after": "2h"}, on_fail="b"), say("b"))).start()
    assert walk.timer("timeout").failures == ["wait_timed_out"]


def test_a_timer_of_an_earlier_question_changes_nothing():
    walk = Walk(flow(ask("a", timeout={"after": "2h"}), ask("b"))).start().say("x")
    assert walk.timer("timeout", wait_no=1).turn.effects == ()
    assert walk.timer("timeout").turn.effects == ()
    assert walk.timer("remind:1").turn.effects == ()
    assert walk.timer("pause").turn.effects == ()
    assert walk.timer("remind:x").turn.effects == ()


def test_reminders_are_sent_in_order_each_once():
    remind = [{"after": f"{n}h", "content": {"type": "text", "body": f"r{n}"}} for n in (1, 2, 3)]
    walk = Walk(flow(ask("a", remind=remind))).start()
    assert walk.timer("remind:1").texts == ["r1"]
    assert walk.timers == {}
    assert walk.timer("remind:1").turn.effects == ()
    assert walk.timer("remind:3").texts == ["r3"]
    assert walk.timer("remind:2").turn.effects == ()
    assert walk.timer("remind:4").turn.effects == ()
    assert walk.state == "waiting"


def test_options_of_an_interactive_reminder_count_once_it_is_queued():
    walk = Walk(flow(choice(remind=[{"after": "1h", "content": buttons("yes", "no")}]))).start()
    options = (("yes", "Yes"), ("no", "No"), ("red", "Red"), ("blue", "Blue"))
    assert walk.timer("remind:1").session.question.options == options
    assert walk.tap("yes", of="s.2").variables["pick"]["id"] == "yes"


@pytest.mark.parametrize(
    ("body", "hours", "code"), [("x", 24, "window_closed"), ("{{ nothing }}", 1, "render_failed")]
)
def test_a_reminder_that_cannot_be_sent_is_skipped_and_the_wait_goes_on(body, hours, code):
    remind = [{"after": f"{hours}h", "content": {"type": "text", "body": body}}]
    walk = Walk(flow(ask("a", remind=remind))).start().timer("remind:1", after=hours * 3600)
    assert walk.event("reminder_skipped")["code"] == code
    assert (walk.state, walk.sent) == ("waiting", [])
    assert walk.timer("remind:1").turn.effects == ()


def test_a_template_reminder_leaves_when_the_window_is_closed():
    remind = [{"after": "25h", "content": {"type": "template", "name": "come_back"}}]
    walk = Walk(flow(ask("a", remind=remind))).start().timer("remind:1", after=25 * 3600)
    assert walk.sent == [{"type": "template", "name": "come_back"}]


@pytest.mark.parametrize("heard", [24, None])
def test_free_text_due_when_the_window_is_closed_is_not_queued(heard):
    walk = Walk(flow({"id": "p", "type": "pause", "for": "24h"}, say("a", on_fail="b"), say("b"))).start()
    if heard is None:
        walk.heard_at = None
    walk.timer("pause", after=24 * 3600)
    assert walk.sent == []
    assert walk.events.count("window_closed") == 2
    assert walk.failures == ["window_closed", "window_closed"]


def test_a_template_may_follow_where_free_text_is_not_allowed():
    step = {"id": "b", "content": {"type": "template", "name": "hello"}}
    walk = Walk(flow({"id": "p", "type": "pause", "for": "2d"}, say("a", on_fail="b"), step)).start()
    assert walk.timer("pause", after=2 * 86400).texts == ["template"]


# --- expiry --------------------------------------------------------------------------------------


def test_a_silent_session_expires():
    walk = Walk(flow(ask("a"))).start()
    assert walk.timer("expire", after=60).turn.effects == ()
    walk.timer("expire", after=23 * 3600)
    assert (walk.state, walk.outcome) == ("ended", "expired")
    assert "session_expired" in walk.events


def test_an_expiry_timer_from_before_a_refused_answer_comes_too_early():
    walk = Walk(flow(ask("a", "number"))).start()
    walk.now += timedelta(hours=20)
    walk.say("x")
    assert walk.timer("expire", after=3 * 3600).turn.effects == ()
    assert walk.timer("expire", after=20 * 3600).outcome == "expired"


def expiring(*steps, **settings):
    return flow(ask("a"), *steps, settings={"expire_after": "1h", "on_expire": "bye", **settings})


def test_on_expire_says_its_last_words_without_waiting():
    walk = Walk(expiring(ask("bye", next_step="a"))).start().timer("expire", after=3600)
    assert (walk.texts, walk.outcome) == (["bye"], "expired")


def test_on_expire_may_go_on_to_further_steps_and_fails_quietly():
    walk = (
        Walk(expiring(say("bye", next_step="c"), say("c", "{{ nothing }}")))
        .start()
        .timer("expire", after=3600)
    )
    assert (walk.texts, walk.outcome, walk.failures) == (["bye"], "expired", ["render_failed"])


@pytest.mark.parametrize("step", [{"id": "bye", "type": "api", "api": "x"}, say("bye", pre_processors=["p"])])
def test_on_expire_is_one_segment_so_a_call_ends_it(step):
    walk = Walk(expiring(step), processors=["p"]).start().timer("expire", after=3600)
    assert (walk.outcome, walk.sent) == ("expired", [])
    assert "call_skipped" in walk.events


def test_on_expire_runs_into_no_further_limit():
    walk = Walk(expiring({"id": "bye", "type": "branch", "next_step": "bye"}, on_error="a"))
    walk.start().timer("expire", after=3600)
    assert (walk.outcome, walk.failures) == ("expired", ["too_many_steps"])


# --- what the shell asks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "of", "matches"),
    [
        (tapped("red"), None, True),
        (tapped("red"), "s.1", True),
        (tapped("red"), "other", False),
        (tapped("green"), None, False),
        (text("blue"), None, True),
        (text("1"), None, True),
        (text("green"), None, False),
    ],
)
def test_a_message_matches_the_current_choice(given, of, matches):
    assert Walk(flow(choice())).start().matches_choice(given, of) is matches


@pytest.mark.parametrize(
    "steps", [[ask("a", "any")], [say("a")], [{"id": "p", "type": "pause", "for": "1h"}]]
)
def test_nothing_matches_where_no_choice_is_waited_for(steps):
    assert Walk(flow(*steps)).start().matches_choice(text("a")) is False


@pytest.mark.parametrize("setting", ["never", "keywords"])
def test_one_frame_that_says_never_keeps_other_flows_out(setting):
    root = flow({"id": "c", "type": "flow", "flow": "child"}, settings={"interrupt": setting})
    walk = Walk(root, {"id": "child", "steps": [ask("q")]}).start()
    assert is_interruptible(walk.world, walk.session) is (setting == "keywords")


def test_a_session_is_stopped_from_outside_once():
    walk = Walk(flow(ask("a"))).start()
    stopped = stop(walk.session, "interrupted", reason="other")
    assert (stopped.session.state, stopped.session.outcome) == ("ended", "interrupted")
    assert stopped.session.question is None
    assert stopped.effects[0].data["outcome"] == "interrupted"
    assert stop(stopped.session, "merged").effects == ()


def test_a_session_that_lost_its_question_fails_instead_of_raising():
    walk = Walk(flow(ask("a", "choice", choices=[{"id": "x", "title": "X"}]))).start()
    record = walk.session.to_json()
    del record["question"]
    walk.session = Session.from_json(record)
    assert walk.matches_choice(text("x")) is False
    assert walk.say("x").failures == ["wait_missing"]


def test_a_session_whose_step_no_longer_asks_fails_instead_of_raising():
    walk = Walk(flow(ask("a"), say("b"))).start()
    record = walk.session.to_json()
    record["frames"][0]["step_id"] = "b"
    walk.session = Session.from_json(record)
    assert walk.timer("timeout").turn.effects == ()
    assert walk.say("x").failures == ["wait_missing"]


# --- translations --------------------------------------------------------------------------------


def test_texts_are_translated_for_the_contacts_language():
    document = flow(
        {**choice("pick", "red", "blue", retry={"content": {"type": "text", "body": "Again"}})},
        {"id": "two", "content": [{"type": "text", "body": "One"}, {"type": "text", "body": "Two"}]},
        language="en",
        translations={
            "hi": {
                "pick.body": "चुनें {{ contact.name }}",
                "pick.buttons.red.title": "लाल",
                "pick.retry.body": "फिर से",
                "two.2.body": "दो",
            }
        },
    )
    walk = Walk(document, contact={"language": "hi_IN"}).start()
    assert walk.sent[0]["body"] == "चुनें Ravi"
    assert [button["title"] for button in walk.sent[0]["buttons"]] == ["लाल", "Blue"]
    assert walk.say("x").texts == ["फिर से"]
    assert walk.say("लाल").texts == ["One", "दो"]
    assert Walk(document, contact={"language": "fr"}).start().texts == ["Pick"]
    assert Walk(document, contact={"language": "en_GB"}).start().texts == ["Pick"]


def test_a_question_whose_flow_has_no_wait_any_more_is_not_due():
    walk = Walk(flow(ask("a"))).start()
    assert walk.timer("nothing").turn.effects == ()

"""Section 9 of the flow language: the older dialect, rule by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.engine.definition import parse_flow
from flows.engine.dialect import is_older, translate
from flows.engine.progress import Progress
from tests.flows.engine.walks import Walk, buttons, flow, message, say


def step(name, body=None, **keys):
    made = {"name": name, "type": "message", "action": "send_message", **keys}
    if body is not None:
        made["content"] = {"type": "text", "body": body}
    return made


def older(*steps, **keys):
    return {
        "id": "old",
        "trigger": "hi",
        "start": steps[0]["name"],
        "is_active": True,
        **keys,
        "steps": list(steps),
    }


def walked(*steps, processors=("p", "q"), **keys):
    return Walk(
        older(
            *steps, **{key: keys.pop(key) for key in list(keys) if key in ("next_flow", "end", "on_error")}
        ),
        processors=processors,
        **keys,
    )


def codes(document):
    return [fault.code for fault in translate(document).faults]


# --- which files are of it -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "is_it"),
    [
        (older(step("a", "x")), True),
        ({"id": "a", "steps": [{"name": "a", "sequence_no": 1}]}, True),
        (
            {"id": "a", "steps": [{"id": "a", "content": {"type": "text", "body": "x"}, "processor": []}]},
            True,
        ),
        ({"id": "a", "steps": [{"id": "a"}, {"id": "b", "payload_template": {}}]}, True),
        ({"id": "a", "steps": [{"id": "a", "content": {"processor": ["p"]}}]}, True),
        ({"id": "a", "steps": [{"id": "a", "content": {"body": {"processor": ["p"]}}}]}, True),
        (flow(say("a")), False),
        ({"id": "a", "steps": [{"name": "a", "action": "x"}, {"id": "b"}]}, False),
        ({"id": "a", "steps": []}, False),
        ({"id": "a"}, False),
        (None, False),
        ({"steps": ["x"]}, False),
    ],
)
def test_a_file_is_told_by_its_keys(document, is_it):
    assert is_older(document) is is_it


@pytest.mark.parametrize(
    "newer",
    [
        {"wait_for": {"type": "any"}},
        {"pre_processors": ["p"]},
        {"type": "branch"},
        {"next_step": [{"step": "a"}]},
        {"content": [{"type": "text", "body": "x"}]},
    ],
)
def test_a_mixture_of_both_dialects_is_an_error(newer):
    document = older(step("a", "x", processor=[]), {**step("b", "y"), **newer})
    assert is_older(document)
    assert "WF132" in codes(document)


# --- rules (1) to (9) ----------------------------------------------------------------------------


@pytest.mark.parametrize("link", [{}, {"next_step": ""}, {"next_step": None}])
def test_1_no_next_step_ends_the_flow(link):
    walk = walked(step("a", "one", **link), step("b", "two")).start()
    assert (walk.texts, walk.outcome) == (["one"], "completed")


@pytest.mark.parametrize(
    "content",
    [{}, {"content": None}, {"content": {}}, {"content": ""}, {"content": {"type": "text", "body": ""}}],
)
def test_2_content_may_be_absent_and_the_processors_empty(content):
    walk = walked({**step("a", processor=[], next_step="b"), **content}, step("b", "two")).start()
    assert walk.texts == ["two"]


def test_3_names_are_looked_up_in_reply_variables_campaign_contact_and_global():
    body = "{{ user_response }} {{ user_id }} {{ id }} {{ value }} {{ x }} {{ bike }} {{ city }} {{ phone }} {{ shop }}"
    walk = walked(
        step("a", body),
        campaign={"bike": "V4", "city": "from the campaign"},
        globals={"shop": "Motors", "phone": "not this"},
        contact={"fields": {"city": "Pune", "x": "field"}},
    )
    assert walk.start("Hi").texts == ["Hi 919876543210 Hi Hi field V4 from the campaign +919876543210 Motors"]


def test_3_the_newer_roots_are_readable_too():
    assert walked(step("a", "{{ contact.name }} {{ flow.id }}")).start().texts == ["Ravi old"]


def test_3_an_unknown_name_in_content_fails_the_step_and_nothing_with_braces_is_sent():
    walk = walked(step("a", "Hello {{ nobody }}", on_fail="b"), step("b", "sorry")).start()
    assert (walk.texts, walk.failures) == (["sorry"], ["render_failed"])
    walk = walked(step("a", "Hello {{ nobody")).start()
    assert (walk.texts, walk.outcome) == ([], "failed")


def test_3_an_unknown_name_in_a_payload_is_null():
    template = {"a": "{{ nobody }}", "b": ["{{ user_response }}", "x {{ nobody }}"], "c": 5}
    walk = walked(step("a", "x", processor=[{"name": "p", "payload_template": template}])).start("yo")
    assert walk.call.args == {"a": None, "b": ["yo", None], "c": 5, "user_id": "919876543210"}


@pytest.mark.parametrize("where", ["content", "body"])
def test_4_a_processor_inside_the_content_is_the_steps(where):
    content = {"type": "text", "body": "x", "processor": ["p"]}
    if where == "body":
        content = {"type": "text", "body": {"text": "x", "processor": {"name": "p"}}}
    document = older({**step("a"), "content": content})
    assert codes(document) == ["WF131"]
    walk = Walk(document, processors=["p"]).start()
    assert (walk.texts, walk.call.name) == (["x"], "p")


def test_5_an_unknown_processor_is_recorded_and_the_flow_goes_on():
    walk = walked(step("a", "one", processor=["gone"], next_step="b"), step("b", "two")).start()
    assert walk.texts == ["one", "two"]
    assert walk.event("processor_missing")["processor"] == "gone"
    assert walk.failures == []


def test_6_user_response_is_the_text_that_began_this_turn():
    steps = [
        step("a", "{{ user_response }}", processor=[{"name": "p", "wait": True}], next_step="b"),
        step("b", "{{ user_response }}!"),
    ]
    walk = walked(*steps).start("first")
    assert walk.texts == ["first"]
    assert walk.say("second").call.args["user_response"] == "second"
    assert walk.result().texts == ["second!"]


def test_6_a_tap_gives_its_title_and_the_options_id_and_title():
    raw = {
        "type": "button",
        "body": {"text": "Pick"},
        "action": {"buttons": [{"type": "reply", "reply": {"id": "r", "title": "Red"}}]},
    }
    steps = [
        {
            **step("a", processor=[{"name": "p", "wait": True}], next_step="b"),
            "content": {"type": "interactive", "body": raw},
        },
        step("b", "{{ user_response }} {{ id }} {{ value }}"),
    ]
    walk = walked(*steps).start()
    assert walk.sent == [{"type": "interactive", "interactive": raw}]
    walk.tap("r", "Red", of="an older message")
    assert walk.call.args["user_response"] == "Red"
    assert walk.result().texts == ["Red r Red"]


def test_6_in_a_turn_begun_by_a_campaign_user_response_is_null():
    walk = walked(step("a", processor=["p"])).start(None)
    assert walk.call.args == {"user_response": None, "user_id": "919876543210"}


def test_6_in_a_turn_begun_by_a_timer_user_response_is_null():
    document = translate(older(step("a", "x", processor=[{"name": "p", "wait": True}]))).document
    document["steps"].append(
        {"id": "late", "content": {"type": "text", "body": "{{ user_response | default: 'nobody' }}"}}
    )
    document["steps"][0]["wait_for"]["timeout"] = {"after": "1h", "step": "late"}
    walk = walked(step("a", "x"))
    walk.flows = {walk.first: parse_flow(document, walk.first)}
    assert walk.start().timer("timeout", after=3600).texts == ["nobody"]


def test_7_the_payload_always_has_user_id_and_its_other_keys_become_variables():
    template = {"amount": "{{ user_response }}", "user_response": "kept apart"}
    walk = walked(
        step("a", processor=[{"name": "p", "payload_template": template}], next_step="b"),
        step("b", "{{ amount }} {{ due }}"),
    )
    walk.start("500")
    assert walk.call.args == {"amount": "500", "user_response": "kept apart", "user_id": "919876543210"}
    assert walk.call.older is True
    assert walk.result(value={"due": "May"}).texts == ["500 May"]
    assert walk.variables == {"amount": "500", "due": "May"}


def test_7_without_a_phone_the_user_id_is_the_business_scoped_one():
    walk = walked(step("a", processor=["p"]), contact={"phone": None}).start("x")
    assert walk.call.args == {"user_response": "x", "user_id": "IN.1"}


@pytest.mark.parametrize("value", [None, "text", [1]])
def test_7_only_a_returned_dict_becomes_variables(value):
    assert walked(step("a", processor=["p"])).start().result(value=value).variables == {}


def test_7_a_template_of_the_step_serves_entries_without_their_own():
    walk = walked(step("a", processor="p", payload_template="{{ user_response }}")).start("x")
    assert walk.call.args == {"user_response": "x", "user_id": "919876543210"}


def test_8_entries_run_in_order_each_wait_takes_one_reply_and_content_is_sent_once():
    entries = [{"name": "p"}, {"name": "q", "wait": True}, {"name": "p"}, {"name": "q", "wait": "true"}]
    walk = walked(step("a", "once", processor=entries, next_step="b"), step("b", "done")).start()
    assert (walk.texts, walk.call.name) == (["once"], "p")
    assert walk.result().state == "waiting"
    assert walk.say(message("image", media={"id": "1"})).call.name == "q"
    assert walk.result().call.name == "p"
    assert walk.result().state == "waiting"
    assert walk.event("question_asked")["step"] == "a"
    assert walk.say("x").call.name == "q"
    assert walk.result().texts == ["done"]


def test_8_a_failure_is_recorded_and_the_flow_goes_on():
    walk = walked(step("a", "one", processor=["p", "q"], next_step="b"), step("b", "two")).start()
    walk.result("failed", reason="boom")
    assert (walk.failures, walk.call.name) == (["call_failed"], "q")
    assert walk.result("unknown").texts == ["two"]


def test_8_a_failure_takes_on_fail_where_it_is_given():
    walk = walked(
        step("a", "one", processor=["p"], next_step="b", on_fail="c"), step("b", "two"), step("c", "sorry")
    ).start()
    assert walk.result("failed").texts == ["sorry"]


def test_9_names_and_scripts_go_out_as_they_are_written():
    walk = walked(step("a", processor=[{"name": "loan_status.py"}]), processors=["loan_status.py"]).start("x")
    assert (walk.call.name, walk.call.older) == ("loan_status.py", True)


# --- links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["on_success", "on_fail"])
def test_a_link_that_names_no_step_is_not_used(key):
    document = older(step("a", "x", next_step="b", **{key: "celebrate"}), step("b", "y"))
    assert codes(document) == ["WF133"]
    assert Walk(document).start().texts == ["x", "y"]
    assert codes(older(step("a", "x", **{key: ""}))) == []


def test_on_success_that_names_a_step_goes_before_next_step():
    assert walked(
        step("a", "x", next_step="b", on_success="c"), step("b", "y"), step("c", "z")
    ).start().texts == ["x", "z"]


def test_the_end_step_ends_the_flow_after_all_its_replies():
    walk = walked(
        step("a", "x", processor=[{"name": "p"}, {"name": "q", "wait": True}], next_step="b"),
        step("b", "y"),
        end="a",
    )
    walk.start().result()
    assert walk.say("x").call.name == "q"
    assert walk.result().outcome == "completed"


def test_a_step_goes_on_to_another_flow_with_its_variables():
    other = {**older(step("o", "{{ amount }}")), "id": "other", "trigger": "other"}
    first = older(step("a", processor=[{"name": "p", "payload_template": {"amount": 5}}], next_flow="other"))
    walk = Walk(first, other, processors=["p"]).start()
    assert walk.result().texts == ["5"]
    assert walk.session.flow_id == "other"


def test_a_flow_goes_on_to_another_flow_of_the_dialect_with_its_variables():
    other = {**older(step("o", "{{ amount }}")), "id": "other"}
    first = older(step("a", processor=[{"name": "p", "payload_template": {"amount": 5}}]), next_flow="other")
    assert Walk(first, other, processors=["p"]).start().result().texts == ["5"]


def test_a_step_whose_next_flow_is_missing_completes_the_flow():
    walk = walked(step("a", "x", next_flow="gone")).start()
    assert walk.event("next_flow_missing")["next_flow"] == "gone"
    assert walk.outcome == "completed"


def test_next_step_goes_before_next_flow():
    document = older(step("a", "x", next_step="b", next_flow="other"), step("b", "y"))
    assert codes(document) == ["WF107"]
    assert Walk(document).start().texts == ["x", "y"]


# --- leniency in form ----------------------------------------------------------------------------


def test_names_of_any_form_become_ids_and_links_follow_them():
    steps = [
        {"name": "Ask Name", "sequence_no": 2, "action": "send_message", "content": "one", "next_step": 3},
        {
            "name": "ask name",
            "sequence_no": 3,
            "action": "send_message",
            "content": "two",
            "next_step": "1st step",
        },
        {
            "name": "1st step",
            "sequence_no": 1,
            "action": "send_message",
            "content": {"body": 7},
            "next_step": True,
        },
        {"name": "हिंदी", "action": "x"},
        {"action": "x"},
    ]
    translation = translate({"name": "My Flow", "trigger": "", "next_flow": "", "steps": steps})
    assert translation.document["id"] == "my_flow"
    assert [made["id"] for made in translation.document["steps"]] == [
        "ask_name",
        "ask_name__2",
        "step_1st_step",
        "step",
        "step_5",
    ]
    assert translation.document["steps"][0]["next_step"] == "ask_name__2"
    assert translation.document["steps"][1]["next_step"] == "step_1st_step"
    assert translation.document["steps"][2]["content"]["body"] == "7"
    assert translation.document["start"] == "ask_name"
    assert "trigger" not in translation.document
    assert "next_flow" not in translation.document


def test_empty_links_of_the_flow_are_none():
    document = translate({**older(step("a")), "end": "", "on_error": None}).document
    assert "end" not in document
    assert "on_error" not in document


def test_without_a_start_the_lowest_number_begins():
    steps = [{"id": "b", "sequence_no": 2, "content": "b"}, {"id": "a", "sequence_no": 1, "content": "a"}]
    assert translate({"id": "x", "steps": steps}).document["start"] == "a"


def test_a_flow_id_of_another_form_is_made_one():
    assert translate({"id": "Loan Flow!", "steps": [step("a")]}).document["id"] == "loan_flow"
    assert translate({"id": "123", "steps": [step("a", next_flow="Other Flow")]}).document["id"] == "flow_123"
    assert (
        translate({"id": "x", "steps": [step("a", next_flow="Other Flow")]}).document["steps"][1]["flow"]
        == "other_flow"
    )
    assert "id" not in translate({"steps": [step("a")]}).document


@pytest.mark.parametrize(
    ("content", "canonical"),
    [
        (
            {"type": "image", "body": "https://e.com/a.png", "caption": "c"},
            {"type": "image", "link": "https://e.com/a.png", "caption": "c"},
        ),
        ({"type": "image", "body": "12345"}, {"type": "image", "media": "12345"}),
        (
            {"type": "document", "link": "https://e.com/a.pdf", "filename": "a.pdf", "caption": ""},
            {"type": "document", "link": "https://e.com/a.pdf", "filename": "a.pdf"},
        ),
        (
            {"type": "audio", "body": "https://e.com/a.mp3", "caption": "not shown"},
            {"type": "audio", "link": "https://e.com/a.mp3"},
        ),
        (
            {"type": "video", "body": "https://e.com/{{ x }}.mp4"},
            {"type": "video", "link": "https://e.com/{{ x }}.mp4"},
        ),
        (
            {"type": "interactive", "interactive": {"type": "button"}},
            {"type": "interactive", "interactive": {"type": "button"}},
        ),
        (
            {"type": "text", "body": "x", "preview_url": True},
            {"type": "text", "body": "x", "preview_url": True},
        ),
        (
            {"type": "location", "latitude": 1, "longitude": 2},
            {"type": "location", "latitude": 1, "longitude": 2},
        ),
        (buttons("a"), buttons("a")),
        (5, 5),
    ],
)
def test_contents_become_canonical(content, canonical):
    assert translate(older({**step("a"), "content": content})).document["steps"][0]["content"] == canonical


def test_keys_that_nobody_reads_are_named():
    document = {**older(step("a", "x", comment="?", **{"$comment": "!"})), "version": 2, "$schema": "x"}
    assert [(fault.code, fault.severity, fault.path) for fault in translate(document).faults] == [
        ("WF101", "warning", ("steps", 0, "comment")),
        ("WF101", "warning", ("version",)),
    ]


def test_canonical_paths_lead_back_to_the_file():
    entries = [{"name": "p", "wait": True, "payload_template": {"a": 1}}, {"name": "q", "wait": True}]
    content = {"type": "image", "body": "https://e.com/a.png"}
    document = {
        "name": "x",
        "steps": ["junk", {**step("a", processor=entries, next_flow="other"), "content": content}],
    }
    paths = translate(document).paths
    assert paths["id",] == ("name",)
    assert paths["steps", 0] == ("steps", 1)
    assert paths["steps", 0, "content", "link"] == ("steps", 1, "content", "body")
    assert paths["steps", 0, "post_processors", 0, "args"] == ("steps", 1, "processor", 0, "payload_template")
    assert paths["steps", 1, "post_processors", 0] == ("steps", 1, "processor", 1)
    assert paths["steps", 2, "flow"] == ("steps", 1, "next_flow")


def test_inner_steps_are_shown_as_the_step_they_came_from():
    steps = translate(
        older(
            step("a", processor=[{"name": "p"}, {"name": "q", "wait": True}], is_active=False, next_flow="x")
        )
    ).document["steps"]
    assert [made["id"] for made in steps] == ["a", "a__2", "a__flow"]
    assert [made.get("$shown_as") for made in steps] == [None, "a", "a"]
    assert [made.get("is_active") for made in steps] == [False, False, None]


@pytest.mark.parametrize(
    "processor",
    [None, "", 5, {}, [None, "", {}, 5], [{"wait": True}], [{"name": "p", "payload_template": 5}]],
)
def test_odd_processors_are_left_for_lint(processor):
    steps = translate(older(step("a", "x", processor=processor))).document["steps"]
    assert steps[0]["id"] == "a"


def test_a_payload_that_is_no_object_is_the_users_response():
    walk = walked(step("a", processor=[{"name": "p", "payload_template": [1]}])).start("x")
    assert walk.call.args == {"user_response": [1], "user_id": "919876543210"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "name",
                    "type",
                    "body",
                    "content",
                    "processor",
                    "wait",
                    "payload_template",
                    "next_step",
                    "next_flow",
                    "action",
                    "on_fail",
                    "text",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "name", "trigger", "start", "end", "steps", "next_flow"]),
        VALUES | st.lists(VALUES, max_size=4),
        max_size=6,
    )
)
def test_translating_never_raises(document):
    assert isinstance(is_older(document), bool)
    assert translate(document).document["$dialect"] == "older"


def test_the_engine_knows_the_scope_of_the_dialect():
    walk = walked(step("a", "x", processor=[{"name": "p", "wait": True}])).start()
    assert Progress(walk.world, walk.session, walk.now).flow.is_older

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.whatsapp.errors import FAMILIES, TABLE, Verdict, judge_answer, judge_status, lookup
from conversations.whatsapp.errors_page import as_markdown

ROOT = Path(__file__).parents[3]
ACCEPTED = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+16505551234", "wa_id": "16505551234"}],
    "messages": [{"id": "wamid.x", "message_status": "accepted"}],
}


def failure(code, **keys):
    return {
        "error": {
            "message": f"(#{code}) no",
            "type": "OAuthException",
            "code": code,
            "fbtrace_id": "Az1",
            **keys,
        }
    }


def judge(http_status, body=None, *, wrote_bytes=True, **keys):
    return judge_answer(http_status, body, wrote_bytes=wrote_bytes, jitter=lambda: 0.0, **keys)


def test_an_answer_with_a_wamid_is_accepted():
    assert judge(200, ACCEPTED) == Verdict(
        state="accepted", wamid="wamid.x", wa_id="16505551234", message_status="accepted"
    )


def test_a_send_to_a_bsuid_tells_the_user_id():
    body = {"contacts": [{"input": "US.1", "user_id": "US.1"}], "messages": [{"id": "wamid.x"}]}
    assert judge(200, body) == Verdict(state="accepted", wamid="wamid.x", user_id="US.1")


@pytest.mark.parametrize("contacts", [None, [], ["x"], {}, [{"wa_id": 7}]])
def test_the_wamid_alone_is_enough(contacts):
    assert judge(200, {"messages": [{"id": "wamid.x"}], "contacts": contacts}) == Verdict(
        state="accepted", wamid="wamid.x"
    )


AMBIGUOUS = [1, 2, 131000, 131016, 135000]
QUEUED = {4: "app", 80007: "app", 130429: "number", 131056: "recipient", 131057: "number"}
ACCOUNT = [190, 0, 10, 102, 200, 250, 299]
NUMBER = [131031, 368, 33, 131037, 131042, 133010, 131045]
REFUSED = [
    130472,
    131049,
    131026,
    131047,
    131050,
    131008,
    131009,
    100,
    132000,
    132001,
    132015,
    132999,
    131021,
    131062,
]


@pytest.mark.parametrize("code", AMBIGUOUS)
@pytest.mark.parametrize("http_status", [200, 400, 429, 500, 503])
def test_meta_failing_is_ambiguous(code, http_status):
    verdict = judge(http_status, failure(code))
    assert (verdict.state, verdict.code, verdict.breaker) == ("ambiguous", code, None)


@pytest.mark.parametrize(("code", "scope"), QUEUED.items())
@pytest.mark.parametrize("http_status", [400, 403, 429, 500])
def test_too_fast_is_queued_with_a_wait_in_its_scope(code, scope, http_status):
    verdict = judge(http_status, failure(code))
    assert (verdict.state, verdict.code, verdict.scope, verdict.breaker) == ("queued", code, scope, None)
    assert verdict.backoff_seconds > 0
    assert verdict.words.startswith("Too fast") or code == 131057


@pytest.mark.parametrize("code", ACCOUNT)
def test_a_token_or_a_right_opens_the_accounts_breaker(code):
    verdict = judge(401, failure(code))
    assert (verdict.state, verdict.breaker, verdict.scope) == ("queued", "account", "account")


@pytest.mark.parametrize("code", NUMBER)
def test_a_restriction_opens_the_numbers_breaker(code):
    verdict = judge(500 if code == 131045 else 400, failure(code))
    assert (verdict.state, verdict.breaker, verdict.scope) == ("queued", "number", "number")


def test_spam_stops_marketing_on_the_number():
    verdict = judge(400, failure(131048))
    assert (verdict.state, verdict.breaker, verdict.backoff_seconds) == ("queued", "marketing", 3600)


@pytest.mark.parametrize("code", REFUSED)
@pytest.mark.parametrize("http_status", [400, 404, 500])
def test_what_no_retry_can_mend_is_refused(code, http_status):
    verdict = judge(http_status, failure(code))
    assert (verdict.state, verdict.code, verdict.breaker) == ("refused", code, None)


@pytest.mark.parametrize(
    ("code", "effect"),
    [
        (131050, "opt_out"),
        (131047, "close_window"),
        (131026, "suspect_number"),
        (130429, "slow_number"),
        (132015, "pause_template"),
        (132000, "stop_campaign"),
        (130497, "block_country"),
    ],
)
def test_a_code_tells_what_else_changes(code, effect):
    assert judge(400, failure(code)).effect == effect


@pytest.mark.parametrize("code", [130472, 131049])
def test_what_meta_holds_back_waits_a_day(code):
    assert judge(400, failure(code)).backoff_seconds == 86_400
    assert judge_status(code).retry == "next_day"


@pytest.mark.parametrize(
    ("http_status", "state", "scope"),
    [
        (400, "refused", "none"),
        (404, "refused", "none"),
        (429, "queued", "number"),
        (500, "ambiguous", "none"),
        (503, "ambiguous", "none"),
    ],
)
def test_a_code_that_is_not_listed_goes_by_the_status(http_status, state, scope):
    verdict = judge(http_status, failure(777_777))
    assert (verdict.state, verdict.scope, verdict.code) == (state, scope, 777_777)


def test_an_unknown_object_is_an_unknown_number():
    verdict = judge(400, failure(100, error_subcode=33))
    assert (verdict.state, verdict.breaker, verdict.code, verdict.subcode) == ("queued", "number", 100, 33)


@pytest.mark.parametrize(
    ("http_status", "body"),
    [
        (None, None),
        (200, None),
        (200, {}),
        (200, []),
        (200, {"success": True}),
        (200, {"messages": []}),
        (200, {"messages": [{"id": ""}]}),
        (200, {"messages": "wamid.x"}),
        (204, None),
        (302, None),
        (400, None),
        (400, {"error": "no"}),
        (400, {"error": {"message": "no code"}}),
        (400, {"error": {"code": None}}),
        (400, ACCEPTED),
        (404, {"detail": "not found"}),
        (502, None),
        (503, {"a": 1}),
    ],
)
def test_bytes_left_and_no_answer_of_the_graph_api_is_ambiguous(http_status, body):
    verdict = judge(http_status, body)
    assert (verdict.state, verdict.wamid, verdict.code) == ("ambiguous", None, None)


@pytest.mark.parametrize("error", ["ClientConnectorError: refused", None])
def test_when_nothing_was_written_it_goes_again(error):
    verdict = judge(None, None, wrote_bytes=False, error=error)
    assert (verdict.state, verdict.backoff_seconds) == ("queued", 1.0)
    assert error is None or verdict.message == error


def test_an_answer_that_came_is_never_called_unwritten():
    assert judge(502, None, wrote_bytes=False).state == "ambiguous"


@pytest.mark.parametrize(("attempt", "wait"), [(1, 1), (2, 4), (3, 16), (4, 64), (5, 256), (6, 256), (0, 1)])
def test_the_wait_grows_with_the_attempt(attempt, wait):
    assert judge(400, failure(131056), attempt=attempt).backoff_seconds == wait


def test_media_that_meta_cannot_take_is_tried_three_times():
    verdicts = [judge(400, failure(131053), attempt=attempt) for attempt in (1, 2, 3, 4)]
    assert [(verdict.state, verdict.backoff_seconds) for verdict in verdicts] == [
        ("queued", 5.0),
        ("queued", 30.0),
        ("refused", 0.0),
        ("refused", 0.0),
    ]


def test_the_wait_is_stretched_by_a_quarter_at_most():
    waits = [judge_answer(400, failure(4), wrote_bytes=True).backoff_seconds for _ in range(50)]
    assert all(60 <= wait <= 75 for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"error_data": {"details": "Too fast for them"}}, "(#131056) no: Too fast for them"),
        ({"error_data": "Too fast for them"}, "(#131056) no: Too fast for them"),
        ({"error_data": None}, "(#131056) no"),
        ({"message": None}, ""),
        ({"message": "x" * 5000}, "x" * 1000),
    ],
)
def test_what_meta_said_is_kept(keys, message):
    verdict = judge(400, failure(131056, **keys))
    assert (verdict.message, verdict.fbtrace) == (message, "Az1")


def test_what_meta_said_can_be_stored():
    verdict = judge(400, failure(131056, message="a\x00b\ud800", fbtrace_id="\x00" * 100))
    assert (verdict.message, verdict.fbtrace) == ("a\ufffdb\ufffd", "\ufffd" * 64)


@pytest.mark.parametrize("wamid", ["x" * 256, "wamid.\x00", "wamid.\ud800", 7, None])
def test_a_wamid_that_cannot_be_stored_proves_nothing(wamid):
    assert judge(200, {"messages": [{"id": wamid}]}).state == "ambiguous"


@pytest.mark.parametrize("code", [2**31, -(2**40), 1.5, True, "x"])
def test_a_code_that_is_none_is_no_answer_of_the_graph_api(code):
    assert (judge(400, failure(code)).state, judge(400, failure(code)).code) == ("ambiguous", None)


def test_a_code_printed_as_text_is_read():
    assert judge(400, failure("131047")).code == 131047


@given(
    st.none() | st.integers(0, 999),
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda v: (
            st.lists(v)
            | st.dictionaries(
                st.sampled_from(["error", "code", "messages", "id", "contacts", "error_data", "details"]), v
            )
        ),
    ),
    st.booleans(),
)
def test_no_answer_makes_it_raise_and_only_a_wamid_is_accepted(http_status, body, wrote_bytes):
    verdict = judge_answer(http_status, body, wrote_bytes=wrote_bytes)
    assert verdict.state in ("accepted", "queued", "ambiguous", "refused")
    assert (verdict.state == "accepted") == (verdict.wamid is not None)


@pytest.mark.parametrize("code", [None, -5, 424242])
def test_a_failed_status_with_a_code_that_is_not_listed_needs_a_person(code):
    row = judge_status(code)
    assert (row.retry, row.verdict, row.code) == ("after_fix", "refused", -1 if code is None else code)


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        (1, "back_off"),
        (131000, "back_off"),
        (131016, "back_off"),
        (131053, "back_off"),
        (131026, "next_day"),
        (131047, "after_fix"),
        (131050, "never"),
        (132016, "never"),
        (131042, "after_breaker"),
        (190, "after_breaker"),
        (210, "after_breaker"),
    ],
)
def test_a_failed_status_says_how_the_message_may_go_again(code, retry):
    assert judge_status(code).retry == retry


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([131047], "Last reply was over 24 h ago - use a template"),
        ([131049, 130472], "Meta held this message back for this person"),
        ([131050], "Opted out of your marketing"),
        ([131026], "Not on WhatsApp, old app, or terms not accepted"),
        ([131048, 131031, 130497], "Meta restricted this number (spam / locked / country)"),
        ([131064], "Messaging limit reached because of template classification violations"),
        ([132000, 132012], "Template variables do not match"),
        ([132001, 132007, 132015, 132016], "Template missing / policy / paused / disabled"),
        ([131042], "Payment problem at Meta"),
        ([131030], "Test number: recipient not on the allowed list"),
        ([131062], "This template needs a phone number, contact has only a BSUID"),
        ([190, 0], "Token expired or revoked"),
    ],
)
def test_staff_read_plain_words(codes, words):
    assert {TABLE[code].words for code in codes} == {words}


def test_every_row_is_whole():
    rows = [*TABLE.values(), *(row for _, row in FAMILIES)]
    assert len(TABLE) == len({row.code for row in TABLE.values()}) > 80
    for row in rows:
        assert row.words
        assert row.meaning
        assert "|" not in row.words + row.meaning
        assert row.backoff or row.verdict == "refused"
        assert list(row.backoff) == sorted(row.backoff)
        assert row.effect.startswith("open_breaker") == (row.retry == "after_breaker")


def test_a_row_goes_before_its_family():
    assert lookup(132015).effect == "pause_template"
    assert (lookup(132999).effect, lookup(132999).code) == ("none", 132999)
    assert lookup(777_777) is None


def test_the_page_of_the_docs_is_the_table():
    assert (ROOT / "docs" / "meta-errors.md").read_text(encoding="utf-8") == as_markdown()

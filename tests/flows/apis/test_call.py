"""Calls of API records over a real socket: once for a key, tried again where that is safe, journaled without secrets."""

import json
import time
from threading import Thread

import pytest

from flows.apis import client, log
from flows.apis.call import call
from flows.models import ApiCall, ApiHealth
from flows.secrets import Secret
from tests.flows.apis.conftest import record_of

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "canary-5b2e9f"


def answers(*bodies):
    """Answer each request with the next of ``bodies`` (status, value), the last one for ever."""
    left = list(bodies)

    def route(call):
        status, value = left.pop(0) if len(left) > 1 else left[0]
        call.answer(json.dumps(value).encode(), status=status)

    return route


def secret(name: str, value: str) -> None:
    row = Secret(name=name)
    row.set_value(value)
    row.save()


def test_an_answer_is_mapped_and_journaled(ask, web):
    web.routes["/Pune"] = answers((200, {"main": {"temp": 31.5}, "sys": {}}))
    document = {
        "url": "http://api.test/{{ city }}",
        "args": {"city": {"type": "string"}},
        "result": "main.temp",
    }
    called = ask(document, {"city": "Pune"})
    assert (called.state, called.value) == ("ok", 31.5)
    row = ApiCall.objects.get()
    assert (row.api, row.state, row.status, row.tries, row.method) == ("weather", "ok", 200, 1, "GET")
    assert row.seconds > 0


def test_a_key_that_was_answered_is_not_asked_again(ask, web):
    web.usual = answers((200, {"n": 1}), (200, {"n": 2}))
    document = {"method": "POST", "result": "n"}
    assert [ask(document, key="wf-1").value for _ in range(2)] == [1, 1]
    assert len(web.came) == 1


def test_a_key_answers_one_question_only(ask, web):
    document = {"args": {"n": {"type": "number"}}}
    ask(document, {"n": 1}, key="wf-1")
    called = ask(document, {"n": 2}, key="wf-1")
    assert (called.state, called.code) == ("failed", "key_used")


@pytest.mark.parametrize(("more", "state"), [({}, "unknown"), ({"idempotent": True}, "ok")])
def test_a_call_whose_answer_was_lost_is_made_again_only_if_that_is_safe(ask, web, more, state):
    document = {"method": "POST", **more}
    log.begin(
        key="wf-1",
        api="weather",
        environment="",
        question=log.question_of("weather", {}),
        contact_id=None,
        flow_id="",
    )
    assert ask(document, key="wf-1").state == state
    assert len(web.came) == (1 if state == "ok" else 0)


@pytest.mark.parametrize(
    ("document", "tries"),
    [
        ({"method": "GET"}, 3),
        ({"method": "POST"}, 1),
        ({"method": "POST", "idempotency_header": "Idempotency-Key"}, 3),
    ],
)
def test_a_server_that_is_away_for_a_moment_is_asked_again_where_that_is_safe(ask, web, document, tries):
    web.usual = answers((503, {}), (503, {}), (200, {"ok": True}))
    retries = {"attempts": 2, "backoff_seconds": 0.01} if tries > 1 else {}
    called = ask({**document, **({"retries": retries} if retries else {})}, key="wf-7")
    assert len(web.came) == tries
    assert (called.state, called.code) == (("ok", "") if tries == 3 else ("failed", "http_503"))
    keys = {came.headers.get("idempotency-key") for came in web.came}
    assert keys == ({"wf-7"} if "idempotency_header" in document else {None})


def test_retry_after_is_waited_for(ask, web):
    def route(call):
        if len(web.came) == 1:
            call.answer(b"{}", status=429, Retry_After="1")
        else:
            call.answer(b"{}")

    web.usual = route
    began = time.monotonic()
    assert ask({"retries": {"attempts": 1, "backoff_seconds": 0.01}}).state == "ok"
    assert time.monotonic() - began >= 1


def test_a_write_that_was_not_answered_in_time_is_unknown_and_a_read_has_failed(ask, web):
    web.usual = lambda call: web.stop.wait(5)
    assert ask({"method": "POST", "timeout_seconds": 0.3}).state == "unknown"
    called = ask({"method": "GET", "timeout_seconds": 0.3})
    assert (called.state, called.code) == ("failed", "timed_out")


def test_five_failures_open_the_breaker_and_a_reset_closes_it(ask, web):
    web.usual = answers((500, {}))
    for _ in range(5):
        assert ask({}).code == "http_500"
    called = ask({})
    assert (called.state, called.code, len(web.came)) == ("failed", "breaker_open", 5)
    log.reset("weather")
    web.usual = answers((200, {}))
    assert ask({}).state == "ok"
    assert ApiHealth.objects.get().failures == 0


def test_an_api_is_asked_no_faster_than_its_record_allows(ask, web):
    document = {"rate": {"per_second": 5}}
    began = time.monotonic()
    threads = [
        Thread(target=call, args=(record_of("weather", document, web), {}), kwargs={"key": f"t{n}"})
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(web.came) == 4
    assert time.monotonic() - began >= 0.6


def test_pages_are_followed_to_their_end(ask, web):
    def route(call):
        page = int(call.path.partition("page=")[2] or 1)
        following = page + 1 if page < 3 else None
        call.answer(json.dumps({"rows": [page, page * 10], "next": following}).encode())

    web.usual = route
    pages = {"next": "next", "param": "page", "items": "rows", "pages": 10}
    assert ask({"pagination": pages}).value == [1, 10, 2, 20, 3, 30]


def test_a_good_answer_is_kept_for_as_long_as_the_record_says(ask, web):
    web.usual = answers((200, {"n": 1}), (200, {"n": 2}))
    document = {"cache_seconds": 60, "result": "n"}
    assert [ask(document).value for _ in range(2)] == [1, 1]
    assert len(web.came) == 1


def test_a_mock_answers_without_a_network(ask, web, settings):
    settings.WHATSFLOW_API_MOCKS = True
    assert ask({"mock": {"status": 200, "json": {"n": 7}}, "result": "n"}).value == 7
    assert web.came == []


def test_a_secret_reaches_the_server_and_no_journal(ask, web):
    secret("crm", CANARY)
    web.usual = lambda call: call.answer(json.dumps({"echo": call.headers["Authorization"]}).encode())
    called = ask({"auth": {"type": "bearer", "token": "{{ secrets.crm }}"}, "result": "echo"})
    assert web.came[0].headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in called.value
    row = ApiCall.objects.values().get()
    assert CANARY not in repr(row)
    assert row["state"] == "ok"


def test_an_unknown_secret_is_told_by_its_name(ask, web):
    called = ask({"headers": {"X-Key": "{{ secrets.nowhere }}"}})
    assert (called.state, called.code) == ("failed", "secret_unknown")
    assert "nowhere" in called.reason
    assert web.came == []


def test_a_secret_under_a_key_that_is_gone_is_a_failure_and_no_crash(ask, web):
    Secret.objects.create(name="crm", value="not-of-any-key")
    called = ask({"headers": {"X-Key": "{{ secrets.crm }}"}})
    assert (called.state, called.code, web.came) == ("failed", "secret_unreadable", [])


def test_a_private_address_is_refused_where_the_operator_did_not_open_it(ask, web, settings):
    settings.WHATSFLOW_PRIVATE_NETWORKS = []
    client.door.cache_clear()
    called = ask({})
    assert (called.state, called.code, web.came) == ("failed", "address_forbidden", [])

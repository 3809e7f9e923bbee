"""Meta's door: what is stored, what is turned away, and with which word."""

import io
import json
import sqlite3
import threading

import pytest
from django.conf import settings
from django.db import DatabaseError, connections
from django.test import Client

from conversations import webhook
from conversations.models import Inbox, Lane, Message, WebhookDelivery
from conversations.whatsapp import signature
from flows import database
from flows.facts import DeadLetter
from tests.conversations import bodies
from tests.conversations.conftest import OLD_SECRET, REAL_SECRET
from tests.conversations.way import URL

BODY = json.dumps(bodies.messages(bodies.text("hi"))).encode()


def sign(raw: bytes = BODY, secret: str | None = None) -> str:
    return signature.sign(secret or settings.SIMULATOR_APP_SECRET, raw)


def stored() -> int:
    return WebhookDelivery.objects.count()


# --- the handshake (W2) ---


def handshake(way, **asked):
    query = {"hub.mode": "subscribe", "hub.verify_token": settings.SIMULATOR_VERIFY_TOKEN} | asked
    return way.client.get(URL, {k: v for k, v in query.items() if v is not None})


def test_the_challenge_is_given_back_as_plain_text(way):
    answer = handshake(way, **{"hub.challenge": "1158201444"})
    assert (answer.status_code, answer.content) == (200, b"1158201444")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_challenge_with_markup_is_text_and_stays_text(way):
    answer = handshake(way, **{"hub.challenge": "<script>alert(1)</script>"})
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.content == b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"hub.verify_token": "wrong", "hub.challenge": "1"}, 403),
        ({"hub.verify_token": "", "hub.challenge": "1"}, 403),
        ({"hub.verify_token": None, "hub.challenge": "1"}, 403),
        ({"hub.verify_token": "né", "hub.challenge": "1"}, 403),
        ({"hub.mode": "unsubscribe", "hub.challenge": "1"}, 403),
        ({"hub.challenge": None}, 400),
    ],
)
def test_a_handshake_that_is_not_metas_is_refused(way, asked, code):
    assert handshake(way, **asked).status_code == code


def test_the_tokens_of_both_worlds_are_known(way, settings):
    settings.WHATSAPP_VERIFY_TOKEN = "the real verify token"
    answer = handshake(way, **{"hub.verify_token": "the real verify token", "hub.challenge": "7"})
    assert answer.content == b"7"


# --- signatures (W1) ---


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "sha256=",
        "sha1=" + "0" * 40,
        "sha256=" + "0" * 64,
        "sha256=" + "0" * 63,
        "sha256=" + "é" * 64,
        "0" * 64,
    ],
    ids=["missing", "empty", "no digits", "sha1", "zeros", "63 digits", "not ASCII", "no scheme"],
)
def test_a_body_without_a_good_signature_is_not_stored(way, given):
    headers = {} if given is None else {"HTTP_X_HUB_SIGNATURE_256": given}
    answer = way.client.post(URL, data=BODY, content_type="application/json", **headers)
    assert (answer.status_code, stored()) == (401, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda signed: signed.upper().replace("SHA256", "sha256"),
        lambda signed: signed[:-1],
        lambda signed: signed.replace("sha256", "sha1"),
        lambda signed: signed.removeprefix("sha256="),
        lambda _: sign(secret="another secret"),
        lambda _: sign(json.dumps(json.loads(BODY), indent=1).encode()),
    ],
    ids=["upper case", "63 digits", "sha1", "no scheme", "wrong secret", "of the body written anew"],
)
def test_a_spoilt_signature_is_not_good_enough(way, spoil):
    answer = way.post(BODY, HTTP_X_HUB_SIGNATURE_256=spoil(sign()))
    assert (answer.status_code, stored()) == (401, 0)


def test_raw_bytes_are_verified_as_they_came_escaped_or_not(way):
    for raw in (
        json.dumps(bodies.messages(bodies.text("café")), ensure_ascii=True).encode(),
        json.dumps(bodies.messages(bodies.text("café")), ensure_ascii=False).encode(),
    ):
        assert way.post(raw).status_code == 200
    way.drain()
    assert list(Message.objects.filter(is_inbound=True).values_list("text", flat=True)) == ["café", "café"]


def test_the_stored_body_is_the_signed_bytes_whole(way):
    raw = b' {"object" : "whatsapp_business_account","entry":[ ] , "x":"\\u00e9"} \n'
    way.post(raw)
    assert bytes(WebhookDelivery.objects.get().body) == raw


@pytest.mark.parametrize("secret", [REAL_SECRET, OLD_SECRET])
def test_the_present_and_the_previous_secret_both_count(way, real_number, secret):
    raw = json.dumps(bodies.messages(bodies.text("hi"), number=bodies.REAL_NUMBER)).encode()
    assert way.post(raw, secret=secret).status_code == 200
    way.drain()
    assert Message.objects.get(is_inbound=True).phone_number_id == bodies.REAL_NUMBER


def test_the_simulators_secret_cannot_speak_for_a_real_number(way, real_number):
    way.deliver(bodies.messages(bodies.text("hi"), number=bodies.REAL_NUMBER))
    way.drain()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.is_simulated) == ("quarantined", True)
    assert "not ours" in row.reason
    assert not Message.objects.exists()


def test_the_simulators_secret_cannot_change_consent_of_a_real_numbers_customer(way, real_number):
    way.deliver(bodies.messages(bodies.text("hi"), number=bodies.REAL_NUMBER), secret=REAL_SECRET)
    way.deliver(bodies.preference("resume", number=bodies.REAL_NUMBER))
    way.drain()
    assert not Message.objects.get(is_inbound=True).contact.has_marketing_consent


def test_the_real_secret_cannot_speak_for_the_simulated_number(way, real_number):
    way.deliver(bodies.messages(bodies.text("hi")), secret=REAL_SECRET)
    way.drain()
    assert WebhookDelivery.objects.get().state == "quarantined"


def test_without_any_secret_nothing_is_believed(way, settings):
    settings.SIMULATOR_ENABLED, settings.WHATSAPP_APP_SECRETS = False, []
    for secret in ("", "x", settings.SIMULATOR_APP_SECRET):
        assert way.post(BODY, secret=secret or "x").status_code == 401
    assert stored() == 0


# --- lengths (F47) ---


def test_a_body_over_four_megabytes_is_refused_before_it_is_read(way):
    raw = b" " * (webhook.MAX_BODY_BYTES + 1)
    assert (way.post(raw).status_code, stored()) == (413, 0)


def test_a_body_of_four_megabytes_is_taken(way):
    raw = BODY + b" " * (webhook.MAX_BODY_BYTES - len(BODY))
    assert (way.post(raw).status_code, stored()) == (200, 1)


@pytest.mark.parametrize(
    ("length", "code"),
    [("", 411), ("many", 411), ("-5", 411), ("²", 411), (str(len(BODY) + 7), 400), (str(len(BODY) - 7), 401)],
)
def test_a_length_that_is_missing_or_wrong_is_refused(way, length, code):
    answer = way.post(BODY, CONTENT_LENGTH=length, **{"wsgi.input": io.BytesIO(BODY)})
    assert (answer.status_code, stored()) == (code, 0)


def test_a_body_whose_sender_goes_away_is_refused(way):
    class Gone(io.BytesIO):
        def read(self, *_):
            raise ConnectionResetError

    answer = way.post(BODY, **{"wsgi.input": Gone()})
    assert (answer.status_code, stored()) == (400, 0)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_not_allowed(way, method):
    assert getattr(way.client, method)(URL).status_code == 405


@pytest.mark.parametrize(
    "more",
    [
        {"HTTP_ACCEPT": "text/html"},
        {"HTTP_ACCEPT": "application/vnd.nobody"},
        {"QUERY_STRING": "format=xml&x=1"},
        {"HTTP_AUTHORIZATION": "Token nonsense"},
        {f"HTTP_X_{n}": "x" for n in range(200)},
    ],
    ids=["html", "unheard of", "format", "authorization", "200 headers"],
)
def test_what_does_not_matter_is_ignored(way, more):
    assert way.post(BODY, **more).status_code == 200


def test_any_content_type_is_taken_for_the_signature_speaks_for_it(way):
    headers = {"HTTP_X_HUB_SIGNATURE_256": sign()}
    assert way.client.post(URL, data=BODY, content_type="text/plain", **headers).status_code == 200


def test_every_answer_says_how_long_it_is(way):
    for answer in (way.post(BODY), way.client.post(URL, data=b"x", content_type="text/plain")):
        assert answer["Content-Length"] == str(len(answer.content))


# --- bodies that cannot be split (W3, W5, F48) ---


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b'{"entry": {}}',
        b'{"entry": [{"id": "1", "changes": [{"field": "messages", "value": null}]}]}',
        b'{"entry": [{"id": "1", "changes": [{"field": "messages", "value": {"messages": [{}]}}]}]}',
        b"\xff\xfe\x00",
        b'{"entry": "\x00"}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b'{"a": NaN}',
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_a_signed_body_that_cannot_be_split_is_acknowledged_and_set_aside(way, raw):
    assert way.post(raw).status_code == 200
    way.drain()
    row = WebhookDelivery.objects.get()
    assert row.state == "quarantined"
    assert row.reason
    assert DeadLetter.objects.get().source_id == str(row.pk)


def test_a_message_for_a_number_that_is_not_ours_is_set_aside(way):
    way.deliver(bodies.messages(bodies.text("hi"), number="5550001"))
    way.drain()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.reason) == ("quarantined", "not ours: phone_number_id 5550001")
    assert not Inbox.objects.exists()


# --- when it cannot be stored (G1, F22) ---


def test_a_refusing_database_is_answered_with_503(way, monkeypatch):
    def refuse(*_):
        raise DatabaseError("disk full")

    monkeypatch.setattr(database.Cursor, "run", refuse)
    answer = way.post(BODY)
    monkeypatch.undo()
    assert (answer.status_code, answer["Retry-After"], stored()) == (503, "5", 0)


def test_a_locked_database_is_answered_with_503_within_three_seconds(way, timed):
    if connections["default"].vendor == "sqlite":
        holder = sqlite3.connect(connections["default"].settings_dict["NAME"], isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        release = holder.close
    else:
        cursor = connections["default"].cursor()
        cursor.execute("BEGIN; LOCK TABLE conversations_webhookdelivery IN ACCESS EXCLUSIVE MODE")
        release = lambda: cursor.execute("ROLLBACK")  # noqa: E731
    try:
        with timed(3.0):
            assert way.post(BODY).status_code == 503
    finally:
        release()
    assert stored() == 0
    assert way.post(BODY).status_code == 200


def test_over_the_limit_of_the_backlog_the_door_is_shut_until_the_work_is_done(way, settings):
    settings.WHATSFLOW_BACKLOG_LIMIT = 3
    webhook.Backlog.seconds, before = 0.0, webhook.Backlog.seconds
    try:
        codes = []
        for n in range(6):
            raw = json.dumps(bodies.messages(bodies.text(f"hi {n}"))).encode()
            codes.append(way.post(raw).status_code)
        assert codes == [200, 200, 200, 200, 503, 503]
        way.drain()
        assert way.post(BODY).status_code == 200
    finally:
        webhook.Backlog.seconds = before


def test_the_backlog_counts_lanes_that_wait_too(way, settings):
    settings.WHATSFLOW_BACKLOG_LIMIT = 1
    for contact_id in (1, 2):
        Lane.objects.create(
            contact_id=contact_id,
            pending=1,
            lease_until="2000-01-01 00:00Z",
            runnable_at="2100-01-01 00:00Z",
        )
    assert way.post(BODY).status_code == 503


# --- duplicates (G2, F25) ---


def test_fifty_equal_deliveries_have_one_effect(way):
    for _ in range(50):
        assert way.post(BODY).status_code == 200
    way.drain()
    assert WebhookDelivery.objects.get().n_seen == 50
    assert Message.objects.filter(is_inbound=True).count() == 1
    assert Inbox.objects.count() == 1


def test_fifty_equal_deliveries_at_once_have_one_effect(way):
    codes: list[int] = []

    def deliver() -> None:
        client = Client()
        for _ in range(7):
            answer = client.post(
                URL, data=BODY, content_type="application/json", HTTP_X_HUB_SIGNATURE_256=sign()
            )
            codes.append(answer.status_code)
        connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    way.drain()
    assert codes == [200] * 56
    assert WebhookDelivery.objects.get().n_seen == 56
    assert Inbox.objects.count() == 1


def test_a_duplicate_that_comes_after_the_work_has_no_effect(way):
    way.post(BODY)
    way.drain()
    way.post(BODY)
    assert way.drain() == 0
    assert Inbox.objects.count() == 1


def test_messages_batched_anew_count_once_each(way):
    first, second, third = (bodies.text(t) for t in ("one", "two", "three"))
    for batch in ([first], [first, second], [second], [third, first], [first, second, third]):
        way.deliver(bodies.messages(*batch))
        way.drain()
    texts = Message.objects.filter(is_inbound=True).order_by("id").values_list("text", flat=True)
    assert list(texts) == ["one", "two", "three"]
    assert Inbox.objects.count() == 3

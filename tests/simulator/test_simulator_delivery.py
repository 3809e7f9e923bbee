"""Webhooks out: the queue in the database, and the thread that empties it into a real socket."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations.whatsapp.signature import HEADER, is_valid
from simulator import chat, customers, delivery, ledger, numbers
from simulator.models import SimulatedMessage, SimulatedNumber, SimulatedWebhook
from tests.simulator.alone import wait_until
from tests.simulator.receiver import Receiver

State = SimulatedWebhook.State


def quiet() -> bool:
    return not SimulatedWebhook.objects.filter(state=State.WAITING).exists()


@pytest.fixture
def door(receiver: Receiver, settings: Any) -> Iterator[Receiver]:
    receiver.clear()
    settings.SIMULATOR_WEBHOOK_URL = receiver.url
    settings.SIMULATOR_APP_SECRET = "shh"
    yield receiver
    delivery.stop()


@pytest.fixture
def number(transactional_db: None, door: Receiver) -> SimulatedNumber:
    number = numbers.demo()
    number.behaviour = {"sent_ms": 5, "delivered_ms": 30, "read_ms": 60, "jitter_ms": 0, "retry_first_ms": 20}
    number.save()
    return number


def switch(number: SimulatedNumber, **switches: Any) -> None:
    number.behaviour = {**number.behaviour, **switches}
    number.save()


def hi(number: SimulatedNumber, who: str = "14155550142", text: str = "hi") -> SimulatedMessage:
    return chat.say(number, customers.create(who=who), {"text": text})


def answer(number: SimulatedNumber, who: str = "14155550142") -> SimulatedMessage:
    body = {"messaging_product": "whatsapp", "to": who, "type": "text", "text": {"body": "x"}}
    return ledger.post_message(number, body).message


def test_a_webhook_is_signed_over_its_exact_bytes(number, door) -> None:
    hi(number, text="ü/")
    wait_until(lambda: door.posts)
    headers, raw = door.posts[0]
    assert is_valid(["shh"], raw, headers[HEADER])
    assert b"\\u00fc\\/" in raw
    assert json.loads(raw)["entry"][0]["id"] == number.waba_id


def test_the_customers_tick_turns_to_delivered_when_the_product_answers_200(number, door) -> None:
    message = hi(number)
    wait_until(quiet)
    message.refresh_from_db()
    assert message.status == "delivered"


def test_statuses_come_in_order_one_to_a_post_and_move_the_message(number, door) -> None:
    hi(number)
    message = answer(number)
    wait_until(quiet)
    assert [status["status"] for status in door.statuses()] == ["sent", "delivered", "read"]
    assert len(door.posts) == 4
    message.refresh_from_db()
    assert message.status == "read"


def test_statuses_wait_for_their_time(number, door) -> None:
    switch(number, sent_ms=400, delivered_ms=400, read_ms=400)
    hi(number)
    wait_until(quiet)
    begun = timezone.now()
    answer(number)
    wait_until(quiet)
    assert timezone.now() - begun >= timedelta(milliseconds=390)


def test_what_is_not_answered_with_200_comes_again_with_the_same_bytes(number, door) -> None:
    door.answer = lambda count: 200 if count > 2 else 503
    message = hi(number)
    wait_until(quiet)
    assert [raw for _, raw in door.posts] == [door.posts[0][1]] * 3
    row = SimulatedWebhook.objects.get(message=message)
    assert (row.state, row.tries, row.last_answer) == (State.DELIVERED, 3, "200")


def test_even_201_counts_as_not_taken(number, door) -> None:
    door.answer = lambda count: 200 if count > 1 else 201
    hi(number)
    wait_until(quiet)
    assert len(door.posts) == 2


def test_after_the_last_try_it_is_given_up(number, door) -> None:
    switch(number, retry_tries=1)
    door.answer = lambda _count: 500
    hi(number)
    wait_until(lambda: SimulatedWebhook.objects.filter(state=State.GIVEN_UP).exists())
    assert len(door.posts) == 2


def test_a_product_that_is_down_gets_everything_when_it_is_back(number, door) -> None:
    number.callback_url = "http://127.0.0.1:9/"
    number.save()
    hi(number)
    wait_until(
        lambda: SimulatedWebhook.objects.filter(last_answer__startswith="ClientConnectorError").exists()
    )
    SimulatedNumber.objects.update(callback_url="")
    wait_until(quiet)
    assert len(door.posts) == 1


def test_duplicates_have_identical_bytes(number, door) -> None:
    switch(number, duplicates=2)
    hi(number)
    wait_until(quiet)
    assert [raw for _, raw in door.posts] == [door.posts[0][1]] * 3


def test_messages_of_one_customer_come_in_the_order_they_were_said(number, door) -> None:
    for count in range(12):
        hi(number, text=str(count))
    wait_until(quiet)
    said = [value["messages"][0]["text"]["body"] for value in door.values("messages")]
    assert said == [str(count) for count in range(12)]


def test_many_customers_are_served_at_once(number, door) -> None:
    for count in range(20):
        hi(number, who=f"1415555{count:04d}")
    wait_until(quiet)
    assert len({value["messages"][0]["from"] for value in door.values("messages")}) == 20


def test_batches_carry_several_updates_in_one_post(number, door) -> None:
    switch(number, batch=10, sent_ms=200, delivered_ms=200, read_ms=200)
    hi(number)
    wait_until(quiet)
    door.posts.clear()
    answer(number)
    wait_until(quiet)
    assert len(door.statuses()) == 3
    assert len(door.posts) < 3


@pytest.mark.parametrize(("signature", "valid"), [("good", True), ("bad", False), ("none", False)])
def test_a_raw_webhook_goes_as_it_stands_with_the_signature_asked_for(number, door, signature, valid) -> None:
    row = SimulatedWebhook(number=number, raw_body='{"a":', signature=signature)
    delivery.enqueue([row])
    wait_until(lambda: door.posts)
    headers, raw = door.posts[0]
    assert raw == b'{"a":'
    assert is_valid(["shh"], raw, headers.get(HEADER)) is valid


def test_a_leased_row_is_not_taken_by_another_process_until_the_lease_ends(number, door) -> None:
    row = SimulatedWebhook.objects.create(number=number, raw_body="x")
    assert [mine.pk for mine in delivery.claim(5)] == [row.pk]
    assert delivery.claim(5) == []
    SimulatedWebhook.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert [mine.pk for mine in delivery.claim(5)] == [row.pk]


def test_a_late_answer_does_not_touch_a_row_that_another_has_leased_since(number, door) -> None:
    SimulatedWebhook.objects.create(number=number, raw_body="x")
    first = delivery.pack(delivery.claim(1))[0]
    SimulatedWebhook.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    delivery.claim(1)
    delivery.record(first, "200")
    assert SimulatedWebhook.objects.get().state == State.WAITING


def test_stopping_gives_back_what_was_in_flight(number, door) -> None:
    switch(number, webhook_timeout_ms=20_000)
    release = threading.Event()
    door.answer = lambda _count: 200 if release.wait(15) else 500
    hi(number)
    wait_until(lambda: door.posts)
    delivery.stop()
    release.set()
    row = SimulatedWebhook.objects.get()
    assert (row.state, row.tries, row.lease) == (State.WAITING, 0, "")


def test_the_next_wake_starts_a_stopped_deliverer_again(number, door) -> None:
    hi(number)
    wait_until(quiet)
    delivery.stop()
    hi(number)
    wait_until(lambda: len(door.posts) == 2)


def test_what_a_killed_process_had_leased_is_free_at_once_and_a_living_ones_is_not(number, door) -> None:
    living = delivery._process(os.getppid())
    dead = delivery._process(2**22 + 1)
    for lease in (living, dead):
        until = timezone.now() + timedelta(minutes=1)
        SimulatedWebhook.objects.create(number=number, raw_body="x", lease=f"{lease}ab", leased_until=until)
    assert delivery.release_the_dead() == 1
    assert SimulatedWebhook.objects.exclude(lease="").get().lease.startswith(living)

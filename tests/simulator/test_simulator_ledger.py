"""What becomes of a POST to /messages, in the database of one process and without a thread."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from simulator import chat, clock, customers, faults, ledger, numbers
from simulator.models import SimulatedChat, SimulatedMessage, SimulatedNumber, SimulatedWebhook

pytestmark = pytest.mark.django_db
ADA = "14155550142"


@pytest.fixture
def number() -> SimulatedNumber:
    number = numbers.demo()
    chat.say(number, customers.create(who=ADA, name="Ada"), {"text": "hi"})
    SimulatedWebhook.objects.all().delete()
    return number


def post(number: SimulatedNumber, **changes: Any) -> ledger.Taken:
    body = {
        "messaging_product": "whatsapp",
        "to": "+" + ADA,
        "type": "text",
        "text": {"body": "hello"},
        **changes,
    }
    return ledger.post_message(number, body)


def switch(number: SimulatedNumber, **switches: Any) -> None:
    number.behaviour = {**number.behaviour, **switches}
    number.save()


def planned() -> list[str]:
    return list(SimulatedWebhook.objects.order_by("due_at", "pk").values_list("status", flat=True))


def code_of(taken: ledger.Taken) -> int:
    return taken.body["error"]["code"]


def planned_code() -> int:
    return SimulatedWebhook.objects.get(status="failed").value["statuses"][0]["errors"][0]["code"]


def test_an_accepted_post_is_in_the_ledger_with_its_token_and_its_statuses_are_planned(number) -> None:
    taken = post(number, biz_opaque_callback_data="token-1")
    row = SimulatedMessage.objects.get(token="token-1")
    assert taken.http == 200
    assert taken.body["messages"] == [{"id": row.wamid}]
    assert taken.body["contacts"] == [{"input": "+" + ADA, "wa_id": ADA}]
    assert (row.status, row.customer.wa_id) == ("accepted", ADA)
    assert planned() == ["sent", "delivered", "read"]


def test_the_same_post_twice_is_two_messages_for_meta_knows_no_idempotency(number) -> None:
    first, second = post(number, biz_opaque_callback_data="t"), post(number, biz_opaque_callback_data="t")
    assert first.body["messages"] != second.body["messages"]
    assert SimulatedMessage.objects.filter(token="t").count() == 2


def test_a_refused_post_is_in_the_ledger_as_refused(number) -> None:
    taken = post(number, text={"body": ""}, biz_opaque_callback_data="t")
    row = SimulatedMessage.objects.get(token="t")
    assert (taken.http, row.status, row.error["code"], row.wamid) == (400, "refused", 100, None)
    assert planned() == []


def test_a_bsuid_answers_with_a_user_id(number) -> None:
    customer = customers.create(who="US.abc")
    chat.say(number, customer, {"text": "hi"})
    taken = post(number, to=None, recipient="US.abc")
    assert taken.body["contacts"] == [{"input": "US.abc", "user_id": "US.abc"}]


def test_a_template_says_it_was_accepted(number) -> None:
    taken = post(number, type="template", template={"name": "hello", "language": {"code": "en"}})
    assert taken.body["messages"][0]["message_status"] == "accepted"


def test_no_statuses_are_planned_when_they_are_off(number) -> None:
    switch(number, statuses=[])
    post(number)
    assert planned() == []


def test_duplicates_repeat_each_status(number) -> None:
    switch(number, duplicates=1)
    post(number)
    assert sorted(planned()) == ["delivered", "delivered", "read", "read", "sent", "sent"]


# --- the service window -----------------------------------------------------------------------------------


def test_outside_the_window_a_message_is_accepted_and_then_fails_as_at_meta(number) -> None:
    clock.jump(25 * 3600)
    assert post(number).http == 200
    assert planned_code() == 131047


def test_outside_the_window_it_is_refused_at_once_when_so_switched(number) -> None:
    switch(number, window="answer")
    clock.jump(25 * 3600)
    assert code_of(post(number)) == 131047


def test_outside_the_window_a_template_passes(number) -> None:
    clock.jump(25 * 3600)
    post(number, type="template", template={"name": "hello", "language": {"code": "en"}})
    assert planned() == ["sent", "delivered", "read"]


def test_the_window_can_be_let_open(number) -> None:
    switch(number, window="off")
    clock.jump(25 * 3600)
    post(number)
    assert planned() == ["sent", "delivered", "read"]


def test_a_customers_new_message_opens_the_window_again_and_a_reaction_does_not(number) -> None:
    clock.jump(25 * 3600)
    wamid = SimulatedMessage.objects.get().wamid
    ada = customers.find(ADA)
    chat.say(number, ada, {"reaction": {"message_id": wamid, "emoji": "👍"}})
    before = SimulatedChat.objects.get().last_inbound_at
    chat.say(number, ada, {"text": "again"})
    assert before < clock.now() - timedelta(hours=24)
    assert SimulatedChat.objects.get().last_inbound_at > clock.now() - timedelta(minutes=1)


def test_the_clock_never_goes_back() -> None:
    with pytest.raises(ValueError, match="never goes back"):
        clock.jump(-1)


# --- what Meta knows about the recipient ------------------------------------------------------------------


def test_a_person_who_is_not_on_whatsapp_fails_by_status(number) -> None:
    customers.create(who="4915112345678", on_whatsapp=False)
    post(number, to="+4915112345678")
    assert planned_code() == 131026


def test_a_number_cannot_write_to_itself(number) -> None:
    assert code_of(post(number, to=number.display_phone_number)) == 131021


def test_media_of_another_number_or_of_none_is_refused(number) -> None:
    taken = post(number, type="image", image={"id": "12345"})
    assert code_of(taken) == 100
    assert "media attachment ID" in taken.body["error"]["message"]


def test_more_messages_a_second_than_allowed_are_refused(number) -> None:
    switch(number, throughput_per_second=3)
    assert [post(number).http for _ in range(2)] == [200, 200]
    assert code_of(post(number)) == 130429


def test_more_messages_to_one_person_than_allowed_are_refused(number) -> None:
    switch(number, pair_per_6_seconds=2)
    assert [post(number).http for _ in range(2)] == [200, 200]
    assert code_of(post(number)) == 131056


# --- reactions, receipts, typing --------------------------------------------------------------------------


def test_a_reaction_stands_on_its_message_until_it_is_taken_away(number) -> None:
    target = SimulatedMessage.objects.get()
    for emoji, expected in (("👍", {"business": "👍"}), ("", {})):
        post(number, type="reaction", reaction={"message_id": target.wamid, "emoji": emoji})
        target.refresh_from_db()
        assert target.reactions == expected


def test_a_reaction_to_no_message_fails(number) -> None:
    post(number, type="reaction", reaction={"message_id": "wamid.none", "emoji": "👍"})
    assert planned_code() == 131009


def receipt(number: SimulatedNumber, wamid: str, **more: Any) -> ledger.Taken:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid, **more}
    return ledger.post_message(number, body)


def test_a_read_receipt_marks_the_message_and_those_before_it(number) -> None:
    ada = customers.find(ADA)
    second = chat.say(number, ada, {"text": "two"})
    third = chat.say(number, ada, {"text": "three"})
    assert receipt(number, second.wamid).body == {"success": True}
    states = SimulatedMessage.objects.order_by("pk").values_list("status", flat=True)
    assert list(states) == ["read", "read", "sent"]
    assert third.status == "sent"


def test_typing_shows_for_25_seconds_or_until_the_answer(number) -> None:
    wamid = SimulatedMessage.objects.get().wamid
    receipt(number, wamid, typing_indicator={"type": "text"})
    until = SimulatedChat.objects.get().typing_until
    assert timedelta(seconds=20) < until - timezone.now() <= timedelta(seconds=25)
    post(number)
    assert SimulatedChat.objects.get().typing_until is None


def test_a_receipt_for_an_unknown_message_is_refused(number) -> None:
    assert code_of(receipt(number, "wamid.none")) == 131009


# --- statuses move forward --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["sent", "delivered", "read", "played"], "played"),
        (["read", "delivered", "sent"], "read"),
        (["sent", "failed", "delivered"], "failed"),
        (["delivered", "failed"], "delivered"),
    ],
)
def test_a_message_moves_forward_only(number, path: list[str], expected: str) -> None:
    row = post(number).message
    for status in path:
        row.advance(status)
    row.refresh_from_db()
    assert row.status == expected


# --- faults -----------------------------------------------------------------------------------------------


def test_an_armed_refusal_strikes_once_and_the_next_post_passes(number) -> None:
    faults.arm(number, {"kind": "refuse", "code": 131056})
    assert code_of(post(number)) == 131056
    assert post(number).http == 200


def test_an_armed_failure_accepts_and_fails_by_status(number) -> None:
    faults.arm(number, {"kind": "fail", "code": 131049})
    assert post(number).http == 200
    assert planned_code() == 131049


def test_a_fault_waits_for_its_recipient_and_type(number) -> None:
    faults.arm(number, {"kind": "refuse", "code": 1, "to": "+491511", "message_type": "image"})
    assert post(number).http == 200
    assert faults.strike(number, to="491511", message_type="image") is not None


def test_a_fault_for_always_strikes_every_time_and_counts(number) -> None:
    fault = faults.arm(number, {"kind": "refuse", "code": 2, "times": 0})
    assert [code_of(post(number)) for _ in range(3)] == [2, 2, 2]
    fault.refresh_from_db()
    assert (fault.remaining, fault.struck) == (None, 3)


def test_the_oldest_fault_strikes_first(number) -> None:
    faults.arm(number, {"kind": "refuse", "code": 1})
    faults.arm(number, {"kind": "refuse", "code": 2})
    assert [code_of(post(number)) for _ in range(2)] == [1, 2]


def test_silence_accepts_and_plans_nothing(number) -> None:
    faults.arm(number, {"kind": "silent"})
    assert post(number).http == 200
    assert planned() == []


def test_a_fault_that_does_not_accept_leaves_no_message_behind(number) -> None:
    faults.arm(number, {"kind": "html"})
    taken = post(number, biz_opaque_callback_data="t")
    assert SimulatedMessage.objects.get(token="t").status == "refused"
    assert (taken.message.answer, planned()) == ("html", [])


def test_messages_bear_the_time_of_the_jumped_clock(number) -> None:
    clock.jump(26 * 3600)
    assert post(number).message.at > timezone.now() + timedelta(hours=25)

"""Statuses: forward only, each once, kept until their message is known; and what they prove."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import outbox, release, sender, statuses, verdicts
from conversations.models import Message, Number, Outbox, StatusEvent
from flows.facts import Event
from tests.conversations import bodies
from tests.factories import ContactFactory, ConversationFactory

CHAIN = ("sent", "delivered", "read", "played")


@pytest.fixture
def contact(number):
    return ConversationFactory.create(contact=ContactFactory.create(phone=bodies.PHONE)).contact


def released(contact) -> release.Released:
    outbox.enqueue_manual(contact.pk, bodies.NUMBER, {"type": "text", "body": "x"}, by="anna")
    (message,) = release.release(bodies.NUMBER, bodies.WABA, 60, 10)
    return message


def answer(message: release.Released, wamid: str = "wamid.A") -> None:
    verdict = sender.Verdict(state="accepted", wamid=wamid)
    verdicts.record([verdicts.Judged(message=message, verdict=verdict, http_status=200, wrote_bytes=True)])


def tell(way, *items) -> None:
    way.deliver(bodies.statuses(*items))
    way.drain()


def bubble() -> Message:
    return Message.objects.get(is_inbound=False)


# --- tokens ---


def test_a_token_says_which_row_and_attempt():
    assert statuses.read_token(statuses.make_token("abc", 3)) == ("abc", 3)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: None,
        lambda _: "",
        lambda token: token[:-1],
        lambda token: token + "0",
        lambda token: token.replace("wf1", "wf2"),
        lambda token: token.replace(".3.", ".4."),
        lambda token: token.replace("abc", "abd"),
        lambda token: token.replace(".3.", ".³."),
        lambda token: token[:-1] + "é",
        lambda token: token + ".x",
    ],
)
def test_a_token_that_is_not_ours_says_nothing(spoil):
    assert statuses.read_token(spoil(statuses.make_token("abc", 3))) is None


@given(st.text(max_size=60), st.text(max_size=6), st.text(max_size=10))
def test_any_text_may_stand_where_a_token_does(text, number, mac):
    assert statuses.read_token(text) is None
    assert statuses.read_token(f"wf1.abc.{number}.{mac}") is None


# --- forward only (G13, F27) ---


@pytest.mark.parametrize("order", permutations(("sent", "delivered", "read")))
@pytest.mark.parametrize("at_once", [True, False])
def test_in_whatever_order_statuses_come_the_furthest_counts(way, contact, order, at_once):
    answer(released(contact))
    items = [bodies.status("wamid.A", name) for name in order]
    for batch in [items] if at_once else [[item] for item in items]:
        tell(way, *batch)
    assert bubble().status == "read"
    assert StatusEvent.objects.exclude(applied_at=None).count() == 3


@pytest.mark.parametrize("missing", CHAIN)
def test_a_status_that_is_missing_holds_up_no_other(way, contact, missing):
    answer(released(contact))
    told = [name for name in CHAIN if name != missing]
    for name in told:
        tell(way, bodies.status("wamid.A", name))
    assert bubble().status == told[-1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), "failed"),
        (("sent",), "failed"),
        (("delivered",), "delivered"),
        (("read",), "read"),
        (("sent", "delivered"), "delivered"),
    ],
)
def test_failed_comes_only_from_accepted_or_sent(way, contact, before, after):
    answer(released(contact))
    error = {"code": 131026, "title": "Undeliverable", "error_data": {"details": "not on WhatsApp"}}
    for name in before:
        tell(way, bodies.status("wamid.A", name))
    tell(way, bodies.status("wamid.A", "failed", errors=[error]))
    found = bubble()
    assert found.status == after
    if after == "failed":
        assert (found.error_code, found.error) == (131026, "not on WhatsApp")
    assert Outbox.objects.get().state == "accepted"


def test_nothing_comes_after_failed(way, contact):
    answer(released(contact))
    for name in ("failed", "sent", "delivered"):
        tell(way, bodies.status("wamid.A", name))
    assert bubble().status == "failed"


def test_a_repeated_status_counts_once(way, contact):
    answer(released(contact))
    for n in range(3):
        tell(way, bodies.status("wamid.A", "sent", n=n))
    assert StatusEvent.objects.count() == 1
    assert Event.objects.filter(name="message_sent").count() == 1


def test_statuses_of_a_groups_people_are_told_apart(way, contact):
    for who in ("919600000001", "919600000002"):
        tell(way, bodies.status("wamid.A", "read", recipient_participant_id=who))
    assert StatusEvent.objects.count() == 2


# --- orphans and proof (F28) ---


def test_a_status_that_comes_before_its_message_is_known_is_kept_and_applied_then(way, contact):
    message = released(contact)
    tell(way, bodies.status("wamid.A", "sent"), bodies.status("wamid.A", "delivered"))
    assert (bubble().status, StatusEvent.objects.filter(applied_at=None).count()) == ("", 2)
    answer(message)
    assert (bubble().status, StatusEvent.objects.filter(applied_at=None).count()) == ("delivered", 0)


def test_a_status_with_our_token_settles_a_row_before_its_answer(way, contact):
    message = released(contact)
    tell(way, bodies.status("wamid.A", "sent", token=message.token))
    row = Outbox.objects.get()
    assert (row.state, row.wamid, bubble().status) == ("accepted", "wamid.A", "sent")
    answer(message)
    assert bubble().status == "sent"


def test_a_token_brings_the_statuses_home_that_came_without_one(way, contact):
    message = released(contact)
    tell(way, bodies.status("wamid.A", "delivered"))
    tell(way, bodies.status("wamid.A", "sent", token=message.token))
    assert bubble().status == "delivered"
    assert not StatusEvent.objects.filter(applied_at=None).exists()


def test_a_failed_status_with_our_token_proves_that_meta_took_the_message(way, contact):
    message = released(contact)
    tell(way, bodies.status("wamid.A", "failed", token=message.token))
    assert (Outbox.objects.get().state, bubble().status) == ("accepted", "failed")


def test_a_row_that_evidence_queued_again_is_settled_by_a_late_status_and_not_sent_twice(way, contact):
    message = released(contact)
    Outbox.objects.update(state="queued")
    tell(way, bodies.status("wamid.A", "sent", token=message.token))
    assert Outbox.objects.get().state == "accepted"
    assert release.release(bodies.NUMBER, bodies.WABA, 60, 10) == []


def test_a_row_that_was_never_sent_is_not_settled_by_any_token(way, contact):
    key = outbox.enqueue_manual(contact.pk, bodies.NUMBER, {"type": "text", "body": "x"}, by="anna")
    tell(way, bodies.status("wamid.A", "sent", token=statuses.make_token(key, 1)))
    assert Outbox.objects.get().state == "queued"


# --- evidence ---


def told(way, count: int, *, name: str = "sent", token: bool = True, first: int = 0) -> None:
    items = [
        bodies.status(f"w{first + n}", name, token=statuses.make_token(f"x{n}", 1) if token else None)
        for n in range(count)
    ]
    tell(way, *items)


def test_evidence_is_on_after_twenty_statuses_with_our_token(way):
    told(way, 19)
    assert not Number.objects.get().has_evidence
    told(way, 1, first=100)
    assert Number.objects.get().has_evidence


def test_evidence_is_off_again_when_a_status_comes_without_it(way):
    told(way, 20)
    told(way, 1, token=False, first=200)
    found = Number.objects.get()
    assert (found.has_evidence, found.evidence_statuses) == (False, 0)


def test_one_status_that_comes_twenty_times_is_no_evidence(way):
    for n in range(20):
        tell(way, bodies.status("w1", "sent", token=statuses.make_token("x1", 1), n=n))
    assert Number.objects.get().evidence_statuses == 1


@pytest.mark.parametrize("name", ["read", "played", "failed"])
def test_statuses_that_not_every_message_has_are_no_evidence(way, name):
    told(way, 20, name=name)
    told(way, 1, name=name, token=False, first=300)
    assert Number.objects.get().evidence_statuses == 0

"""The sender against a far end that answers, refuses, lies and falls silent; each message is posted once."""

import socket
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from conversations import clock, numbers, outbox, reconcile, release, sender, statuses, verdicts
from conversations.models import (
    Breaker,
    Bucket,
    Contact,
    Conversation,
    Message,
    Number,
    Outbox,
    SendAttempt,
)
from flows.facts import Event, Incident
from tests import graph as meta
from tests.conversations import bodies
from tests.conversations.way import flow, say
from tests.factories import ContactFactory, ConversationFactory, NumberFactory

PROBE_DUE = "2000-01-01 00:00Z"


@pytest.fixture
def contact(number) -> Contact:
    return ConversationFactory.create(contact=ContactFactory.create(phone=bodies.PHONE)).contact


def queue(contact: Contact, text: str = "Hello", **given) -> str:
    content = {"type": "text", "body": text}
    return outbox.enqueue_manual(contact.pk, bodies.NUMBER, content, by="anna", **given)


def others(count: int) -> list[Contact]:
    return [ConversationFactory.create().contact for _ in range(count)]


def row(outbox_id: str) -> Outbox:
    return Outbox.objects.get(pk=outbox_id)


def bubble(outbox_id: str) -> Message:
    return Message.objects.get(outbox_id=outbox_id)


def age(seconds: float) -> None:
    """Let what was released have been released so much earlier."""
    for one in Outbox.objects.exclude(sent_at=None):
        one.sent_at -= timedelta(seconds=seconds)
        one.lease_until = one.lease_until and one.lease_until - timedelta(seconds=seconds)
        one.save()


# --- accepted ---


def test_an_accepted_message_has_metas_id_everywhere(contact, graph, send):
    sent = queue(contact)
    assert send() == 1
    (post,) = graph.posts
    assert post.path == f"/simulator/graph/v23.0/{bodies.NUMBER}/messages"
    assert (post.text, post.body["to"]) == ("Hello", f"+{bodies.PHONE}")
    assert statuses.read_token(post.callback) == (sent, 1)
    assert row(sent).state == "accepted"
    assert row(sent).wamid.startswith("wamid.OUT")
    assert (bubble(sent).status, bubble(sent).wamid) == ("accepted", row(sent).wamid)
    attempt = SendAttempt.objects.get()
    assert (attempt.outcome, attempt.http, attempt.wrote_bytes) == ("accepted", 200, True)
    assert attempt.wamid == row(sent).wamid
    assert Event.objects.filter(name="message_accepted").count() == 1


def test_the_callback_carries_no_personal_data(contact, graph, send):
    queue(contact)
    send()
    assert bodies.PHONE not in graph.posts[0].callback
    assert len(graph.posts[0].callback) <= 512


def test_messages_of_a_contact_leave_in_order_each_after_the_verdict_on_the_one_before(contact, graph, send):
    for n in range(5):
        queue(contact, f"m{n}")
    send()
    assert graph.texts() == [f"m{n}" for n in range(5)]
    starts = SendAttempt.objects.order_by("started_at").values_list("outbox__seq", flat=True)
    assert list(starts) == [1, 2, 3, 4, 5]


def test_a_contact_known_by_user_id_alone_is_written_to_by_it(number, graph, send):
    contact = ContactFactory.create(phone="", bsuid=bodies.BSUID)
    ConversationFactory.create(contact=contact)
    queue(contact)
    send()
    (post,) = graph.posts
    assert bodies.BSUID in post.body.values()


def test_many_contacts_are_written_to_side_by_side(number, graph, send):
    for contact in others(40):
        queue(contact)
    assert send() == 40
    assert len(graph.posts) == 40
    assert set(Outbox.objects.values_list("state", flat=True)) == {"accepted"}


# --- the table of verdicts (F30, F31, F34) ---


@pytest.mark.parametrize(
    ("answer", "state", "code", "is_failed"),
    [
        (meta.refused(131026), "refused", 131026, True),
        (meta.refused(131047), "refused", 131047, True),
        (meta.refused(131049), "refused", 131049, True),
        (meta.refused(132000), "refused", 132000, True),
        (meta.refused(100), "refused", 100, True),
        (meta.refused(424242), "refused", 424242, True),
        (meta.refused(130429, 429), "queued", 130429, False),
        (meta.refused(131056), "queued", 131056, False),
        (meta.refused(4), "queued", 4, False),
        (meta.refused(424242, 429), "queued", 424242, False),
        (meta.refused(190, 401), "queued", 190, False),
        (meta.refused(131031, 403), "queued", 131031, False),
        (meta.refused(131048), "queued", 131048, False),
        (meta.refused(1), "ambiguous", 1, False),
        (meta.refused(2, 503), "ambiguous", 2, False),
        (meta.refused(131000, 500), "ambiguous", 131000, False),
        (meta.refused(131016, 500), "ambiguous", 131016, False),
        (meta.refused(424242, 500), "ambiguous", 424242, False),
        (meta.said("<h1>Bad gateway</h1>", 502), "ambiguous", None, False),
        (meta.said("", 503), "ambiguous", None, False),
        (meta.said("OK", 200), "ambiguous", None, False),
        (meta.said("", 200), "ambiguous", None, False),
        (meta.said({"messages": []}), "ambiguous", None, False),
        (meta.said({"error": "no object"}, 400), "ambiguous", None, False),
        (meta.said({"moved": 1}, 302), "ambiguous", None, False),
        (meta.reset, "ambiguous", None, False),
        (meta.hang, "ambiguous", None, False),
        (meta.trickle, "ambiguous", None, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_metas_answer_decides_what_becomes_of_a_message(
    contact, graph, send, timed, answer, state, code, is_failed
):
    sent = queue(contact)
    graph.script = [answer]
    graph.usual = meta.hang
    with timed(5):
        send(0.02)
    found = row(sent)
    assert (found.state, found.error_code, len(graph.posts)) == (state, code, 1)
    assert (bubble(sent).status == "failed") is is_failed
    attempt = SendAttempt.objects.get()
    assert (attempt.outcome, attempt.wrote_bytes) == (state, True)
    if state == "queued":
        assert found.not_before > timezone.now()


def test_a_far_end_that_is_not_there_leaves_the_message_queued(contact, graph, send, settings):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.SIMULATOR_BASE_URL = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        sent = queue(contact)
        send(0.02)
    assert (row(sent).state, SendAttempt.objects.get().wrote_bytes) == ("queued", False)
    settings.SIMULATOR_BASE_URL = graph.url
    Outbox.objects.update(not_before=timezone.now())
    send()
    assert (row(sent).state, row(sent).attempt) == ("accepted", 2)


def test_a_hanging_far_end_does_not_hold_up_the_others(number, graph, send, timed):
    graph.script = [meta.hang] * 5
    for contact in others(30):
        queue(contact)
    with timed(5):
        send()
    states = list(Outbox.objects.values_list("state", flat=True))
    assert (states.count("accepted"), states.count("ambiguous")) == (25, 5)


def test_content_that_has_no_form_at_meta_is_refused_and_never_posted(contact, graph, send):
    sent = outbox.enqueue_manual(contact.pk, bodies.NUMBER, {"type": "unheard of"}, by="anna")
    send()
    assert (row(sent).state, graph.posts) == ("refused", [])
    assert bubble(sent).status == "failed"


def test_content_that_breaks_its_making_is_refused_and_holds_up_nothing(contact, graph, send, monkeypatch):
    real = sender.build

    def breaking(content, **given):
        if content["body"] == "bad":
            raise KeyError("bad")
        return real(content, **given)

    monkeypatch.setattr(sender, "build", breaking)
    bad, good = queue(contact, "bad"), queue(contact, "good")
    send()
    assert (row(bad).state, row(good).state) == ("refused", "accepted")


# --- between T1 and T2 (F8, F9, F12, F13, F28) ---


def test_a_process_that_slept_between_release_and_write_hands_the_message_back(
    contact, graph, send, monkeypatch
):
    sent = queue(contact)
    real, slept = sender.boot_time, []

    def sleepy() -> float:
        slept.append(1)
        return real() - (100 if len(slept) == 1 else 0)

    monkeypatch.setattr(sender, "boot_time", sleepy)
    send()
    assert [post.text for post in graph.posts] == ["Hello"]
    outcomes = SendAttempt.objects.order_by("n").values_list("outcome", "wrote_bytes")
    assert list(outcomes) == [("queued", False), ("accepted", True)]
    assert (row(sent).state, row(sent).attempt) == ("accepted", 2)


def test_a_sender_that_died_leaves_a_doubt_that_is_parked_after_two_minutes(contact, graph, send):
    sent = queue(contact)
    release.release(bodies.NUMBER, bodies.WABA, 60, 10)
    assert reconcile.sweep() == {}
    age(46)
    assert reconcile.sweep()["ambiguous"] == 1
    assert (row(sent).state, reconcile.sweep()["parked"]) == ("ambiguous", 0)
    age(75)
    assert reconcile.sweep()["parked"] == 1
    assert row(sent).state == "parked"
    assert Incident.objects.get(kind="parked").scope == "outbox"
    send()
    assert graph.posts == []


def test_an_ambiguous_message_holds_the_next_ones_for_two_minutes(contact, graph, send):
    graph.script = [meta.reset]
    first, second = queue(contact, "first"), queue(contact, "second")
    send()
    assert (graph.texts(), row(first).state) == (["first"], "ambiguous")
    age(121)
    reconcile.sweep()
    send()
    assert graph.texts() == ["first", "second"]
    assert (row(first).state, row(second).state) == ("parked", "accepted")


def test_a_late_status_settles_a_parked_message(way, contact, graph, send):
    graph.script = [meta.reset]
    sent = queue(contact)
    send()
    age(121)
    reconcile.sweep()
    way.deliver(bodies.statuses(bodies.status("wamid.LATE", "delivered", token=graph.posts[0].callback)))
    way.drain()
    assert (row(sent).state, row(sent).wamid) == ("accepted", "wamid.LATE")
    assert (bubble(sent).status, bubble(sent).wamid) == ("delivered", "wamid.LATE")


def test_a_status_before_the_answer_settles_once_and_the_answer_changes_nothing(
    way, contact, graph, patient, send
):
    def tell(post, wamid):
        way.deliver(bodies.statuses(bodies.status(wamid, "sent", token=post.callback)))
        way.drain()

    graph.on_post = tell
    sent = queue(contact)
    send()
    assert (row(sent).state, row(sent).reason) == ("accepted", "proved by a status")
    assert bubble(sent).status == "sent"
    assert not Incident.objects.filter(kind="double_send").exists()
    assert Event.objects.filter(name="message_accepted").count() == 0
    assert SendAttempt.objects.get().outcome == "accepted"


def test_two_ids_of_one_message_are_a_double_and_are_shown(way, contact, graph, patient, send):
    def tell_another(post, _wamid):
        way.deliver(bodies.statuses(bodies.status("wamid.ELSE", "sent", token=post.callback)))
        way.drain()

    graph.on_post = tell_another
    sent = queue(contact)
    send()
    incident = Incident.objects.get(kind="double_send")
    assert (incident.scope, incident.severity) == (sent, "error")
    assert row(sent).wamid == "wamid.ELSE"


def test_a_double_that_two_statuses_tell_of_is_shown(way, contact, graph, send):
    graph.script = [meta.reset]
    sent = queue(contact)
    send()
    token = graph.posts[0].callback
    for wamid in ("wamid.ONE", "wamid.TWO"):
        way.deliver(bodies.statuses(bodies.status(wamid, token=token)))
        way.drain()
    assert Incident.objects.get(kind="double_send").scope == sent


def test_verdicts_that_could_not_be_written_are_written_again(contact, graph, send, monkeypatch):
    real, tries = verdicts.record, []

    def refuse_once(judged):
        tries.append(len(judged))
        if len(tries) == 1:
            raise DatabaseError("deadlock detected")
        real(judged)

    monkeypatch.setattr(verdicts, "record", refuse_once)
    sent = queue(contact)
    send(0.5)
    assert (tries, row(sent).state, len(graph.posts)) == ([1, 1], "accepted", 1)


def test_a_late_verdict_on_an_earlier_attempt_does_not_touch_the_bubble(contact, graph, send):
    """The answer to a first attempt comes when the operator has sent the message again."""
    sent, other = queue(contact), queue(others(1)[0])
    released = {m.id: m for m in release.release(bodies.NUMBER, bodies.WABA, 60, 10)}
    Outbox.objects.filter(pk=sent).update(attempt=2)
    refused = sender.Verdict(state="refused", code=131026, words="no")
    judged = [
        verdicts.Judged(message=released[i], verdict=refused, http_status=400, wrote_bytes=True)
        for i in (sent, other)
    ]
    verdicts.record(judged)
    assert (row(sent).state, bubble(sent).status) == ("sending", "")
    assert (row(other).state, bubble(other).status) == ("refused", "failed")


@pytest.mark.parametrize(
    ("verdict", "state"),
    [("ambiguous", "parked"), ("queued", "parked"), ("refused", "parked"), ("accepted", "accepted")],
)
def test_a_parked_message_moves_by_proof_alone(contact, verdict, state):
    sent = queue(contact)
    (message,) = release.release(bodies.NUMBER, bodies.WABA, 60, 10)
    Outbox.objects.update(state="parked")
    wamid = "wamid.X" if verdict == "accepted" else None
    judged = sender.Verdict(state=verdict, wamid=wamid)
    verdicts.record([verdicts.Judged(message=message, verdict=judged, http_status=200, wrote_bytes=True)])
    assert row(sent).state == state


# --- breakers (F34) ---


def test_a_bad_token_stops_the_account_and_a_probe_starts_it_again(number, graph, send):
    graph.usual = meta.refused(190, 401)
    contacts = others(3)
    first = queue(contacts[0])
    send(0.02)
    breaker = Breaker.objects.get()
    assert (breaker.scope, breaker.state, breaker.code) == (f"account:{bodies.WABA}", "open", 190)
    assert Incident.objects.get(kind="breaker").severity == "error"
    rest = [queue(contact) for contact in contacts[1:]]
    Outbox.objects.update(not_before=timezone.now())
    send(0.02)
    assert len(graph.posts) == 1
    assert {row(i).state for i in (first, *rest)} == {"queued"}
    graph.usual = meta.accept
    Breaker.objects.update(probe_at=PROBE_DUE)
    send()
    assert Breaker.objects.get().state == "closed"
    assert len(graph.posts) == 4
    assert {row(i).state for i in (first, *rest)} == {"accepted"}
    assert Incident.objects.get(kind="breaker").closed_at is not None


def test_a_probe_that_fails_keeps_the_breaker_open_for_the_others(number, graph, send):
    graph.usual = meta.refused(190, 401)
    for contact in others(3):
        queue(contact)
    Breaker.objects.create(scope=f"account:{bodies.WABA}", state="open", probe_at=PROBE_DUE)
    send(0.02)
    assert len(graph.posts) == 1
    assert Breaker.objects.get().state == "open"
    assert Breaker.objects.get().probe_at > timezone.now()


def test_a_message_that_was_on_its_way_does_not_close_the_breaker(contact, graph, send):
    queue(contact)
    graph.on_post = lambda *_: Breaker.objects.create(
        scope=f"number:{bodies.NUMBER}", state="open", probe_at="2100-01-01 00:00Z"
    )
    send()
    assert Breaker.objects.get().state == "open"


def test_a_locked_number_stops_that_number_alone(number, graph, send):
    NumberFactory.create(phone_number_id="1000000002", waba_id=bodies.WABA)
    elsewhere = ConversationFactory.create(phone_number_id="1000000002").contact
    graph.script = [meta.refused(131031, 403)]
    queue(others(1)[0])
    send(0.02)
    assert Breaker.objects.get().scope == f"number:{bodies.NUMBER}"
    outbox.enqueue_manual(elsewhere.pk, "1000000002", {"type": "text", "body": "Hi"}, by="anna")
    send()
    assert Outbox.objects.get(phone_number_id="1000000002").state == "accepted"


# --- too fast (F30) ---


def test_too_fast_for_the_number_holds_the_number_and_slows_it_down(number, graph, send):
    graph.usual = meta.refused(130429, 429)
    for contact in others(4):
        queue(contact)
    send(0.02)
    bucket = Bucket.objects.get()
    assert bucket.tokens < 0
    assert bucket.rate == pytest.approx(30, abs=2)
    assert Number.objects.get().rate == 60
    posts = len(graph.posts)
    Outbox.objects.update(not_before=timezone.now())
    send(0.02)
    assert len(graph.posts) == posts


def test_too_fast_for_one_person_holds_that_person_alone(number, graph, send):
    first, second = others(2)
    graph.script = [meta.refused(131056)]
    queue(first)
    send(0.02)
    queue(second)
    send(0.1)
    assert Outbox.objects.get(contact=first).state == "queued"
    assert Outbox.objects.get(contact=second).state == "accepted"


# --- what the sender needs ---


def test_a_number_whose_token_cannot_be_read_sends_nothing_and_stops_nobody(number, graph, send, settings):
    NumberFactory.create(phone_number_id="1000000009", is_simulated=False, token="unreadable")
    elsewhere = ConversationFactory.create(phone_number_id="1000000009").contact
    outbox.enqueue_manual(elsewhere.pk, "1000000009", {"type": "text", "body": "Hi"}, by="anna")
    queue(others(1)[0])
    send()
    states = dict(Outbox.objects.values_list("phone_number_id", "state"))
    assert states == {"1000000009": "queued", bodies.NUMBER: "accepted"}


def test_a_real_number_sends_with_its_own_token_and_a_proof(real_number, number, graph, send):
    numbers.set_token(real_number, "EAAG-own")
    real_number.save()
    contact = ConversationFactory.create(phone_number_id=bodies.REAL_NUMBER).contact
    outbox.enqueue_manual(contact.pk, bodies.REAL_NUMBER, {"type": "text", "body": "Hi"}, by="anna")
    send()
    (post,) = graph.posts
    assert (post.token, post.path) == ("EAAG-own", f"/v23.0/{bodies.REAL_NUMBER}/messages")


def test_an_inactive_number_sends_nothing(contact, graph, send):
    sent = queue(contact)
    Number.objects.update(is_active=False)
    send(0.02)
    assert (row(sent).state, graph.posts) == ("queued", [])


def test_a_conversations_answer_reaches_meta(way, graph, send):
    way.publish(flow("hours", say("say", "We are open.")))
    way.talk("hours")
    send()
    assert graph.texts() == ["We are open."]
    assert Conversation.objects.get().pair_until > clock.now()

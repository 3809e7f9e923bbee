"""The splitter: deliveries become bubbles, inputs, statuses and changes, each once and in order."""

import json
import os

import psycopg
import pytest
from django.db import connection

from conversations import clock, contacts, lanes, outbox, splitter
from conversations.models import (
    ConsentEntry,
    Contact,
    ContactIdentity,
    Conversation,
    Inbox,
    Lane,
    Message,
    Outbox,
    Session,
    StatusEvent,
    Timer,
    WebhookDelivery,
    WebhookValue,
)
from conversations.whatsapp.received import Sender
from flows import database
from flows.facts import DeadLetter, Event
from tests.conversations import bodies
from tests.conversations.bodies import BSUID, PHONE
from tests.conversations.way import ask, flow, say
from tests.factories import ContactFactory

OTHER_PHONE = "919607700002"


def texts() -> list[str]:
    return list(Message.objects.filter(is_inbound=True).order_by("id").values_list("text", flat=True))


def split_all() -> None:
    while splitter.split():
        pass


# --- order, and what one body may hold (W6) ---


def test_inputs_are_numbered_in_the_order_of_arrival(way):
    for n in range(5):
        way.say(f"{n}a", f"{n}b")
    split_all()
    rows = Inbox.objects.order_by("seq")
    said = [row.payload["message"]["text"] for row in rows]
    assert said == [f"{n}{x}" for n in range(5) for x in "ab"]
    assert [row.seq for row in rows] == list(range(1, 11))
    times = [row.due_at for row in rows]
    assert times == sorted(set(times))
    lane = Lane.objects.get()
    assert (lane.next_seq, lane.pending) == (11, 10)


def test_a_thousand_changes_in_one_body_count_once_each(way):
    many = [bodies.text(f"m{n}", phone=f"9196{n:08d}") for n in range(999)]
    many.append(many[0])
    way.deliver(bodies.body(*(bodies.value(messages=[one]) for one in many)))
    split_all()
    assert WebhookDelivery.objects.get().state == "split"
    assert Inbox.objects.count() == Contact.objects.count() == Lane.objects.count() == 999


def test_more_deliveries_than_a_batch_holds_are_split_batch_by_batch(way):
    for n in range(7):
        way.say(f"m{n}")
    assert [splitter.split(3) for _ in range(4)] == [3, 3, 1, 0]
    assert texts() == [f"m{n}" for n in range(7)]


@pytest.mark.postgres
def test_another_process_that_splits_is_left_alone(way):
    way.say("hi")
    url = os.environ["DATABASE_URL"].rpartition("/")[0]
    with psycopg.connect(f"{url}/{connection.settings_dict['NAME']}") as another:
        another.execute("SELECT pg_advisory_xact_lock(hashtextextended('whatsflow:splitter', 0))")
        assert splitter.split() == 0
    assert splitter.split() == 1


# --- strange senders, times and texts (W7, W8, W9) ---


@pytest.mark.parametrize(
    "sender", ["../../x", "9" * 500, "<img onerror=alert(1)>", "", " ", "12345", "+9196"]
)
def test_a_sender_that_is_no_id_is_set_aside_with_its_delivery(way, sender):
    way.deliver(bodies.messages(bodies.text("good"), bodies.text("bad", phone=sender)))
    split_all()
    assert WebhookDelivery.objects.get().state == "quarantined"
    assert texts() == ["good"]
    assert Contact.objects.count() == 1


@pytest.mark.parametrize(
    "claimed", ["0", "-5", "7258118400", "soon", "1795000000000", "9" * 30, 1795000000, None]
)
def test_whatever_time_is_claimed_the_order_of_arrival_counts(way, claimed):
    way.deliver(bodies.messages(bodies.text("first", timestamp=claimed)))
    way.deliver(bodies.messages(bodies.text("second")))
    way.drain()
    assert texts() == ["first", "second"]
    assert abs((Inbox.objects.first().due_at - clock.now()).total_seconds()) < 30


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("a" * 100_000, "a" * 100_000),
        ("x\\u0000y", "x\ufffdy"),
        ("x\\ud800y", "x\ufffdy"),
        ("😀" * 10_000, "😀" * 10_000),
        ("\u200b\u200c", "\u200b\u200c"),
        ("\u202eabc", "\u202eabc"),
    ],
    ids=["long", "NUL", "surrogate", "emoji", "zero width", "right to left"],
)
def test_strange_texts_are_kept(way, raw, kept):
    body = json.dumps(bodies.messages(bodies.text("TEXT")), ensure_ascii=False).replace("TEXT", raw)
    assert way.post(body.encode()).status_code == 200
    way.drain()
    assert texts() == [kept]
    assert way.inputs("new") == []


# --- who it is ---


def identities(contact: Contact) -> set[tuple[str, str]]:
    return set(ContactIdentity.objects.filter(contact=contact).values_list("kind", "value"))


def test_a_sender_known_by_user_id_alone_is_a_contact(way):
    way.publish(flow("hours", say("say", "We are open.")))
    way.deliver(bodies.messages(bodies.text("hours", phone=None, from_user_id=BSUID)))
    way.drain()
    contact = Contact.objects.get()
    assert (contact.phone, contact.bsuid) == ("", BSUID)
    assert way.said() == ["We are open."]


def test_the_profile_names_a_contact_that_has_no_name(way):
    for name in ("Ada", "Bob"):
        card = {"profile": {"name": name}, "wa_id": PHONE}
        way.deliver(bodies.messages(bodies.text("hi"), contacts=[card]))
    split_all()
    assert Contact.objects.get().name == "Ada"


def test_a_contact_that_was_made_without_a_lane_gets_one(way):
    contact = ContactFactory.create(phone=PHONE)
    Lane.objects.all().delete()
    way.say("hi")
    split_all()
    assert Lane.objects.get().contact_id == contact.pk


def test_ids_that_come_together_bring_two_contacts_together(way):
    """Known by user id, known by phone, then both in one payload: the younger becomes part of the older."""
    way.publish(flow("names", ask("ask", "Name?"), say("end", "Hello {{ answer }}")))
    way.deliver(bodies.messages(bodies.text("names", phone=None, from_user_id=BSUID)))
    way.drain()
    way.talk("names")
    older, younger = Contact.objects.order_by("id")
    assert Session.objects.filter(state="waiting").count() == 2
    queued = [o.content["body"] for o in Outbox.objects.filter(contact=younger)]
    way.deliver(bodies.messages(bodies.text("Ada", from_user_id=BSUID)))
    way.drain()
    younger.refresh_from_db()
    assert younger.merged_into == older
    assert identities(older) == {("phone", PHONE), ("bsuid", BSUID)}
    older.refresh_from_db()
    assert (older.phone, older.bsuid) == (PHONE, BSUID)
    assert queued == ["Name?"]
    assert way.said() == ["Name?", "Name?", "Hello Ada"]
    assert set(Outbox.objects.values_list("contact_id", flat=True)) == {older.pk}
    assert sorted(Session.objects.values_list("outcome", flat=True)) == ["completed", "merged"]
    assert set(Message.objects.values_list("contact_id", flat=True)) == {older.pk}
    assert Conversation.objects.count() == 1
    assert Event.objects.get(name="contacts_merged").data == {"merged": younger.pk}


def person(phone: str | None = None, bsuid: str | None = None) -> contacts.Person:
    return contacts.Person(sender=Sender(phone=phone, bsuid=bsuid), scope=bodies.WABA)


def resolve(*people: contacts.Person) -> contacts.Resolved:
    with database.write() as cursor:
        return contacts.resolve(cursor, people, clock.now(cursor))


def merge(keeper: int, other: int) -> None:
    with database.write() as cursor:
        contacts.merge(cursor, keeper, other, clock.now(cursor))


def test_one_batch_may_bring_the_ids_of_one_person_in_any_order(number):
    found = resolve(person(PHONE), person(bsuid=BSUID), person(PHONE, BSUID), person(OTHER_PHONE))
    assert found.of[0] == found.of[1] == found.of[2] != found.of[3]
    assert Contact.objects.filter(merged_into=None).count() == 2


def test_opt_out_and_block_win_when_contacts_are_merged(number):
    a, b = resolve(person(PHONE), person(OTHER_PHONE)).of
    Contact.objects.filter(pk=b).update(is_opted_out=True, is_blocked=True)
    merge(a, b)
    kept = Contact.objects.get(pk=a)
    assert (kept.is_opted_out, kept.is_blocked) == (True, True)


def test_what_waits_for_the_younger_contact_goes_behind_what_waits_for_the_older(way):
    way.say("a1", phone=PHONE)
    way.say("b1", "b2", phone=OTHER_PHONE)
    split_all()
    a, b = Contact.objects.order_by("id").values_list("pk", flat=True)
    merge(a, b)
    rows = Inbox.objects.filter(contact_id=a).order_by("seq")
    assert [(r.seq, r.payload["message"]["text"]) for r in rows] == [(1, "a1"), (2, "b1"), (3, "b2")]
    assert list(Lane.objects.order_by("contact_id").values_list("pending", "merged_into")) == [
        (3, None),
        (0, a),
    ]
    way.drain()
    assert way.inputs("new") == []


def test_messages_of_the_younger_contact_go_behind_those_of_the_older(way):
    way.talk("hi", phone=PHONE)
    way.talk("hi", phone=OTHER_PHONE)
    a, b = Contact.objects.order_by("id").values_list("pk", flat=True)
    merge(a, b)
    assert list(Outbox.objects.order_by("seq").values_list("contact_id", "seq")) == [(a, 1), (a, 2)]
    merged = outbox.enqueue_manual(a, bodies.NUMBER, {"type": "text", "body": "x"}, by="anna")
    assert Outbox.objects.get(pk=merged).seq == 3


def test_a_turn_of_a_contact_that_was_merged_meanwhile_writes_nothing(way):
    way.say("hi", phone=PHONE)
    way.say("hi", phone=OTHER_PHONE)
    split_all()
    a, b = Contact.objects.order_by("id").values_list("pk", flat=True)
    claimed = {lane.contact_id: lane for lane in lanes.claim(10)}
    merge(a, b)
    zombie = claimed[b]
    release = lanes.Release(contact_id=b, epoch=zombie.epoch, consumed=1, sent=0, low_seq=2, is_calling=False)
    with database.write() as cursor:
        assert lanes.commit(cursor, [release]) == {}


def test_the_timers_of_a_merged_contact_follow_it(way):
    wait = {"timeout": {"after": "10m", "step": "late"}}
    way.publish(
        flow("names", ask("ask", "Name?", wait=wait), say("e", "E", next_step=None), say("late", "Late"))
    )
    way.talk("hi", phone=PHONE)
    way.talk("names", phone=OTHER_PHONE)
    a, b = Contact.objects.order_by("id").values_list("pk", flat=True)
    merge(a, b)
    assert set(Timer.objects.values_list("contact_id", flat=True)) == {a}
    clock.jump(700)
    way.drain()
    assert way.said()[-1] == "Late"


# --- a new number (W4) ---


def test_a_contact_keeps_its_conversation_under_its_new_number(way):
    way.publish(flow("names", ask("ask", "Name?"), say("end", "Hello {{ answer }}")))
    way.talk("names")
    way.deliver(bodies.changed_number(PHONE, OTHER_PHONE))
    way.drain()
    contact = Contact.objects.get()
    assert contact.phone == OTHER_PHONE
    assert way.talk("Ada", phone=OTHER_PHONE) == ["Hello Ada"]


def test_a_new_number_that_wrote_already_is_merged(way):
    way.say("hi", phone=PHONE)
    way.say("hi again", phone=OTHER_PHONE)
    way.deliver(bodies.changed_number(PHONE, OTHER_PHONE))
    way.drain()
    assert Contact.objects.filter(merged_into=None).count() == 1


def test_a_change_of_number_that_is_redelivered_has_no_effect(way):
    way.say("hi")
    first = bodies.changed_number(PHONE, OTHER_PHONE)
    for body in (first, bodies.changed_number(OTHER_PHONE, "919607700003"), first | {"again": True}):
        way.deliver(body)
        way.drain()
    assert Contact.objects.get().phone == "919607700003"
    assert WebhookValue.objects.filter(kind="number_change").count() == 2


def test_a_change_of_a_number_that_nobody_knows_changes_nothing(way):
    way.deliver(bodies.changed_number(PHONE, OTHER_PHONE))
    way.drain()
    assert not Contact.objects.exists()
    assert WebhookDelivery.objects.get().state == "split"


# --- consent ---


def test_stop_cancels_what_waits_and_start_lets_new_messages_leave(way):
    way.publish(flow("hours", say("say", "We are open.")))
    way.talk("hours")
    way.say("STOP")
    split_all()
    assert Outbox.objects.get().state == "cancelled"
    assert Contact.objects.get().is_opted_out
    way.drain()
    way.talk("start", "hours")
    states = Outbox.objects.order_by("seq").values_list("kind", "state")
    assert list(states) == [
        ("reply", "cancelled"),
        ("confirmation", "queued"),
        ("confirmation", "queued"),
        ("reply", "queued"),
    ]
    ledger = ConsentEntry.objects.order_by("id").values_list("is_granted", "source", "scope")
    assert list(ledger) == [(False, "keyword", "all"), (True, "keyword", "all")]


def test_stop_counts_while_the_lane_is_busy(way):
    way.talk("hi")
    Lane.objects.update(lease_until="2100-01-01 00:00Z")
    way.say(" stop ")
    split_all()
    assert Contact.objects.get().is_opted_out


@pytest.mark.parametrize(("choice", "is_granted"), [("stop", False), ("resume", True)])
def test_a_marketing_choice_made_in_whatsapp_counts_at_once(way, choice, is_granted):
    way.talk("hi")
    Contact.objects.update(has_marketing_consent=not is_granted)
    way.deliver(bodies.preference(choice))
    way.drain()
    contact = Contact.objects.get()
    assert (contact.has_marketing_consent, contact.is_opted_out) == (is_granted, False)
    entry = ConsentEntry.objects.get()
    assert (entry.scope, entry.source, entry.is_granted) == ("marketing", "user_preferences", is_granted)


def test_a_marketing_choice_that_is_redelivered_does_not_undo_a_later_one(way):
    way.talk("hi")
    stop = bodies.preference("stop")
    for body in (stop, bodies.preference("resume", timestamp=1795000500), stop | {"again": True}):
        way.deliver(body)
        way.drain()
    assert Contact.objects.get().has_marketing_consent
    assert ConsentEntry.objects.count() == 2


# --- what cannot be split ---


def test_a_poison_delivery_is_isolated_and_its_neighbors_go_through(way, monkeypatch):
    real = splitter._arrivals

    def refuse(batch, known, resolved):
        if any(m.message.get("text") == "poison" for _, m in known):
            raise KeyError("poison")
        return real(batch, known, resolved)

    monkeypatch.setattr(splitter, "_arrivals", refuse)
    for said in ("a", "b", "poison", "c", "d"):
        way.say(said)
    split_all()
    assert texts() == ["a", "b", "c", "d"]
    row = WebhookDelivery.objects.get(state="quarantined")
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.source_id) == ("webhook", str(row.pk))
    assert "KeyError" in letter.trace


def test_what_can_be_read_of_a_delivery_counts_and_the_rest_is_named(way):
    body = bodies.messages(bodies.text("good"), {"id": "wamid.X"})
    way.deliver(body)
    split_all()
    row = WebhookDelivery.objects.get()
    assert (row.state, texts()) == ("quarantined", ["good"])
    assert row.reason.startswith("entry[0].changes[0].value.messages[1]")


# --- statuses and other values ---


def test_statuses_before_and_after_messages_in_one_body_are_kept(way):
    value = bodies.value(
        statuses=[bodies.status("wamid.A"), bodies.status("wamid.A", "delivered"), bodies.status("wamid.A")],
        messages=[bodies.text("hi")],
    )
    way.deliver(bodies.body(value))
    way.drain()
    assert sorted(StatusEvent.objects.values_list("status", flat=True)) == ["delivered", "sent"]
    assert texts() == ["hi"]


def test_a_status_of_a_name_that_nobody_has_heard_of_is_kept(way):
    way.deliver(bodies.statuses(bodies.status("wamid.A", "s" * 32), bodies.status("wamid.B")))
    way.drain()
    assert WebhookDelivery.objects.get().state == "split"
    assert StatusEvent.objects.count() == 2


@pytest.mark.parametrize("field", ["account_alerts", "message_template_status_update", "never_heard_of"])
def test_other_values_are_kept_whole_and_once(way, field):
    body = bodies.body({"event": "X", "n": 1}, field=field)
    way.deliver(body)
    way.deliver(body | {"again": True})
    way.drain()
    kept = WebhookValue.objects.get()
    assert (kept.field, kept.value) == (field, {"event": "X", "n": 1})
    assert Event.objects.filter(name="webhook_value_received").count() == 1


@pytest.mark.parametrize("kind", ["unsupported", "request_welcome", "ephemeral", "button", "never_heard_of"])
def test_any_kind_of_message_is_kept_as_a_bubble(way, kind):
    way.deliver(bodies.messages(bodies.message(kind, {"x": 1})))
    way.drain()
    assert Message.objects.filter(is_inbound=True).count() == 1
    assert way.inputs("new") == []


def test_a_picture_is_an_input_with_its_media(way):
    way.deliver(bodies.messages(bodies.image()))
    split_all()
    message = Inbox.objects.get().payload["message"]
    assert (message["type"], message["text"], message["media"]["id"]) == ("image", "my bike", "987654321")
    assert Conversation.objects.get().last_text == "my bike"


def test_the_window_is_counted_from_metas_time_of_a_real_message(way, real_number):
    claimed = int(clock.now().timestamp()) - 3600
    body = bodies.messages(bodies.text("hi", timestamp=str(claimed)), number=bodies.REAL_NUMBER)
    way.deliver(body, secret="the-real-app-secret")
    split_all()
    assert int(Conversation.objects.get().last_inbound_at.timestamp()) == claimed

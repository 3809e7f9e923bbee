"""Moves on the machine's rows: resend, drop, replay, close, end, reset, stop; each once, each by those who may."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from conversations.models import (
    Breaker,
    Call,
    ConsentEntry,
    Contact,
    KillSwitch,
    Lane,
    Outbox,
    Session,
    Timer,
)
from flows.models import DeadLetter, Event, Incident
from tests.factories import (
    LONG_AGO,
    BreakerFactory,
    CallFactory,
    ContactFactory,
    DeadLetterFactory,
    InboxFactory,
    IncidentFactory,
    OutboxFactory,
    SessionFactory,
    TimerFactory,
    WebhookDeliveryFactory,
    now,
)

AsGroup = Callable[[str], Client]


def move(noun: str, pk: object, name: str) -> str:
    return reverse(f"admin:{noun}_move", args=[pk, name])


@pytest.mark.parametrize(
    ("name", "state", "fact"),
    [("resend", "queued", "message_resent"), ("drop", "cancelled", "message_dropped")],
)
def test_a_parked_message_is_decided_on_once(as_group: AsGroup, name: str, state: str, fact: str) -> None:
    row = OutboxFactory.create(state="parked", expires_at=LONG_AGO)
    client = as_group("Developer")
    for _ in range(2):
        client.post(move("conversations_outbox", row.pk, name))
    row.refresh_from_db()
    assert row.state == state
    assert Event.objects.filter(name=fact, data__by="developer").count() == 1
    if state == "queued":
        assert row.expires_at > now()


@pytest.mark.parametrize(
    "state", ["queued", "leased", "sending", "accepted", "refused", "ambiguous", "expired", "cancelled"]
)
@pytest.mark.parametrize("name", ["resend", "drop"])
def test_only_parked_messages_are_decided_on(as_group: AsGroup, state: str, name: str) -> None:
    row = OutboxFactory.create(state=state)
    client = as_group("Developer")
    response = client.post(move("conversations_outbox", row.pk, name), follow=True)
    row.refresh_from_db()
    assert row.state == state
    assert "Somebody decided on this message already" in response.content.decode()
    url = reverse("admin:conversations_outbox_change", args=[row.pk])
    assert move("conversations_outbox", row.pk, name) not in client.get(url).content.decode()


@pytest.mark.parametrize(("action", "state"), [("resend_chosen", "queued"), ("drop_chosen", "cancelled")])
def test_several_parked_messages_are_decided_on_at_once(as_group: AsGroup, action: str, state: str) -> None:
    rows = [OutboxFactory.create(state=s) for s in ("parked", "parked", "accepted")]
    chosen = [row.pk for row in rows]
    url = reverse("admin:conversations_outbox_changelist")
    as_group("Developer").post(url, {"action": action, "_selected_action": chosen})
    states = {row.pk: row.state for row in Outbox.objects.all()}
    assert [states[pk] for pk in chosen] == [state, state, "accepted"]
    assert LogEntry.objects.count() == 2


def test_analysts_read_the_outbox_and_decide_nothing(as_group: AsGroup) -> None:
    row = OutboxFactory.create(state="parked")
    client = as_group("Analyst")
    assert client.post(move("conversations_outbox", row.pk, "resend")).status_code == 403
    url = reverse("admin:conversations_outbox_changelist")
    client.post(url, {"action": "resend_chosen", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.state == "parked"


def test_the_outbox_says_why_in_words(as_group: AsGroup) -> None:
    OutboxFactory.create(state="refused", error_code=131047)
    text = as_group("Analyst").get(reverse("admin:conversations_outbox_changelist")).content.decode()
    assert "Last reply was over 24 h ago" in text
    assert "(131047)" in text


def test_a_dead_input_goes_to_the_end_of_its_lane(as_group: AsGroup) -> None:
    contact = ContactFactory.create()
    Lane.objects.filter(pk=contact.pk).update(next_seq=8, low_seq=8)
    row = InboxFactory.create(contact_id=contact.pk, seq=3, state="dead", attempts=3)
    letter = DeadLetterFactory.create(source="inbox", source_id=str(row.pk))
    client = as_group("Developer")
    for _ in range(2):
        client.post(move("flows_deadletter", letter.pk, "replay"))
    row.refresh_from_db()
    lane = Lane.objects.get(pk=contact.pk)
    assert (row.state, row.seq, row.attempts) == ("new", 8, 0)
    assert (lane.next_seq, lane.pending) == (9, 1)
    letter.refresh_from_db()
    assert letter.resolved_by == "developer"


def test_a_quarantined_delivery_is_split_again(as_group: AsGroup) -> None:
    row = WebhookDeliveryFactory.create(state="quarantined", reason="splitting failed")
    letter = DeadLetterFactory.create(source="webhook", source_id=str(row.pk))
    as_group("Developer").post(move("flows_deadletter", letter.pk, "replay"))
    row.refresh_from_db()
    assert (row.state, row.reason) == ("raw", "")


@pytest.mark.parametrize(
    ("source", "words"),
    [("inbox", "not dead any more"), ("webhook", "not quarantined any more"), ("call", "cannot be replayed")],
)
def test_what_cannot_be_replayed_stays_open(as_group: AsGroup, source: str, words: str) -> None:
    letter = DeadLetterFactory.create(source=source, source_id="99")
    response = as_group("Developer").post(move("flows_deadletter", letter.pk, "replay"), follow=True)
    letter.refresh_from_db()
    assert letter.resolved_at is None
    assert words in response.content.decode()


def test_an_incident_is_closed_once(as_group: AsGroup) -> None:
    incident = IncidentFactory.create()
    client = as_group("Developer")
    client.post(move("flows_incident", incident.pk, "close"))
    closed_at = Incident.objects.get(pk=incident.pk).closed_at
    assert closed_at is not None
    assert (
        "It is closed already."
        in client.post(move("flows_incident", incident.pk, "close"), follow=True).content.decode()
    )
    assert Incident.objects.get(pk=incident.pk).closed_at == closed_at


def test_open_incidents_stand_first(as_group: AsGroup) -> None:
    IncidentFactory.create(kind="old", closed_at=now())
    IncidentFactory.create(kind="fresh")
    IncidentFactory.create(kind="older", closed_at=LONG_AGO)
    text = as_group("Analyst").get(reverse("admin:flows_incident_changelist")).content.decode()
    text = text[text.index("result_list") :]
    assert text.index("fresh") < text.index(">old<") < text.index("older")


def test_ending_a_session_fences_out_its_turn(as_group: AsGroup) -> None:
    session = SessionFactory.create(state="calling")
    Lane.objects.filter(pk=session.contact_id).update(epoch=4, is_calling=True)
    timer = TimerFactory.create(session_id=session.pk)
    queued = CallFactory.create(session_id=session.pk, state="queued")
    client = as_group("Developer")
    for _ in range(2):
        client.post(move("conversations_session", session.pk, "end"))
    session = Session.objects.get(pk=session.pk)
    assert (session.state, session.outcome, session.data["state"]) == ("ended", "abandoned", "ended")
    assert session.ended_at is not None
    lane = Lane.objects.get(pk=session.contact_id)
    assert (lane.epoch, lane.is_calling) == (5, False)
    assert Timer.objects.get(pk=timer.pk).state == "gone"
    assert Call.objects.get(pk=queued.pk).state == "unknown"
    assert Event.objects.filter(name="session_ended", session_id=session.pk).count() == 1


def test_resetting_a_breaker_closes_its_incident(as_group: AsGroup) -> None:
    breaker = BreakerFactory.create(scope="account:7")
    IncidentFactory.create(kind="breaker", scope="account:7")
    as_group("Developer").post(move("conversations_breaker", breaker.pk, "reset"))
    assert Breaker.objects.get(pk=breaker.pk).state == "closed"
    assert Incident.objects.get(scope="account:7").closed_at is not None
    assert Event.objects.get(name="breaker_reset").data == {"scope": "account:7", "by": "developer"}


def test_the_kill_switch_stops_and_releases(as_group: AsGroup) -> None:
    client = as_group("Admin")
    client.post(move("conversations_killswitch", 1, "stop"))
    assert KillSwitch.objects.get().is_on
    assert Incident.objects.get(kind="outbound_stopped").closed_at is None
    assert "All outbound is stopped" in client.get("/admin/").content.decode()
    client.post(move("conversations_killswitch", 1, "release"))
    assert not KillSwitch.objects.get().is_on
    assert Incident.objects.get(kind="outbound_stopped").closed_at is not None
    assert list(Event.objects.order_by("id").values_list("name", flat=True)) == [
        "outbound_stopped",
        "outbound_released",
    ]


@pytest.mark.parametrize("group", ["Viewer", "Analyst", "Agent", "Campaigner", "Approver", "Developer"])
def test_only_admins_turn_the_kill_switch(as_group: AsGroup, group: str) -> None:
    assert as_group(group).post(move("conversations_killswitch", 1, "stop")).status_code in {403, 302}
    assert not KillSwitch.objects.filter(is_on=True).exists()


def test_opting_out_writes_the_ledger_and_cancels_what_waits(as_group: AsGroup) -> None:
    contact = ContactFactory.create()
    waiting = OutboxFactory.create(contact=contact)
    client = as_group("Agent")
    client.post(move("conversations_contact", contact.pk, "opt_out"))
    assert Contact.objects.get(pk=contact.pk).is_opted_out
    assert Outbox.objects.get(pk=waiting.pk).state == "cancelled"
    client.post(move("conversations_contact", contact.pk, "opt_in"))
    assert not Contact.objects.get(pk=contact.pk).is_opted_out
    ledger = ConsentEntry.objects.order_by("id").values_list("is_granted", "source", "by")
    assert list(ledger) == [(False, "staff", "agent"), (True, "staff", "agent")]


def test_blocking_cancels_what_waits(as_group: AsGroup) -> None:
    contact = ContactFactory.create()
    waiting = OutboxFactory.create(contact=contact)
    client = as_group("Agent")
    client.post(move("conversations_contact", contact.pk, "block"))
    assert Contact.objects.get(pk=contact.pk).is_blocked
    assert Outbox.objects.get(pk=waiting.pk).state == "cancelled"
    client.post(move("conversations_contact", contact.pk, "unblock"))
    assert not Contact.objects.get(pk=contact.pk).is_blocked


NO_RIGHT = [
    ("flows_deadletter", DeadLetterFactory, "replay", DeadLetter),
    ("flows_incident", IncidentFactory, "close", Incident),
    ("conversations_session", SessionFactory, "end", Session),
    ("conversations_breaker", BreakerFactory, "reset", Breaker),
    ("conversations_contact", ContactFactory, "opt_out", Contact),
    ("conversations_contact", ContactFactory, "block", Contact),
]


@pytest.mark.parametrize(("noun", "factory", "name", "model"), NO_RIGHT)
def test_viewers_move_nothing(
    as_group: AsGroup, noun: str, factory: object, name: str, model: object
) -> None:
    row = factory.create()
    before = model.objects.filter(pk=row.pk).values().get()
    assert as_group("Viewer").post(move(noun, row.pk, name)).status_code in {403, 302}
    assert model.objects.filter(pk=row.pk).values().get() == before


def test_an_unknown_move_is_not_found(as_group: AsGroup) -> None:
    assert (
        as_group("Developer")
        .post(move("conversations_session", SessionFactory.create().pk, "nonsense"))
        .status_code
        == 404
    )

"""The audit: clean after a busy day, and each invariant sees the breach that it is for."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from conversations import audit, calls, clock, contacts, reconcile
from conversations.models import (
    Call,
    Contact,
    Conversation,
    Inbox,
    Lane,
    Message,
    Outbox,
    SendAttempt,
    Session,
    SessionStep,
    StatusEvent,
    WebhookDelivery,
)
from flows import database
from flows.facts import DeadLetter, Incident
from flows.processing.runner import Outcome
from tests import graph as meta
from tests.conversations import bodies
from tests.conversations.way import ask, choice, flow, say

PROCESSORS = """
    from flows.processing import processor

    @processor
    def double(value):
        return value * 2
"""
PHONES = [f"91960790{n:04d}" for n in range(6)]


def breaches(*, at_rest: bool = True) -> list[tuple[str, str, tuple[str, ...]]]:
    found = audit.check(at_rest=at_rest)
    return [(f.invariant.code, f.invariant.says, f.examples) for f in found if f.is_breach]


@pytest.fixture
def day(way, graph, send):
    """A busy day: talks, taps, calls, doubts, merges, STOP, statuses in every order."""
    work = {"id": "work", "type": "processor", "name": "double", "args": {"value": "ab"}, "save_as": "got"}
    way.publish(
        flow("names", ask("ask", "Name?"), say("end", "Hello {{ answer }}")),
        flow(
            "bikes", choice("pick", "Which?", ("red", "Red"), ("blue", "Blue")), say("end", "{{ picked.id }}")
        ),
        flow("calls", say("wait", "One moment"), work, say("end", "Got {{ got }}")),
        flow("hours", say("say", "We are open.")),
        processors=PROCESSORS,
    )

    def tell(post, wamid):
        for name in ("delivered", "sent", "read"):
            way.deliver(bodies.statuses(bodies.status(wamid, name, token=post.callback)))

    graph.on_post = tell
    for phone in PHONES:
        way.say("names", "Ada", phone=phone)
        way.say("bikes", phone=phone)
    way.drain()
    graph.script = [meta.reset, meta.refused(131026), meta.said("junk")]
    send()
    for phone in PHONES:
        way.say("hours", phone=phone)
        way.say("calls", "hours", phone=phone)
    way.drain()
    for call in calls.claim(10):
        calls.complete(call, Outcome(state="ok", value="abab", seconds=0.1), "code")
    way.say("stop", phone=PHONES[0])
    way.drain()
    first, second = Contact.objects.order_by("id").values_list("pk", flat=True)[4:6]
    with database.write() as cursor:
        contacts.merge(cursor, first, second, clock.now(cursor))
    Outbox.objects.filter(state="ambiguous").update(sent_at=timezone.now() - timedelta(seconds=130))
    reconcile.sweep()
    send()
    way.drain()
    return way


def test_after_a_busy_day_nothing_is_broken(day):
    assert set(Outbox.objects.values_list("state", flat=True)) >= {"accepted", "refused", "parked"}
    assert Session.objects.filter(outcome="completed").exists()
    assert Message.objects.filter(status="read").exists()
    assert breaches() == []


def test_while_work_is_under_way_what_holds_at_rest_is_not_asked(day):
    day.say("hours")
    assert breaches(at_rest=False) == []
    assert [code for code, _, _ in breaches()] == ["I3"]


# --- each invariant, and the breach it is for ---


def one(model, **given):
    return model.objects.filter(**given).order_by("pk").first()


def copy(row, **changes):
    row.pk = None
    row._state.adding = True
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()


def effect_twice():
    step = one(SessionStep, kind="start")
    copy(step, step_no=99)


def input_left():
    Inbox.objects.filter(pk=one(Inbox).pk).update(state="new")


def delivery_left():
    WebhookDelivery.objects.filter(pk=one(WebhookDelivery).pk).update(state="raw")


def dead_without_letter():
    Inbox.objects.filter(pk=one(Inbox).pk).update(state="dead")


def letter_without_dead():
    DeadLetter.objects.create(source="inbox", source_id=str(one(Inbox).pk), cause="x", at=timezone.now())


def out_of_order():
    steps = list(SessionStep.objects.filter(kind__in=["start", "reply"]).order_by("id"))
    contact_of = dict(Inbox.objects.values_list("id", "contact_id"))
    first = steps[0]
    later = next(s for s in steps[1:] if contact_of[s.inbox_id] == contact_of[first.inbox_id])
    a, b = first.inbox_id, later.inbox_id
    SessionStep.objects.filter(pk=first.pk).update(inbox_id=b)
    SessionStep.objects.filter(pk=later.pk).update(inbox_id=a)


def overlapping_turns():
    step = one(SessionStep, kind="reply")
    SessionStep.objects.filter(pk=step.pk).update(epoch=0)


def wrong_pending():
    Lane.objects.filter(pk=one(Lane, merged_into=None).pk).update(pending=3)


def input_below_the_place():
    row = one(Inbox)
    Inbox.objects.filter(pk=row.pk).update(state="new")
    Lane.objects.filter(pk=row.contact_id).update(pending=1)


def bubble_gone():
    one(Message, is_inbound=False).delete()


def message_gone():
    Message.objects.filter(pk=one(Message, is_inbound=False).pk).update(outbox_id="f" * 32)


def journal_gone():
    session_id = one(Outbox, session_id__isnull=False).session_id
    SessionStep.objects.filter(session_id=session_id).delete()


def journal_gap():
    one(SessionStep, kind="start").delete()


def accepted_without_id():
    Outbox.objects.filter(pk=one(Outbox, state="accepted").pk).update(wamid=None)


def id_without_acceptance():
    Outbox.objects.filter(pk=one(Outbox, state="accepted").pk).update(state="queued")


def double_unseen():
    row = one(Outbox, state="accepted")
    SendAttempt.objects.create(outbox=row, n=9, started_at=timezone.now(), wamid="wamid.OTHER")


def parked_unseen():
    Incident.objects.all().delete()


def stuck_in_sending():
    Outbox.objects.filter(pk=one(Outbox, state="accepted").pk).update(state="sending", wamid=None)


def call_gone():
    session = one(Session, state="ended")
    Session.objects.filter(pk=session.pk).update(state="calling")
    Call.objects.filter(session_id=session.pk).delete()


def left_too_early():
    rows = Outbox.objects.filter(attempt=1, contact__lt=one(Lane, merged_into__isnull=False).merged_into)
    rows = rows.order_by("contact_id", "seq")
    first, second = next((a, b) for a, b in pairwise(rows) if a.contact_id == b.contact_id)
    Outbox.objects.filter(pk=second.pk).update(sent_at=first.sent_at - timedelta(seconds=5))


def status_went_back():
    Message.objects.filter(pk=one(Message, status="read").pk).update(status="sent")


@pytest.mark.parametrize(
    ("plant", "code", "says"),
    [
        (effect_twice, "I2", "each input had its effect once"),
        (input_left, "I3", "at rest every input is done or dead"),
        (delivery_left, "I3", "at rest every delivery is split or quarantined"),
        (dead_without_letter, "I3", "an input is dead exactly when it has an open dead letter"),
        (letter_without_dead, "I3", "an input is dead exactly when it has an open dead letter"),
        (out_of_order, "I4", "a contact's messages are worked on in the order in which they came"),
        (overlapping_turns, "I4", "the turns of a contact do not overlap: their epochs only rise"),
        (wrong_pending, "I4", "what a lane says is pending is what waits in its inbox"),
        (input_below_the_place, "I4", "no input waits below the place where its lane looks"),
        (bubble_gone, "I5", "every outgoing message has its bubble, and every bubble its message"),
        (message_gone, "I5", "every outgoing message has its bubble, and every bubble its message"),
        (journal_gone, "I5", "every outgoing message of a session follows from a turn of its journal"),
        (journal_gap, "I5", "a journal has no gaps"),
        (accepted_without_id, "I6", "accepted means that Meta gave an id"),
        (id_without_acceptance, "I6", "accepted means that Meta gave an id"),
        (double_unseen, "I6", "no message has two ids of Meta's without an incident"),
        (parked_unseen, "I7", "nothing stays past its deadline without an incident"),
        (stuck_in_sending, "I7", "at rest no message is between the queue and its verdict"),
        (call_gone, "I7", "at rest a session that calls has its call"),
        (left_too_early, "I8", "a contact's messages left in the order of their creation"),
        (status_went_back, "I9", "no status was lost and none went back"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_planted_breach_is_found(day, plant, code, says):
    plant()
    assert (code, says) in [(found, text) for found, text, _ in breaches()]


def test_every_invariant_is_a_question_that_a_breach_can_answer(day):
    """What the database itself forbids cannot be planted; all else stands in the table above."""
    forbidden = {
        "each message of Meta's is one bubble",
        "a lane's inputs are numbered without gaps and doubles",
    }
    table = test_a_planted_breach_is_found.pytestmark[0].args[1]
    assert {i.says for i in audit.INVARIANTS} - {says for _, _, says in table} == forbidden


def test_findings_name_the_culprits(day):
    key = one(Outbox, state="accepted").pk
    Outbox.objects.filter(pk=key).update(wamid=None)
    ((_, _, examples),) = breaches()
    assert examples == (key,)


def test_the_day_left_no_status_behind(day):
    assert not StatusEvent.objects.filter(applied_at=None).exists()
    assert Conversation.objects.count() == len(PHONES) - 1

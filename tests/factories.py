"""Rows for tests, made as the machine leaves them."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import factory
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from factory.django import DjangoModelFactory

from conversations.models import (
    Breaker,
    Call,
    ConsentEntry,
    Contact,
    ContactIdentity,
    Conversation,
    Handoff,
    Inbox,
    Lane,
    Message,
    Number,
    Outbox,
    SendAttempt,
    Session,
    Timer,
    WebhookDelivery,
)
from flows.models import DeadLetter, Event, FlowRecord, FlowVersion, Incident, Publication

groups = import_module("whatsflow.migrations.0001_groups")
PHONE_NUMBER_ID = "1000000001"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PASSWORD = "a long pass phrase for tests"


def now() -> datetime:
    return datetime.now(UTC)


def group_named(name: str) -> Group:
    """A test with real transactions empties the tables, and with them what the migration made."""
    found = Group.objects.filter(name=name).first()
    if found is None:
        # Emptied tables have new ids of content types; those that this process remembers are gone.
        ContentType.objects.clear_cache()
        groups.make_groups(apps, SimpleNamespace(connection=connection))
    return found or Group.objects.get(name=name)


@cache
def hashed() -> str:
    """Hashing takes a good part of a second by design: once is enough."""
    return make_password(PASSWORD)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    is_staff = True
    password = factory.LazyFunction(hashed)

    @factory.post_generation
    def group(self: Any, create: bool, name: str | None, **_: Any) -> None:
        if create and name:
            self.groups.add(group_named(name))


class NumberFactory(DjangoModelFactory[Number]):
    class Meta:
        model = Number
        django_get_or_create = ("phone_number_id",)

    phone_number_id = PHONE_NUMBER_ID
    name = "Demo number"
    waba_id = "2000000001"
    display_phone_number = "+1 555 010 0001"
    is_simulated = True


class ContactFactory(DjangoModelFactory[Contact]):
    class Meta:
        model = Contact

    name = factory.Sequence(lambda n: f"Customer {n}")
    phone = factory.Sequence(lambda n: f"9196077{n:05d}")
    created_at = factory.LazyFunction(now)

    @factory.post_generation
    def lane(self: Any, create: bool, _extracted: Any, **_: Any) -> None:
        if create:
            LaneFactory.create(contact_id=self.pk)
            if self.phone:
                ContactIdentity.objects.create(
                    contact=self, portfolio="", kind="phone", value=self.phone, created_at=self.created_at
                )


class LaneFactory(DjangoModelFactory[Lane]):
    class Meta:
        model = Lane
        django_get_or_create = ("contact_id",)

    lease_until = LONG_AGO
    runnable_at = LONG_AGO


class ConsentEntryFactory(DjangoModelFactory[ConsentEntry]):
    class Meta:
        model = ConsentEntry

    contact = factory.SubFactory(ContactFactory)
    is_granted = False
    source = "keyword"
    detail = "STOP"
    at = factory.LazyFunction(now)


class ConversationFactory(DjangoModelFactory[Conversation]):
    class Meta:
        model = Conversation

    contact = factory.SubFactory(ContactFactory)
    phone_number_id = PHONE_NUMBER_ID
    last_inbound_at = factory.LazyFunction(now)
    last_message_at = factory.LazyFunction(now)
    last_text = "hi"
    created_at = factory.LazyFunction(now)


class MessageFactory(DjangoModelFactory[Message]):
    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationFactory)
    contact = factory.SelfAttribute("conversation.contact")
    phone_number_id = factory.SelfAttribute("conversation.phone_number_id")
    is_inbound = True
    wamid = factory.Sequence(lambda n: f"wamid.{n:032d}")
    kind = "text"
    text = "hi"
    content = factory.LazyAttribute(lambda m: {"type": m.kind, "text": m.text})
    at = factory.LazyFunction(now)


class OutboxFactory(DjangoModelFactory[Outbox]):
    class Meta:
        model = Outbox

    id = factory.Sequence(lambda n: f"{n:032x}")
    dedup_key = factory.LazyAttribute(lambda row: f"test:{row.id}")
    contact = factory.SubFactory(ContactFactory)
    seq = factory.Sequence(lambda n: n + 1)
    phone_number_id = PHONE_NUMBER_ID
    content = factory.LazyFunction(lambda: {"type": "text", "body": "Hello there"})
    not_before = factory.LazyFunction(now)
    expires_at = factory.LazyFunction(lambda: now() + timedelta(hours=1))
    created_at = factory.LazyFunction(now)


class SendAttemptFactory(DjangoModelFactory[SendAttempt]):
    class Meta:
        model = SendAttempt

    outbox = factory.SubFactory(OutboxFactory)
    n = 1
    started_at = factory.LazyFunction(now)


class SessionFactory(DjangoModelFactory[Session]):
    class Meta:
        model = Session

    id = factory.Sequence(lambda n: f"s{n:031x}")
    contact = factory.SubFactory(ContactFactory)
    phone_number_id = PHONE_NUMBER_ID
    flow_id = "test_ride"
    flow_hash = "f" * 64
    step_id = "pick"
    state = "waiting"
    data = factory.LazyAttribute(
        lambda s: {
            "state": s.state,
            "frames": [{"flow_id": s.flow_id, "step_id": s.step_id, "variables": {"bike": "scrambler"}}],
        }
    )
    started_at = factory.LazyFunction(now)
    updated_at = factory.LazyFunction(now)


class CallFactory(DjangoModelFactory[Call]):
    class Meta:
        model = Call

    id = factory.Sequence(lambda n: f"call{n}")
    session_id = "s1"
    contact_id = 1
    phone_number_id = PHONE_NUMBER_ID
    kind = "processor"
    name = "describe_bike"
    flow_id = "test_ride"
    request = factory.LazyFunction(lambda: {"args": {"bike": "scrambler"}})
    state = "done"
    seconds = 0.012
    created_at = factory.LazyFunction(now)
    done_at = factory.LazyFunction(now)


class TimerFactory(DjangoModelFactory[Timer]):
    class Meta:
        model = Timer

    session_id = factory.Sequence(lambda n: f"s{n}")
    key = "timeout"
    wait_no = 1
    contact_id = 1
    phone_number_id = PHONE_NUMBER_ID
    due_at = factory.LazyFunction(lambda: now() + timedelta(hours=2))


class HandoffFactory(DjangoModelFactory[Handoff]):
    class Meta:
        model = Handoff

    contact = factory.SubFactory(ContactFactory)
    phone_number_id = PHONE_NUMBER_ID
    team = "sales"
    note = "Test ride: Panigale"
    opened_at = factory.LazyFunction(now)


class InboxFactory(DjangoModelFactory[Inbox]):
    class Meta:
        model = Inbox

    dedup_key = factory.Sequence(lambda n: f"message:{n}")
    kind = "message"
    contact_id = 1
    phone_number_id = PHONE_NUMBER_ID
    seq = factory.Sequence(lambda n: n + 1)
    payload = factory.LazyFunction(lambda: {"type": "text", "text": "hi"})
    due_at = factory.LazyFunction(now)
    created_at = factory.LazyFunction(now)


class WebhookDeliveryFactory(DjangoModelFactory[WebhookDelivery]):
    class Meta:
        model = WebhookDelivery

    body_sha256 = factory.Sequence(lambda n: f"{n:064x}")
    body = b'{"object": "whatsapp_business_account", "entry": []}'
    received_at = factory.LazyFunction(now)
    state = "split"


class BreakerFactory(DjangoModelFactory[Breaker]):
    class Meta:
        model = Breaker

    scope = factory.Sequence(lambda n: f"number:{n}")
    state = "open"
    code = 190
    opened_at = factory.LazyFunction(now)


class FlowVersionFactory(DjangoModelFactory[FlowVersion]):
    class Meta:
        model = FlowVersion
        django_get_or_create = ("hash",)

    hash = "f" * 64
    flow_id = "test_ride"
    source = json.dumps(
        {"id": "test_ride", "steps": [{"id": "pick", "content": {"type": "text", "body": "Which?"}}]}
    )


class PublicationFactory(DjangoModelFactory[Publication]):
    class Meta:
        model = Publication
        django_get_or_create = ("flow_id", "number")

    flow_id = "test_ride"
    number = 3
    version = factory.SubFactory(FlowVersionFactory)


class FlowRecordFactory(DjangoModelFactory[FlowRecord]):
    class Meta:
        model = FlowRecord
        django_get_or_create = ("flow_id",)

    flow_id = "test_ride"
    name = "Book a test ride"
    live = factory.SubFactory(PublicationFactory)


class EventFactory(DjangoModelFactory[Event]):
    class Meta:
        model = Event

    at = factory.LazyFunction(now)
    name = "step_entered"
    phone_number_id = PHONE_NUMBER_ID
    flow_id = "test_ride"
    flow_hash = "f" * 64
    step_id = "pick"


class IncidentFactory(DjangoModelFactory[Incident]):
    class Meta:
        model = Incident

    kind = "breaker"
    scope = factory.Sequence(lambda n: f"number:{n}")
    severity = "error"
    reason = "Token expired or revoked"
    opened_at = factory.LazyFunction(now)


class DeadLetterFactory(DjangoModelFactory[DeadLetter]):
    class Meta:
        model = DeadLetter

    source = "inbox"
    source_id = factory.Sequence(str)
    cause = "KeyError: 'bike'"
    trace = "Traceback (most recent call last)"
    attempts = 3
    at = factory.LazyFunction(now)

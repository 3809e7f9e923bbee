"""The tables of the conversation way. They are the queues: every state is a word of one table of moves."""

from conversations.models.clock import SimulationClock
from conversations.models.contact import ConsentEntry, Contact, ContactIdentity
from conversations.models.conversation import Conversation, Message, Note
from conversations.models.inbound import Inbox, Lane, StatusEvent, WebhookDelivery, WebhookValue
from conversations.models.number import Breaker, Bucket, KillSwitch, Number
from conversations.models.outbound import Outbox, SendAttempt
from conversations.models.session import Call, Handoff, Session, SessionStep, Timer

__all__ = [
    "Breaker",
    "Bucket",
    "Call",
    "ConsentEntry",
    "Contact",
    "ContactIdentity",
    "Conversation",
    "Handoff",
    "Inbox",
    "KillSwitch",
    "Lane",
    "Message",
    "Note",
    "Number",
    "Outbox",
    "SendAttempt",
    "Session",
    "SessionStep",
    "SimulationClock",
    "StatusEvent",
    "Timer",
    "WebhookDelivery",
    "WebhookValue",
]

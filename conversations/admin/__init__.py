"""The back office: one module a noun, imported here so that Django finds their pages."""

from conversations.admin import breaker, contact, conversation, inbound, insight, number, outbox, session

__all__ = ["breaker", "contact", "conversation", "inbound", "insight", "number", "outbox", "session"]

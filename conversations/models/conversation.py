from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.contact import Contact

STATUS_RANK = {"accepted": 1, "sent": 2, "delivered": 3, "read": 4, "played": 5}


class Conversation(models.Model):
    """A contact with one of our numbers.

    Owner: bot → waiting (for a person) → person → bot; closed when it is done with, bot again on a new message.
    ``guard`` counts what runs in circles; ``pair_until`` paces messages to one person (Meta's pair limit).
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="conversations")
    phone_number_id = models.CharField(max_length=32)
    owner = models.CharField(_("owner"), max_length=16, default="bot")
    owner_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    team = models.CharField(_("team"), max_length=64, blank=True, default="")
    waiting_since = models.DateTimeField(null=True, blank=True)
    last_inbound_at = models.DateTimeField(_("last message in"), null=True, blank=True)
    last_message_at = models.DateTimeField(_("last message"), null=True, blank=True)
    last_text = models.CharField(max_length=200, blank=True, default="")
    unread_count = models.PositiveIntegerField(_("unread"), default=0)
    unmatched_replied_at = models.DateTimeField(null=True)
    failure_replied_at = models.DateTimeField(null=True)
    guard = models.JSONField(default=dict)
    pair_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        permissions = [("takeover_conversation", _("Take conversations over and hand them back"))]
        constraints = [
            models.UniqueConstraint(fields=["contact", "phone_number_id"], name="one_conversation")
        ]
        indexes = [models.Index(fields=["-last_message_at"], name="conversation_latest")]

    def __str__(self) -> str:
        return str(self.contact)


class Message(models.Model):
    """One bubble. For outbound ones ``status`` is Meta's word and only moves forward:

    accepted < sent < delivered < read < played; failed only from accepted or sent.
    """

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    phone_number_id = models.CharField(max_length=32)
    is_inbound = models.BooleanField()
    wamid = models.CharField(max_length=255, null=True)
    outbox_id = models.CharField(max_length=32, null=True, unique=True)
    ref = models.CharField(max_length=64, null=True)
    kind = models.CharField(max_length=24)
    text = models.TextField(blank=True, default="")
    content = models.JSONField(default=dict)
    context_wamid = models.CharField(max_length=255, null=True)
    session_id = models.CharField(max_length=32, null=True)
    flow_id = models.CharField(max_length=64, null=True)
    step_id = models.CharField(max_length=64, null=True)
    sender = models.CharField(max_length=150, blank=True, default="")
    status = models.CharField(max_length=16, blank=True, default="")
    status_at = models.DateTimeField(null=True)
    error_code = models.IntegerField(null=True)
    error = models.CharField(max_length=300, blank=True, default="")
    claimed_at = models.DateTimeField(null=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [models.UniqueConstraint(fields=["wamid", "phone_number_id"], name="message_once")]
        indexes = [
            models.Index(fields=["conversation", "id"], name="message_of_conversation"),
            models.Index(fields=["contact", "id"], name="message_of_contact"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.text[:40]}"


class Note(models.Model):
    """A private remark of staff in a conversation; never sent."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="notes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.text[:40]

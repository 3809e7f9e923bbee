"""What the simulated Meta remembers: its numbers, customers, messages (the ledger), media and webhooks to deliver.

Nothing here is shared with the product: it may live in another process, on another database.
"""

from typing import Any

from django.db import models
from django.utils import timezone

# For each status of a business's message: those it may follow.
ADVANCES: dict[str, tuple[str, ...]] = {
    "sent": ("accepted",),
    "delivered": ("accepted", "sent"),
    "read": ("accepted", "sent", "delivered"),
    "played": ("accepted", "sent", "delivered", "read"),
    "failed": ("accepted", "sent"),
}


class SimulatedApp(models.Model):
    """A Meta app: it owns the app secret that signs webhooks and the callback they go to.

    An empty secret, callback or verify token means the one of the settings.
    """

    app_id = models.CharField(max_length=32, unique=True)
    secret = models.CharField(max_length=255, blank=True)
    callback_url = models.CharField(max_length=500, blank=True)
    verify_token = models.CharField(max_length=255, blank=True)
    fields = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return self.app_id


class SimulatedNumber(models.Model):
    """A business's WhatsApp number. `behaviour` holds only what differs from `simulator.behaviour.Behaviour`."""

    phone_number_id = models.CharField(max_length=32, unique=True)
    display_phone_number = models.CharField(max_length=32)
    verified_name = models.CharField(max_length=120)
    waba_id = models.CharField(max_length=32, db_index=True)
    app = models.ForeignKey(SimulatedApp, on_delete=models.CASCADE, related_name="numbers")
    access_token = models.CharField(max_length=500, blank=True)
    callback_url = models.CharField(max_length=500, blank=True)
    behaviour = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"{self.verified_name} ({self.display_phone_number})"


class SimulatedCustomer(models.Model):
    """A person with WhatsApp. One who hides the phone is known to businesses by `user_id` (BSUID) alone."""

    wa_id = models.CharField(max_length=20, unique=True, null=True, blank=True)
    user_id = models.CharField(max_length=140, unique=True)
    name = models.CharField(max_length=120)
    username = models.CharField(max_length=60, blank=True)
    hides_phone = models.BooleanField(default=False)
    on_whatsapp = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} ({self.wa_id or self.user_id})"


class SimulatedChat(models.Model):
    """A customer with a number: when the customer last wrote (the service window) and the typing indicator."""

    number = models.ForeignKey(SimulatedNumber, on_delete=models.CASCADE, related_name="chats")
    customer = models.ForeignKey(SimulatedCustomer, on_delete=models.CASCADE, related_name="chats")
    last_inbound_at = models.DateTimeField(null=True, blank=True)
    typing_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["number", "customer"], name="simulated_chat_once")]

    def __str__(self) -> str:
        return f"{self.number} / {self.customer}"


class SimulatedMessage(models.Model):
    """The ledger: each message of either side, and each POST that was refused. It is written before the answer.

    From the business: accepted -> sent -> delivered -> read -> played, failed from accepted or sent; a refused
    POST is `refused` from the start. From the customer: sent -> delivered (the webhook got its 200) -> read.
    """

    class Direction(models.TextChoices):
        FROM_BUSINESS = "from_business"
        FROM_CUSTOMER = "from_customer"

    number = models.ForeignKey(SimulatedNumber, on_delete=models.CASCADE, related_name="messages")
    customer = models.ForeignKey(
        SimulatedCustomer, on_delete=models.CASCADE, related_name="messages", null=True
    )
    direction = models.CharField(max_length=16, choices=Direction.choices)
    wamid = models.CharField(max_length=255, unique=True, null=True)
    type = models.CharField(max_length=32)
    body = models.JSONField()
    token = models.CharField(max_length=512, blank=True, db_index=True)
    context_wamid = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=16)
    error = models.JSONField(null=True, blank=True)
    answer = models.CharField(max_length=32, blank=True)
    reactions = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["number", "customer", "changed_at"], name="simulated_message_changed"),
            models.Index(fields=["number", "at"], name="simulated_message_at"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.wamid or self.status}"

    def advance(self, status: str, error: Any = None) -> bool:
        """Move the status forward, never back; tell whether it moved."""
        earlier = SimulatedMessage.objects.filter(pk=self.pk, status__in=ADVANCES[status])
        return bool(earlier.update(status=status, error=error, changed_at=timezone.now()))


class SimulatedMedia(models.Model):
    """A file that either side uploaded; only the number it belongs to may use it."""

    number = models.ForeignKey(SimulatedNumber, on_delete=models.CASCADE, related_name="media")
    media_id = models.CharField(max_length=32, unique=True)
    mime_type = models.CharField(max_length=127)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    filename = models.CharField(max_length=255, blank=True)
    content = models.BinaryField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.media_id


class SimulatedFault(models.Model):
    """A fault that is armed: it strikes the next `remaining` matching POSTs (null: all of them)."""

    number = models.ForeignKey(SimulatedNumber, on_delete=models.CASCADE, related_name="faults")
    kind = models.CharField(max_length=16)
    code = models.PositiveIntegerField(null=True, blank=True)
    to = models.CharField(max_length=140, blank=True)
    message_type = models.CharField(max_length=32, blank=True)
    accepts = models.BooleanField(default=False)
    milliseconds = models.PositiveIntegerField(default=0)
    remaining = models.PositiveIntegerField(null=True, blank=True)
    struck = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.kind} {self.code or ''}".strip()


class SimulatedWebhook(models.Model):
    """An update to be POSTed: waiting -> delivered | given_up. A lease keeps it to one process at a time.

    `value` is a change of the field `field`; `raw_body`, when not empty, is sent as it stands instead.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        GIVEN_UP = "given_up"

    number = models.ForeignKey(SimulatedNumber, on_delete=models.CASCADE, related_name="webhooks")
    message = models.ForeignKey(
        SimulatedMessage, on_delete=models.CASCADE, related_name="webhooks", null=True
    )
    field = models.CharField(max_length=64, default="messages")
    value = models.JSONField(null=True)
    raw_body = models.TextField(blank=True)
    signature = models.CharField(max_length=8, default="good")
    status = models.CharField(max_length=16, blank=True)
    due_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    tries = models.PositiveIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    last_answer = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "due_at"], name="simulated_webhook_due")]

    def __str__(self) -> str:
        return f"{self.field} {self.status} {self.state}".strip()


class SimulatedClock(models.Model):
    """One row: how far the simulated Meta's clock is ahead of the real one."""

    ahead_seconds = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"+{self.ahead_seconds} s"

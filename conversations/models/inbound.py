from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class WebhookDelivery(models.Model):
    """The exact signed bytes of one POST. raw → split | quarantined."""

    body_sha256 = models.CharField(max_length=64, unique=True)
    body = models.BinaryField()
    is_simulated = models.BooleanField(default=False)
    n_seen = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField()
    state = models.CharField(max_length=16, default="raw")
    reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        indexes = [models.Index(fields=["id"], name="delivery_raw", condition=Q(state="raw"))]

    def __str__(self) -> str:
        return f"{self.body_sha256[:12]} {self.state}"


class Inbox(models.Model):
    """An input of a lane, once for ever by ``dedup_key``. new → done | dead.

    Kinds: message, timer, call (a result), hand_back, start (by staff, API or campaign), move.
    """

    dedup_key = models.CharField(max_length=300, unique=True)
    kind = models.CharField(max_length=16)
    contact_id = models.BigIntegerField()
    phone_number_id = models.CharField(max_length=32)
    seq = models.BigIntegerField()
    payload = models.JSONField()
    correlation = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=8, default="new")
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("input")
        verbose_name_plural = _("inbox")
        constraints = [models.UniqueConstraint(fields=["contact_id", "seq"], name="inbox_in_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.contact_id}/{self.seq} {self.state}"


class Lane(models.Model):
    """The one row that serializes everything of a contact; ``epoch`` is the fencing token.

    ``pending`` counts the inputs that wait; no input below ``low_seq`` does. While a call runs ``is_calling`` is
    set and only its result makes the lane runnable.
    """

    contact_id = models.BigIntegerField(primary_key=True)
    next_seq = models.BigIntegerField(default=1)
    low_seq = models.BigIntegerField(default=1)
    out_seq = models.BigIntegerField(default=1)
    pending = models.IntegerField(default=0)
    epoch = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField()
    runnable_at = models.DateTimeField()
    is_calling = models.BooleanField(default=False)
    turn_attempts = models.PositiveSmallIntegerField(default=0)
    merged_into = models.BigIntegerField(null=True)

    class Meta:
        verbose_name = _("lane")
        verbose_name_plural = _("lanes")
        indexes = [models.Index(fields=["runnable_at"], name="lane_pending", condition=Q(pending__gt=0))]

    def __str__(self) -> str:
        return f"lane {self.contact_id}"


class WebhookValue(models.Model):
    """A value of Meta's that is neither message nor status, kept once for ever by ``dedup_key``."""

    dedup_key = models.CharField(max_length=300, unique=True)
    field = models.CharField(max_length=64)
    kind = models.CharField(max_length=32)
    phone_number_id = models.CharField(max_length=32, null=True)
    value = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("webhook value")
        verbose_name_plural = _("webhook values")

    def __str__(self) -> str:
        return f"{self.field} {self.kind}"


class StatusEvent(models.Model):
    """A status of Meta's, kept once; ``applied_at`` is empty while no message of ours is known for it."""

    phone_number_id = models.CharField(max_length=32)
    wamid = models.CharField(max_length=255)
    status = models.CharField(max_length=16)
    participant = models.CharField(max_length=140, default="", blank=True)
    at = models.DateTimeField(null=True)
    token = models.CharField(max_length=512, null=True)
    error_code = models.IntegerField(null=True)
    error = models.CharField(max_length=300, default="", blank=True)
    pricing = models.JSONField(null=True)
    created_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("status")
        verbose_name_plural = _("statuses")
        constraints = [
            models.UniqueConstraint(
                fields=["phone_number_id", "wamid", "status", "participant"], name="status_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["phone_number_id", "wamid"],
                name="status_orphan",
                condition=Q(applied_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.wamid[-12:]}"

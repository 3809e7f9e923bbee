from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversations.models.contact import Contact

OPEN_STATES = ("queued", "leased", "sending", "ambiguous")

# From each state, where a row may go. Final: accepted, refused, expired, cancelled.
OUTBOX_MOVES: dict[str, frozenset[str]] = {
    "queued": frozenset({"leased", "sending", "expired", "cancelled"}),
    "leased": frozenset({"sending", "queued", "expired", "cancelled"}),
    "sending": frozenset({"accepted", "refused", "ambiguous", "queued"}),
    "ambiguous": frozenset({"accepted", "refused", "parked", "queued"}),
    "parked": frozenset({"queued", "cancelled", "accepted"}),
}


class Outbox(models.Model):
    """Our handover to Meta, one row a message, in the contact's order by ``seq``.

    queued → leased → sending → accepted | refused | ambiguous; sending → queued only when no byte was written or
    Meta said "too fast"; ambiguous → accepted | refused | parked | queued (evidence only); queued, leased →
    expired | cancelled; parked → queued (operator) | cancelled (operator) | accepted (late proof).
    """

    id = models.CharField(max_length=32, primary_key=True)
    dedup_key = models.CharField(max_length=120, unique=True)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    seq = models.BigIntegerField()
    phone_number_id = models.CharField(max_length=32)
    session_id = models.CharField(max_length=32, null=True)
    ref = models.CharField(max_length=64, null=True)
    content = models.JSONField()
    context_wamid = models.CharField(max_length=255, null=True)
    kind = models.CharField(max_length=16, default="reply")
    by = models.CharField(max_length=150, blank=True, default="")
    priority = models.PositiveSmallIntegerField(default=0)
    policy = models.CharField(max_length=8, default="park")
    state = models.CharField(max_length=16, default="queued")
    reason = models.CharField(max_length=200, blank=True, default="")
    attempt = models.PositiveSmallIntegerField(default=0)
    wamid = models.CharField(max_length=255, null=True)
    error_code = models.IntegerField(null=True)
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    correlation = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        verbose_name = _("outgoing message")
        verbose_name_plural = _("outbox")
        constraints = [models.UniqueConstraint(fields=["contact", "seq"], name="outbox_in_order")]
        indexes = [
            models.Index(fields=["contact", "seq"], name="outbox_open", condition=Q(state__in=OPEN_STATES)),
            models.Index(
                fields=["phone_number_id", "priority", "id"],
                name="outbox_queued",
                condition=Q(state__in=["queued", "leased"]),
            ),
            models.Index(fields=["wamid"], name="outbox_wamid", condition=Q(wamid__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"


class SendAttempt(models.Model):
    """One POST to Meta, or the decision to make it: append-only evidence."""

    outbox = models.ForeignKey(Outbox, on_delete=models.CASCADE, related_name="attempts")
    n = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    wrote_bytes = models.BooleanField(null=True)
    http = models.IntegerField(null=True)
    graph_code = models.IntegerField(null=True)
    fbtrace = models.CharField(max_length=100, blank=True, default="")
    wamid = models.CharField(max_length=255, null=True)
    outcome = models.CharField(max_length=16, default="started")
    message = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("send attempt")
        verbose_name_plural = _("send attempts")
        constraints = [models.UniqueConstraint(fields=["outbox", "n"], name="attempt_once")]

    def __str__(self) -> str:
        return f"{self.outbox_id}/{self.n} {self.outcome}"

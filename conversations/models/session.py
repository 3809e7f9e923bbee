from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversations.models.contact import Contact


class Session(models.Model):
    """One walk of a contact through a flow on one number; ``data`` is the Temp Registry, erased after its time.

    States: running, waiting, calling, paused, with_person, ended.
    """

    id = models.CharField(max_length=32, primary_key=True)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="sessions")
    phone_number_id = models.CharField(max_length=32)
    flow_id = models.CharField(max_length=64)
    flow_hash = models.CharField(max_length=64)
    step_id = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=16)
    outcome = models.CharField(max_length=16, blank=True, default="")
    data = models.JSONField(default=dict)
    campaign_row = models.JSONField(null=True)
    steps_count = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "phone_number_id"], condition=~Q(state="ended"), name="one_live_session"
            )
        ]
        indexes = [models.Index(fields=["contact", "flow_id", "started_at"], name="session_reentry")]

    def __str__(self) -> str:
        return f"{self.flow_id} {self.state}"


class SessionStep(models.Model):
    """The journal: the inputs of a session in order, with the moment and seed drawn for each."""

    session_id = models.CharField(max_length=32)
    step_no = models.PositiveIntegerField()
    kind = models.CharField(max_length=16)
    input = models.JSONField()
    now = models.DateTimeField()
    seed = models.BigIntegerField(default=0)
    epoch = models.BigIntegerField(default=0)
    inbox_id = models.BigIntegerField(null=True)

    class Meta:
        verbose_name = _("journal entry")
        verbose_name_plural = _("journal")
        constraints = [models.UniqueConstraint(fields=["session_id", "step_no"], name="journal_in_order")]

    def __str__(self) -> str:
        return f"{self.session_id}/{self.step_no} {self.kind}"


class Call(models.Model):
    """A processor or API call that a segment ended with. queued → started → done | unknown.

    ``id`` is the engine's call id and, as ``wf-<id>``, the idempotency key.
    """

    id = models.CharField(max_length=64, primary_key=True)
    session_id = models.CharField(max_length=32, db_index=True)
    contact_id = models.BigIntegerField()
    phone_number_id = models.CharField(max_length=32)
    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=100)
    flow_id = models.CharField(max_length=64)
    request = models.JSONField()
    timeout_seconds = models.FloatField(null=True)
    is_idempotent = models.BooleanField(default=False)
    state = models.CharField(max_length=8, default="queued")
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    code_hash = models.CharField(max_length=64, blank=True, default="")
    seconds = models.FloatField(null=True)
    trace = models.TextField(blank=True, default="")
    correlation = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        indexes = [
            models.Index(
                fields=["created_at"], name="call_open", condition=Q(state__in=["queued", "started"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.state}"


class Timer(models.Model):
    """A moment a session waits for. open → fired | gone. ``wait_no`` tells an old one from a current one."""

    session_id = models.CharField(max_length=32)
    key = models.CharField(max_length=32)
    wait_no = models.PositiveIntegerField()
    contact_id = models.BigIntegerField()
    phone_number_id = models.CharField(max_length=32)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=8, default="open")

    class Meta:
        verbose_name = _("timer")
        verbose_name_plural = _("timers")
        constraints = [models.UniqueConstraint(fields=["session_id", "key"], name="one_timer_per_key")]
        indexes = [models.Index(fields=["due_at"], name="timer_open", condition=Q(state="open"))]

    def __str__(self) -> str:
        return f"{self.key} of {self.session_id}"


class Handoff(models.Model):
    """A conversation given to people: open → taken → returned | closed."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="handoffs")
    phone_number_id = models.CharField(max_length=32)
    session_id = models.CharField(max_length=32, blank=True, default="")
    team = models.CharField(max_length=64, blank=True, default="")
    note = models.TextField(blank=True, default="")
    state = models.CharField(max_length=16, default="open")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("handoff")
        verbose_name_plural = _("handoffs")

    def __str__(self) -> str:
        return f"{self.team or 'any team'} {self.state}"

from django.db import models
from django.utils.translation import gettext_lazy as _


class Number(models.Model):
    """One of our WhatsApp numbers. ``token`` is kept encrypted and shown to nobody."""

    phone_number_id = models.CharField(_("phone number id"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=100)
    display_phone_number = models.CharField(_("phone number"), max_length=32, blank=True, default="")
    waba_id = models.CharField(_("business account id"), max_length=32, blank=True, default="")
    portfolio = models.CharField(
        _("portfolio"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Numbers of one Meta business portfolio share their contacts' ids."),
    )
    token = models.TextField(blank=True, default="", editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    is_simulated = models.BooleanField(_("simulated"), default=False, editable=False)
    is_from_environment = models.BooleanField(default=False, editable=False)
    default_language = models.CharField(_("default language"), max_length=16, default="en")
    default_timezone = models.CharField(_("default time zone"), max_length=64, default="UTC")
    default_region = models.CharField(_("default country"), max_length=2, default="IN")
    unmatched_reply = models.JSONField(
        _("unmatched reply"),
        default=dict,
        blank=True,
        help_text=_("Text by language, sent at most once an hour when no flow takes a message."),
    )
    failure_reply = models.JSONField(_("failure reply"), default=dict, blank=True)
    rate = models.FloatField(_("messages per second"), default=60)
    evidence_statuses = models.PositiveIntegerField(default=0, editable=False)
    has_evidence = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("number")
        verbose_name_plural = _("numbers")

    def __str__(self) -> str:
        return self.name or self.phone_number_id

    @property
    def identity_scope(self) -> str:
        return self.portfolio or self.waba_id or "default"


class Bucket(models.Model):
    """A token bucket: one row write takes a whole batch's tokens."""

    key = models.CharField(max_length=64, primary_key=True)
    tokens = models.FloatField()
    rate = models.FloatField()
    cap = models.FloatField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.key} {self.rate:g}/s"


class Breaker(models.Model):
    """Stops sending in a scope (``account:<id>``, ``number:<id>``, ``marketing:<id>``) until a probe succeeds.

    States: closed → open → half_open (one probe) → closed | open.
    """

    scope = models.CharField(max_length=100, primary_key=True)
    state = models.CharField(max_length=16, default="closed")
    reason = models.TextField(default="", blank=True)
    code = models.IntegerField(null=True)
    opened_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("breaker")
        verbose_name_plural = _("breakers")

    def __str__(self) -> str:
        return f"{self.scope} {self.state}"


class KillSwitch(models.Model):
    """Stops all outbound at once; read in the transaction that releases a message to the wire."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    is_on = models.BooleanField(default=False)
    reason = models.TextField(default="", blank=True)
    by = models.CharField(max_length=150, default="", blank=True)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("kill switch")
        verbose_name_plural = _("kill switch")

    def __str__(self) -> str:
        return "on" if self.is_on else "off"

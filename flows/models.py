"""The tables of flows: versions by hash, their publications, the files seen, and who holds which lease."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from flows.apis.log import ApiCall, ApiHealth
from flows.apis.tokens import OAuthToken
from flows.facts import DeadLetter, Event, Incident
from flows.secrets import Secret

__all__ = [
    "ApiCall",
    "ApiHealth",
    "DeadLetter",
    "Event",
    "FlowFile",
    "FlowRecord",
    "FlowVersion",
    "Incident",
    "Lease",
    "OAuthToken",
    "ProcessView",
    "Publication",
    "RegistryGeneration",
    "Secret",
]


class Lease(models.Model):
    """One holder at a time does a job; the lease lives by the bare database clock."""

    name = models.CharField(max_length=64, primary_key=True)
    holder = models.CharField(max_length=100)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


class FlowVersion(models.Model):
    """The content of a flow file, by its hash: immutable, kept for ever."""

    hash = models.CharField(max_length=64, primary_key=True)
    flow_id = models.CharField(max_length=64, db_index=True)
    source = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("flow version")
        verbose_name_plural = _("flow versions")

    def __str__(self) -> str:
        return f"{self.flow_id} {self.hash[:8]}"


class Publication(models.Model):
    """A version made live, numbered; two publications may carry one hash."""

    flow_id = models.CharField(max_length=64)
    number = models.PositiveIntegerField()
    version = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="publications")
    source = models.CharField(max_length=16, default="file")
    note = models.TextField(default="", blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("publication")
        verbose_name_plural = _("publications")
        constraints = [models.UniqueConstraint(fields=["flow_id", "number"], name="publication_number")]

    def __str__(self) -> str:
        return f"{self.flow_id} v{self.number}"


class FlowRecord(models.Model):
    """What the registry knows of a flow id.

    States: active → retired (its file disappeared) → active (the file came back). ``broken`` says of an active
    flow that its newest file has faults: the live publication stays.
    """

    flow_id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=16, default="active")
    live = models.ForeignKey(Publication, null=True, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("flow")
        verbose_name_plural = _("flows")

    def __str__(self) -> str:
        return self.name


class FlowFile(models.Model):
    """A file seen in the Flow Dataset: what it held, and its faults with their places."""

    path = models.CharField(max_length=300, primary_key=True)
    sha256 = models.CharField(max_length=64)
    flow_id = models.CharField(max_length=64, default="", blank=True)
    version = models.ForeignKey(FlowVersion, null=True, on_delete=models.PROTECT, related_name="+")
    is_broken = models.BooleanField(default=False)
    faults = models.JSONField(default=list)
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("flow file")
        verbose_name_plural = _("flow files")

    def __str__(self) -> str:
        return self.path


class RegistryGeneration(models.Model):
    """One row; every process swaps its snapshot when ``number`` rises."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)
    at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.number)


class ProcessView(models.Model):
    """A process of ours as it last reported itself: which registry generation it works with."""

    name = models.CharField(max_length=100, primary_key=True)
    role = models.CharField(max_length=32)
    generation = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name = _("process")
        verbose_name_plural = _("processes")

    def __str__(self) -> str:
        return self.name

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.masking import mask_phone


class Contact(models.Model):
    """One person, known by a set of ids; over all our numbers."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    phone = models.CharField(_("phone"), max_length=20, blank=True, default="", db_index=True)
    bsuid = models.CharField(_("user id"), max_length=140, blank=True, default="", db_index=True)
    language = models.CharField(_("language"), max_length=16, blank=True, default="")
    timezone = models.CharField(_("time zone"), max_length=64, blank=True, default="")
    fields = models.JSONField(_("fields"), default=dict, blank=True)
    groups = models.JSONField(_("groups"), default=list, blank=True)
    is_opted_out = models.BooleanField(_("opted out"), default=False)
    has_marketing_consent = models.BooleanField(_("marketing consent"), default=False)
    is_blocked = models.BooleanField(_("blocked"), default=False)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    last_inbound_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        permissions = [("view_pii", _("See phone numbers in full"))]

    def __str__(self) -> str:
        # Shown in titles and kept in the admin's log, also to those who may not see numbers in full.
        return self.name or mask_phone(self.phone or self.bsuid)


class ContactIdentity(models.Model):
    """An id that belongs to a contact: ``kind`` is phone or bsuid; phones are the same for every portfolio."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identities")
    portfolio = models.CharField(max_length=64, default="")
    kind = models.CharField(max_length=16)
    value = models.CharField(max_length=140)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "kind", "value"], name="one_contact_per_identity")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of contact {self.contact_id}"


class ConsentEntry(models.Model):
    """The consent ledger: who said what, when, by which way. Rows are only added."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="consents")
    scope = models.CharField(max_length=16, default="all")
    is_granted = models.BooleanField()
    source = models.CharField(max_length=32)
    detail = models.CharField(max_length=300, default="", blank=True)
    by = models.CharField(max_length=150, default="", blank=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consent ledger")

    def __str__(self) -> str:
        word = _("opted in") if self.is_granted else _("opted out")
        return f"{word} ({self.source})"

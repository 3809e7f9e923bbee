"""Facts and incidents: what happened, and what is not as it should be."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from conversations.admin import badges
from conversations.admin.base import MachineAdmin, MaskingMixin, pretty, time_column
from conversations.admin.choices import open_filter
from conversations.admin.moves import Move, MoveRefused
from flows import database, facts
from flows.models import Event, Incident


@admin.register(Event)
class EventAdmin(MaskingMixin, MachineAdmin):
    list_display = [
        time_column("at", _("at")),
        "name",
        "flow_id",
        "step_id",
        "session_id",
        "contact_id",
        "correlation",
    ]
    list_display_links = ["at", "name"]
    ordering = ["-id"]
    search_fields = ["=name", "=session_id", "=contact_id", "=correlation", "=flow_id"]
    search_help_text = _("A whole name, or the id of a session, contact, flow or message")
    date_hierarchy = None
    pii_twins = {"data_shown": "data_masked"}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("name", "at"),
                    ("flow_id", "step_id"),
                    "flow_hash",
                    ("session_id", "contact_id", "phone_number_id"),
                    "correlation",
                    "data_shown",
                ]
            },
        )
    ]
    readonly_fields = [
        "name",
        "at",
        "flow_id",
        "step_id",
        "flow_hash",
        "session_id",
        "contact_id",
        "phone_number_id",
        "correlation",
        "data_shown",
        "data_masked",
    ]
    empty_sentence = _("Nothing has happened yet.")
    empty_todo = _("Start the demo flow in the Simulator: each step writes a fact.")

    @admin.display(description=_("data"))
    def data_shown(self, event: Event) -> SafeString:
        return pretty(event.data)

    @admin.display(description=_("data"))
    def data_masked(self, event: Event) -> SafeString:
        return pretty(event.data, masked=True)


def _close(request: HttpRequest, incident: Incident) -> Any:
    with database.write() as cursor:
        if not facts.close_incident(cursor, incident.kind, scope=incident.scope):
            raise MoveRefused(_("It is closed already."))
    return _("Closed. If the cause is still there, it opens anew.")


@admin.register(Incident)
class IncidentAdmin(MaskingMixin, MachineAdmin):
    list_display = [
        "kind",
        "severity_badge",
        "reason",
        "scope",
        "count",
        "standing",
        time_column("opened_at", _("opened")),
        time_column("closed_at", _("closed")),
    ]
    list_filter = [open_filter("closed_at", _("standing"), "closed"), "severity", "kind"]
    pii_twins = {"data_shown": "data_masked"}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("kind", "scope"),
                    ("severity_badge", "standing"),
                    "reason",
                    "count",
                    ("opened_at", "closed_at"),
                    "data_shown",
                ]
            },
        )
    ]
    readonly_fields = [
        "kind",
        "scope",
        "severity_badge",
        "standing",
        "reason",
        "count",
        "opened_at",
        "closed_at",
        "data_shown",
        "data_masked",
    ]
    empty_sentence = _("No incidents: all is well.")
    moves = (
        Move(
            name="close",
            label=_("Close"),
            icon="check_circle",
            permission="flows.change_incident",
            perform=_close,
            applies=lambda incident: incident.closed_at is None,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        rows: QuerySet[Incident] = super().get_queryset(request)
        return rows.order_by(F("closed_at").desc(nulls_first=True), "-opened_at")

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [F("closed_at").desc(nulls_first=True), "-opened_at"]

    @admin.display(description=_("severity"), ordering="severity")
    def severity_badge(self, incident: Incident) -> SafeString:
        return badges.state(badges.SEVERITY, incident.severity)

    @admin.display(description=_("standing"))
    def standing(self, incident: Incident) -> SafeString:
        if incident.closed_at:
            return badges.badge(badges.Look("good", "check", _("Closed")))
        return badges.badge(badges.Look("danger", "notification_important", _("Open")))

    @admin.display(description=_("data"))
    def data_shown(self, incident: Incident) -> SafeString:
        return pretty(incident.data)

    @admin.display(description=_("data"))
    def data_masked(self, incident: Incident) -> SafeString:
        return pretty(incident.data, masked=True)

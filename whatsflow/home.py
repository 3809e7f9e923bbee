"""The admin's first page: what runs now, and the steps that a new installation still has before it."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from conversations.models import Conversation, KillSwitch, Number, Outbox, Session, WebhookDelivery
from flows.models import DeadLetter, Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    title: str | Promise
    todo: str | Promise
    is_done: bool
    link: str
    link_title: str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """``tone`` is the look of a count that is not zero; zero is always calm."""

    title: str | Promise
    count: int
    link: str
    icon: str
    tone: str = ""


def context(request: HttpRequest) -> dict[str, Any]:
    steps = checklist()
    return {
        "steps": steps,
        "steps_done": sum(step.is_done for step in steps),
        "tiles": tiles(request),
        "outbound_is_stopped": not settings.WHATSFLOW_OUTBOUND
        or KillSwitch.objects.filter(is_on=True).exists(),
    }


def checklist() -> list[Step]:
    """Compute the first steps from what the database holds: nothing is ticked by hand."""
    numbers = reverse("admin:conversations_number_changelist")
    return [
        Step(
            title=_("The demo flow ran"),
            todo=_("Open the Simulator and say hi to start the demo flow."),
            is_done=Session.objects.exists(),
            link=reverse("admin:conversations_session_changelist"),
            link_title=_("Sessions"),
        ),
        Step(
            title=_("A number is connected"),
            todo=_("Add your WhatsApp number and its token, or set the WHATSAPP_* variables."),
            is_done=_has_connected_number(),
            link=numbers,
            link_title=_("Numbers"),
        ),
        Step(
            title=_("The webhook is verified"),
            todo=_("Point Meta at /webhooks/whatsapp; the first signed delivery ticks this."),
            is_done=WebhookDelivery.objects.filter(is_simulated=False).exists(),
            link=reverse("admin:conversations_webhookdelivery_changelist"),
            link_title=_("Deliveries"),
        ),
        Step(
            title=_("The team is invited"),
            todo=_("Add a second staff user and put it into a group."),
            is_done=get_user_model().objects.filter(is_staff=True, is_active=True)[1:2].exists(),
            link=reverse("admin:auth_user_changelist"),
            link_title=_("Users"),
        ),
    ]


def _has_connected_number() -> bool:
    real = Number.objects.filter(is_simulated=False, is_active=True)
    if settings.WHATSAPP_TOKEN and real.filter(is_from_environment=True).exists():
        return True
    return real.exclude(token="").exists()


def tiles(request: HttpRequest) -> list[Tile]:
    """Counts for those who may see the rows behind them; each is a link to exactly these rows."""
    user: Any = request.user
    rows = [
        ("conversations.view_conversation", _waiting),
        ("conversations.view_conversation", _with_people),
        ("conversations.view_outbox", _parked),
        ("flows.view_deadletter", _quarantined),
        ("flows.view_incident", _incidents),
    ]
    return [tile() for permission, tile in rows if user.has_perm(permission)]


def _waiting() -> Tile:
    return Tile(
        title=_("Waiting for a person"),
        count=Conversation.objects.filter(owner="waiting").count(),
        link=reverse("admin:conversations_conversation_changelist") + "?owner=waiting",
        icon="hourglass_top",
        tone="warning",
    )


def _with_people() -> Tile:
    return Tile(
        title=_("With a person"),
        count=Conversation.objects.filter(owner="person").count(),
        link=reverse("admin:conversations_conversation_changelist") + "?owner=person",
        icon="support_agent",
    )


def _parked() -> Tile:
    return Tile(
        title=_("Messages to decide on"),
        count=Outbox.objects.filter(state="parked").count(),
        link=reverse("admin:conversations_outbox_changelist") + "?state=parked",
        icon="help",
        tone="warning",
    )


def _quarantined() -> Tile:
    return Tile(
        title=_("In quarantine"),
        count=DeadLetter.objects.filter(resolved_at__isnull=True).count(),
        link=reverse("admin:flows_deadletter_changelist") + "?resolved=open",
        icon="coronavirus",
        tone="danger",
    )


def _incidents() -> Tile:
    return Tile(
        title=_("Open incidents"),
        count=Incident.objects.filter(closed_at__isnull=True).count(),
        link=reverse("admin:flows_incident_changelist") + "?closed=open",
        icon="warning",
        tone="danger",
    )

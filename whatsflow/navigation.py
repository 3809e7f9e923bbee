"""The admin's sidebar, by job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from conversations.models import Conversation
from flows.models import DeadLetter, Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``permissions``: any one of them opens the page. ``count`` is drawn behind the title while it is not zero."""

    title: str | Promise
    icon: str
    url_name: str
    permissions: tuple[str, ...]
    count: Callable[[], int] | None = None
    variant: str = "warning"


def _list(
    title: str | Promise,
    icon: str,
    model: str,
    count: Callable[[], int] | None = None,
    variant: str = "warning",
) -> Page:
    """The list of ``model`` (``app.model``), for those who may view or change its rows."""
    app, _dot, name = model.partition(".")
    return Page(
        title=title,
        icon=icon,
        url_name=f"admin:{app}_{name}_changelist",
        permissions=(f"{app}.view_{name}", f"{app}.change_{name}"),
        count=count,
        variant=variant,
    )


def _waiting() -> int:
    return Conversation.objects.filter(owner="waiting").count()


def _incidents() -> int:
    return Incident.objects.filter(closed_at__isnull=True).count()


def _quarantined() -> int:
    return DeadLetter.objects.filter(resolved_at__isnull=True).count()


# A page whose URL does not exist in this installation is passed over, and a job without pages is not shown.
JOBS: tuple[tuple[str | Promise, tuple[Page, ...]], ...] = (
    (
        _("Inbox"),
        (
            _list(_("Conversations"), "forum", "conversations.conversation", _waiting),
            _list(_("Handoffs"), "support_agent", "conversations.handoff"),
        ),
    ),
    (
        _("Contacts"),
        (
            _list(_("Contacts"), "group", "conversations.contact"),
            _list(_("Consent ledger"), "verified_user", "conversations.consententry"),
        ),
    ),
    (_("Campaigns"), (_list(_("Campaigns"), "campaign", "campaigns.campaign"),)),
    (
        _("Flows"),
        (
            _list(_("Flows"), "account_tree", "flows.flowrecord"),
            _list(_("Flow files"), "draft", "flows.flowfile"),
            Page(
                title=_("Registry"),
                icon="lan",
                url_name="admin:flows_registry",
                permissions=("flows.view_flowrecord",),
            ),
            _list(_("Sessions"), "directions_walk", "conversations.session"),
            _list(_("Calls"), "bolt", "conversations.call"),
            _list(_("Timers"), "alarm", "conversations.timer"),
            _list(_("API calls"), "api", "flows.apicall"),
            _list(_("APIs' health"), "monitor_heart", "flows.apihealth"),
            Page(title=_("Simulator"), icon="smartphone", url_name="simulator:phone", permissions=()),
        ),
    ),
    (
        _("Insights"),
        (
            _list(_("Facts"), "history_edu", "flows.event"),
            _list(_("Incidents"), "warning", "flows.incident", _incidents, "danger"),
        ),
    ),
    (
        _("System"),
        (
            _list(_("Numbers"), "call", "conversations.number"),
            _list(_("Stop all outbound"), "front_hand", "conversations.killswitch"),
            _list(_("Outbox"), "outbox", "conversations.outbox"),
            _list(_("Inputs"), "inbox", "conversations.inbox"),
            _list(_("Webhook deliveries"), "webhook", "conversations.webhookdelivery"),
            _list(_("Quarantine"), "coronavirus", "flows.deadletter", _quarantined, "danger"),
            _list(_("Breakers"), "power", "conversations.breaker"),
            _list(_("Secrets"), "key", "flows.secret"),
            _list(_("API connections"), "link", "flows.oauthtoken"),
            Page(
                title=_("API"), icon="api", url_name="api:docs", permissions=("conversations.view_message",)
            ),
            _list(_("Users"), "person", "auth.user"),
            _list(_("Groups"), "groups", "auth.group"),
            _list(_("Failed logins"), "lock", "axes.accessattempt"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Give each job with the pages that exist here and that the user may open."""
    groups = [
        {
            "title": title,
            "separator": False,
            "items": [item for page in pages if (item := _item(page, request))],
        }
        for title, pages in JOBS
    ]
    return [group for group in groups if group["items"]]


def account(_request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {"title": _("Change password"), "link": reverse("admin:password_change")},
        {"title": _("Two-step login"), "link": reverse("admin:two_factor")},
    ]


def _item(page: Page, request: HttpRequest) -> dict[str, Any] | None:
    user: Any = request.user
    if page.permissions and not any(user.has_perm(p) for p in page.permissions):
        return None
    try:
        link = reverse(page.url_name)
    except NoReverseMatch:
        return None
    item = {"title": page.title, "icon": page.icon, "link": link, "active": request.path.startswith(link)}
    if page.count and (number := page.count()):
        item |= {"badge": str(number), "badge_variant": page.variant}
    return item

"""The seven groups: what each may do, as far as it exists. Later tables add their rights in their own migration.

A right is ``app.verb_model`` or ``app.codename``; ``app.*`` is all of an app.
"""

from collections.abc import Iterable

_reading = (
    "conversations.view_contact",
    "conversations.view_consententry",
    "conversations.view_conversation",
    "conversations.view_handoff",
    "conversations.view_message",
    "conversations.view_session",
    "flows.view_flowrecord",
    "flows.view_flowversion",
    "flows.view_publication",
)
_insight = (
    "flows.view_event",
    "flows.view_incident",
    "conversations.view_outbox",
    "conversations.view_sendattempt",
    "conversations.view_statusevent",
)
_agent = (
    "conversations.takeover_conversation",
    "conversations.view_pii",
    "conversations.change_contact",
    "conversations.add_contact",
    "conversations.add_message",
    "conversations.view_note",
    "conversations.add_note",
)
_developer = (
    "flows.view_flowfile",
    "flows.view_processview",
    "flows.view_secret",
    "flows.view_oauthtoken",
    "flows.change_oauthtoken",
    "flows.view_apicall",
    "flows.view_apihealth",
    "flows.change_apihealth",
    "flows.view_deadletter",
    "flows.change_deadletter",
    "flows.change_incident",
    "conversations.view_number",
    "conversations.view_killswitch",
    "conversations.view_inbox",
    "conversations.view_webhookdelivery",
    "conversations.view_call",
    "conversations.view_timer",
    "conversations.view_breaker",
    "conversations.view_lane",
    "conversations.view_sessionstep",
    "conversations.change_outbox",
    "conversations.change_session",
    "conversations.change_breaker",
    "conversations.add_session",
)
_admin = (
    "flows.*",
    "conversations.*",
    "auth.*",
    "axes.view_accessattempt",
    "axes.delete_accessattempt",
    "otp_totp.view_totpdevice",
    "otp_totp.delete_totpdevice",
)

GROUPS: dict[str, tuple[str, ...]] = {
    "Viewer": _reading,
    "Analyst": (*_reading, *_insight),
    "Agent": (*_reading, *_agent),
    "Campaigner": (*_reading, *_insight),
    "Approver": (*_reading, *_insight),
    "Developer": (*_reading, *_insight, *_developer),
    "Admin": (*_reading, *_insight, *_agent, *_developer, *_admin),
}


def rights_of(group: str, known: Iterable[str]) -> set[str]:
    """Of the ``known`` rights (``app.codename``), those that ``group`` has."""
    wanted = GROUPS[group]
    apps = {right.removesuffix(".*") for right in wanted if right.endswith(".*")}
    return {right for right in known if right in wanted or right.partition(".")[0] in apps}

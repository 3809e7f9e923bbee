"""The trace beside the simulator's phone: what each fact changed in the variables of its session."""

from collections.abc import Iterable, Sequence
from typing import Any

from conversations.models import Call, ContactIdentity, Number
from conversations.queries import version_of, versions
from flows.models import Event

LIMIT = 200


def contact_of(*, phone: str = "", user_id: str = "") -> int | None:
    """Find a contact by the digits of a phone, or by a business-scoped user id."""
    digits = "".join(filter(str.isdigit, phone))
    values = [digits, "+" + digits] if digits else [user_id]
    found = ContactIdentity.objects.filter(value__in=values).order_by("id")
    return found.values_list("contact_id", flat=True).first()


def simulated_events(contact_id: int, *, after: int = 0) -> list[dict[str, Any]]:
    """The newest facts of a contact on simulated numbers, oldest first; ``after`` is the last id that is known."""
    numbers = Number.objects.filter(is_simulated=True).values("phone_number_id")
    rows = Event.objects.filter(contact_id=contact_id, phone_number_id__in=numbers, id__gt=after)
    events = list(rows.order_by("-id")[:LIMIT])[::-1]
    if not events:
        return []
    before = _before(events)
    numbers_of = versions([version_of(e) for e in events])
    took = _seconds(events)
    return [_line(event, before, numbers_of.get(version_of(event)), took) for event in events]


def _line(
    event: Event, variables: dict[str, dict[str, Any]], version: int | None, took: dict[str, float]
) -> dict[str, Any]:
    session = event.session_id or ""
    before = variables.get(session, {})
    variables[session] = after = before | _changed(event)
    detail = {
        key: value for key, value in event.data.items() if key not in {"variables", "flow", "step", "hash"}
    }
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "name": event.name,
        "flow": event.flow_id,
        "version": version or (version_of(event)[1] or "")[:8] or None,
        "step": event.step_id,
        "variables_before": before,
        "variables_after": after,
        "seconds": took.get(str(event.data.get("id"))),
        "detail": detail,
    }


def _changed(event: Event) -> dict[str, Any]:
    changed = event.data.get("variables")
    return changed if isinstance(changed, dict) else {}


def _before(events: Sequence[Event]) -> dict[str, dict[str, Any]]:
    """What the sessions of ``events`` held before the first of them."""
    sessions = {e.session_id for e in events if e.session_id}
    earlier = Event.objects.filter(
        session_id__in=sessions, contact_id=events[0].contact_id, id__lt=events[0].pk
    )
    variables: dict[str, dict[str, Any]] = {}
    for event in earlier.order_by("id").only("session_id", "data"):
        session = event.session_id or ""
        variables[session] = variables.get(session, {}) | _changed(event)
    return variables


def _seconds(events: Iterable[Event]) -> dict[str, float]:
    """How long the calls took that ``events`` report on."""
    ids = [str(e.data["id"]) for e in events if "id" in e.data]
    rows = Call.objects.filter(pk__in=ids).values_list("pk", "seconds") if ids else ()
    return {pk: seconds for pk, seconds in rows if seconds is not None}

"""Armed faults: the next POST that fits one is struck by it, and each strike is counted once."""

from typing import Any

from django.db.models import F, Q

from simulator.behaviour import check_fault
from simulator.models import SimulatedFault, SimulatedNumber


def arm(number: SimulatedNumber, data: dict[str, Any]) -> SimulatedFault:
    """Raises: BehaviourFault."""
    return SimulatedFault.objects.create(number=number, **check_fault(data))


def strike(number: SimulatedNumber, *, to: str, message_type: str) -> SimulatedFault | None:
    """Use up and return the oldest fault that fits; the decrement is conditional, so no strike is lost or doubled."""
    fits = Q(to__in=("", to)) & Q(message_type__in=("", message_type))
    armed = SimulatedFault.objects.filter(fits, number=number).exclude(remaining=0).order_by("pk")
    for fault in armed:
        row = SimulatedFault.objects.filter(pk=fault.pk)
        if fault.remaining is None:
            row.update(struck=F("struck") + 1)
            return fault
        if row.filter(remaining__gt=0).update(remaining=F("remaining") - 1, struck=F("struck") + 1):
            return fault
    return None


def to_json(fault: SimulatedFault) -> dict[str, Any]:
    return {
        "id": fault.pk,
        "kind": fault.kind,
        "code": fault.code,
        "to": fault.to,
        "message_type": fault.message_type,
        "accepts": fault.accepts,
        "milliseconds": fault.milliseconds,
        "remaining": fault.remaining,
        "struck": fault.struck,
    }

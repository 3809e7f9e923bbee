"""The simulated Meta's clock: real time and how far the phone page has jumped ahead.

It stamps messages and statuses and judges the service window; delays and retries pass in real time.
"""

from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from simulator.models import SimulatedClock


def now() -> datetime:
    return timezone.now() + timedelta(seconds=ahead_seconds())


def ahead_seconds() -> int:
    return SimulatedClock.objects.filter(pk=1).values_list("ahead_seconds", flat=True).first() or 0


def jump(seconds: int) -> int:
    """Move ahead, never back; return how far ahead the clock is now."""
    if seconds < 0:
        raise ValueError(f"seconds: the clock never goes back, got {seconds}")
    SimulatedClock.objects.get_or_create(pk=1)
    SimulatedClock.objects.filter(pk=1).update(ahead_seconds=F("ahead_seconds") + seconds)
    return ahead_seconds()


def reset() -> None:
    SimulatedClock.objects.all().delete()

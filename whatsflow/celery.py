"""Celery wakes the work; truth, order, leases and retries live in the tables."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whatsflow.settings")

app = Celery("whatsflow")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# A sweep that nobody took within its period is not worth taking later.
app.conf.beat_schedule = {
    "sweep": {"task": "whatsflow.sweep", "schedule": 30, "options": {"expires": 30, "queue": "bulk"}}
}


@setup_logging.connect(weak=False, dispatch_uid="whatsflow.logging")  # type: ignore[untyped-decorator]  # celery carries no types
def keep_logging(**_: Any) -> None:
    """Leave logging as settings have it: Celery's own would say nothing of what a worker loads."""

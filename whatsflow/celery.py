"""Celery wakes the work; truth, order, leases and retries live in the tables."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whatsflow.settings")

app = Celery("whatsflow")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# A sweep that nobody took within its period is not worth taking later.
app.conf.beat_schedule = {
    "sweep": {"task": "whatsflow.sweep", "schedule": 30, "options": {"expires": 30, "queue": "bulk"}}
}

"""A worker without Celery and Redis: drain, sender and sweeper in one plain process."""

import signal
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand

from whatsflow import sweeper


class Command(BaseCommand):
    help = "Do a worker's whole work in this process, without Celery and without Redis."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        code = sweeper.work(stop)
        if code:
            sys.exit(code)

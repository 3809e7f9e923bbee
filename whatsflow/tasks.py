"""What a Celery worker does besides its tasks: it sweeps; and beat asks for a sweep now and then, too."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from whatsflow import sweeper

# The decorators are ignored below because celery carries no types.
_running: list[sweeper.Sweeper] = []


@shared_task(name="whatsflow.sweep", queue="bulk")  # type: ignore[untyped-decorator]
def sweep(**_: Any) -> dict[str, int]:
    """Sweep once more, so that a worker whose own sweeper is slow costs nothing."""
    return {"failed": sweeper.sweep_once()}


@worker_ready.connect(weak=False, dispatch_uid="whatsflow.sweeper")  # type: ignore[untyped-decorator]
def start_sweeper(**_: Any) -> None:
    started = sweeper.Sweeper("worker", works=True)
    _running.append(started)
    started.start()


@worker_shutting_down.connect(weak=False, dispatch_uid="whatsflow.sweeper")  # type: ignore[untyped-decorator]
def stop_sweeper(**_: Any) -> None:
    while _running:
        _running.pop().finish()

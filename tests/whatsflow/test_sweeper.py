"""The sweeper: finds each app's sweep, survives one that fails, and reports its process."""

import threading
import time

import pytest

from flows.models import ProcessView
from whatsflow import sweeper


def test_every_app_that_has_a_sweep_is_swept():
    names = [sweep.__module__ for sweep in sweeper.sweeps()]
    assert "conversations.tasks" in names
    assert names == sorted(names, key=lambda name: sweeper.own_apps.index(name.split(".")[0]))


def test_a_sweep_that_fails_does_not_hold_up_the_others(monkeypatch, caplog):
    swept = []

    def fails():
        raise RuntimeError("broken")

    monkeypatch.setattr(sweeper, "sweeps", lambda: [fails, lambda: swept.append(1)])
    assert sweeper.sweep_once() == 1
    assert swept == [1]
    assert "broken" in caplog.text


@pytest.mark.django_db
def test_a_process_reports_when_due_and_at_once_when_the_registry_changed(monkeypatch):
    process = sweeper.Process("worker")
    generations = iter([1, 1, 2])
    monkeypatch.setattr(sweeper.registry, "current", lambda: type("S", (), {"generation": next(generations)}))
    process.report(at_least_every=60)
    first = ProcessView.objects.get(name=process.name)
    assert (first.role, first.generation) == ("worker", 1)
    process.report(at_least_every=60)
    process.report(at_least_every=60)
    second = ProcessView.objects.get(name=process.name)
    assert second.generation == 2
    assert second.started_at == first.started_at
    process.leave()
    assert not ProcessView.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_sweeper_sweeps_until_it_is_told_to_stop(monkeypatch):
    swept = threading.Event()
    monkeypatch.setattr(sweeper, "sweeps", lambda: [swept.set])
    monkeypatch.setattr(sweeper.registry, "start_watcher", lambda: lambda: None)
    running = sweeper.Sweeper("worker", works=True)
    running.start()
    assert swept.wait(10)
    began = time.monotonic()
    running.finish()
    assert time.monotonic() - began < 5
    assert not any(thread.is_alive() for thread in running.threads if thread.name == "sweeper-run")
    assert not ProcessView.objects.exists()


def test_a_process_whose_sweeper_hangs_ends_itself(monkeypatch):
    ended = []
    monkeypatch.setattr(sweeper.os, "_exit", ended.append)
    hanging = sweeper.Sweeper("worker", works=True)
    hanging.alive_at = time.monotonic() - sweeper.STALLED_SECONDS - 1
    monkeypatch.setattr(hanging.stop, "wait", lambda _seconds: bool(ended))
    hanging.watch()
    assert ended == [70]


@pytest.mark.django_db(transaction=True)
def test_a_worker_without_celery_ends_with_a_fault_when_a_loop_dies(monkeypatch):
    def dies(_stop):
        raise RuntimeError("no way on")

    monkeypatch.setattr(sweeper.registry, "start_watcher", lambda: lambda: None)
    monkeypatch.setattr(sweeper, "sweeps", list)
    monkeypatch.setattr(sweeper.conversation_tasks, "run_drain", dies)
    monkeypatch.setattr(sweeper.conversation_tasks, "run_sender", lambda stop: stop.wait())
    assert sweeper.work(threading.Event()) == 1

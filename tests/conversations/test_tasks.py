"""The loops: one of a kind in a process, woken by a hint, ended by a stop, stopped by no fault."""

import threading
import time

import pytest
from django.db import connections

from conversations import hints, tasks
from conversations.models import Lane, Outbox, WebhookDelivery
from tests.conversations.way import flow, say


@pytest.fixture
def hours(way, settings, monkeypatch):
    settings.REDIS_URL = ""
    monkeypatch.setattr(hints, "_publisher", None)
    way.publish(flow("hours", say("say", "We are open.")))
    return way


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was never met"
        time.sleep(0.02)


@pytest.fixture
def drain_loop():
    """A draining loop of its own in a thread."""
    loop, stop = tasks.Loop(tasks._drain), threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    yield loop
    stop.set()
    hints.listeners.wake("in")
    thread.join(20)
    assert not thread.is_alive()


def test_what_comes_in_is_worked_on_by_the_loop(hours, drain_loop):
    wait_until(lambda: drain_loop.is_running)
    hours.say("hours")
    wait_until(Outbox.objects.exists)
    assert hours.said() == ["We are open."]


def test_a_second_loop_of_a_kind_ends_at_once(hours, drain_loop):
    wait_until(lambda: drain_loop.is_running)
    assert drain_loop.run(threading.Event()) == 0


def test_a_loop_ends_by_itself_when_it_was_idle_long_enough(hours):
    hours.say("hours")
    assert tasks.Loop(tasks._drain).run(threading.Event(), 0.1) > 0
    assert hours.said() == ["We are open."]


def test_a_fault_costs_a_pass_and_not_the_loop(hours, drain_loop, monkeypatch):
    real, count = tasks.turns.work, []

    def fail_once():
        count.append(1)
        if len(count) == 1:
            raise RuntimeError("a fault of ours")
        return real()

    monkeypatch.setattr(tasks.turns, "work", fail_once)
    hours.say("hours")
    wait_until(Outbox.objects.exists)


def test_a_hint_that_came_during_the_last_pass_is_not_lost(hours, monkeypatch):
    real = tasks._drain_until

    def deliver_too_late(*given):
        done = real(*given)
        hours.say("hours")
        return done

    monkeypatch.setattr(tasks, "_drain_until", deliver_too_late)
    tasks.Loop(tasks._drain).run(threading.Event(), 0.0)
    assert hours.said() == ["We are open."]


@pytest.mark.parametrize("has_work", [True, False])
def test_the_sweep_starts_the_loops_that_have_something_to_do(hours, monkeypatch, has_work):
    started: list[str] = []
    monkeypatch.setattr(tasks.drain_loop, "start", lambda: started.append("drain"))
    monkeypatch.setattr(tasks.send_loop, "start", lambda: started.append("send"))
    if has_work:
        hours.talk("hours")
        hours.say("hours")
    tasks.sweep()
    assert started == (["drain", "send"] if has_work else [])


def test_the_sweep_finds_a_lane_that_nobody_was_woken_for(hours, monkeypatch):
    started: list[str] = []
    monkeypatch.setattr(tasks.drain_loop, "start", lambda: started.append("drain"))
    hours.say("hours")
    hours.drain()
    Outbox.objects.all().delete()
    assert not started
    Lane.objects.update(pending=1)
    tasks.sweep()
    assert started == ["drain"]
    assert not WebhookDelivery.objects.filter(state="raw").exists()


@pytest.mark.parametrize(("task", "loop"), [(tasks.drain, "drain_loop"), (tasks.send, "send_loop")])
def test_a_task_runs_its_loop_for_a_while_and_gives_a_count(hours, monkeypatch, task, loop):
    given = []

    def run(stop, idle_seconds):
        given.append((stop.is_set(), idle_seconds))
        connections.close_all()
        return 7

    monkeypatch.setattr(tasks, loop, tasks.Loop(run))
    assert list(task().values()) == [7]
    assert given == [(False, tasks.IDLE_SECONDS)]


def test_a_task_that_ran_out_of_time_wakes_the_next_one(hours, monkeypatch):
    woken = []
    monkeypatch.setattr(tasks, "TASK_SECONDS", 0.05)
    monkeypatch.setattr(hints, "wake", woken.append)
    loop = tasks.Loop(lambda stop, _: int(stop.wait(5)))
    assert tasks._for_a_while(loop, "in") == 1
    assert woken == ["in"]

"""Hints: they wake, they never block long, and losing one costs nothing but a little time."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from django.conf import settings as project
from kombu.exceptions import OperationalError

from conversations import hints


class Published(list):
    """What was published, with the moment of each."""

    def __call__(self, channel: str) -> None:
        self.append((channel, time.monotonic()))


def wait_until(condition, seconds: float = 3.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was never met"
        time.sleep(0.005)


# --- debounce ---


def test_the_first_hint_goes_at_once_and_the_many_after_it_as_few():
    published = Published()
    publisher = hints.Publisher(published)
    began = time.monotonic()
    publisher.send("in")
    assert len(published) == 1
    for _ in range(1000):
        publisher.send("in")
    wait_until(lambda: len(published) > 1)
    assert len(published) <= 2 + 2 * (time.monotonic() - began) / 0.02


def test_one_hint_is_followed_by_no_other():
    published = Published()
    hints.Publisher(published).send("in")
    time.sleep(0.06)
    assert len(published) == 1


def test_the_last_of_many_hints_is_never_lost():
    """Whatever is said after the last hint that went out is followed by one more."""
    published = Published()
    publisher = hints.Publisher(published)
    last = 0.0
    for _ in range(40):
        publisher.send("in")
        last = time.monotonic()
        time.sleep(0.002)
    wait_until(lambda: published[-1][1] >= last)


def test_channels_do_not_hold_each_other_up():
    published = Published()
    publisher = hints.Publisher(published)
    publisher.send("in")
    publisher.send("out")
    assert [channel for channel, _ in published] == ["in", "out"]


# --- inside a process ---


def test_a_loop_of_this_process_is_woken_without_asking_anybody_else(monkeypatch, settings):
    published = Published()
    monkeypatch.setattr(hints, "_publisher", hints.Publisher(published))
    settings.REDIS_URL = ""
    with hints.Waiting("in") as waiting:
        hints.wake("in")
        assert waiting.wait(1.0) is True
        assert waiting.wait(0.01) is False
    assert published == []
    hints.wake("in")
    assert len(published) == 1


def test_without_redis_a_wake_up_is_nothing_but_the_event(monkeypatch):
    monkeypatch.setattr(hints, "_publisher", None)
    hints.wake("in")
    assert hints.listeners.wake("in") is False


# --- Redis that is away (F16, F17) ---


@pytest.fixture
def refused_port() -> Iterator[int]:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yield nobody.getsockname()[1]


@pytest.fixture
def frozen_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        yield silent.getsockname()[1]


def seconds_of(work) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_a_redis_that_refuses_is_left_alone_after_three_failures(refused_port, monkeypatch):
    way = hints.RedisWay(f"redis://127.0.0.1:{refused_port}/0")
    tried = []
    real = way._client.publish
    monkeypatch.setattr(way._client, "publish", lambda *given: tried.append(given) or real(*given))
    for _ in range(6):
        assert seconds_of(lambda: way.publish("in")) < 0.7
    assert len(tried) == 3
    way._rest_until = 0.0
    way.publish("in")
    assert len(tried) == 4


def test_a_frozen_redis_does_not_block_longer_than_its_timeout(frozen_port):
    way = hints.RedisWay(f"redis://127.0.0.1:{frozen_port}/0")
    assert [seconds_of(lambda: way.publish("in")) < 0.7 for _ in range(4)] == [True] * 4


def test_a_broker_that_takes_no_task_is_a_failure_like_another(monkeypatch):
    way = hints.RedisWay("redis://127.0.0.1:1/0")
    monkeypatch.setattr(way._client, "publish", lambda *_: 0)

    def refuse(*_, **__):
        raise OperationalError("away")

    monkeypatch.setattr(hints.current_app, "send_task", refuse)
    way.publish("in")
    wait_until(lambda: way._rest_until > time.monotonic())


def test_a_success_forgets_earlier_failures(monkeypatch):
    way = hints.RedisWay("redis://127.0.0.1:1/0")
    answers = iter([False, False, True, False, False])

    def answer(*_):
        if next(answers):
            return 1
        raise redis.ConnectionError

    monkeypatch.setattr(way._client, "publish", answer)
    for _ in range(5):
        way.publish("in")
    assert way._rest_until == 0.0


def test_only_when_nobody_listens_a_task_is_sent(monkeypatch):
    way = hints.RedisWay("redis://127.0.0.1:1/0")
    sent = []
    monkeypatch.setattr(hints.current_app, "send_task", lambda name, **_: sent.append(name))
    listening = iter([1, 0, 0])
    monkeypatch.setattr(way._client, "publish", lambda *_: next(listening))
    for count, channel in enumerate(("in", "in", "out")):
        way.publish(channel)
        wait_until(lambda count=count: len(sent) == count)
    assert sent == ["conversations.drain", "conversations.send"]


def test_an_ear_outlives_a_redis_that_is_away(refused_port):
    event = threading.Event()
    ear = hints.RedisEar(f"redis://127.0.0.1:{refused_port}/0", "in", event)
    ear.start()
    time.sleep(0.1)
    assert ear.is_alive()
    ear.close()
    ear.join(3)
    assert not ear.is_alive()
    assert not event.is_set()


# --- with a real Redis ---


@pytest.mark.postgres
def test_a_hint_of_one_process_wakes_the_loop_of_another():
    event = threading.Event()
    ear = hints.RedisEar(project.REDIS_URL, "in", event)
    ear.start()
    assert ear.ready.wait(3)
    event.clear()
    hints.RedisWay(project.REDIS_URL).publish("in")
    assert event.wait(3)
    ear.close()
    ear.join(3)


def test_a_frozen_broker_does_not_block_the_task_that_would_start_a_loop(frozen_port, monkeypatch):
    """PUBLISH found nobody, then everything froze: the door must not wait for the task."""
    app = Celery(set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.broker_url = f"redis://127.0.0.1:{frozen_port}/0"
    way = hints.RedisWay(f"redis://127.0.0.1:{frozen_port}/0")
    monkeypatch.setattr(way._client, "publish", lambda *_: 0)
    monkeypatch.setattr(hints, "current_app", app)
    assert [seconds_of(lambda: way.publish("in")) < 0.7 for _ in range(3)] == [True] * 3
    assert way._sending.locked()

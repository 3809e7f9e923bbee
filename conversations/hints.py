"""Hints wake the worker; losing one costs seconds, never a message.

Two ways: an event inside this process, and Redis for the others. Redis is asked with a short timeout and left
alone for a while after it failed. Only when no one listens is a Celery task sent.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import redis
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

CHANNELS = ("in", "out")
_task_of = {"in": "conversations.drain", "out": "conversations.send"}
_debounce_seconds = 0.02
_rest_seconds = 5.0
# Where no worker is up, one waiting task is as good as a thousand.
_task_seconds = 1.0


class Listeners:
    """The loops of this process that wait for a hint."""

    def __init__(self) -> None:
        self._events: dict[str, list[threading.Event]] = {name: [] for name in CHANNELS}
        self._lock = threading.Lock()

    def add(self, channel: str, event: threading.Event) -> None:
        with self._lock:
            self._events[channel].append(event)

    def remove(self, channel: str, event: threading.Event) -> None:
        with self._lock:
            self._events[channel].remove(event)

    def wake(self, channel: str) -> bool:
        """Wake the loops here; True if there was one."""
        events = list(self._events[channel])
        for event in events:
            event.set()
        return bool(events)


listeners = Listeners()


class Publisher:
    """Tells other processes, at most once in 20 ms: the first at once, all later ones as one trailing hint."""

    def __init__(self, publish: Callable[[str], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._trailing: set[str] = set()

    def send(self, channel: str) -> None:
        with self._lock:
            wait = self._last.get(channel, 0.0) + _debounce_seconds - time.monotonic()
            if wait <= 0:
                self._last[channel] = time.monotonic()
            elif channel in self._trailing:
                return
            else:
                self._trailing.add(channel)
        if wait <= 0:
            self._publish(channel)
        else:
            timer = threading.Timer(wait, self._send_trailing, [channel])
            timer.daemon = True
            timer.start()

    def _send_trailing(self, channel: str) -> None:
        with self._lock:
            self._trailing.discard(channel)
            self._last[channel] = time.monotonic()
        self._publish(channel)


class RedisWay:
    """PUBLISH; if nobody is subscribed, a Celery task starts a loop somewhere."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=0.3, socket_connect_timeout=0.3)
        self._failures = 0
        self._rest_until = 0.0
        self._sending = threading.Lock()
        self._task_sent_at: dict[str, float] = {}

    def publish(self, channel: str) -> None:
        if time.monotonic() < self._rest_until:
            return
        try:
            is_heard = bool(self._client.publish(f"whatsflow:{channel}", b"1"))
        except (redis.RedisError, OSError) as error:
            self._count_failure(error)
        else:
            self._failures = 0
            if not is_heard:
                self._start_loop(channel)

    def _start_loop(self, channel: str) -> None:
        """Send the task from a thread: a broker that froze holds its client for seconds, and the door must not wait."""
        if time.monotonic() - self._task_sent_at.get(channel, -_task_seconds) < _task_seconds:
            return
        if self._sending.acquire(blocking=False):
            self._task_sent_at[channel] = time.monotonic()
            threading.Thread(target=self._send_task, args=[channel], daemon=True, name="hint").start()

    def _send_task(self, channel: str) -> None:
        try:
            current_app.send_task(_task_of[channel], ignore_result=True)
        except (redis.RedisError, OperationalError, OSError) as error:
            self._count_failure(error)
        finally:
            self._sending.release()

    def _count_failure(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= 3 or isinstance(error, OperationalError):
            self._rest_until = time.monotonic() + _rest_seconds
            self._failures = 0
            log.warning("hints rest for %.0f s: %s", _rest_seconds, type(error).__name__)


class RedisEar(threading.Thread):
    """Hears the hints of other processes for the loops of this one; reconnects for as long as it lives."""

    def __init__(self, url: str, channel: str, event: threading.Event) -> None:
        super().__init__(daemon=True, name=f"ear-{channel}")
        self._url, self._channel, self._event = url, channel, event
        self._stopping = threading.Event()
        self.ready = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError):
                self._stopping.wait(1.0)

    def _listen(self) -> None:
        client = redis.Redis.from_url(self._url, socket_connect_timeout=1.0)
        pubsub: Any = client.pubsub()  # type: ignore[no-untyped-call]
        try:
            pubsub.subscribe(f"whatsflow:{self._channel}")
            while not self._stopping.is_set():
                message = pubsub.get_message(timeout=0.5)
                if message is not None:
                    self.ready.set()
                    self._event.set()
        finally:
            pubsub.close()
            client.close()

    def close(self) -> None:
        self._stopping.set()


_publisher: Publisher | None = Publisher(RedisWay(settings.REDIS_URL).publish) if settings.REDIS_URL else None


def wake(channel: str) -> None:
    """Say that there is work: ``in`` for the drain, ``out`` for the sender. Never raises, never blocks long."""
    if not listeners.wake(channel) and _publisher is not None:
        _publisher.send(channel)


class Waiting:
    """A loop's ear while it runs: ``wait`` returns as soon as a hint comes, else after the time given."""

    def __init__(self, channel: str) -> None:
        self.event = threading.Event()
        self._channel = channel
        self._ear = RedisEar(settings.REDIS_URL, channel, self.event) if settings.REDIS_URL else None

    def __enter__(self) -> Self:
        listeners.add(self._channel, self.event)
        if self._ear:
            self._ear.start()
        return self

    def __exit__(self, *_: object) -> None:
        listeners.remove(self._channel, self.event)
        if self._ear:
            self._ear.close()

    def wait(self, seconds: float) -> bool:
        heard = self.event.wait(seconds)
        self.event.clear()
        return heard

"""The sender: released messages go over the wire side by side; their verdicts are written in batches.

T1 and T2 run in threads of their own, so that the database never blocks the loop. One POST a release: whatever
comes back, or does not, is a verdict, and no message is posted twice without proof.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import uvloop
from django.conf import settings
from django.db import DatabaseError, connections

from conversations import clock, hints, release, verdicts
from conversations.models import Number
from conversations.numbers import TokenUnreadable, graph_for
from conversations.release import Released
from conversations.verdicts import Judged
from conversations.whatsapp.client import GraphClient
from conversations.whatsapp.errors import Verdict, judge_answer
from conversations.whatsapp.outbound import BadContent, Recipient, build
from flows import database
from flows.failpoints import reach

log = logging.getLogger(__name__)

BATCH = 32
FLUSH_SECONDS = 0.05
# A process that slept between T1 and the write hands the message back: its lease may be over by then.
GUARD_SECONDS = 15.0
LINES_SECONDS = 2.0
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One of our numbers with the place and the key to send by."""

    phone_number_id: str
    waba_id: str
    rate: float
    base_url: str
    token: str
    app_secret: str | None


def boot_time() -> float:
    """A clock that also counts while the machine sleeps; the monotonic one does not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lines:
    """The numbers that may send, read again every two seconds."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._read_at = 0.0

    def all(self) -> dict[str, Line]:
        if time.monotonic() - self._read_at > LINES_SECONDS:
            self._lines = {
                line.phone_number_id: line
                for n in Number.objects.filter(is_active=True)
                if (line := _line(n))
            }
            self._read_at = time.monotonic()
        return self._lines


def _line(number: Number) -> Line | None:
    try:
        base_url, token = graph_for(number)
    except TokenUnreadable as error:
        log.error("number %s cannot send: %s", number.pk, error)
        return None
    return Line(
        phone_number_id=number.phone_number_id,
        waba_id=number.waba_id,
        rate=number.rate,
        base_url=base_url,
        token=token,
        app_secret=None if number.is_simulated else next(iter(settings.WHATSAPP_APP_SECRETS), None),
    )


def waiting_numbers() -> list[str]:
    """The numbers with a message that is due."""
    rows = database.read().rows(
        "SELECT n.phone_number_id FROM conversations_number AS n WHERE n.is_active AND EXISTS ("
        " SELECT 1 FROM conversations_outbox AS o WHERE o.phone_number_id = n.phone_number_id"
        f" AND o.state IN ('queued', 'leased') AND o.not_before <= {clock.sql()})"
    )
    return [number for (number,) in rows]


class Sender:
    """One sending loop: releases, posts, writes verdicts."""

    def __init__(self, stop: threading.Event, idle_seconds: float | None = None) -> None:
        self._stop, self._idle_seconds = stop, idle_seconds
        self._lines = Lines()
        self._t1 = ThreadPoolExecutor(1, thread_name_prefix="t1")
        self._t2 = ThreadPoolExecutor(1, thread_name_prefix="t2")
        self._clients: dict[tuple[str, str | None], GraphClient] = {}
        self._flying: set[asyncio.Task[None]] = set()
        self._judged: list[Judged] = []
        self._capacity = settings.WHATSFLOW_SENDS_IN_FLIGHT
        self._is_full = False
        self.sent = 0

    async def run(self) -> None:
        """Send until told to stop, or until nothing was to do for ``idle_seconds``."""
        self._wake = asyncio.Event()
        self._ripe = asyncio.Event()
        loop = asyncio.get_running_loop()
        ear = threading.Thread(target=self._listen, args=(loop,), daemon=True, name="sender-ear")
        ear.start()
        flusher = asyncio.create_task(self._flush_loop())
        try:
            await self._release_loop(loop)
            if self._flying:
                await asyncio.wait(self._flying)
        finally:
            self._closing = True
            self._ripe.set()
            await flusher
            await loop.run_in_executor(None, ear.join)
            for client in self._clients.values():
                await client.close()
            for pool in (self._t1, self._t2):
                pool.submit(connections.close_all)
                pool.shutdown(wait=True)

    _closing = False

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        with hints.Waiting("out") as waiting:
            while not self._stop.is_set() and not self._closing:
                if waiting.wait(0.5):
                    loop.call_soon_threadsafe(self._wake.set)
        loop.call_soon_threadsafe(self._wake.set)

    async def _release_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        busy_at = time.monotonic()
        while not self._stop.is_set():
            self._wake.clear()
            free = self._capacity - len(self._flying)
            # Under load T1 waits until a batch is free: one for each message that lands would cost the most.
            self._is_full = free < min(BATCH, self._capacity)
            released = [] if self._is_full else await self._released(loop, free)
            if released:
                busy_at = time.monotonic()
                continue
            if self._idle_seconds is not None and time.monotonic() - busy_at > self._idle_seconds:
                return
            try:
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def _released(self, loop: asyncio.AbstractEventLoop, free: int) -> list[Released]:
        try:
            pairs, since = await loop.run_in_executor(self._t1, self._release, free)
        except DatabaseError:
            log.exception("nothing can be released now")
            await asyncio.sleep(1)
            return []
        for line, message in pairs:
            task = asyncio.create_task(self._post(line, message, since))
            self._flying.add(task)
            task.add_done_callback(self._landed)
        return [message for _, message in pairs]

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if self._is_full:
            self._wake.set()

    def _release(self, free: int) -> tuple[list[tuple[Line, Released]], float]:
        since = boot_time()
        pairs: list[tuple[Line, Released]] = []
        lines = self._lines.all()
        for number in waiting_numbers():
            line, room = lines.get(number), min(BATCH, free - len(pairs))
            if line and room > 0:
                released = release.release(number, line.waba_id, line.rate, room)
                pairs += [(line, message) for message in released]
        return pairs, since

    async def _post(self, line: Line, message: Released, since: float) -> None:
        try:
            to = Recipient(phone=message.phone or None, bsuid=message.bsuid or None)
            body = build(message.content, to=to, token=message.token, context_wamid=message.context_wamid)
        except Exception as error:
            # Nothing was written, and no other attempt would do better: whatever broke, the message ends here.
            if not isinstance(error, BadContent):
                log.exception("message %s cannot be made", message.id)
            verdict = Verdict(
                state="refused", words="This message cannot be put into Meta's form", message=str(error)
            )
            self._judge(Judged(message=message, verdict=verdict, http_status=None, wrote_bytes=False))
            return
        if boot_time() - since > GUARD_SECONDS:
            await asyncio.get_running_loop().run_in_executor(self._t2, release.hand_back, message)
            return
        reach("send.guarded")
        answer = await self._client(line).post_message(line.phone_number_id, body, line.token)
        reach("send.posted")
        verdict = judge_answer(
            answer.http_status,
            answer.body,
            wrote_bytes=answer.wrote_bytes,
            error=answer.error,
            attempt=message.attempt,
        )
        self._judge(
            Judged(
                message=message,
                verdict=verdict,
                http_status=answer.http_status,
                wrote_bytes=answer.wrote_bytes,
            )
        )

    def _client(self, line: Line) -> GraphClient:
        key = (line.base_url, line.app_secret)
        if key not in self._clients:
            self._clients[key] = GraphClient(
                base_url=line.base_url,
                version=settings.WHATSAPP_GRAPH_VERSION,
                app_secret=line.app_secret,
                limit=self._capacity,
            )
        return self._clients[key]

    def _judge(self, judged: Judged) -> None:
        self._judged.append(judged)
        self._ripe.set()

    async def _flush_loop(self) -> None:
        """Write verdicts when 32 are there, when nothing else is under way, or after 50 ms."""
        while not (self._closing and not self._judged):
            await self._ripe.wait()
            deadline = time.monotonic() + FLUSH_SECONDS
            while (  # noqa: ASYNC110 - three conditions, one of them the time
                len(self._judged) < BATCH and time.monotonic() < deadline and self._others_fly()
            ):
                await asyncio.sleep(0.005)
            self._ripe.clear()
            batch, self._judged = self._judged[:500], self._judged[500:]
            if batch:
                await self._write(batch)
            if self._judged:
                self._ripe.set()

    def _others_fly(self) -> bool:
        return len(self._flying) > len(self._judged) and not self._closing

    async def _write(self, batch: list[Judged]) -> None:
        loop = asyncio.get_running_loop()
        for attempt in range(6):
            try:
                await loop.run_in_executor(self._t2, verdicts.record, batch)
            except DatabaseError:
                log.exception("verdicts could not be written, try %s", attempt + 1)
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                self.sent += len(batch)
                self._wake.set()
                return
        # The sweeper makes these ambiguous; their statuses settle them.
        log.error("%s verdicts are lost; their messages wait for statuses", len(batch))


def run(stop: threading.Event, idle_seconds: float | None = None) -> int:
    """Run one sending loop in this thread; gives how many verdicts it wrote."""
    sender = Sender(stop, idle_seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(sender.run())
    return sender.sent

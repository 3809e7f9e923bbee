"""Webhooks out: a persisted queue, and one thread per serving process that POSTs what is due.

A row is leased before its POST, so that two processes do not both deliver it; what is not answered with 200 comes
again with back-off. Updates of one customer go one after another, those of different customers at once.
"""

import asyncio
import logging
import os
import secrets
import socket
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
from django.db import DatabaseError, connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from conversations.whatsapp.signature import HEADER, sign
from simulator import numbers
from simulator.behaviour import retry_after_ms
from simulator.models import SimulatedMessage, SimulatedWebhook
from simulator.payloads import encode, envelope

logger = logging.getLogger(__name__)
IN_FLIGHT = 16
PACE_SECONDS = 0.015
IDLE_SECONDS = 0.2
LEASE = timedelta(seconds=60)
State = SimulatedWebhook.State


def enqueue(webhooks: Iterable[SimulatedWebhook]) -> None:
    """Store webhooks and wake the deliverer once they are committed."""
    SimulatedWebhook.objects.bulk_create(webhooks)
    transaction.on_commit(wake)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One POST: the rows it carries, where it goes and the bytes as they will be sent."""

    rows: tuple[SimulatedWebhook, ...]
    url: str
    body: bytes
    headers: dict[str, str]
    timeout_seconds: float

    @property
    def lanes(self) -> set[str]:
        return {lane_of(row) for row in self.rows}


def lane_of(row: SimulatedWebhook) -> str:
    customer = row.message.customer_id if row.message else None
    return f"{row.number_id}:{customer if customer is not None else f'row {row.pk}'}"


# --- the queue --------------------------------------------------------------------------------------------


def claim(limit: int, busy: Iterable[str] = ()) -> list[SimulatedWebhook]:
    """Lease up to `limit` rows that are due: one of each lane that is not busy, more where the number batches."""
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    due = SimulatedWebhook.objects.filter(free, state=State.WAITING, due_at__lte=now)
    waiting = due.select_related("number__app", "message").order_by("due_at", "pk")[: limit * 8]
    keys = [row.pk for row in _first_of_lanes(waiting, set(busy))[:limit]]
    if not keys:
        return []
    lease = f"{_process(os.getpid())}{secrets.token_hex(6)}"
    SimulatedWebhook.objects.filter(free, pk__in=keys, state=State.WAITING).update(
        lease=lease, leased_until=now + LEASE, tries=F("tries") + 1
    )
    mine = SimulatedWebhook.objects.filter(lease=lease).order_by("due_at", "pk")
    return list(mine.select_related("number__app", "message"))


def _process(pid: int) -> str:
    """How this machine's process `pid` begins the names of its leases."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}-{pid}-"


def release_the_dead() -> int:
    """Free the rows that a killed process of this machine had leased, without waiting for the lease to end."""
    leases = SimulatedWebhook.objects.exclude(lease="").values_list("lease", flat=True).distinct()
    ours = [lease for lease in leases if lease.startswith(_process(0).split("-")[0])]
    dead = [lease for lease in ours if not _lives(int(lease.split("-")[1]))]
    return SimulatedWebhook.objects.filter(lease__in=dead).update(leased_until=None, lease="")


def _lives(pid: int) -> bool:
    """Whether another process has this id; our own is newer than any lease found at its start."""
    return pid != os.getpid() and Path(f"/proc/{pid}").exists()


def _first_of_lanes(rows: Iterable[SimulatedWebhook], taken: set[str]) -> list[SimulatedWebhook]:
    chosen = []
    busy = frozenset(taken)
    for row in rows:
        lane = lane_of(row)
        if lane in busy or (lane in taken and numbers.behaviour(row.number).batch == 1):
            continue
        taken.add(lane)
        chosen.append(row)
    return chosen


def pack(rows: list[SimulatedWebhook]) -> list[Parcel]:
    """Make POSTs of claimed rows: one each, or as many of a number together as its batch allows."""
    parcels: list[Parcel] = []
    batches: dict[int, list[SimulatedWebhook]] = {}
    for row in rows:
        if row.raw_body:
            parcels.append(_parcel([row]))
            continue
        batch = batches.setdefault(row.number_id, [])
        batch.append(row)
        if len(batch) >= numbers.behaviour(row.number).batch:
            parcels.append(_parcel(batches.pop(row.number_id)))
    return parcels + [_parcel(batch) for batch in batches.values()]


def _parcel(rows: list[SimulatedWebhook]) -> Parcel:
    first = rows[0]
    number = first.number
    changes = [(row.field, row.value) for row in rows]
    body = first.raw_body.encode() if first.raw_body else encode(envelope(number.waba_id, changes))
    headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua"}
    if first.signature != "none":
        secret = numbers.secret(number.app) if first.signature == "good" else "not the secret"
        headers[HEADER] = sign(secret, body)
    return Parcel(
        rows=tuple(rows),
        url=numbers.callback_url(number),
        body=body,
        headers=headers,
        timeout_seconds=numbers.behaviour(number).webhook_timeout_ms / 1000,
    )


def record(parcel: Parcel, answer: str) -> None:
    """Write down what the product answered: "200", another HTTP status, or the name of a network error."""
    for row in parcel.rows:
        (_delivered if answer == "200" else _come_again)(row, answer)


def _delivered(row: SimulatedWebhook, answer: str) -> None:
    now = timezone.now()
    SimulatedWebhook.objects.filter(pk=row.pk, lease=row.lease).update(
        state=State.DELIVERED, last_answer=answer, delivered_at=now, leased_until=None, lease=""
    )
    if row.message and row.message.direction == SimulatedMessage.Direction.FROM_CUSTOMER:
        SimulatedMessage.objects.filter(pk=row.message.pk, status="sent").update(
            status="delivered", changed_at=now
        )


def _come_again(row: SimulatedWebhook, answer: str) -> None:
    wait = retry_after_ms(numbers.behaviour(row.number), row.tries)
    row_set = SimulatedWebhook.objects.filter(pk=row.pk, lease=row.lease)
    common = {"last_answer": answer[:255], "leased_until": None, "lease": ""}
    if wait is None:
        row_set.update(state=State.GIVEN_UP, **common)
    else:
        row_set.update(due_at=timezone.now() + timedelta(milliseconds=wait), **common)


def release(parcel: Parcel) -> None:
    """Give back rows whose POST was cut short by our own stop."""
    keys = [row.pk for row in parcel.rows]
    SimulatedWebhook.objects.filter(pk__in=keys, lease=parcel.rows[0].lease).update(
        leased_until=None, lease="", tries=F("tries") - 1
    )


# --- the deliverer ----------------------------------------------------------------------------------------


class Deliverer:
    """Claims, POSTs and records in a thread of its own; the database is touched only between runs of its loop."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._tasks: dict[asyncio.Task[str], Parcel] = {}
        self._has_released = False
        self._thread = threading.Thread(target=self._run, name="simulator-webhooks", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def wake(self) -> None:
        self._wake.set()

    def stop(self, seconds: float = 10) -> None:
        """End the thread; what was in flight goes back to the queue."""
        self._stop.set()
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        session = loop.run_until_complete(_open_session())
        try:
            while not self._stop.is_set():
                self._round(loop, session)
                # What falls due within this time goes in one round: rounds cost more than webhooks.
                self._stop.wait(PACE_SECONDS)
        finally:
            self._give_up_flights(loop, session)
            connections.close_all()
            loop.close()

    def _round(self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession) -> None:
        try:
            if not self._has_released:
                release_the_dead()
                self._has_released = True
            self._start_due(loop, session)
            if self._tasks:
                self._take_in(loop)
            else:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()
        except DatabaseError as error:
            logger.warning("simulator: webhooks wait, the database failed: %s", error)
            connections.close_all()
            self._stop.wait(1)

    def _start_due(self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession) -> None:
        room = IN_FLIGHT - len(self._tasks)
        if room <= 0:
            return
        busy: set[str] = set().union(*(parcel.lanes for parcel in self._tasks.values()))
        rows = claim(room, busy)
        for row in rows:
            if row.message and row.status and row.tries == 1:
                row.message.advance(row.status, _error_of(row))
        for parcel in pack(rows):
            self._tasks[loop.create_task(_post(session, parcel))] = parcel

    def _take_in(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = asyncio.wait(self._tasks, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
        done, _ = loop.run_until_complete(waiting)
        if done:
            with transaction.atomic():
                for task in done:
                    record(self._tasks[task], task.result())
            for task in done:
                del self._tasks[task]

    def _give_up_flights(self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession) -> None:
        for task in self._tasks:
            task.cancel()
        loop.run_until_complete(_close(session, list(self._tasks)))
        try:
            for parcel in self._tasks.values():
                release(parcel)
        except DatabaseError:
            logger.warning("simulator: leases of webhooks in flight run out by themselves")


async def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT, keepalive_timeout=30))


async def _close(session: aiohttp.ClientSession, tasks: list[asyncio.Task[str]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
    await session.close()


async def _post(session: aiohttp.ClientSession, parcel: Parcel) -> str:
    timeout = aiohttp.ClientTimeout(total=parcel.timeout_seconds)
    try:
        async with session.post(
            parcel.url, data=parcel.body, headers=parcel.headers, timeout=timeout, allow_redirects=False
        ) as response:
            await response.read()
            return str(response.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return f"{type(error).__name__}: {error}"


def _error_of(row: SimulatedWebhook) -> object:
    return row.value["statuses"][0].get("errors", [None])[0] if row.value else None


_current: Deliverer | None = None
_starting = threading.Lock()


def wake() -> None:
    """Wake this process's deliverer; start it if it does not run."""
    global _current  # noqa: PLW0603 - one thread a process
    with _starting:
        if _current is None or not _current.is_alive:
            _current = Deliverer()
    _current.wake()


def stop() -> None:
    """Stop this process's deliverer; the next enqueue starts a new one."""
    global _current
    with _starting:
        running, _current = _current, None
    if running is not None:
        running.stop()

"""Signed webhooks as Meta posts them: at a fixed rate (open loop), or as fast as connections allow (closed loop)."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import uvloop

NUMBER = "1000000001"
CLOSED_FIRST = 10_000_000


def body(sender: int, n: int) -> bytes:
    """A text message of about one kilobyte, like Meta's with its identifiers."""
    phone = f"9198{sender:08d}"
    message = {
        "from": phone,
        "id": f"wamid.bench.{sender}.{n}." + "x" * 40,
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": f"hi {n}"},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100001", "phone_number_id": NUMBER},
        "contacts": [{"profile": {"name": "Asha " + "x" * 400}, "wa_id": phone}],
        "messages": [message],
    }
    change = {"field": "messages", "value": value}
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "2000000001", "changes": [change]}]}
    ).encode()


def signed(secret: str, raw: bytes) -> dict[str, str]:
    mac = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={mac}"}


@dataclass
class Told:
    """What a load came to. ``sent_at`` has the moment at which each sender's n-th message was posted."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    sent_at: dict[tuple[int, int], float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.statuses[200] / self.seconds if self.seconds else 0.0


def closed_loop(url: str, secret: str, *, connections: int, seconds: float, senders: int = 1000) -> Told:
    return uvloop.run(_closed(url, secret, connections, seconds, senders))


async def _closed(url: str, secret: str, connections: int, seconds: float, senders: int) -> Told:
    told = Told()
    counter = iter(range(10**9))
    began = time.monotonic()
    end = began + seconds

    async def one(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < end:
            n = next(counter)
            # Senders of their own: what another load has sent already would be a repeat.
            await _post(session, url, secret, CLOSED_FIRST + n % senders, n // senders, told)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(one(session) for _ in range(connections)))
    told.seconds = time.monotonic() - began
    return told


def open_loop(
    url: str,
    secret: str,
    *,
    rate: float,
    seconds: float,
    senders: int = 1000,
    first: int = 0,
) -> Told:
    return uvloop.run(_open(url, secret, rate, seconds, senders, first))


async def _open(url: str, secret: str, rate: float, seconds: float, senders: int, first: int) -> Told:
    told = Told()
    tasks: set[asyncio.Task[None]] = set()
    began = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        for n in range(int(rate * seconds)):
            delay = began + n / rate - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            k = first + n
            task = asyncio.create_task(_post(session, url, secret, k % senders, k // senders, told))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks)
    told.seconds = time.monotonic() - began
    return told


async def _post(
    session: aiohttp.ClientSession, url: str, secret: str, sender: int, n: int, told: Told
) -> None:
    raw = body(sender, n)
    began = time.monotonic()
    told.sent_at[sender, n] = began
    try:
        async with session.post(url, data=raw, headers=signed(secret, raw)) as answer:
            await answer.read()
            told.statuses[answer.status] += 1
            if answer.status == 200:
                told.latencies.append(time.monotonic() - began)
    except aiohttp.ClientError:
        told.statuses[0] += 1

"""The sender alone: queued messages to a Graph stub, accepted and recorded; the number's bucket open.

The reference in the same run is the HTTP client alone: the same posts, as many in flight, nothing read or written.
"""

import asyncio
import sys
import time

import aiohttp
import uvloop

from benchmarks.rig.product import Product, cpu_of_postgres, product, wait

MESSAGES = 6000
IN_FLIGHT = 256
FILL = """
from conversations import clock, contacts, outbox
from conversations.models import Conversation, Outbox
from conversations.whatsapp.received import Sender
from flows import database
from datetime import timedelta
with database.write() as cursor:
    now = clock.now(cursor)
    people = [contacts.Person(sender=Sender(phone=f"9177{{n:08d}}"), scope="x") for n in range({count})]
    ids = contacts.resolve(cursor, people, now).of
    cursor.insert("conversations_conversation", dict(contact_id="id", phone_number_id="text", owner="text",
        team="text", last_text="text", unread_count="int", guard="json", created_at="time", last_inbound_at="time"),
        [(i, "1000000001", "bot", "", "", 0, "{{}}", now, now) for i in ids], "ON CONFLICT DO NOTHING")
    talk = dict(Conversation.objects.values_list("contact_id", "id"))
    rows = []
    for i in ids:
        seq = outbox.lanes.take_out_numbers(cursor, i, 1)
        rows.append((outbox.NewMessage(id=outbox.new_id(), dedup_key="bench:" + outbox.new_id(), contact_id=i, seq=seq,
            phone_number_id="1000000001", content={{"type": "text", "body": "Hello"}}, kind="reply", policy="park",
            not_before=now, expires_at=now + timedelta(hours=1), created_at=now), talk[i], None, None))
    outbox.add(cursor, [m for m, *_ in rows])
    outbox.add_bubbles(cursor, rows)
"""
RUN = (
    "import django; django.setup(); import threading; from conversations import sender;"
    "print(sender.run(threading.Event(), 1.0))"
)


async def _post_all(url: str) -> None:
    free = asyncio.Semaphore(IN_FLIGHT)
    body = {"messaging_product": "whatsapp", "to": "+910", "type": "text", "text": {"body": "Hello"}}

    async def one(session: aiohttp.ClientSession) -> None:
        async with free, session.post(url, json=body) as answer:
            await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:
        await asyncio.gather(*(one(session) for _ in range(MESSAGES)))


def client_alone(made: Product, delay_ms: float) -> float:
    """Posts a second of the client that the sender uses, with nothing around it."""
    made.reset_graph(delay_ms)
    began, cpu = time.monotonic(), time.process_time()
    uvloop.run(_post_all(f"{made.graph}/v23.0/1/messages"))
    rate = MESSAGES / (time.monotonic() - began)
    cost = (time.process_time() - cpu) / MESSAGES * 1000
    print(f"client {delay_ms:>3.0f} ms {rate:>8.0f}/s{cost:>10.2f}{'':>10}{1:>8.2f}", flush=True)
    return rate


def run(made: Product, delay_ms: float) -> None:
    reference = client_alone(made, delay_ms)
    made.reset_graph(delay_ms)
    made.script(FILL.format(count=MESSAGES))
    made.start(
        "sender",
        "-c",
        "import django; django.setup();" + RUN,
        more={"WHATSFLOW_SENDS_IN_FLIGHT": str(IN_FLIGHT), "WHATSFLOW_ROLE": "worker"},
    )
    wait(made.ledger)
    # The start of the process, mostly imports, is not the sender's work.
    began, postgres = made.cpu("sender"), cpu_of_postgres()
    limit = time.monotonic() + 120
    while len(ledger := made.ledger()) < MESSAGES and time.monotonic() < limit:
        time.sleep(0.2)
    worker, postgres = made.cpu("sender") - began, cpu_of_postgres() - postgres
    made.processes["sender"].wait(30)
    took = ledger[-1][2] - ledger[0][2]
    states = made.script(
        "from conversations.models import Outbox; from django.db.models import Count;"
        "print(dict(Outbox.objects.values_list('state').annotate(Count('id'))))"
    )
    print(
        f"sender {delay_ms:>3.0f} ms {len(ledger) / took:>8.0f}/s{worker / len(ledger) * 1000:>10.2f}"
        f"{postgres / len(ledger) * 1000:>10.2f}{len(ledger) / took / reference:>8.2f}   {states.strip()}",
        flush=True,
    )
    made.script(
        "from conversations.models import Message, Outbox;"
        "Message.objects.all().delete(); Outbox.objects.all().delete()"
    )
    made.processes.pop("sender")


def main() -> None:
    print(f"{'':<14}{'accepted':>10}{'s/1000':>10}{'PG s/1000':>10}{'ratio':>8}")
    with product() as made:
        made.start_graph()
        for delay in (0, 80) if len(sys.argv) < 2 else [float(sys.argv[1])]:
            run(made, delay)


if __name__ == "__main__":
    main()

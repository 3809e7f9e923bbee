"""A Graph stub that answers at once or after a delay, and remembers when each message came. Run as a process.

``GET /ledger?since=N`` gives ``[[recipient, text, monotonic seconds], …]``; ``POST /reset?delay_ms=…`` empties it.
"""

import argparse
import asyncio
import itertools
import json
import time

import uvloop
from aiohttp import web


class Graph:
    def __init__(self, delay_ms: float) -> None:
        self.delay = delay_ms / 1000
        self.ledger: list[tuple[str, str, float]] = []
        self.ids = itertools.count()

    async def message(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        text = body.get("text", {}).get("body", "")
        self.ledger.append((body.get("to", ""), text, time.monotonic()))
        if self.delay:
            await asyncio.sleep(self.delay)
        answer = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": body.get("to"), "wa_id": body.get("to", "").lstrip("+")}],
            "messages": [{"id": f"wamid.bench.{next(self.ids)}"}],
        }
        return web.json_response(answer)

    async def told(self, request: web.Request) -> web.Response:
        return web.json_response(self.ledger[int(request.query.get("since", "0")) :])

    async def reset(self, request: web.Request) -> web.Response:
        self.ledger.clear()
        self.delay = float(request.query.get("delay_ms", "0")) / 1000
        return web.json_response({})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    port = parser.parse_args().port
    graph = Graph(0)
    app = web.Application()
    app.router.add_get("/ledger", graph.told)
    app.router.add_post("/reset", graph.reset)
    app.router.add_post("/{path:.*}/messages", graph.message)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main()

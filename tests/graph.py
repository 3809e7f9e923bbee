"""A far end for the sender on a real socket: answers each POST as the test says, and remembers what came."""

import asyncio
import itertools
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Answer = Callable[["Graph", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    path: str
    token: str
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.body.get("text", {}).get("body", ""))

    @property
    def callback(self) -> str:
        return str(self.body.get("biz_opaque_callback_data", ""))


class Graph:
    """``script`` holds one answer for each POST to come; when it is used up, ``usual`` answers."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.script: list[Answer] = []
        self.usual: Answer = accept
        self.on_post: Callable[[Post, str], None] = lambda _post, _wamid: None
        self.wamids = (f"wamid.OUT{n:06d}" for n in itertools.count(1))
        self.loop = asyncio.new_event_loop()
        self.url = ""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True, name="graph")
        self._thread.start()
        if not ready.wait(10):
            raise TimeoutError("the far end did not start")

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._start())
        ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(self._runner.cleanup())
        self.loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.posts.append(Post(path=request.path, token=token, body=body))
        answer = self.script.pop(0) if self.script else self.usual
        return await answer(self, request, body)

    def texts(self) -> list[str]:
        return [post.text for post in self.posts]

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


def said(payload: Any, status: int = 200) -> Answer:
    """An answer of this JSON, or of this text."""

    async def answer(*_: Any) -> web.Response:
        if isinstance(payload, str):
            return web.Response(text=payload, status=status, content_type="text/html")
        return web.json_response(payload, status=status)

    return answer


def refused(code: int, status: int = 400) -> Answer:
    return said({"error": {"message": f"(#{code})", "code": code, "fbtrace_id": "trace"}}, status)


async def accept(graph: Graph, _request: web.Request, _body: dict[str, Any]) -> web.Response:
    wamid = next(graph.wamids)
    await asyncio.to_thread(graph.on_post, graph.posts[-1], wamid)
    return web.json_response({"messages": [{"id": wamid}], "contacts": [{"wa_id": "1"}]})


async def hang(_graph: Graph, _request: web.Request, _body: dict[str, Any]) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def trickle(_graph: Graph, request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
    """A byte every 50 ms: never silent, never done."""
    response = web.StreamResponse(headers={"Content-Length": "10000"})
    await response.prepare(request)
    for _ in range(200):
        await response.write(b"{")
        await asyncio.sleep(0.05)
    return response


async def reset(_graph: Graph, request: web.Request, _body: dict[str, Any]) -> web.Response:
    """Take the message and reset the connection before the answer."""
    transport = request.transport
    if transport is not None:
        link = transport.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()

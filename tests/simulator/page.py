"""A page's end of the socket. Channels' own testing package needs a server that we do not install."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.testing import ApplicationCommunicator

from simulator.phone import PhoneConsumer


class Page:
    def __init__(self, user: Any) -> None:
        scope = {
            "type": "websocket",
            "path": "/ws/simulator/",
            "headers": [],
            "query_string": b"",
            "user": user,
        }
        self._wire = ApplicationCommunicator(PhoneConsumer.as_asgi(), scope)

    async def connect(self) -> dict[str, Any]:
        """Return the server's first word: websocket.accept or websocket.close."""
        await self._wire.send_input({"type": "websocket.connect"})
        return await self._wire.receive_output(10)

    async def send(self, content: Any) -> None:
        await self._wire.send_input({"type": "websocket.receive", "text": json.dumps(content)})

    async def until(self, kind: str) -> Any:
        """The next news of this kind; others are passed over."""
        async with asyncio.timeout(10):
            while True:
                news = json.loads((await self._wire.receive_output(10))["text"])
                if news["type"] == kind:
                    return news

    async def leave(self) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._wire.wait(10)


@asynccontextmanager
async def opened_page(user: Any) -> AsyncIterator[Page]:
    page = Page(user)
    assert (await page.connect())["type"] == "websocket.accept"
    try:
        yield page
    finally:
        await page.leave()

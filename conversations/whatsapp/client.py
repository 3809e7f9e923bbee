"""The door to the Graph API: one attempt per call, with what is needed to judge it.

It never retries and never follows a redirect; it tells whether a byte of the request may have left.
"""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from conversations.whatsapp.body import BadBody, load
from conversations.whatsapp.media import LARGEST_BYTES

MAX_ANSWER_BYTES = 1024 * 1024
CHUNK_BYTES = 64 * 1024
MAX_MEDIA_ORIGINS = 256
USER_AGENT = "WhatsFlow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Units: seconds. `connect` is one TCP connection, `total` everything, with the wait for a free one."""

    connect: float = 5.0
    read: float = 15.0
    total: float = 20.0
    media_total: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back of one call.

    Shapes:
        body: the parsed JSON; None when there was none, or junk, or too much.
        wrote_bytes: False only when it is certain that nothing of the request left.
        error: what went wrong on the way, without secrets; None when an answer came whole.
    """

    http_status: int | None = None
    body: Any = None
    wrote_bytes: bool
    error: str | None = None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A medium, as far as it came; the bytes are in the caller's file."""

    http_status: int | None = None
    mime_type: str = ""
    size: int = 0
    sha256: str = ""
    error: str | None = None
    seconds: float


@dataclass(slots=True)
class _Flight:
    """One request on its way."""

    started: float = field(default_factory=time.monotonic)
    wrote_bytes: bool = False

    def answer(self, **known: Any) -> Answer:
        return Answer(wrote_bytes=self.wrote_bytes, seconds=time.monotonic() - self.started, **known)


class GraphClient:
    """Speaks to one Graph origin for any number of our numbers; belongs to one event loop.

    The bearer token goes to that origin, and for downloads to the origins that it named, nowhere else.
    """

    def __init__(
        self,
        *,
        base_url: str,
        version: str,
        app_secret: str | None = None,
        limit: int = 64,
        timeouts: Timeouts | None = None,
    ) -> None:
        base = URL(base_url.rstrip("/"))
        if base.scheme not in ("http", "https") or not base.host or base.user:
            raise ValueError("expected the Graph API's base as http(s)://host[:port][/path]")
        self._base = f"{base}/{version.strip('/')}"
        self._origin = base.origin()
        self._media_origins: dict[URL, None] = {}
        self._app_secret = app_secret
        self._limit = limit
        self._timeouts = timeouts or Timeouts()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post_message(self, phone_number_id: str, body: Mapping[str, Any], token: str) -> Answer:
        """POST one message or read receipt; `errors.judge_answer` says what the answer means."""
        data = json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        return await self._call("POST", f"{_part(phone_number_id)}/messages", token, data, headers)

    async def upload_media(
        self, phone_number_id: str, data: bytes, *, mime_type: str, filename: str, token: str
    ) -> Answer:
        """Upload a file for this number to send within 30 days; the body has its `id`."""
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime_type})
        form.add_field("file", data, filename=filename, content_type=mime_type)
        return await self._call(
            "POST", f"{_part(phone_number_id)}/media", token, form, total=self._timeouts.media_total
        )

    async def get_media(self, media_id: str, token: str, *, phone_number_id: str | None = None) -> Answer:
        """Ask for a medium's `url` (good for 5 minutes), `mime_type`, `sha256` and `file_size`."""
        query = {"phone_number_id": phone_number_id} if phone_number_id else {}
        answer = await self._call("GET", _part(media_id), token, query=query)
        url = answer.body.get("url") if isinstance(answer.body, dict) else None
        if answer.http_status == 200 and isinstance(url, str):
            self._remember_origin(url)
        return answer

    async def download_media(
        self, url: str, token: str, into: BinaryIO, *, max_bytes: int = LARGEST_BYTES
    ) -> Download:
        """Fetch a medium from an address that `get_media` of this client named, and write it into a file."""
        flight = _Flight()
        if not self._is_trusted(url):
            return Download(error="an address that the Graph API did not name", seconds=0.0)
        try:
            async with self._request("GET", url, token, flight, total=self._timeouts.media_total) as response:
                known = await _save(response, into, max_bytes)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            known = {"error": _said(error)}
        return Download(seconds=time.monotonic() - flight.started, **known)

    async def _call(
        self,
        method: str,
        path: str,
        token: str,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        total: float | None = None,
    ) -> Answer:
        flight = _Flight()
        status = None
        parameters = urlencode({**self._proof(token), **(query or {})})
        url = URL(f"{self._base}/{path}?{parameters}" if parameters else f"{self._base}/{path}", encoded=True)
        try:
            async with self._request(
                method, url, token, flight, data=data, headers=headers, total=total
            ) as response:
                status = response.status
                body, error = await _read_json(response)
        except (aiohttp.ClientError, OSError, ValueError) as failure:  # TimeoutError is an OSError
            return flight.answer(http_status=status, error=_said(failure))
        return flight.answer(http_status=status, body=body, error=error)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: URL | str,
        token: str,
        flight: _Flight,
        *,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        total: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        limits = self._timeouts
        timeout = aiohttp.ClientTimeout(
            total=total or limits.total, sock_connect=limits.connect, sock_read=limits.read
        )
        async with self._open().request(
            method,
            url,
            data=data,
            headers={"Authorization": f"Bearer {token}", **(headers or {})},
            timeout=timeout,
            allow_redirects=False,
            trace_request_ctx=flight,
        ) as response:
            yield response

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._limit, ssl=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                trace_configs=[_watch_writing()],
            )
        return self._session

    def _proof(self, token: str) -> dict[str, str]:
        """Prove to Meta that whoever uses the token also has the app's secret."""
        if not self._app_secret:
            return {}
        proof = hmac.digest(self._app_secret.encode(), token.encode(), "sha256").hex()
        return {"appsecret_proof": proof}

    def _remember_origin(self, url: str) -> None:
        try:
            origin = URL(url).origin()
        except ValueError:
            return
        # A token that came by TLS stays in TLS.
        if origin.scheme in (self._origin.scheme, "https"):
            self._media_origins[origin] = None
            if len(self._media_origins) > MAX_MEDIA_ORIGINS:
                self._media_origins.pop(next(iter(self._media_origins)))

    def _is_trusted(self, url: str) -> bool:
        try:
            origin = URL(url).origin()
        except ValueError:
            return False
        return origin == self._origin or origin in self._media_origins


def _watch_writing() -> aiohttp.TraceConfig:
    """Mark the flight before its first byte goes to the socket: the cautious side of any race."""

    async def mark(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestHeadersSentParams
    ) -> None:
        context.trace_request_ctx.wrote_bytes = True

    async def mark_chunk(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        context.trace_request_ctx.wrote_bytes = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(mark)
    trace.on_request_chunk_sent.append(mark_chunk)
    return trace


async def _read_json(response: aiohttp.ClientResponse) -> tuple[Any, str | None]:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            response.close()
            return None, f"an answer of more than {MAX_ANSWER_BYTES} bytes"
    try:
        return load(bytes(raw)), None
    except BadBody as bad:
        return None, f"HTTP {response.status}, {bad.reason}"


async def _save(response: aiohttp.ClientResponse, into: BinaryIO, max_bytes: int) -> dict[str, Any]:
    known: dict[str, Any] = {"http_status": response.status, "mime_type": response.content_type}
    if response.status != 200:
        return known | {"error": f"HTTP {response.status}"}
    too_large = f"more than {max_bytes} bytes"
    if (response.content_length or 0) > max_bytes:
        response.close()
        return known | {"error": too_large}
    digest, size = hashlib.sha256(), 0
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            response.close()
            return known | {"error": too_large}
        digest.update(chunk)
        into.write(chunk)
    return known | {"size": size, "sha256": digest.hexdigest()}


def _said(error: BaseException) -> str:
    name = type(error).__name__
    text = str(error) if isinstance(error, OSError | aiohttp.ClientConnectionError) else ""
    return f"{name}: {text}"[:200] if text else name


def _part(identifier: str) -> str:
    if not identifier.strip("."):
        raise ValueError("expected an id")
    return quote(identifier, safe="")

"""The one guarded door for every address that a user can write: API records, token URLs, media, publishers.

A name is resolved once for a connection, every address it has is judged, and the connection goes to a judged
address: a name that changes its mind in between leads nowhere. One attempt per call; it never retries.
"""

import codecs
import json
import math
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from http.client import BadStatusLine, HTTPException, RemoteDisconnected
from ipaddress import ip_address
from logging import ERROR, getLogger
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from django.conf import settings
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3 import exceptions as urllib3_errors
from urllib3.connection import HTTPConnection, HTTPSConnection

from flows.apis.addresses import STANDARD_PORTS, Address, Network, Reach, parse_networks

MAX_ANSWER_BYTES = 1_048_576
TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 5.0
CHUNK_BYTES = 64 * 1024
MAX_ADDRESSES = 8

_SET_BY_THE_DOOR = {
    *("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "trailer"),
    *("proxy-authorization", "proxy-connection", "transfer-encoding", "upgrade"),
}
# Where a redirect leads to another server, what may be a secret stays here, whatever its name.
_GOES_ANYWHERE = {"accept", "accept-encoding", "accept-language", "user-agent"}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_METHOD = re.compile(r"[A-Z]{1,20}")
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
# Others can be quadratic (punycode) or are no encodings of text at all.
_CHARSET = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e|-sig)?|iso8859-.*|cp[0-9]+|koi8-.|gb.*|big5.*|euc_.*|shift_jis.*"
)

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# urllib3 writes whole addresses into its log, the secrets of their queries with them.
getLogger("urllib3").setLevel(ERROR)

_FAILURES = (requests.RequestException, urllib3_errors.HTTPError, HTTPException, OSError, ValueError)

Resolve = Callable[[str, int], Sequence[str]]
Params = Mapping[str, Any] | Sequence[tuple[str, Any]]


class DoorError(Exception):
    """A call that brought no answer.

    Shapes:
        reason: safe to show: no secret, no query, no path.
        wrote_bytes: False only when it is certain that nothing of the request left.
    """

    def __init__(self, reason: str, *, wrote_bytes: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wrote_bytes = wrote_bytes


class BadRequest(DoorError):
    """The request itself cannot be sent: its method, a header or its body."""


class AddressForbidden(DoorError):
    """The address, or what its name resolves to, may not be reached."""


class ConnectionFailed(DoorError):
    """No connection, no trust in its certificate, or it ended before the answer was whole."""


class TimedOut(DoorError):
    """The answer was not whole in time."""


class TooLarge(DoorError):
    """The answer, unpacked, is larger than was allowed."""


class BadAnswer(DoorError):
    """An answer came that is no HTTP, no JSON, or redirects to where we do not follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whatever its status.

    Shapes:
        headers: names in lower case; a repeated one's values joined by ", ".
        body: unpacked.
        url: the address that answered, without its query.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float
    url: str

    def text(self) -> str:
        """Decode the body as its byte order mark or Content-Type says, else as UTF-8; what is wrong is U+FFFD."""
        for mark, charset in _BYTE_ORDER_MARKS.items():
            if self.body.startswith(mark):
                return self.body.decode(charset, "replace")
        return self.body.decode(_charset(self.headers.get("content-type", "")), "replace")

    def json(self) -> Any:
        """Parse the body.

        Raises:
            BadAnswer: for an empty body, other text, NaN, infinity, and what is nested too deep.
        """
        said = f"HTTP {self.status}, expected JSON, got"
        if not self.body.strip():
            raise BadAnswer(f"{said} an empty body", wrote_bytes=True)
        try:
            return json.loads(self.text(), parse_float=_finite, parse_constant=_finite)
        except json.JSONDecodeError as error:
            raise BadAnswer(f"{said} other text (character {error.pos})", wrote_bytes=True) from None
        except (ValueError, RecursionError):
            raise BadAnswer(f"{said} numbers or nesting beyond all limits", wrote_bytes=True) from None


def look_up(host: str, port: int) -> list[str]:
    """Ask the system for all addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(slots=True, kw_only=True)
class _Flight:
    """One call on its way, through all its redirects; sockets find it by the thread they are used in."""

    reach: Reach
    resolve: Resolve
    allow_http: bool
    max_bytes: int
    started: float
    deadline: float
    host: str = ""
    wrote_bytes: bool = False

    def left(self) -> float:
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the time for this call is over")
        return seconds


_FLIGHT: ContextVar[_Flight] = ContextVar("flight")


class _Timed(socket.socket):
    """Waits no longer than its call may last: a server that drips bytes is never silent, but never done."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_FLIGHT.get().left())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        flight = _FLIGHT.get()
        self.settimeout(flight.left())
        flight.wrote_bytes = True
        super().sendall(*args, **kwargs)


class _TimedTLS(ssl.SSLSocket):
    """The same below TLS, where `sendall` is many `send`."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_FLIGHT.get().left())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        flight = _FLIGHT.get()
        self.settimeout(flight.left())
        flight.wrote_bytes = True
        return super().send(*args, **kwargs)

    def do_handshake(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(_FLIGHT.get().left())
        super().do_handshake(*args, **kwargs)


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _TLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def connect(self) -> None:
        flight = _FLIGHT.get()
        wrote_bytes = flight.wrote_bytes
        try:
            super().connect()
        finally:
            # What a proxy's tunnel and the handshake wrote was nothing of the request.
            flight.wrote_bytes = wrote_bytes


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _PlainPool, "https": _TLSPool}


class _GuardedAdapter(HTTPAdapter):
    """Requests' adapter with our connections; certificates are always verified, by one context."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=64, pool_maxsize=16)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """The context verifies; loading the authorities anew for each connection would cost 10 ms."""


@cache
def _trusting(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.sslsocket_class = _TimedTLS
    return context


class Door:
    """Sends requests to servers of other people; for any number of threads at once.

    Shapes:
        allowed_networks: private networks that may be reached.
        allowed_hosts: names whose addresses are not judged at all; the operator vouches for them.
        proxy: "http://[user:password@]host:port" or ""; it then resolves and judges the names itself.
        resolve: from host and port to the texts of all its addresses; raises OSError.
        ca_file: certificate authorities to trust in place of the well-known ones.
    """

    def __init__(
        self,
        *,
        allowed_networks: Sequence[Network] = (),
        allowed_hosts: Sequence[str] = (),
        allowed_ports: Sequence[int] = (80, 443),
        proxy: str | None = None,
        resolve: Resolve = look_up,
        ca_file: str | None = None,
    ) -> None:
        if proxy and (not proxy.startswith("http://") or not urlsplit(proxy).hostname):
            raise ValueError("expected the egress proxy as http://host:port")
        self._reach = Reach(
            networks=tuple(allowed_networks),
            hosts=frozenset(host.lower().removesuffix(".") for host in allowed_hosts),
            ports=frozenset(allowed_ports),
        )
        self._resolve = resolve
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._adapter = _GuardedAdapter(_trusting(ca_file or DEFAULT_CA_BUNDLE_PATH))

    def close(self) -> None:
        self._adapter.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        data: bytes | str | Params | None = None,
        json: Any = None,
        files: Mapping[str, Any] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_ANSWER_BYTES,
        redirects: int = 0,
        allow_http: bool = False,
    ) -> Answer:
        """Ask once. Any status is an answer; a redirect too, unless `redirects` says how many to follow.

        Units: `timeout_seconds` is everything from the name's look-up to the body's last byte.

        Raises:
            DoorError: one of its kinds; `wrote_bytes` tells whether the server may have heard us.
        """
        started = time.monotonic()
        flight = _Flight(
            reach=self._reach,
            resolve=self._resolve,
            allow_http=allow_http,
            max_bytes=max_bytes,
            started=started,
            deadline=started + timeout_seconds,
        )
        token = _FLIGHT.set(flight)
        try:
            request = _prepared(method, url, headers, params, data, json, files)
            return self._follow(request, flight, redirects)
        except _FAILURES as error:
            raise _judged(error, flight) from None
        finally:
            _FLIGHT.reset(token)

    def _follow(self, request: requests.PreparedRequest, flight: _Flight, redirects: int) -> Answer:
        followed = 0
        while True:
            answer = self._send(request, flight)
            location = answer.headers.get("location", "")
            if not redirects or answer.status not in {301, 302, 303, 307, 308} or not location:
                return replace(answer, seconds=time.monotonic() - flight.started)
            followed += 1
            if followed > redirects:
                raise BadAnswer(f"more than {redirects} redirects", wrote_bytes=True)
            request = _redirected(request, answer.status, location)

    def _send(self, request: requests.PreparedRequest, flight: _Flight) -> Answer:
        url = request.url or ""
        parts = urlsplit(url)
        reason = self._reach.url_problem(parts, allow_http=flight.allow_http)
        if reason:
            raise AddressForbidden(reason, wrote_bytes=flight.wrote_bytes)
        flight.host = parts.hostname or ""
        with closing(
            self._adapter.send(request, stream=True, timeout=flight.left(), proxies=self._proxies)
        ) as response:
            return Answer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=_read(response, flight.max_bytes),
                seconds=time.monotonic() - flight.started,
                url=url.partition("?")[0].partition("#")[0],
            )


@cache
def door() -> Door:
    """Return the process's door, made by its settings."""
    return Door(
        allowed_networks=parse_networks(settings.WHATSFLOW_PRIVATE_NETWORKS),
        allowed_ports=(80, 443, *settings.WHATSFLOW_API_PORTS),
        proxy=settings.WHATSFLOW_EGRESS_PROXY,
    )


# Two processes that write into one connection would read each other's answers.
os.register_at_fork(after_in_child=door.cache_clear)


def _prepared(
    method: str,
    url: str,
    headers: Mapping[str, str] | None,
    params: Params | None,
    data: bytes | str | Params | None,
    json_body: Any,
    files: Mapping[str, Any] | None,
) -> requests.PreparedRequest:
    """Build the request without a session: no cookies, no .netrc, nothing of the environment.

    Raises:
        BadRequest: for the method, a header or the body.
        AddressForbidden: when the address is none.
    """
    if not _METHOD.fullmatch(method):
        raise BadRequest("expected a method in capital letters", wrote_bytes=False)
    if _NOT_IN_A_URL.search(url):
        raise AddressForbidden(
            "the address holds white space, a control sign or a backslash", wrote_bytes=False
        )
    all_headers = {
        "User-Agent": "WhatsFlow",
        "Accept": "*/*",
        **_checked(headers or {}),
        "Accept-Encoding": "gzip",
    }
    body = data.encode() if isinstance(data, str) else data
    request = requests.Request(method, url, all_headers, files, body, params, json=json_body)
    try:
        return request.prepare()
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema):
        raise AddressForbidden("expected an address as https://host/path", wrote_bytes=False) from None
    except (requests.RequestException, ValueError, TypeError):
        raise BadRequest("the body cannot be written as it was given", wrote_bytes=False) from None


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise BadRequest("a header's name holds a sign that is not allowed", wrote_bytes=False)
        if name.lower() in _SET_BY_THE_DOOR:
            raise BadRequest(f"the header {name} is not yours to set", wrote_bytes=False)
        if not _HEADER_VALUE.fullmatch(value) or value != value.strip():
            raise BadRequest(
                f"the value of the header {name} holds a sign that is not allowed", wrote_bytes=False
            )
    return headers


def _redirected(request: requests.PreparedRequest, status: int, location: str) -> requests.PreparedRequest:
    """Build the request that a redirect asks for; the next hop is judged as the first was.

    Raises:
        BadAnswer: when it leaves TLS, or would carry the body to another server.
    """
    old = urlsplit(request.url or "")
    following = request.copy()
    try:
        following.prepare_url(urljoin(request.url or "", location), None)
        new = urlsplit(following.url or "")
        stays = _origin(old) == _origin(new)
    except (requests.RequestException, ValueError):
        raise BadAnswer("a redirect to what is no address", wrote_bytes=True) from None
    if old.scheme == "https" and new.scheme != "https":
        raise BadAnswer("a redirect from https to http", wrote_bytes=True)
    if status == 303 or (status in {301, 302} and request.method == "POST"):
        following.method = "HEAD" if request.method == "HEAD" else "GET"
        following.body = None
        for name in ("Content-Length", "Content-Type"):
            following.headers.pop(name, None)
    if not stays:
        if following.body:
            raise BadAnswer("a redirect that carries the request's body to another server", wrote_bytes=True)
        for name in [name for name in following.headers if name.lower() not in _GOES_ANYWHERE]:
            del following.headers[name]
    return following


def _origin(parts: SplitResult) -> tuple[str | None, int | None]:
    """Tell servers apart; the usual step from http to https of one name stays within one."""
    port = parts.port or STANDARD_PORTS.get(parts.scheme)
    return parts.hostname, 443 if port == 80 else port


def _connected(connection: HTTPConnection) -> socket.socket:
    """Connect to one of the addresses that were judged, without a second look-up."""
    flight = _FLIGHT.get()
    host, port = connection._dns_host.strip("[]"), connection.port or 0  # noqa: SLF001 (`host` lost its last dot)
    resolve = flight.resolve if connection.proxy is None else look_up
    addresses = [ip_address(text) for text in _resolved(resolve, host, port, flight)]
    reason = flight.reach.connection_problem(host, port, addresses) if connection.proxy is None else None
    if reason:
        raise AddressForbidden(reason, wrote_bytes=flight.wrote_bytes)
    failure: OSError = ConnectionRefusedError()
    for address in addresses[:MAX_ADDRESSES]:
        try:
            return _opened(address, port, flight)
        except OSError as error:
            failure = error
    raise failure


def _opened(address: Address, port: int, flight: _Flight) -> socket.socket:
    link = _Timed(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(min(CONNECT_SECONDS, flight.left()))
        link.connect((str(address), port))
    except BaseException:
        link.close()
        raise
    return link


def _resolved(resolve: Resolve, host: str, port: int, flight: _Flight) -> Sequence[str]:
    """Look a host up within the time of the call: the system's own look-up knows no limit."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    found: Future[Sequence[str]] = Future()

    def look() -> None:
        try:
            found.set_result(resolve(host, port))
        except Exception as error:  # noqa: BLE001 (it is raised again in the thread that waits)
            found.set_exception(error)

    Thread(target=look, name="look-up", daemon=True).start()
    try:
        addresses = found.result(flight.left())
    except TimeoutError:
        raise
    except (OSError, ValueError):
        addresses = ()
    if not addresses:
        raise ConnectionFailed(f"the name {host} was not found", wrote_bytes=flight.wrote_bytes)
    return addresses


def _read(response: requests.Response, max_bytes: int) -> bytes:
    """Unpack the body piece by piece, so that a small bomb is never unpacked whole."""
    body = bytearray()
    while chunk := response.raw.read(CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"an answer of more than {max_bytes} bytes", wrote_bytes=True)
    return bytes(body)


def _charset(content_type: str) -> str:
    found = re.search(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", content_type, re.IGNORECASE | re.ASCII)
    try:
        name = codecs.lookup(found[1]).name if found else "utf-8"
    except LookupError:
        return "utf-8"
    return name if _CHARSET.fullmatch(name) else "utf-8"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no number of JSON")
    return number


def _judged(error: Exception, flight: _Flight) -> DoorError:
    """Say in our words what went wrong: the libraries' own hold whole addresses."""
    causes = list(_causes(error))
    host, wrote_bytes = flight.host, flight.wrote_bytes

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if has(TimeoutError, requests.Timeout, urllib3_errors.ReadTimeoutError):
        if not wrote_bytes and time.monotonic() < flight.deadline:
            return TimedOut(f"{host}: no connection in time", wrote_bytes=False)
        seconds = flight.deadline - flight.started
        return TimedOut(f"{host}: no whole answer within {seconds:g} seconds", wrote_bytes=wrote_bytes)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ConnectionFailed(f"{host}: {cause.verify_message}", wrote_bytes=wrote_bytes)
    if has(urllib3_errors.ProxyError, requests.exceptions.ProxyError):
        return ConnectionFailed(f"{host}: the egress proxy did not let it through", wrote_bytes=wrote_bytes)
    if has(ssl.SSLError):
        return ConnectionFailed(f"{host}: no TLS connection", wrote_bytes=wrote_bytes)
    if has(urllib3_errors.DecodeError):
        return BadAnswer(f"{host}: a body that cannot be unpacked", wrote_bytes=True)
    if has(BadStatusLine) and not has(RemoteDisconnected):
        return BadAnswer(f"{host}: an answer that is not HTTP", wrote_bytes=True)
    if wrote_bytes:
        return ConnectionFailed(f"{host}: the connection ended before the answer was whole", wrote_bytes=True)
    return ConnectionFailed(f"{host}: no connection", wrote_bytes=False)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk through what the libraries wrapped into each other."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            inner = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
            waiting += [one for one in inner if isinstance(one, BaseException)]

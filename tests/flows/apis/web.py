"""A small real web server on loopback: each test says in functions how it answers, and reads what came."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """One request as it came; `connection` tells TCP connections apart."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]


class Call(BaseHTTPRequestHandler):
    """What a route is given: the request, and ways to answer it."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def answer(
        self, body: bytes = b"", *, status: int = 200, content_type: str = "application/json", **more: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def say(self, raw: bytes) -> None:
        """Write these bytes and nothing else; the connection ends after the route."""
        self.close_connection = True
        self.wfile.write(raw)
        self.wfile.flush()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        web = self.server.web
        web.came.append(
            Came(
                method=self.command,
                path=self.path,
                headers=headers,
                body=body,
                connection=self.client_address[:2],
            )
        )
        route = web.routes.get(self.path.partition("?")[0], web.usual)
        try:
            route(self)
        except OSError:  # the caller had enough
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_CONNECT = _handle  # noqa: N815 (http.server's names)

    def log_message(self, *_: object) -> None:
        pass


Route = Callable[[Call], None]


def hello(call: Call) -> None:
    call.answer(b'{"hello": "world"}')


@dataclass(slots=True, kw_only=True)
class Web:
    """`routes` by path without query; every other path is answered by `usual`; `open` are connections."""

    routes: dict[str, Route] = field(default_factory=dict)
    usual: Route = hello
    came: list[Came] = field(default_factory=list)
    open: set[tuple[str, int]] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    scheme: str = "http"
    tls: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def url(self, path: str = "/", host: str = HOST) -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    web: Web

    def process_request_thread(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        self.web.open.add(client_address)
        super().process_request_thread(request, client_address)
        self.web.open.discard(client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that goes away in a handshake is what some tests are about."""


@contextmanager
def serving(*, certificate: Path | None = None) -> Iterator[Web]:
    """Serve until the block ends; with a file of key and certificate by TLS."""
    server = _Server((HOST, 0), Call)
    server.web = web = Web(port=server.server_address[1])
    if certificate is not None:
        web.tls.load_cert_chain(certificate)
        server.socket = web.tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        web.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.stop.set()
        server.shutdown()
        server.server_close()
        thread.join(5)

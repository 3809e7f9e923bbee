"""The product's webhook door as the simulator sees it: records each POST and answers as it is told."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Receiver:
    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[int], int] = lambda _count: 200
        self.verify_token = "verify"
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                good = query.get("hub.verify_token") == [receiver.verify_token]
                self._reply(200 if good else 403, query["hub.challenge"][0].encode() if good else b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((dict(self.headers), body))
                self._reply(receiver.answer(len(receiver.posts)), b"OK")

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/whatsapp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def clear(self) -> None:
        self.posts.clear()
        self.answer = lambda _count: 200

    def values(self, wanted: str = "") -> list[dict[str, Any]]:
        """The values of all changes that came, or those of `messages` or `statuses` alone."""
        entries = [entry for _, body in self.posts for entry in json.loads(body)["entry"]]
        values = [change["value"] for entry in entries for change in entry["changes"]]
        return [value for value in values if not wanted or wanted in value]

    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values("statuses") for status in value["statuses"]]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

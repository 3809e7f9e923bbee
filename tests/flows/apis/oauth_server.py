"""A real authorization server on this machine: tokens by four grants, a page that always agrees, and counts."""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import Key

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Refused(Exception):
    def __init__(self, error: str, description: str = "", status: int = 400) -> None:
        super().__init__(error)
        self.answer = {"error": error, "error_description": description}
        self.status = status


class OAuthServer:
    """Starts with the ``with`` block; ``forms`` are the token requests that came, refused ones too.

    Shapes: ``public_key`` checks assertions; ``delay_seconds`` goes by before each answer of the token endpoint.
    """

    def __init__(self, client_id: str = "shop", client_secret: str = "") -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self.public_key: Key | None = None
        self.expires_in: float | str | None = 3600
        self.delay_seconds = 0.0
        self.rotates = True
        self.breaks = ""
        self.echo = ""
        self.forms: list[dict[str, str]] = []
        self.refresh_tokens: set[str] = set()
        self.codes: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def __enter__(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                location = server.agree(dict(parse_qsl(urlsplit(self.path).query)))
                self.send_response(302)
                self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, body = server.token(form, self.headers.get("Authorization", ""))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]
        self.token_url = f"http://127.0.0.1:{self.port}/token"
        self.authorize_url = f"http://127.0.0.1:{self.port}/authorize"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def agree(self, asked: dict[str, str]) -> str:
        """The person agrees at once; the address that takes them back."""
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = self._new("code")
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, body: str, authorization: str) -> tuple[int, bytes]:
        form = {name: values[0] for name, values in parse_qs(body).items()}
        with self._lock:
            self.forms.append(form)
        time.sleep(self.delay_seconds)
        if self.breaks:
            return 500, self.breaks.encode()
        try:
            return 200, json.dumps(self._grant(form, authorization)).encode()
        except Refused as refused:
            return refused.status, json.dumps(refused.answer).encode()

    def _grant(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        grant = form["grant_type"]
        if grant == JWT_BEARER:
            self._check_assertion(form["assertion"])
        else:
            self._check_client(form, authorization)
        if grant == "refresh_token":
            if form["refresh_token"] not in self.refresh_tokens:
                raise Refused("invalid_grant", f"unknown: {form['refresh_token']}")
            if self.rotates:
                self.refresh_tokens.discard(form["refresh_token"])
        if grant == "authorization_code":
            self._check_code(form)
        answer: dict[str, Any] = {"access_token": self._new("access"), "token_type": "Bearer"}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        if grant in {"authorization_code", "refresh_token"} and self.rotates:
            answer["refresh_token"] = self._new("refresh")
            self.refresh_tokens.add(answer["refresh_token"])
        return answer

    def _check_client(self, form: dict[str, str], authorization: str) -> None:
        if "client_assertion" in form:
            self._check_assertion(form["client_assertion"])
            return
        if authorization.startswith("Basic "):
            got = base64.b64decode(authorization[6:]).decode("latin-1")
        else:
            got = form.get("client_id", "") + ":"
        if got != f"{self.client_id}:{self.client_secret}":
            raise Refused("invalid_client", f"wrong: {unquote(got)} {authorization} {self.echo}", 401)

    def _check_assertion(self, assertion: str) -> None:
        assert self.public_key is not None
        claims = jwt.decode(assertion, self.public_key, algorithms=["RS256", "ES256", "Ed25519"]).claims
        if claims["aud"] != self.token_url or claims["exp"] < time.time():
            raise Refused("invalid_grant", "audience or time")
        self.claims = claims

    def _check_code(self, form: dict[str, str]) -> None:
        asked = self.codes.pop(form["code"], None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            raise Refused("invalid_grant", "unknown code")
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            raise Refused("invalid_grant", "wrong verifier")

    def _new(self, kind: str) -> str:
        with self._lock:
            self._count += 1
            return f"{kind}-{self._count}-CANARY"

"""Meta's door: a signed body is stored whole and durably before it is acknowledged; all else comes later."""

import hashlib
import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.crypto import constant_time_compare
from rest_framework.views import APIView

from conversations import hints
from conversations.whatsapp import signature
from flows import database
from flows.failpoints import reach

MAX_BODY_BYTES = 4 * 1024 * 1024
_STORE = (
    "INSERT INTO conversations_webhookdelivery (body_sha256, body, is_simulated, n_seen, received_at, state, reason)"
    " VALUES (%s, %s, %s, 1, {now}, 'raw', '')"
    " ON CONFLICT (body_sha256) DO UPDATE SET n_seen = conversations_webhookdelivery.n_seen + 1"
)


class Backlog:
    """How far the work is behind, looked at four times a second; over the limit the door stays shut."""

    seconds = 0.25

    def __init__(self) -> None:
        self._looked_at = 0.0
        self._is_over = False

    def is_over(self) -> bool:
        if time.monotonic() - self._looked_at > self.seconds:
            self._looked_at = time.monotonic()
            self._is_over = self._count() > settings.WHATSFLOW_BACKLOG_LIMIT
        return self._is_over

    @staticmethod
    def _count() -> int:
        limit = settings.WHATSFLOW_BACKLOG_LIMIT + 1
        row = database.read("door").one(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM conversations_webhookdelivery WHERE state = 'raw'"
            " LIMIT %s) AS r) + (SELECT count(*) FROM (SELECT 1 FROM conversations_lane WHERE pending > 0"
            " LIMIT %s) AS l)",
            [limit, limit],
        )
        return int(row[0]) if row else 0


backlog = Backlog()


class WebhookView(APIView):
    """GET answers Meta's handshake; POST stores a signed body.

    No parser, renderer, authenticator or throttle: the signature over the raw bytes is the authentication, and
    Meta must not be throttled.
    """

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    parser_classes: list[Any] = []
    throttle_classes: list[Any] = []
    http_method_names = ["get", "post"]

    def perform_content_negotiation(self, request: Any, force: bool = False) -> Any:  # noqa: ARG002
        """Answer in plain text whatever is asked for: there is nothing to negotiate."""
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET
        token = asked.get("hub.verify_token", "")
        if asked.get("hub.mode") != "subscribe" or not _is_ours(token):
            return _plain("the verify token does not match", 403)
        challenge = asked.get("hub.challenge")
        if not challenge:
            return _plain("hub.challenge is missing", 400)
        return _plain(challenge, 200)

    def post(self, request: Any) -> HttpResponse:
        raw: HttpRequest = request._request  # noqa: SLF001 - the bytes as they came; DRF would parse them
        body, refusal = _read(raw)
        if refusal is not None:
            return refusal
        given = raw.META.get("HTTP_X_HUB_SIGNATURE_256")
        is_simulated = _is_signed(_simulator_secrets(), body, given)
        if not is_simulated and not _is_signed(settings.WHATSAPP_APP_SECRETS, body, given):
            return _plain("the signature does not match", 401)
        return _store(body, is_simulated=is_simulated)


def _store(body: bytes, *, is_simulated: bool) -> HttpResponse:
    try:
        if backlog.is_over():
            return _busy("behind with the work; send it again later")
        reach("web.before_commit")
        database.Cursor("door").run(_STORE, [hashlib.sha256(body).hexdigest(), body, is_simulated])
    except DatabaseError:
        connections["door"].close()
        return _busy("the body could not be stored; send it again later")
    reach("web.after_commit")
    hints.wake("in")
    return _plain("stored", 200)


def _read(raw: HttpRequest) -> tuple[bytes, HttpResponse | None]:
    length = raw.META.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        return b"", _plain("Content-Length is missing", 411)
    if int(length) > MAX_BODY_BYTES:
        return b"", _plain("the body is larger than 4 MB", 413)
    try:
        body = raw.read(MAX_BODY_BYTES + 1)
    except UnreadablePostError:
        body = b""
    if len(body) != int(length):
        return b"", _plain("the body is not as long as Content-Length says", 400)
    return body, None


def _is_signed(secrets: list[str], body: bytes, given: str | None) -> bool:
    return bool(secrets) and signature.is_valid(secrets, body, given)


def _simulator_secrets() -> list[str]:
    return [settings.SIMULATOR_APP_SECRET] if settings.SIMULATOR_ENABLED else []


def _is_ours(token: str) -> bool:
    ours = [settings.WHATSAPP_VERIFY_TOKEN]
    if settings.SIMULATOR_ENABLED:
        ours.append(settings.SIMULATOR_VERIFY_TOKEN)
    return any(constant_time_compare(token, one) for one in ours if one)


def _plain(text: str, status: int) -> HttpResponse:
    body = text.encode()
    headers = {"Content-Length": str(len(body)), "X-Content-Type-Options": "nosniff"}
    return HttpResponse(body, status=status, content_type="text/plain; charset=utf-8", headers=headers)


def _busy(text: str) -> HttpResponse:
    response = _plain(text, 503)
    response["Retry-After"] = "5"
    return response

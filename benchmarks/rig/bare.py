"""The reference for the webhook door: a bare Django view on the same server, with HMAC and one INSERT."""

import hashlib
import hmac
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whatsflow.settings")
_INSERT = (
    "INSERT INTO conversations_webhookdelivery (body_sha256, body, is_simulated, n_seen, received_at, state, reason)"
    " VALUES (%s, %s, true, 1, clock_timestamp(), 'split', '') ON CONFLICT DO NOTHING"
)


def door(request: HttpRequest) -> HttpResponse:
    body = request.body
    mac = hmac.new(settings.SIMULATOR_APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"sha256={mac}", request.headers.get("X-Hub-Signature-256", "")):
        return HttpResponse(status=401)
    with connections["door"].cursor() as cursor:
        cursor.execute(_INSERT, [hashlib.sha256(body).hexdigest(), body])
    return HttpResponse(b"stored")


def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok")


urlpatterns = [path("webhooks/whatsapp", door), path("healthz", healthz)]
# Before the handler is made: it reads both once.
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = []
application = get_wsgi_application()

"""Where staff connect an API: off to its authorization server, and back with a code."""

import time
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as text
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from flows import secrets
from flows.apis import oauth
from flows.apis.client import door
from flows.apis.oauth import OAuthError
from flows.apis.tokens import OAuthToken

PERMISSION = "flows.change_oauthtoken"
KEPT = "flows_oauth_departures"
VALID_SECONDS = 600
MOST_DEPARTURES = 5


@require_GET
@never_cache
def connect(request: HttpRequest, pk: int) -> HttpResponse:
    """Send staff to the authorization server; state and proof key wait in their session."""
    _allowed(request)
    # A link of another site shall not send staff to agree to anything.
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise PermissionDenied
    row = get_object_or_404(OAuthToken, pk=pk)
    try:
        going = oauth.begin(row, secrets.get, _callback_url(request))
    except OAuthError as refusal:
        return _back(request, messages.ERROR, str(refusal))
    _remember(request, going.state, {"row": row.pk, "verifier": going.verifier, "at": time.time()})
    return HttpResponseRedirect(going.url)


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Take the code that staff bring back, if they left from here with this state."""
    _allowed(request)
    kept = _recall(request, request.GET.get("state", ""))
    if kept is None:
        return _back(
            request, messages.ERROR, text("This answer belongs to no connection that you began; begin again.")
        )
    row = OAuthToken.objects.filter(pk=kept["row"]).first()
    if row is None:
        return _back(request, messages.ERROR, text("The connection was deleted meanwhile."))
    code = request.GET.get("code", "")
    if not code:
        reason = request.GET.get("error_description") or request.GET.get("error") or text("no code came back")
        return _back(request, messages.ERROR, text("%s was not connected: %s") % (row, reason[:200]))
    try:
        oauth.finish(
            row,
            secrets.get,
            door().request,
            code=code,
            verifier=kept["verifier"],
            redirect_uri=_callback_url(request),
        )
    except OAuthError as refusal:
        return _back(request, messages.ERROR, text("Not connected. %s") % refusal)
    return _back(request, messages.SUCCESS, text("%s is connected.") % row)


def _allowed(request: HttpRequest) -> None:
    user: Any = request.user
    if not user.has_perm(PERMISSION):
        raise PermissionDenied


def _callback_url(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("flows_oauth_callback"))


def _remember(request: HttpRequest, state: str, departure: dict[str, Any]) -> None:
    """Keep a few departures, for staff may begin in two tabs."""
    kept = dict(request.session.get(KEPT, {}))
    newest = sorted(kept.items(), key=lambda entry: entry[1]["at"])[-(MOST_DEPARTURES - 1) :]
    request.session[KEPT] = dict(newest) | {state: departure}


def _recall(request: HttpRequest, state: str) -> dict[str, Any] | None:
    """Give the departure of ``state`` once, and not after ten minutes."""
    kept = dict(request.session.get(KEPT, {}))
    found: dict[str, Any] | None = kept.pop(state, None)
    request.session[KEPT] = kept
    return found if found is not None and time.time() - found["at"] < VALID_SECONDS else None


def _back(request: HttpRequest, level: int, sentence: str) -> HttpResponse:
    messages.add_message(request, level, sentence)
    return redirect("admin:flows_oauthtoken_changelist")


urlpatterns: list[URLPattern] = [
    path("apis/oauth/<int:pk>/connect", admin.site.admin_view(connect), name="flows_oauth_connect"),
    path("apis/oauth/callback", admin.site.admin_view(callback), name="flows_oauth_callback"),
]

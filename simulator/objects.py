"""The rest of the Graph API that a client needs: numbers, accounts, apps, their callbacks and tokens."""

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import requests
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from simulator import media, numbers
from simulator.graph import bearer, graph_view, json_of, number_for
from simulator.models import SimulatedApp, SimulatedNumber
from simulator.refusals import Refusal, bad_parameter, bad_token, unknown_object

CHALLENGE_SECONDS = 5


@graph_view("GET", "POST", "DELETE")
def node(request: HttpRequest, object_id: str) -> HttpResponseBase:
    """GET, change or delete one object: a number or a media file; Graph keeps all ids in one space."""
    method = request.method or "GET"
    if numbers.find(object_id) is not None:
        number = number_for(request, object_id)
        if method == "GET":
            return JsonResponse(number_json(number, request.GET.get("fields", "")))
        if method == "POST":
            return _configure_number(request, number)
    file = media.media_of(request, object_id)
    if file is None or method == "POST":
        if not bearer(request):
            raise bad_token()
        raise unknown_object(object_id, method.lower())
    if method == "DELETE":
        file.delete()
        return JsonResponse({"success": True})
    return JsonResponse(media.lookup_json(request, file))


def number_json(number: SimulatedNumber, wanted: str = "") -> dict[str, Any]:
    """The number's fields: the default ones, or those that `fields=` names and we know, and always the id."""
    known = {
        "verified_name": number.verified_name,
        "display_phone_number": number.display_phone_number,
        "quality_rating": "GREEN",
        "code_verification_status": "VERIFIED",
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
        "status": "CONNECTED",
        "name_status": "APPROVED",
        "messaging_limit_tier": "TIER_250",
        "whatsapp_business_manager_messaging_limit": "TIER_250",
        "account_mode": "SANDBOX",
        "is_official_business_account": False,
        "health_status": {"can_send_message": "AVAILABLE", "entities": []},
        "webhook_configuration": {"application": numbers.callback_url(number)},
    }
    default = ("verified_name", "display_phone_number", "quality_rating", "platform_type", "throughput")
    names = [name.strip() for name in wanted.split(",") if name.strip()] or default
    return {**{name: known[name] for name in names if name in known}, "id": number.phone_number_id}


def _configure_number(request: HttpRequest, number: SimulatedNumber) -> JsonResponse:
    body = json_of(request)
    webhook = body.get("webhook_configuration") if isinstance(body, Mapping) else None
    if not isinstance(webhook, Mapping):
        return JsonResponse({"success": True})
    number.callback_url = _verified_override(webhook)
    number.save(update_fields=["callback_url"])
    return JsonResponse({"success": True})


def _verified_override(data: Mapping[str, Any]) -> str:
    """Return the alternate callback once it answered the challenge; an empty one takes it away."""
    url = str(data.get("override_callback_uri") or "")
    if url:
        challenge(url, str(data.get("verify_token") or ""))
    return url


@graph_view("GET")
def phone_numbers(request: HttpRequest, waba_id: str) -> HttpResponseBase:
    found = _numbers_of(request, waba_id)
    fields = request.GET.get("fields", "")
    return JsonResponse({"data": [number_json(number, fields) for number in found]})


def _numbers_of(request: HttpRequest, waba_id: str) -> list[SimulatedNumber]:
    if waba_id == settings.SIMULATOR_WABA_ID:
        numbers.demo()
    found = list(SimulatedNumber.objects.select_related("app").filter(waba_id=waba_id))
    if found and bearer(request) not in [numbers.access_token(number) for number in found]:
        raise bad_token()
    if not found:
        raise unknown_object(waba_id, (request.method or "get").lower())
    return found


@graph_view("GET", "POST", "DELETE")
def subscribed_apps(request: HttpRequest, waba_id: str) -> HttpResponseBase:
    """The apps of an account; a POST may set another callback for all its numbers."""
    found = _numbers_of(request, waba_id)
    if request.method == "GET":
        apps = {number.app.app_id: number for number in found}
        return JsonResponse({"data": [_subscription(app_id, number) for app_id, number in apps.items()]})
    url = _verified_override(json_of(request)) if request.method == "POST" else ""
    SimulatedNumber.objects.filter(pk__in=[number.pk for number in found]).update(callback_url=url)
    return JsonResponse({"success": True})


def _subscription(app_id: str, number: SimulatedNumber) -> dict[str, Any]:
    api = {"id": app_id, "name": "WhatsFlow simulator", "link": "https://developers.facebook.com/"}
    override = {"override_callback_uri": number.callback_url} if number.callback_url else {}
    return {"whatsapp_business_api_data": api, **override}


@graph_view("GET")
def access_token(request: HttpRequest) -> HttpResponseBase:
    """Give an app its token: `GET /oauth/access_token?client_id&client_secret&grant_type=client_credentials`."""
    app = _app(request.GET.get("client_id", ""))
    if not hmac.compare_digest(request.GET.get("client_secret", "").encode(), numbers.secret(app).encode()):
        raise Refusal(code=1, message="Error validating client secret.")
    return JsonResponse({"access_token": _app_token(app), "token_type": "bearer"})


def _app(app_id: str) -> SimulatedApp:
    if app_id == numbers.DEMO_APP_ID:
        numbers.demo()
    app = SimulatedApp.objects.filter(app_id=app_id).first()
    if app is None:
        raise Refusal(code=101, message="Error validating application. Cannot get application info.")
    return app


def _app_token(app: SimulatedApp) -> str:
    proof = hmac.digest(settings.SECRET_KEY.encode(), numbers.secret(app).encode(), "sha256").hex()[:27]
    return f"{app.app_id}|{proof}"


@graph_view("POST")
def subscriptions(request: HttpRequest, app_id: str) -> HttpResponseBase:
    """Set an app's callback, once it answered the challenge with the verify token."""
    app = _app(app_id)
    body = json_of(request)
    given = {**(body if isinstance(body, Mapping) else {}), **request.GET.dict()}
    if (given.get("access_token") or bearer(request)) != _app_token(app):
        raise bad_token()
    if given.get("object") != "whatsapp_business_account":
        raise bad_parameter("Param object must be one of {WHATSAPP_BUSINESS_ACCOUNT}.")
    url, token = str(given.get("callback_url") or ""), str(given.get("verify_token") or "")
    challenge(url, token)
    app.callback_url, app.verify_token = url, token
    app.fields = [name for name in str(given.get("fields") or "").split(",") if name]
    app.save()
    return JsonResponse({"success": True})


def challenge(url: str, verify_token: str) -> None:
    """GET the callback as Meta does before it believes it.

    Raises: Refusal 2200, unless the answer is 200 with the challenge verbatim.
    """
    nonce = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.challenge": nonce, "hub.verify_token": verify_token}
    try:
        answer = requests.get(url, params=query, timeout=CHALLENGE_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise _not_verified(type(error).__name__) from None
    if answer.status_code != 200 or answer.text != nonce:
        raise _not_verified(f"HTTP Status Code = {answer.status_code}; HTTP Message = {answer.reason}")


def _not_verified(why: str) -> Refusal:
    message = f"(#2200) Callback verification failed with the following errors: {why}"
    return Refusal(code=2200, message=message, http=400)

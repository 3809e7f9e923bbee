"""Way 5: the Graph API of WhatsApp, as any correct client finds it at graph.facebook.com, under `/vNN.N/`."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.views.decorators.csrf import csrf_exempt

from simulator import ledger, numbers, strict_json
from simulator.models import SimulatedFault, SimulatedMessage, SimulatedNumber
from simulator.refusals import Refusal, bad_parameter, bad_token, unknown_object
from simulator.sockets import cut

View = Callable[..., HttpResponseBase]
STATUS_FIRST_LIMIT_SECONDS = 5.0
BAD_GATEWAY = (
    "<!DOCTYPE html><html><head><title>502</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)


def graph_view(*methods: str) -> Callable[[View], View]:
    """Make a view of the API: off when the simulator is off, no session, refusals in Meta's JSON."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not settings.SIMULATOR_ENABLED:
                raise Http404
            try:
                if request.method not in methods:
                    raise bad_parameter(f"Unsupported {(request.method or '').lower()} request.")
                return view(request, *args, **kwargs)
            except Refusal as refusal:
                return refused(refusal)

        return inner

    return decorate


def refused(refusal: Refusal) -> JsonResponse:
    response = JsonResponse(refusal.body(), status=refusal.status)
    if refusal.code in (0, 190):
        response["WWW-Authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{refusal.words}"'
    return response


def bearer(request: HttpRequest) -> str:
    """The token of the request: of the header, or of the query, which Graph takes as well."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "oauth"):
        return token.strip()
    return request.GET.get("access_token", "")


def number_for(request: HttpRequest, phone_number_id: str) -> SimulatedNumber:
    """Return the number that the token opens.

    Raises: Refusal 190 without a good token, 100 (subcode 33) for a number that does not exist.
    """
    number = numbers.find(phone_number_id)
    token = bearer(request)
    if number is None:
        if not token:
            raise bad_token()
        raise unknown_object(phone_number_id, (request.method or "get").lower())
    if token != numbers.access_token(number):
        raise bad_token()
    return number


def json_of(request: HttpRequest) -> Any:
    """Read the body: JSON, or the form fields that Graph takes in its place."""
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return {key: _maybe_json(value) for key, value in request.POST.items()}
    try:
        return strict_json.loads(request.body)
    except ValueError:
        raise bad_parameter("Invalid JSON in the request body.") from None


def _maybe_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value[:1] in "{[" else value
    except ValueError:
        return value


# --- messages ---------------------------------------------------------------------------------------------


@graph_view("POST")
def messages(request: HttpRequest, phone_number_id: str) -> HttpResponseBase:
    number = number_for(request, phone_number_id)
    taken = ledger.post_message(number, json_of(request))
    _hold(number, taken)
    if taken.fault is None:
        return JsonResponse(taken.body, status=taken.http)
    spoil = SPOILED.get(taken.fault.kind)
    return spoil(request, taken.fault, taken.body) if spoil else JsonResponse(taken.body, status=taken.http)


def _hold(number: SimulatedNumber, taken: ledger.Taken) -> None:
    """Answer as late as the switches ask, after the commit: statuses may overtake the answer."""
    behaviour = numbers.behaviour(number)
    if behaviour.answer_ms:
        time.sleep(behaviour.answer_ms / 1000)
    if behaviour.status_before_answer and taken.message is not None:
        _wait_for_status(taken.message)


def _wait_for_status(message: SimulatedMessage) -> None:
    limit = time.monotonic() + STATUS_FIRST_LIMIT_SECONDS
    told = message.webhooks.filter(state="delivered")
    while not told.exists() and time.monotonic() < limit:
        time.sleep(0.02)


def _slow(_request: HttpRequest, fault: SimulatedFault, body: dict[str, Any]) -> HttpResponseBase:
    time.sleep(fault.milliseconds / 1000)
    return JsonResponse(body)


def _hang(request: HttpRequest, fault: SimulatedFault, body: dict[str, Any]) -> HttpResponseBase:
    time.sleep(fault.milliseconds / 1000)
    return _drop(request, fault, body)


def _drop(request: HttpRequest, fault: SimulatedFault, body: dict[str, Any]) -> HttpResponseBase:
    peer = request.META.get("REMOTE_ADDR", ""), int(request.META.get("REMOTE_PORT") or 0)
    if cut(*peer):
        return HttpResponse(status=503)  # nobody is left to read it
    return _truncate(request, fault, body)


def _truncate(request: HttpRequest, _fault: SimulatedFault, body: dict[str, Any]) -> HttpResponseBase:
    whole = json.dumps(body).encode()
    # Under ASGI a synchronous iterator is read to its end, and so to its error, before the answer starts.
    half = _async_half(whole) if isinstance(request, ASGIRequest) else _half(whole)
    response = StreamingHttpResponse(half, content_type="application/json")
    response["Content-Length"] = str(len(whole))
    return response


class CutShortError(RuntimeError):
    """Ends a streamed answer in its middle, so that the server closes the connection."""


def _half(whole: bytes) -> Iterator[bytes]:
    yield whole[: len(whole) // 2]
    raise CutShortError("the simulator cut this answer short, as it was asked to")


async def _async_half(whole: bytes) -> AsyncIterator[bytes]:
    for part in _half(whole):
        yield part


def _answers(
    status: int, content: str, content_type: str
) -> Callable[[HttpRequest, SimulatedFault, dict[str, Any]], HttpResponseBase]:
    def spoil(_request: HttpRequest, _fault: SimulatedFault, _body: dict[str, Any]) -> HttpResponseBase:
        return HttpResponse(content, status=status, content_type=content_type)

    return spoil


SPOILED: dict[str, Callable[[HttpRequest, SimulatedFault, dict[str, Any]], HttpResponseBase]] = {
    "slow": _slow,
    "hang": _hang,
    "drop": _drop,
    "truncate": _truncate,
    "html": _answers(502, BAD_GATEWAY, "text/html"),
    "unavailable": _answers(503, "", "text/plain"),
    "junk": _answers(200, "OK <not json", "text/html"),
    "empty": _answers(200, "", "application/json"),
}

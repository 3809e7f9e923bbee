"""The control API, `/simulator/api/`: what the phone page, fault tests and benchmarks drive the simulator with.

It is open to staff (with the session's CSRF token) and to whoever sends `Authorization: Bearer <SIMULATOR_TOKEN>`.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from simulator import chat, clock, customers, delivery, faults, media, numbers, records
from simulator.behaviour import Behaviour, change_behaviour
from simulator.door import ControlFault, body_of, control_view, customer_named, number_named
from simulator.models import (
    SimulatedApp,
    SimulatedCustomer,
    SimulatedFault,
    SimulatedMedia,
    SimulatedMessage,
    SimulatedNumber,
    SimulatedWebhook,
)

PAGE = 1000
SHOWN_INLINE = ("image/jpeg", "image/png", "image/webp", "audio/", "video/")


# --- numbers and customers --------------------------------------------------------------------------------

_NUMBER_KEYS = ("display_phone_number", "verified_name", "access_token", "callback_url")


@control_view("GET", "POST")
def numbers_view(request: HttpRequest) -> HttpResponseBase:
    if request.method == "GET":
        numbers.demo()
        found = SimulatedNumber.objects.select_related("app").order_by("pk")
        return JsonResponse({"numbers": [records.number(number) for number in found]})
    body = body_of(request)
    name = str(body.get("phone_number_id") or "")
    if not name:
        raise ControlFault("phone_number_id: missing")
    given = {key: str(body[key]) for key in (*_NUMBER_KEYS, "waba_id", "app_id") if key in body}
    number = numbers.create(
        phone_number_id=name,
        **{"display_phone_number": "+1 555 010 0001", "verified_name": name, **given},
    )
    _change_number(number, body)
    return JsonResponse(records.number(number), status=201)


@control_view("GET", "PATCH", "DELETE")
def number_view(request: HttpRequest, phone_number_id: str) -> HttpResponseBase:
    number = number_named(phone_number_id)
    if request.method == "DELETE":
        _delete(SimulatedNumber.objects.filter(pk=number.pk))
        return HttpResponse(status=204)
    if request.method == "PATCH":
        _change_number(number, body_of(request))
    return JsonResponse(records.number(number))


def _change_number(number: SimulatedNumber, body: Mapping[str, Any]) -> None:
    for key in _NUMBER_KEYS:
        if key in body:
            setattr(number, key, str(body[key]))
    if "app_secret" in body:
        SimulatedApp.objects.filter(pk=number.app_id).update(secret=str(body["app_secret"]))
        number.app.refresh_from_db()
    if "behaviour" in body:
        number.behaviour = _switches(number, body["behaviour"])
    number.save()


@control_view("GET", "POST")
def customers_view(request: HttpRequest) -> HttpResponseBase:
    if request.method == "GET":
        found = SimulatedCustomer.objects.order_by("pk")
        return JsonResponse({"customers": [records.customer(customer) for customer in found]})
    body = body_of(request)
    who = str(body.get("phone") or body.get("user_id") or "")
    flags = {key: bool(body[key]) for key in ("hides_phone", "on_whatsapp") if key in body}
    customer = customers.create(
        who=who, name=str(body.get("name") or ""), username=str(body.get("username") or ""), **flags
    )
    return JsonResponse(records.customer(customer), status=201)


@control_view("GET", "PATCH", "DELETE")
def customer_view(request: HttpRequest, who: str) -> HttpResponseBase:
    customer = customer_named(who)
    if request.method == "DELETE":
        _delete(SimulatedCustomer.objects.filter(pk=customer.pk))
        return HttpResponse(status=204)
    body = body_of(request) if request.method == "PATCH" else {}
    for key in ("name", "username"):
        if key in body:
            setattr(customer, key, str(body[key]))
    for key in ("hides_phone", "on_whatsapp"):
        if key in body:
            setattr(customer, key, bool(body[key]))
    customer.save()
    return JsonResponse(records.customer(customer))


# --- saying something -------------------------------------------------------------------------------------


@control_view("POST")
def send_view(request: HttpRequest) -> HttpResponseBase:
    """Say something as a customer: `from` (made if unknown), `number`, and one saying of `simulator.chat`."""
    body = body_of(request)
    if not body.get("from"):
        raise ControlFault("from: a phone number or a business-scoped user id is needed")
    number = number_named(body.get("number"))
    customer = customers.create(who=str(body["from"]))
    saying = {key: value for key, value in body.items() if key not in ("from", "number")}
    message = chat.say(number, customer, saying)
    return JsonResponse(records.message(message), status=201)


@control_view("POST")
def media_view(request: HttpRequest) -> HttpResponseBase:
    """Upload a customer's file: multipart `file`, or JSON `content_base64`, `mime_type`, `filename`."""
    file = request.FILES.get("file")
    if isinstance(file, UploadedFile):
        name, mime_type, content = (
            file.name or "",
            file.content_type or "application/octet-stream",
            file.read(),
        )
        number = number_named(request.POST.get("number"))
    else:
        body = body_of(request)
        name, mime_type = str(body.get("filename") or ""), str(body.get("mime_type") or "")
        content, number = _decoded(body.get("content_base64")), number_named(body.get("number"))
    if request.GET.get("check", "1") != "0":
        media.check_upload(mime_type, len(content))
    stored = media.store(number, content=content, mime_type=mime_type, filename=name)
    return JsonResponse({"id": stored.media_id, "mime_type": mime_type, "filename": name}, status=201)


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except binascii.Error:
        raise ControlFault("content_base64: not base64") from None


@control_view("GET")
def media_file_view(_request: HttpRequest, media_id: str) -> HttpResponseBase:
    """Show a file to the phone page; only pictures, sounds and films inline, all else as a download."""
    file = SimulatedMedia.objects.filter(media_id=media_id).first()
    if file is None:
        raise Http404
    response = HttpResponse(bytes(file.content), content_type=file.mime_type)
    inline = file.mime_type.startswith(SHOWN_INLINE)
    response["Content-Disposition"] = "inline" if inline else "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, max-age=3600"
    return response


# --- switches ---------------------------------------------------------------------------------------------


@control_view("GET", "PATCH", "PUT")
def behaviour_view(request: HttpRequest) -> HttpResponseBase:
    """The steady switches of `?number=`; PATCH changes some, PUT sets all others back to their defaults."""
    number = number_named(request.GET.get("number"))
    if request.method == "PUT":
        number.behaviour = {}
    if request.method != "GET":
        number.behaviour = _switches(number, body_of(request))
        number.save(update_fields=["behaviour"])
    return JsonResponse(numbers.behaviour(number).to_json())


def _switches(number: SimulatedNumber, changes: Any) -> dict[str, Any]:
    if not isinstance(changes, Mapping):
        raise ControlFault("behaviour: expected an object of switches")
    changed = change_behaviour(numbers.behaviour(number), changes).to_json()
    default = Behaviour().to_json()
    return {name: value for name, value in changed.items() if value != default[name]}


@control_view("GET", "POST", "DELETE")
def faults_view(request: HttpRequest) -> HttpResponseBase:
    """The armed faults of `?number=`; POST arms one, DELETE disarms all."""
    if request.method == "POST":
        body = body_of(request)
        fault = faults.arm(number_named(body.get("number") or request.GET.get("number")), body)
        return JsonResponse(faults.to_json(fault), status=201)
    armed = SimulatedFault.objects.filter(number=number_named(request.GET.get("number"))).order_by("pk")
    if request.method == "DELETE":
        armed.delete()
        return HttpResponse(status=204)
    return JsonResponse({"faults": [faults.to_json(fault) for fault in armed]})


@control_view("GET", "DELETE")
def fault_view(request: HttpRequest, pk: int) -> HttpResponseBase:
    fault = SimulatedFault.objects.filter(pk=pk).first()
    if fault is None:
        raise Http404
    if request.method == "DELETE":
        fault.delete()
        return HttpResponse(status=204)
    return JsonResponse(faults.to_json(fault))


# --- what happened ----------------------------------------------------------------------------------------

_LEDGER_FILTERS = {
    "number": "number__phone_number_id",
    "token": "token",
    "wamid": "wamid",
    "direction": "direction",
    "status": "status",
    "type": "type",
    "after": "pk__gt",
}


@control_view("GET")
def ledger_view(request: HttpRequest) -> HttpResponseBase:
    """Messages of both sides and refused POSTs, oldest first; pages of 1,000, `after` continues."""
    found = SimulatedMessage.objects.select_related("number", "customer").order_by("pk")
    for name, lookup in _LEDGER_FILTERS.items():
        if value := request.GET.get(name):
            if name == "after" and not value.isdigit():
                raise ControlFault(f"after: expected the id of a ledger row, got {value!r}")
            found = found.filter(**{lookup: value})
    if who := request.GET.get("contact"):
        found = found.filter(customer=customers.find(who))
    rows = [records.message(row) for row in found[:PAGE]]
    return JsonResponse(
        {
            "count": found.count(),
            "messages": rows,
            "next_after": rows[-1]["id"] if len(rows) == PAGE else None,
        }
    )


@control_view("GET", "POST", "DELETE")
def webhooks_view(request: HttpRequest) -> HttpResponseBase:
    """The queue to the product: counts by state (and rows with `?list=1`). POST queues a raw one, DELETE drops
    all that wait.
    """
    if request.method == "POST":
        return JsonResponse({"id": _queue_raw(body_of(request))}, status=201)
    rows = SimulatedWebhook.objects.order_by("pk")
    if name := request.GET.get("number"):
        rows = rows.filter(number__phone_number_id=name)
    if request.method == "DELETE":
        rows.filter(state=SimulatedWebhook.State.WAITING).delete()
        return HttpResponse(status=204)
    transaction.on_commit(delivery.wake)
    return JsonResponse(records.queue(rows, listed=bool(request.GET.get("list"))))


def _queue_raw(body: Mapping[str, Any]) -> int:
    """Shapes: number?, field? + value (a change), or raw_body (a string sent as it stands); signature?."""
    signature = str(body.get("signature", "good"))
    if signature not in ("good", "bad", "none"):
        raise ControlFault(f"signature: expected good, bad or none, got {signature!r}")
    if not isinstance(body.get("raw_body", ""), str):
        raise ControlFault("raw_body: expected a string")
    if ("value" in body) == bool(body.get("raw_body")):
        raise ControlFault("expected either value or raw_body")
    webhook = SimulatedWebhook(
        number=number_named(body.get("number")),
        field=str(body.get("field") or "messages"),
        value=body.get("value"),
        raw_body=body.get("raw_body") or "",
        signature=signature,
    )
    delivery.enqueue([webhook])
    return webhook.pk


@control_view("GET", "POST")
def clock_view(request: HttpRequest) -> HttpResponseBase:
    """How far Meta's clock is ahead; POST `seconds` moves it on. The product's own clock is moved by itself."""
    if request.method == "GET":
        return JsonResponse({"ahead_seconds": clock.ahead_seconds(), "now": clock.now().isoformat()})
    seconds = body_of(request).get("seconds")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= 366 * 86_400:
        raise ControlFault(f"seconds: expected a whole number from 0 to a year, got {seconds!r}")
    return JsonResponse({"ahead_seconds": clock.jump(seconds), "now": clock.now().isoformat()})


@control_view("POST")
def reset_view(request: HttpRequest) -> HttpResponseBase:
    """Forget messages, webhooks, faults and switches; with `everything` also numbers, customers, media, the clock."""
    if body_of(request).get("everything"):
        _delete(SimulatedNumber.objects.all(), SimulatedApp.objects.all(), SimulatedCustomer.objects.all())
        clock.reset()
        return HttpResponse(status=204)
    _delete(SimulatedMessage.objects.all(), SimulatedWebhook.objects.all(), SimulatedFault.objects.all())
    SimulatedNumber.objects.update(behaviour={})
    return HttpResponse(status=204)


def _delete(*rows: QuerySet[Any]) -> None:
    """Delete rows with all that hangs on them; what an open page adds meanwhile is met by trying again."""
    for tries_left in (2, 1, 0):
        try:
            with transaction.atomic():
                for some in rows:
                    some.all().delete()
            return
        except IntegrityError:
            if not tries_left:
                raise

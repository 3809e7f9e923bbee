"""The door of the control API: who may come in, how a request is read and how a fault is told."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from simulator import customers, numbers, strict_json
from simulator.behaviour import BehaviourFault
from simulator.chat import SayingFault
from simulator.graph import refused
from simulator.models import SimulatedCustomer, SimulatedNumber
from simulator.refusals import Refusal

View = Callable[..., HttpResponseBase]


class ControlFault(ValueError):
    """A request that the control API cannot obey; answered with 400 and the text."""


def control_view(*methods: str) -> Callable[[View], View]:
    """Make a view of the control API: off with the simulator, staff or token only, faults as JSON."""

    def decorate(view: View) -> View:
        @wraps(view)
        def obeyed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in methods:
                return JsonResponse({"error": f"use {' or '.join(methods)}"}, status=405)
            try:
                return view(request, *args, **kwargs)
            except (BehaviourFault, SayingFault, ControlFault) as fault:
                return JsonResponse({"error": str(fault)}, status=400)
            except Refusal as refusal:
                return refused(refusal)

        guarded = csrf_protect(obeyed)

        @csrf_exempt
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not settings.SIMULATOR_ENABLED:
                raise Http404
            if has_token(request):
                return obeyed(request, *args, **kwargs)
            if not is_staff(request.user):
                return JsonResponse(
                    {"error": "staff only, or Authorization: Bearer SIMULATOR_TOKEN"}, status=403
                )
            return guarded(request, *args, **kwargs)

        return inner

    return decorate


def is_staff(user: Any) -> bool:
    return bool(user is not None and user.is_active and user.is_staff)


def has_token(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = str(settings.SIMULATOR_TOKEN)
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


def body_of(request: HttpRequest) -> dict[str, Any]:
    try:
        body = strict_json.loads(request.body)
    except ValueError:
        raise ControlFault("the body is not JSON") from None
    if not isinstance(body, dict):
        raise ControlFault("the body is not a JSON object")
    return body


def number_named(name: Any) -> SimulatedNumber:
    """Return the number of this phone_number_id; without one the demo's."""
    number = numbers.find(str(name)) if name else numbers.demo()
    if number is None:
        raise ControlFault(f"number: no simulated number {name!r}; create it at numbers/")
    return number


def customer_named(who: Any) -> SimulatedCustomer:
    customer = customers.find(str(who)) if who else None
    if customer is None:
        raise ControlFault(f"no customer {who!r}; create them at customers/")
    return customer

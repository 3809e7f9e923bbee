"""What the simulator's page asks of the product itself: the trace of a contact, and a jump of the clock.

Both are for staff, and only where the simulator is on; the trace knows simulated numbers only.
"""

import json
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from conversations import clock, trace


def _require_staff(request: HttpRequest) -> None:
    if not settings.SIMULATOR_ENABLED:
        raise Http404
    if not admin.site.has_permission(request):
        raise PermissionDenied


@never_cache
@require_GET
def trace_view(request: HttpRequest) -> JsonResponse:
    _require_staff(request)
    asked = request.GET
    after = asked.get("after", "0")
    if not (after.isdecimal() and len(after) < 19):
        return JsonResponse({"error": _("after: expected the id of an event")}, status=400)
    contact_id = trace.contact_of(phone=asked.get("phone", ""), user_id=asked.get("user_id", ""))
    events = trace.simulated_events(contact_id, after=int(after)) if contact_id else []
    return JsonResponse({"events": events})


@require_POST
def jump_view(request: HttpRequest) -> JsonResponse:
    _require_staff(request)
    try:
        seconds = _seconds(json.loads(request.body))
        now = clock.jump(seconds)
    except ValueError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"now": now.isoformat()})


def _seconds(body: Any) -> float:
    seconds = body.get("seconds") if isinstance(body, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError('expected {"seconds": a number}')  # noqa: TRY004 - one kind of fault for the caller
    return float(seconds)

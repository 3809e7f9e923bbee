"""Doors for machines: Meta's webhook and the simulator's Graph API, reached without what pages need.

A browser's page needs sessions, languages, CSRF, policies and static files; a signed or bearer-authenticated machine
needs none of them, and thirteen middlewares cost more than the door itself.
"""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import resolve


class StraightDoors:
    """The outermost middleware: requests under ``MACHINE_DOORS`` go to their view at once.

    Such a view authenticates by itself, keeps no session, and names its content type and length.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._straight = convert_exception_to_response(_view)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(settings.MACHINE_DOORS):
            return cast("HttpResponseBase", self._straight(request))
        return self.get_response(request)


def _view(request: HttpRequest) -> HttpResponseBase:
    match = resolve(request.path_info)
    request.resolver_match = match
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if isinstance(response, HttpResponse):
        # Without it the server would send the body in chunks, in a packet of its own.
        response.headers.setdefault("Content-Length", str(len(response.content)))
    return response

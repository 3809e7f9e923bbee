"""Errors of the API as problem+json (RFC 9457): ``type title status detail code`` and, for fields, ``errors``."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

CONTENT_TYPE = "application/problem+json"


class Problem(exceptions.APIException):
    """A refusal that has a reason of its own: ``code`` is for programs, ``detail`` for people."""

    def __init__(self, status: int, code: str, detail: Any) -> None:
        super().__init__(detail=detail, code=code)
        self.status_code = status


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer ``error`` as a problem; what is not meant for callers stays an exception."""
    response = exception_handler(error, context)
    if response is None:
        return None
    body = {
        "type": "about:blank",
        "title": HTTPStatus(response.status_code).phrase,
        "status": response.status_code,
        "code": _code(error),
    } | _detail(response.data)
    return Response(body, response.status_code, headers=_headers(response), content_type=CONTENT_TYPE)


def _code(error: Exception) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "invalid"
    if isinstance(error, exceptions.APIException):
        codes = error.get_codes()
        return codes if isinstance(codes, str) else error.default_code
    return {Http404: "not_found", PermissionDenied: "permission_denied"}.get(type(error), "error")


def _detail(data: Any) -> dict[str, Any]:
    if isinstance(data, dict) and set(data) == {"detail"}:
        return {"detail": data["detail"]}
    return {"detail": _("The request has faults."), "errors": data}


def _headers(response: Response) -> dict[str, str]:
    return {name: response[name] for name in ("WWW-Authenticate", "Retry-After") if name in response}

"""What every view of ``/api/v1/`` has: rights of the model, cursor pages, a throttle, problems as answers."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.viewsets import GenericViewSet

from conversations.api.problems import Problem, as_problem

MAX_KEY = 100


class Pages(CursorPagination):
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-pk"


class ModelRights(DjangoModelPermissions):
    """Reading needs the right to view; an action may ask for a right of its own by ``rights``."""

    perms_map = DjangoModelPermissions.perms_map | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: Any) -> bool:
        rights = getattr(view, "rights", {}).get(getattr(view, "action", None))
        if rights is not None:
            return bool(request.user and request.user.is_authenticated and request.user.has_perms(rights))
        return super().has_permission(request, view)


class FieldFilter(BaseFilterBackend):
    """Filters by the parameters that a view's ``filters`` names: parameter → field."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        for name, field in view.filters.items():
            if (value := request.query_params.get(name)) is not None:
                queryset = queryset.filter(**{field: _checked(name, field, value)})
        return queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
            for name in view.filters
        ]


class ApiViewSet(GenericViewSet[Any]):
    permission_classes = [ModelRights]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "api"
    pagination_class = Pages
    filter_backends = [FieldFilter]
    lookup_value_regex = "[0-9]+"
    rights: dict[str, list[str]] = {}
    filters: dict[str, str] = {}

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Any]:
        return as_problem


def _checked(name: str, field: str, value: str) -> Any:
    if field.endswith("_id") and field != "phone_number_id":
        if not (value.isdecimal() and len(value) < 19):
            raise Problem(400, "invalid", f"{name}={value[:40]}: expected an id")
        return int(value)
    return value


def idempotency_key(request: Request, scope: str) -> str | None:
    """The key under which a repeat of this POST is known for ever; each user has their own.

    Raises: Problem.
    """
    given = request.headers.get("Idempotency-Key", "").strip()
    if not given:
        return None
    if len(given) > MAX_KEY or not given.isprintable():
        raise Problem(
            400, "invalid_idempotency_key", f"Idempotency-Key: expected up to {MAX_KEY} printable characters"
        )
    digest = hashlib.sha256(given.encode()).hexdigest()[:40]
    return f"api:{scope}:{request.user.pk}:{digest}"


def reused_key() -> Problem:
    return Problem(422, "idempotency_key_reused", _("This Idempotency-Key was used for another request."))

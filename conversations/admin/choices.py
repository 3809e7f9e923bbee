"""Filters by a state: the words of its table, as staff read them."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conversations.admin.badges import Look


def state_filter(field: str, name: Any, table: dict[str, Look]) -> type[SimpleListFilter]:
    class StateFilter(SimpleListFilter):
        title = name
        parameter_name = field

        def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
            return [(word, look.word) for word, look in table.items()]

        def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
            return rows.filter(**{field: self.value()}) if self.value() in table else rows

    return StateFilter


def open_filter(field: str, name: Any, parameter: str) -> type[SimpleListFilter]:
    """Rows whose time ``field`` is empty are open."""

    class OpenFilter(SimpleListFilter):
        title = name
        parameter_name = parameter

        def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
            return [("open", _("Open")), ("done", _("Done"))]

        def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
            if self.value() not in {"open", "done"}:
                return rows
            return rows.filter(**{f"{field}__isnull": self.value() == "open"})

    return OpenFilter

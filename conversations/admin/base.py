"""What the pages of the back office share: they show the machine's truth, and change it by moves only."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from conversations.admin.moves import MovesMixin
from conversations.masking import mask_phone, redact
from conversations.models import Contact


def may_see_numbers(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("conversations.view_pii"))


class FrugalChangeList(ChangeList):  # type: ignore[misc]  # unfold is untyped
    """Where nothing is filtered, the rows found are all there are: no second count."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count


class BackOfficeAdmin(MovesMixin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """``empty_sentence`` and ``empty_todo`` stand where a list has no rows."""

    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = False
    compressed_fields = True
    empty_sentence: str | Promise = _("Nothing here yet.")
    empty_todo: str | Promise = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FrugalChangeList


class MachineAdmin(BackOfficeAdmin):
    """Rows that only the machine writes: to be read, never typed into."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        user: Any = request.user
        opts = self.opts
        return any(user.has_perm(f"{opts.app_label}.{verb}_{opts.model_name}") for verb in ("view", "change"))


class MaskingMixin:
    """Columns and fields named in ``pii_twins`` are swapped for their masked twins where numbers may not be seen."""

    pii_twins: dict[str, str] = {}

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        shown = super().get_list_display(request)  # type: ignore[misc]
        return shown if may_see_numbers(request) else [self.pii_twins.get(c, c) for c in shown]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if may_see_numbers(request):
            return fieldsets
        return [
            (title, options | {"fields": self._masked(options["fields"])}) for title, options in fieldsets
        ]

    def _masked(self, fields: Any) -> list[Any]:
        return [
            tuple(self._masked(f)) if isinstance(f, list | tuple) else self.pii_twins.get(f, f)
            for f in fields
        ]


def pretty(value: Any, *, masked: bool = False) -> SafeString:
    """Draw a JSON value for reading."""
    if masked:
        value = redact(value)
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return format_html('<pre class="wf-json">{}</pre>', text)


def shown_phone(contact: Contact, *, masked: bool) -> str:
    """With its plus, which Meta leaves out."""
    phone = contact.phone and "+" + contact.phone.removeprefix("+")
    return mask_phone(phone) if masked and phone else phone


def moment(value: datetime | None) -> SafeString | str:
    """A time short enough for a list; the whole of it stands in the title."""
    if value is None:
        return "–"
    local = localtime(value)
    short = date_format(local, "j M, H:i" if local.year == localtime().year else "j M Y, H:i")
    return format_html(
        '<time class="wf-time" datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        date_format(local, "DATETIME_FORMAT"),
        short,
    )


def time_column(field: str, name: Any) -> Callable[[Any], SafeString | str]:
    """A list column that shows the time ``field``."""

    @admin.display(description=name, ordering=field)
    def column(row: Any) -> SafeString | str:
        return moment(getattr(row, field))

    return column

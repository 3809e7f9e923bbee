"""What the pages of the back office share: they show the machine's truth, and change it by moves only."""

import json
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from conversations.admin.moves import MovesMixin
from conversations.masking import mask_phone, redact
from conversations.models import Contact


def may_see_numbers(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("conversations.view_pii"))


class BackOfficeAdmin(MovesMixin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """``empty_sentence`` and ``empty_todo`` stand where a list has no rows."""

    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = False
    compressed_fields = True
    empty_sentence: str | Promise = _("Nothing here yet.")
    empty_todo: str | Promise = ""
    empty_link: tuple[str, str | Promise] | None = None


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
    return mask_phone(contact.phone) if masked else contact.phone

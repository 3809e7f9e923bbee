"""The pages of what is written elsewhere: by files, by the machine."""

# ruff: noqa: ARG002 - the admin's hooks have one signature, used or not

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Nothing is added, changed or deleted here; the page shows what became of it."""

    show_full_result_count = False
    list_per_page = 50
    compressed_fields = True

    class Media:
        css = {"all": ["flows/flows.css"]}

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

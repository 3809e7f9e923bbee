"""Moves: the buttons of the back office. Each is a POST with a permission, a place in the states, and a log row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise


class MoveRefused(Exception):
    """The move does not apply any more; its text is for staff."""


def _always(_row: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """``perform`` returns the sentence that staff read when it is done.

    Raises: MoveRefused.
    """

    name: str
    label: str | Promise
    icon: str
    permission: str
    perform: Callable[[HttpRequest, Any], str | Promise]
    applies: Callable[[Any], bool] = _always
    tone: str = "plain"
    confirm: str | Promise = ""


class MovesMixin:
    """Adds ``moves`` to a model's page: where each applies now and the user may, a button stands above the fields."""

    moves: tuple[Move, ...] = ()
    change_form_outer_before_template = "admin/conversations/moves.html"

    def get_urls(self) -> list[URLPattern]:
        info = self.opts.app_label, self.opts.model_name  # type: ignore[attr-defined]  # of ModelAdmin
        site = self.admin_site  # type: ignore[attr-defined]
        route = path(
            "<path:object_id>/move/<slug:name>/",
            site.admin_view(self.move_view),
            name="{}_{}_move".format(*info),
        )
        return [route, *super().get_urls()]  # type: ignore[misc]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        context = {"moves": self.offered(request, row) if row else []} | (extra_context or {})
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc, no-any-return]

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        user: Any = request.user
        return [
            {"move": move, "url": self.move_url(row, move)}
            for move in self.moves
            if user.has_perm(move.permission) and move.applies(row)
        ]

    def move_url(self, row: Any, move: Move) -> str:
        opts = self.opts  # type: ignore[attr-defined]
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_move", args=[row.pk, move.name])

    def move_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        move = next((m for m in self.moves if m.name == name), None)
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if move is None or row is None:
            raise Http404
        user: Any = request.user
        if not user.has_perm(move.permission):
            raise PermissionDenied
        perform(request, move, row)
        return redirect(self.after_move(row))

    def after_move(self, row: Any) -> str:
        opts = self.opts  # type: ignore[attr-defined]
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])


def perform(request: HttpRequest, move: Move, row: Any) -> bool:
    """Do ``move`` on ``row`` and tell the user; a refusal is told too. Both are answers, not errors."""
    try:
        said = move.perform(request, row)
    except MoveRefused as refusal:
        messages.error(request, str(refusal))
        return False
    log(request, row, str(move.label))
    messages.success(request, str(said))
    return True


def log(request: HttpRequest, row: Any, what: str) -> None:
    """Write who did what into the admin's log."""
    LogEntry.objects.log_actions(
        user_id=request.user.pk or 0,
        queryset=[row],
        action_flag=CHANGE,
        change_message=what,
        single_object=True,
    )

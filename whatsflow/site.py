"""The admin site: unfold's skin, our name, and a second factor for every user who enrolled one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django_otp import user_has_device
from unfold.sites import UnfoldAdminSite

from whatsflow import home, two_factor


class WhatsFlowAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold is untyped
    index_title = _("Home")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let staff in; a session that began before its user enrolled a device must log in again with a code."""
        user: Any = request.user
        if not (user.is_active and user.is_staff):
            return False
        return user.is_verified() or not user_has_device(user)

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("two-factor/", self.admin_view(two_factor.enroll), name="two_factor"),
            path("two-factor/remove/", self.admin_view(two_factor.remove), name="two_factor_remove"),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = home.context(request) | (extra_context or {})
        response: HttpResponse = super().index(request, context)
        return response

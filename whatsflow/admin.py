"""Users, groups, their second factor and failed logins, in the admin's skin; what holds secrets has no page."""

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.authtoken.models import TokenProxy
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

# Their pages would show keys, tokens or codes.
for model in (User, Group, StaticDevice, TOTPDevice, TokenProxy):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold is untyped
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    compressed_fields = True


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    pass


@admin.register(TOTPDevice)
class AuthenticatorAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Who has two-step login; deleting a row is how a lost authenticator is replaced."""

    list_display = ["user", "name", "confirmed", "created_at", "last_used_at"]
    list_select_related = ["user"]
    fields = readonly_fields = ["user", "name", "confirmed", "created_at", "last_used_at"]
    empty_sentence = _("Nobody has turned on two-step login yet.")
    empty_todo = _("Each user does it for themselves, from the menu under their name.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(AccessAttempt)
class FailedLoginAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Failed logins; deleting a row unlocks."""

    list_display = ["attempt_time", "username", "ip_address", "failures_since_start", "path_info"]
    list_display_links = ["attempt_time"]
    ordering = ["-attempt_time"]
    fields = ["attempt_time", "username", "ip_address", "user_agent", "failures_since_start", "path_info"]
    readonly_fields = fields
    empty_sentence = _("No login has failed lately.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return [str(o.username) for o in objs], {}, set(), []

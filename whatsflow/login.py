"""The admin's login form: name, password, and a code for those who enrolled a device."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django_otp import user_has_device
from django_otp.forms import OTPAuthenticationFormMixin
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

CODE_DIGITS = 6


class LoginForm(OTPAuthenticationFormMixin, AuthenticationForm):  # type: ignore[misc]  # both are untyped
    otp_token = forms.CharField(
        label=_("Authentication code"),
        required=False,
        max_length=16,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code"}),
    )
    otp_error_messages = OTPAuthenticationFormMixin.otp_error_messages | {
        "token_required": _("Enter the code that your authenticator shows, or a recovery code."),
        "invalid_token": _("This code is not right. Wait for the next one and try again."),
        "device_required": _("This code is not right. Wait for the next one and try again."),
    }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        user = self.get_user()
        if user is not None and user_has_device(user):
            self._check_code(user)
        return data

    def _check_code(self, user: Any) -> None:
        try:
            self.clean_otp(user)
        except ValidationError:
            # Without this the form would hand out a user whose second factor was refused.
            self.user_cache = None
            raise

    def _chosen_device(self, user: Any) -> Any:
        """Six digits are the authenticator's; anything else can only be a recovery code."""
        token = self.cleaned_data.get("otp_token", "")
        model = TOTPDevice if token.isdigit() and len(token) == CODE_DIGITS else StaticDevice
        return model.objects.devices_for_user(user, confirmed=True).first()

    def _update_form(self, user: Any) -> None:
        """Keep the password out of the page that asks for the code again."""

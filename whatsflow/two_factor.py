"""Two-step login: a page on which a user enrolls an authenticator, and removes it."""

import base64
import io
import secrets
from typing import Any

import qrcode
import qrcode.image.svg
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django_otp import login
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

RECOVERY_CODES_COUNT = 8


@never_cache
@require_http_methods(["GET", "POST"])
def enroll(request: HttpRequest) -> HttpResponse:
    """Show the key of an unconfirmed device until a code proves that an authenticator holds it."""
    confirmed = TOTPDevice.objects.filter(user_id=request.user.pk, confirmed=True).first()
    if confirmed is not None:
        return _page(request, confirmed=confirmed)
    device = _draft(request)
    if request.method == "POST":
        if device.verify_token(request.POST.get("token", "").replace(" ", "")):
            return _page(request, confirmed=device, codes=_confirm(request, device))
        messages.error(request, _("This code is not right. Wait for the next one and try again."))
    return _page(request, device=device)


@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        TOTPDevice.objects.filter(user_id=request.user.pk).delete()
        StaticDevice.objects.filter(user_id=request.user.pk).delete()
        _log(request, "Two-step login turned off")
    messages.success(request, _("Two-step login is off."))
    return redirect("admin:two_factor")


def _draft(request: HttpRequest) -> TOTPDevice:
    device, _created = TOTPDevice.objects.get_or_create(
        user_id=request.user.pk, confirmed=False, defaults={"name": "authenticator"}
    )
    return device


def _confirm(request: HttpRequest, device: TOTPDevice) -> list[str]:
    """Make ``device`` count from now on; returns recovery codes, which are shown this once."""
    codes = [secrets.token_hex(5) for _n in range(RECOVERY_CODES_COUNT)]
    with transaction.atomic():
        device.confirmed = True
        device.save()
        StaticDevice.objects.filter(user_id=request.user.pk).delete()
        static = StaticDevice.objects.create(user_id=request.user.pk, name="recovery codes")
        for code in codes:
            static.token_set.create(token=code)
        _log(request, "Two-step login turned on")
    login(request, device)
    messages.success(request, _("Two-step login is on."))
    return codes


def _page(request: HttpRequest, **context: Any) -> HttpResponse:
    device = context.get("device")
    if device is not None:
        context |= {"qr": _qr(_uri(device)), "key": base64.b32encode(device.bin_key).decode()}
    context |= admin.site.each_context(request) | {"title": _("Two-step login")}
    return TemplateResponse(request, "admin/two_factor.html", context)


def _uri(device: TOTPDevice) -> str:
    uri: str = device.config_url
    issuer = settings.UNFOLD["SITE_TITLE"]
    return uri if "issuer=" in uri else f"{uri}&issuer={issuer}"


def _qr(text: str) -> str:
    """Draw ``text`` as a data URL, which the content policy allows for images."""
    image = qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, box_size=12)
    out = io.BytesIO()
    image.save(out)
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()


def _log(request: HttpRequest, message: str) -> None:
    user: Any = request.user
    LogEntry.objects.log_actions(
        user_id=user.pk,
        queryset=[user],
        action_flag=CHANGE,
        change_message=message,
        single_object=True,
    )

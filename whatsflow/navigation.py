"""The admin's sidebar, by job."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def sidebar(_request: HttpRequest) -> list[dict[str, Any]]:
    return []



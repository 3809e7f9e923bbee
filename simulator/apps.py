"""The simulator: WhatsFlow's far end without Meta."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SimulatorConfig(AppConfig):
    name = "simulator"
    verbose_name = _("simulator")
    default_auto_field = "django.db.models.BigAutoField"

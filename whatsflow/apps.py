"""The project as an app, and the admin: found in processes that show it, left alone in all others."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin_apps


class WhatsflowConfig(AppConfig):
    name = "whatsflow"
    default_auto_field = "django.db.models.BigAutoField"


class WhatsflowAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "whatsflow.site.WhatsFlowAdminSite"

    def ready(self) -> None:
        """Import the admin modules, which is a third of a start, only where pages are served or checked."""
        if settings.WHATSFLOW_ROLE == "web":
            super().ready()
        else:
            admin_apps.SimpleAdminConfig.ready(self)

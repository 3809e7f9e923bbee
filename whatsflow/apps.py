from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class WhatsflowConfig(AppConfig):
    name = "whatsflow"
    default_auto_field = "django.db.models.BigAutoField"


class WhatsflowAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "whatsflow.site.WhatsFlowAdminSite"

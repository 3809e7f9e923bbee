from django.apps import AppConfig


class WhatsflowConfig(AppConfig):
    name = "whatsflow"
    default_auto_field = "django.db.models.BigAutoField"

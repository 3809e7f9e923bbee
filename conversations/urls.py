"""The doors of the conversation way."""

from django.urls import URLPattern, URLResolver, re_path

from conversations.webhook import WebhookView

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^webhooks/whatsapp/?$", WebhookView.as_view(), name="webhook"),
]

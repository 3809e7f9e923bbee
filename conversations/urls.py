"""The doors of the conversation way."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from conversations.api.simulator import jump_view, trace_view
from conversations.webhook import WebhookView

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^webhooks/whatsapp/?$", WebhookView.as_view(schema=None), name="webhook"),
    path("api/", include("conversations.api.urls")),
    path("conversations/trace/", trace_view, name="trace"),
    path("conversations/clock/jump", jump_view, name="clock_jump"),
]

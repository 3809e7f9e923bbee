"""Sockets in production; everything in the demo, where one server does it all."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whatsflow.settings")
http = get_asgi_application()

from simulator.routing import websocket_urlpatterns  # noqa: E402 - consumers need the apps to be ready
from whatsflow import sweeper  # noqa: E402 - the same

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
sweeper.start_in_web()

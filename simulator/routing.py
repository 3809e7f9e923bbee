from django.urls import path

from simulator.phone import PhoneConsumer

websocket_urlpatterns = [path("ws/simulator/", PhoneConsumer.as_asgi(), name="simulator-socket")]

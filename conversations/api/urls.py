"""``/api/v1/``, its schema and its pages of documents."""

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.routers import SimpleRouter

from conversations.api.contacts import ContactViewSet
from conversations.api.conversations import ConversationViewSet
from conversations.api.flows import FlowViewSet
from conversations.api.messages import MessageViewSet
from conversations.api.sessions import SessionViewSet

app_name = "api"
_authentication = [TokenAuthentication, SessionAuthentication]

router = SimpleRouter()
router.register("messages", MessageViewSet, basename="message")
router.register("contacts", ContactViewSet, basename="contact")
router.register("conversations", ConversationViewSet, basename="conversation")
router.register("sessions", SessionViewSet, basename="session")
router.register("flows", FlowViewSet, basename="flow")

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(router.urls)),
    path("schema/", SpectacularAPIView.as_view(authentication_classes=_authentication), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api:schema", authentication_classes=_authentication),
        name="docs",
    ),
]

"""Sessions: read them, end one."""

from contextlib import suppress

from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import sessions
from conversations.api.base import ApiViewSet
from conversations.models import Session
from conversations.serializers import SessionSerializer


class SessionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Session.objects.all()
    serializer_class = SessionSerializer
    lookup_value_regex = "[0-9a-zA-Z_-]{1,32}"
    rights = {"end": ["conversations.change_session"]}
    filters = {
        "contact": "contact_id",
        "state": "state",
        "outcome": "outcome",
        "flow": "flow_id__exact",
        "number": "phone_number_id",
    }

    @extend_schema(request=None, responses=SessionSerializer)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, **_ids: str) -> Response:
        """End the session as abandoned; the customer is not told. Over already: the same answer."""
        session = self.get_object()
        if session.state != "ended":
            with suppress(sessions.SessionEnded):
                sessions.end_session(session.pk, by=request.user.get_username())
        return Response(self.get_serializer(self.get_object()).data)

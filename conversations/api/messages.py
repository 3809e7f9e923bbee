"""Messages: read them, and send one inside the 24-hour window."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import outbox
from conversations.api.base import ApiViewSet, idempotency_key, reused_key
from conversations.api.problems import Problem
from conversations.models import Conversation, Message, Outbox
from conversations.serializers import MessageSerializer, NewMessageSerializer, QueuedSerializer

KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A repeat with the same key has no further effect.",
)


class MessageViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Message.objects.all()
    serializer_class = MessageSerializer
    filters = {
        "conversation": "conversation_id",
        "contact": "contact_id",
        "status": "status",
        "number": "phone_number_id",
        "outbox": "outbox_id__exact",
    }

    @extend_schema(request=NewMessageSerializer, responses={202: QueuedSerializer}, parameters=[KEY_HEADER])
    def create(self, request: Request) -> Response:
        """Queue a message. Outside the window only a template may go: 422 with code ``window_closed``."""
        serializer = NewMessageSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        found = Conversation.objects.select_related("contact").filter(pk=given["conversation"])
        conversation = found.first()
        if conversation is None:
            raise Problem(422, "no_conversation", _("There is no conversation with this id."))
        key = idempotency_key(request, "message")
        outbox_id = _known(key, conversation, given["content"]) or self._queue(
            conversation, given["content"], key
        )
        return Response({"outbox": outbox_id}, status.HTTP_202_ACCEPTED)

    def _queue(self, conversation: Conversation, content: dict[str, Any], key: str | None) -> str:
        _require_reachable(conversation)
        try:
            return outbox.enqueue_manual(
                conversation.contact_id,
                conversation.phone_number_id,
                content,
                by=self.request.user.get_username(),
                kind="api",
                dedup_key=key,
            )
        except outbox.WindowClosed:
            raise Problem(
                422,
                "window_closed",
                _("The customer wrote over 24 hours ago: only an approved template may be sent."),
            ) from None


def _require_reachable(conversation: Conversation) -> None:
    if conversation.contact.is_opted_out:
        raise Problem(422, "opted_out", _("This customer opted out."))
    if conversation.contact.is_blocked:
        raise Problem(422, "blocked", _("This contact is blocked."))


def _known(key: str | None, conversation: Conversation, content: dict[str, Any]) -> str | None:
    """The outbox id that this key made before."""
    row = Outbox.objects.filter(dedup_key=key).first() if key else None
    if row is None:
        return None
    same_place = (row.contact_id, row.phone_number_id) == (
        conversation.contact_id,
        conversation.phone_number_id,
    )
    if not same_place or row.content != content:
        raise reused_key()
    return row.pk

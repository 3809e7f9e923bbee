"""Conversations: read them, take one over, hand it back."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import handoffs
from conversations.api.base import ApiViewSet
from conversations.api.problems import Problem
from conversations.models import Conversation
from conversations.serializers import ConversationSerializer

TAKEOVER = ["conversations.view_conversation", "conversations.takeover_conversation"]


class ConversationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Conversation.objects.select_related("contact", "owner_user")
    serializer_class = ConversationSerializer
    rights = {"take_over": TAKEOVER, "hand_back": TAKEOVER}
    filters = {"contact": "contact_id", "owner": "owner", "number": "phone_number_id"}

    @extend_schema(request=None, responses=ConversationSerializer)
    @action(detail=True, methods=["post"], url_path="take-over")
    def take_over(self, request: Request, **_ids: str) -> Response:
        """Silence the bot here and own the conversation. Done already by you: the same answer."""
        conversation = self.get_object()
        is_mine = conversation.owner == "person" and conversation.owner_user_id == request.user.pk
        if not is_mine:
            try:
                handoffs.take_over(conversation, request.user)
            except handoffs.OwnerChanged:
                raise Problem(409, "owned", _("A person has this conversation already.")) from None
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=ConversationSerializer)
    @action(detail=True, methods=["post"], url_path="hand-back")
    def hand_back(self, request: Request, **_ids: str) -> Response:
        """Give the conversation back to the bot. With the bot already: the same answer."""
        conversation = self.get_object()
        if conversation.owner != "bot":
            try:
                handoffs.hand_back(conversation, request.user)
            except handoffs.OwnerChanged:
                raise Problem(409, "not_owned", _("No person has this conversation.")) from None
        return Response(self.get_serializer(self.get_object()).data)

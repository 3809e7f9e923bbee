"""Flows: read what is live, start one for a contact."""

import uuid
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import clock, hints, inbox
from conversations.api.base import ApiViewSet, idempotency_key, reused_key
from conversations.api.contacts import find_or_make
from conversations.api.messages import KEY_HEADER
from conversations.api.problems import Problem
from conversations.models import Contact, Conversation, Inbox, Number
from conversations.serializers import FlowSerializer, StartedSerializer, StartSerializer
from flows import database
from flows.models import FlowRecord


class FlowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = FlowRecord.objects.select_related("live")
    serializer_class = FlowSerializer
    lookup_value_regex = "[a-z][a-z0-9_]{0,63}"
    rights = {"start": ["flows.view_flowrecord", "conversations.add_message"]}
    filters = {"state": "state"}

    @extend_schema(request=StartSerializer, responses={202: StartedSerializer}, parameters=[KEY_HEADER])
    @action(detail=True, methods=["post"])
    def start(self, request: Request, **_ids: str) -> Response:
        """Start the live version for a contact, in the order of their lane; a session they are in is interrupted."""
        flow = self.get_object()
        if flow.state == "retired" or flow.live_id is None:
            raise Problem(422, "not_live", _("No version of this flow is live."))
        serializer = StartSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        number = _number(given["number"])
        key = idempotency_key(request, "start")
        with database.write() as cursor:
            contact = _contact(given)
            correlation = _enqueue(cursor, flow, contact, number, key, by=request.user.get_username())
            transaction.on_commit(lambda: hints.wake("in"))
        return Response({"correlation": correlation}, status.HTTP_202_ACCEPTED)


def _number(phone_number_id: str) -> Number:
    number = Number.objects.filter(phone_number_id=phone_number_id, is_active=True).first()
    if number is None:
        raise Problem(422, "no_number", _("No active number of ours has this phone number id."))
    return number


def _contact(given: dict[str, Any]) -> Contact:
    """Who is meant, whom we may write to.

    Raises: Problem.
    """
    if "phone" in given:
        contact, _is_new = find_or_make(given["phone"])
    else:
        found = Contact.objects.filter(pk=given["contact"], merged_into__isnull=True).first()
        if found is None:
            raise Problem(422, "no_contact", _("There is no contact with this id."))
        contact = found
    if contact.is_opted_out:
        raise Problem(422, "opted_out", _("This customer opted out."))
    if contact.is_blocked:
        raise Problem(422, "blocked", _("This contact is blocked."))
    return contact


def _enqueue(
    cursor: database.Cursor, flow: FlowRecord, contact: Contact, number: Number, key: str | None, *, by: str
) -> str:
    conversation, _made = Conversation.objects.get_or_create(
        contact=contact, phone_number_id=number.phone_number_id, defaults={"created_at": clock.now(cursor)}
    )
    if conversation.owner in {"person", "waiting"}:
        raise Problem(409, "owned", _("A person has this conversation; hand it back first."))
    payload = {"flow_id": flow.flow_id, "by": by}
    correlation = _correlation(key)
    is_new = inbox.enqueue(
        cursor,
        contact.pk,
        number.phone_number_id,
        "start",
        payload,
        dedup_key=key,
        correlation=correlation,
    )
    if not is_new:
        _require_same(key, contact, number, payload)
    return correlation


def _correlation(key: str | None) -> str:
    """A repeat of a keyed request is told the same one."""
    return uuid.uuid5(uuid.NAMESPACE_URL, key).hex if key else uuid.uuid4().hex


def _require_same(key: str | None, contact: Contact, number: Number, payload: dict[str, Any]) -> None:
    known = Inbox.objects.filter(dedup_key=key or "").first()
    if known is None:
        return
    before = known.contact_id, known.phone_number_id, known.payload
    if before != (contact.pk, number.phone_number_id, payload):
        raise reused_key()

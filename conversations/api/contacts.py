"""Contacts: find or make, read, change what people know of them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import clock, contacts
from conversations.api.base import ApiViewSet
from conversations.api.problems import Problem
from conversations.models import Contact
from conversations.serializers import ContactSerializer
from conversations.whatsapp.received import Sender
from flows import database


def find_or_make(phone: str, name: str = "") -> tuple[Contact, bool]:
    """The contact of a phone (digits), and whether it was made now."""
    with database.write() as cursor:
        person = contacts.Person(sender=Sender(phone=phone, profile_name=name or None), scope="")
        resolved = contacts.resolve(cursor, [person], clock.now(cursor))
        contact = Contact.objects.get(pk=resolved.of[0])
        return contact, contact.pk in resolved.created


class ContactViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.UpdateModelMixin, ApiViewSet):
    queryset = Contact.objects.filter(merged_into__isnull=True)
    serializer_class = ContactSerializer
    http_method_names = ["get", "post", "patch", "head", "options"]
    filters = {"name": "name"}

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        phone = self.request.query_params.get("phone")
        if phone is None:
            return found
        if not self.request.user.has_perm("conversations.view_pii"):
            raise Problem(
                403, "permission_denied", "Searching by phone needs the right to see numbers in full."
            )
        digits = "".join(filter(str.isdigit, phone))
        return found.filter(identities__kind="phone", identities__value=digits)

    @extend_schema(responses={200: ContactSerializer, 201: ContactSerializer})
    def create(self, request: Request) -> Response:
        """Make a contact; a phone that is known gives the contact it belongs to, unchanged, with 200."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = dict(serializer.validated_data)
        if "phone" not in data:
            raise Problem(400, "invalid", "phone: a contact needs one.")
        with database.write():
            contact, is_new = find_or_make(data.pop("phone"), data.get("name", ""))
            if is_new and data:
                Contact.objects.filter(pk=contact.pk).update(**data)
                contact.refresh_from_db()
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(self.get_serializer(contact).data, code)

    def perform_update(self, serializer: Any) -> None:
        """Write what was given and nothing else: a turn may write the rest meanwhile."""
        changed = serializer.validated_data
        if changed:
            Contact.objects.filter(pk=serializer.instance.pk).update(**changed)
            serializer.instance.refresh_from_db()

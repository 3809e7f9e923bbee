"""The shapes of the API. Phone numbers are masked for those who may not see them in full."""

from typing import Any

import phonenumbers
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.masking import mask_phone, redact
from conversations.models import Contact, Conversation, Message, Session
from conversations.sessions import shown_frames
from flows.engine.content import check_content
from flows.models import FlowRecord

MAX_FIELDS = 100


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it does not know, so that a misspelled key is never ignored."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            accepted = ", ".join(self.fields)
            fault = _("Unknown field; expected one of: %(accepted)s") % {"accepted": accepted}
            raise serializers.ValidationError({str(name): [fault] for name in unknown})
        return super().to_internal_value(data)


def _may_see_numbers(serializer: serializers.BaseSerializer[Any]) -> bool:
    request = serializer.context.get("request")
    return bool(request and request.user.has_perm("conversations.view_pii"))


def parse_phone(text: str) -> str:
    """Read an international number (``+91 96077 42010``); gives its digits, as Meta writes them.

    Raises: ValidationError.
    """
    try:
        number = phonenumbers.parse(text if text.startswith("+") else "+" + text)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise serializers.ValidationError(
            _("Expected a phone number with its country code, like +919607742010.")
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


class ContactSerializer(serializers.ModelSerializer[Contact]):
    phone = serializers.CharField(required=False, max_length=32)
    user_id = serializers.CharField(source="bsuid", read_only=True)

    class Meta:
        model = Contact
        fields = [
            "id",
            "uuid",
            "name",
            "phone",
            "user_id",
            "language",
            "timezone",
            "fields",
            "groups",
            "is_opted_out",
            "has_marketing_consent",
            "is_blocked",
            "created_at",
            "last_inbound_at",
        ]
        read_only_fields = ["uuid", "is_opted_out", "has_marketing_consent", "created_at", "last_inbound_at"]

    def validate_phone(self, value: str) -> str:
        if self.instance is not None:
            raise serializers.ValidationError(_("The phone is who a contact is; make another contact."))
        return parse_phone(value)

    def validate_fields(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > MAX_FIELDS:
            raise serializers.ValidationError(
                _("Expected an object with up to %(limit)d entries.") % {"limit": MAX_FIELDS}
            )
        return value

    def validate_groups(self, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise serializers.ValidationError(_("Expected a list of names."))
        return list(dict.fromkeys(value))

    def to_representation(self, instance: Contact) -> dict[str, Any]:
        shown = super().to_representation(instance)
        shown["phone"] = f"+{instance.phone.removeprefix('+')}" if instance.phone else ""
        if not _may_see_numbers(self):
            shown |= {
                "phone": mask_phone(shown["phone"]),
                "user_id": mask_phone(instance.bsuid) if instance.bsuid else "",
                "fields": redact(shown["fields"]),
            }
        return shown


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    number = serializers.CharField(source="phone_number_id", read_only=True)
    owner_user = serializers.CharField(source="owner_user.username", read_only=True, default=None)
    contact_name = serializers.CharField(source="contact.name", read_only=True)

    class Meta:
        model = Conversation
        fields = [
            "id",
            "contact",
            "contact_name",
            "number",
            "owner",
            "owner_user",
            "team",
            "waiting_since",
            "last_inbound_at",
            "last_message_at",
            "last_text",
            "unread_count",
            "created_at",
        ]
        read_only_fields = fields

    def to_representation(self, instance: Conversation) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return shown if _may_see_numbers(self) else shown | {"last_text": redact(shown["last_text"])}


class MessageSerializer(serializers.ModelSerializer[Message]):
    number = serializers.CharField(source="phone_number_id", read_only=True)
    outbox = serializers.CharField(source="outbox_id", read_only=True)
    direction = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = [
            "id",
            "conversation",
            "contact",
            "number",
            "direction",
            "kind",
            "text",
            "content",
            "status",
            "status_at",
            "error_code",
            "error",
            "wamid",
            "outbox",
            "session_id",
            "flow_id",
            "step_id",
            "sender",
            "at",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": "string", "enum": ["in", "out"]})
    def get_direction(self, message: Message) -> str:
        return "in" if message.is_inbound else "out"

    def to_representation(self, instance: Message) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if _may_see_numbers(self):
            return shown
        return shown | {"content": redact(shown["content"]), "text": redact(shown["text"])}


class NewMessageSerializer(StrictSerializer):
    """``text`` is short for ``{"type": "text", "body": …}``."""

    conversation = serializers.IntegerField(min_value=1)
    text = serializers.CharField(max_length=4096, required=False)
    content = serializers.DictField(required=False, help_text="As in a flow, all texts rendered.")

    def validate_content(self, value: dict[str, Any]) -> dict[str, Any]:
        faults = check_content(value)
        if faults:
            raise serializers.ValidationError(
                [
                    f"{'.'.join(str(part) for part in path)}: {code} {message}"
                    for path, code, message in faults
                ]
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("content" in attrs):
            raise serializers.ValidationError(_("Give either text or content."))
        content = attrs.get("content") or {"type": "text", "body": attrs["text"]}
        return {"conversation": attrs["conversation"], "content": content}


class QueuedSerializer(serializers.Serializer[Any]):
    """Queued; look for the message with this outbox id, or wait for its status."""

    outbox = serializers.CharField()


class SessionSerializer(serializers.ModelSerializer[Session]):
    number = serializers.CharField(source="phone_number_id", read_only=True)
    flow = serializers.CharField(source="flow_id", read_only=True)
    step = serializers.CharField(source="step_id", read_only=True)
    variables = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = [
            "id",
            "contact",
            "number",
            "flow",
            "flow_hash",
            "step",
            "state",
            "outcome",
            "variables",
            "steps_count",
            "started_at",
            "updated_at",
            "ended_at",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": "object"})
    def get_variables(self, session: Session) -> dict[str, Any]:
        """Of the innermost frame; what a flow calls sensitive stays hidden."""
        frames = shown_frames(session)
        shown: dict[str, Any] = frames[-1]["variables"] if frames else {}
        return shown if _may_see_numbers(self) else redact(shown)


class FlowSerializer(serializers.ModelSerializer[FlowRecord]):
    id = serializers.CharField(source="flow_id", read_only=True)
    version = serializers.IntegerField(source="live.number", read_only=True, default=None)
    hash = serializers.CharField(source="live.version_id", read_only=True, default=None)

    class Meta:
        model = FlowRecord
        fields = ["id", "name", "state", "version", "hash", "updated_at"]
        read_only_fields = fields


class StartSerializer(StrictSerializer):
    """Who: ``contact`` (an id) or ``phone``; on which of our numbers: its phone number id."""

    contact = serializers.IntegerField(min_value=1, required=False)
    phone = serializers.CharField(max_length=32, required=False)
    number = serializers.CharField(max_length=32)

    def validate_phone(self, value: str) -> str:
        return parse_phone(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("contact" in attrs) == ("phone" in attrs):
            raise serializers.ValidationError(_("Give either contact or phone."))
        return attrs


class StartedSerializer(serializers.Serializer[Any]):
    """The start waits in the contact's lane; its facts carry this correlation."""

    correlation = serializers.CharField()

"""What a webhook body is split into: one frozen record for each thing that Meta tells us."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

Json = dict[str, Any]
MAX_WAMID = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The ids and names under which Meta knows a customer; each may be missing."""

    phone: str | None = None
    bsuid: str | None = None
    parent_bsuid: str | None = None
    username: str | None = None
    profile_name: str | None = None

    @property
    def is_known(self) -> bool:
        return bool(self.phone or self.bsuid or self.parent_bsuid)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A customer's message.

    Shapes:
        type: Meta's type; `message["type"]` is ours.
        message: `flows.engine.replies.IncomingMessage` without `at`.
        sent_at: as Meta claims it; never trust it for order.
        flags: text_replaced, malformed, form_unreadable, media_refused, forwarded.
    """

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    wamid: str
    sender: Sender
    type: str
    sent_at: datetime | None
    message: Json
    context_wamid: str | None
    opens_window: bool
    is_conversational: bool
    group_id: str | None
    error_code: int | None
    flags: tuple[str, ...]
    raw: Json

    @property
    def dedup_key(self) -> str:
        return f"message:{self.phone_number_id}:{self.wamid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundStatus:
    """Meta's word on a message of ours; `status` may be one that we do not know yet."""

    phone_number_id: str
    waba_id: str
    wamid: str
    status: str
    participant: str
    at: datetime | None
    token: str | None
    recipient: Sender
    group_id: str | None
    error_code: int | None
    error_title: str | None
    error_details: str | None
    pricing: Json | None
    conversation: Json | None
    raw: Json

    @property
    def dedup_key(self) -> str:
        return f"status:{self.phone_number_id}:{self.wamid}:{self.status}:{self.participant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberChange:
    """A customer whose phone number or BSUID is now another one."""

    phone_number_id: str | None
    waba_id: str
    wamid: str | None
    old: Sender
    new: Sender
    at: datetime | None
    dedup_key: str
    raw: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundOther:
    """Any other value, kept whole; `kind` is the row of `inbound.FIELDS`, or unknown, errors, empty."""

    field: str
    waba_id: str
    phone_number_id: str | None
    kind: str
    customer: Sender | None
    opens_window: bool
    at: datetime | None
    value: Json
    dedup_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A part that could not be split, and why; the text quotes nothing of the customer's."""

    place: str
    reason: str


Inbound = InboundMessage | InboundStatus | NumberChange | InboundOther


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """Everything in a body, in Meta's order, and what of it could not be read."""

    items: tuple[Inbound, ...]
    faults: tuple[Fault, ...]

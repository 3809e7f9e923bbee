"""Webhook bodies as Meta writes them, down to the escapes of its JSON.

Source: `contacts`, `messages` and `statuses` of Meta's webhook reference (Mar 2026), with business-scoped user ids.
"""

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from simulator.refusals import in_status

Json = dict[str, Any]
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"


def encode(body: Any) -> bytes:
    r"""Serialize as Meta does: non-ASCII as \uXXXX and "/" as "\/", so that a re-serialized body fails its HMAC."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode()


def new_wamid(wa_id: str) -> str:
    return "wamid." + base64.b64encode(b"\x1d" + wa_id.encode()[-15:] + secrets.token_bytes(24)).decode()


def new_user_id(country: str = "US") -> str:
    """A business-scoped user id: the country, a dot, and letters and digits."""
    return f"{country}." + "".join(secrets.choice(_ALPHABET) for _ in range(20))


def envelope(waba_id: str, changes: Iterable[tuple[str, Any]]) -> Json:
    """Wrap changes (field, value) of one WhatsApp Business Account into a webhook body."""
    entry = {"id": waba_id, "changes": [{"value": value, "field": field} for field, value in changes]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def metadata(*, phone_number_id: str, display_phone_number: str) -> Json:
    digits = "".join(c for c in display_phone_number if c.isdigit())
    return {"display_phone_number": digits, "phone_number_id": phone_number_id}


def contact(*, name: str, wa_id: str | None, user_id: str, username: str = "") -> Json:
    """`wa_id` is None for a person who hides the phone: then the key is absent."""
    profile = {"name": name, **({"username": username} if username else {})}
    return {"profile": profile, **({"wa_id": wa_id} if wa_id else {}), "user_id": user_id}


def message_value(*, meta: Json, person: Json, message: Mapping[str, Any]) -> Json:
    """The value of a change that carries one customer's message; `message` holds id, timestamp, type and body."""
    sender = {**({"from": person["wa_id"]} if "wa_id" in person else {}), "from_user_id": person["user_id"]}
    return {
        "messaging_product": "whatsapp",
        "metadata": meta,
        "contacts": [person],
        "messages": [{**sender, **message}],
    }


def status_value(
    *,
    meta: Json,
    person: Json,
    wamid: str,
    status: str,
    timestamp: int,
    token: str,
    category: str,
    code: int | None = None,
    details: str = "",
    contacts_in_failed: bool = False,
    conversation: bool = False,
) -> Json:
    """The value of a change that carries one status. Meta leaves `contacts` out of a failed one."""
    entry: Json = {"id": wamid, "status": status, "timestamp": str(timestamp)}
    if "wa_id" in person:
        entry["recipient_id"] = person["wa_id"]
    if status != "failed" or "wa_id" not in person or contacts_in_failed:
        entry["recipient_user_id"] = person["user_id"]
    if token:
        entry["biz_opaque_callback_data"] = token
    if conversation and status in ("sent", "delivered"):
        entry["conversation"] = {"id": wamid[-32:].strip("="), "origin": {"type": category}}
    if status in ("sent", "delivered"):
        entry["pricing"] = pricing(category)
    if code is not None:
        entry["errors"] = [in_status(code, details)]
    value: Json = {"messaging_product": "whatsapp", "metadata": meta}
    if status != "failed" or contacts_in_failed:
        value["contacts"] = [person]
    return {**value, "statuses": [entry]}


def pricing(category: str) -> Json:
    free = category == "service"
    return {
        "billable": not free,
        "pricing_model": "PMP",
        "category": category,
        "type": "free_customer_service" if free else "regular",
    }

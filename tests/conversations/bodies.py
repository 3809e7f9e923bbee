"""Webhook bodies for the numbers of these tests, put together from small parts."""

import itertools
from typing import Any

NUMBER = "1000000001"
WABA = "2000000001"
REAL_NUMBER = "3000000001"
REAL_WABA = "4000000001"
PHONE = "919607700001"
BSUID = "IN.13491208655302741918"

_count = itertools.count(1)


def fresh_wamid() -> str:
    return f"wamid.IN{next(_count):08d}"


def body(*values: dict[str, Any], field: str = "messages", waba: str = WABA) -> dict[str, Any]:
    """One entry with one change for each value."""
    changes = [{"field": field, "value": value} for value in values]
    return {"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": changes}]}


def value(number: str = NUMBER, **keys: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550100001", "phone_number_id": number}
    return {"messaging_product": "whatsapp", "metadata": metadata, **keys}


def messages(*items: dict[str, Any], number: str = NUMBER, contacts: Any = None) -> dict[str, Any]:
    return body(value(number, messages=list(items), **({"contacts": contacts} if contacts else {})))


def message(kind: str, content: Any = None, *, phone: str | None = PHONE, **keys: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"id": fresh_wamid(), "timestamp": "1795000000", "type": kind}
    if phone is not None:
        made["from"] = phone
    if content is not None:
        made[kind] = content
    return made | keys


def text(said: str, **keys: Any) -> dict[str, Any]:
    return message("text", {"body": said}, **keys)


def tap(option: str, title: str, *, context: str | None = None, **keys: Any) -> dict[str, Any]:
    reply = {"type": "button_reply", "button_reply": {"id": option, "title": title}}
    if context:
        keys["context"] = {"id": context}
    return message("interactive", reply, **keys)


def image(**keys: Any) -> dict[str, Any]:
    media = {"id": "987654321", "mime_type": "image/jpeg", "sha256": "aGVsbG8=", "caption": "my bike"}
    return message("image", media, **keys)


def status(wamid: str, name: str = "sent", *, token: str | None = None, **keys: Any) -> dict[str, Any]:
    made = {"id": wamid, "status": name, "timestamp": "1795000000", "recipient_id": PHONE, **keys}
    return made | ({"biz_opaque_callback_data": token} if token else {})


def statuses(*items: dict[str, Any], number: str = NUMBER) -> dict[str, Any]:
    return body(value(number, statuses=list(items)))


def changed_number(old: str, new: str) -> dict[str, Any]:
    system = {"body": "changed", "wa_id": new, "type": "user_changed_number"}
    return messages(message("system", system, phone=old))


def preference(choice: str, phone: str = PHONE, number: str = NUMBER, **keys: Any) -> dict[str, Any]:
    one = {"wa_id": phone, "detail": "by hand", "category": "marketing_messages", "value": choice}
    part = one | {"timestamp": 1795000000} | keys
    return body(value(number, user_preferences=[part]), field="user_preferences")

"""Webhook bodies of the shapes that Meta sends, put together from small parts."""

NUMBER_ID = "106540352242922"
WABA_ID = "102290129340398"
PHONE = "16505551234"
BSUID = "US.13491208655302741918"
PARENT = "US.ENT.11815799212886844830"
WAMID = "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQQ=="
OURS = "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQQA="
AT = "1763800000"

METADATA = {"display_phone_number": "15550783881", "phone_number_id": NUMBER_ID}
CONTACT = {"profile": {"name": "Sheena Nelson"}, "wa_id": PHONE, "user_id": BSUID}


def body(*values, field="messages", time=None):
    """One entry with one change for each value."""
    entry = {"id": WABA_ID, "changes": [{"field": field, "value": value} for value in values]}
    if time is not None:
        entry["time"] = time
    return {"object": "whatsapp_business_account", "entry": [entry]}


def messages(*items, contacts=(CONTACT,)):
    value = {"messaging_product": "whatsapp", "metadata": METADATA, "messages": list(items)}
    return body(value | ({"contacts": list(contacts)} if contacts else {}))


def message(kind, content=None, *, wamid=WAMID, **keys):
    common = {"from": PHONE, "from_user_id": BSUID, "id": wamid, "timestamp": AT, "type": kind}
    return common | ({kind: content} if content is not None else {}) | keys


def statuses(*items, contacts=()):
    value = {"messaging_product": "whatsapp", "metadata": METADATA, "statuses": list(items)}
    return body(value | ({"contacts": list(contacts)} if contacts else {}))


def status(name="sent", **keys):
    return {"id": OURS, "status": name, "timestamp": AT, "recipient_id": PHONE} | keys

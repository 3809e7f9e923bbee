import hashlib
import json
from datetime import UTC, datetime

import pytest

from conversations.whatsapp.inbound import (
    InboundMessage,
    InboundOther,
    InboundStatus,
    NumberChange,
    Sender,
    load,
    parse,
)
from tests.conversations.whatsapp.payloads import (
    AT,
    BSUID,
    CONTACT,
    METADATA,
    NUMBER_ID,
    OURS,
    PARENT,
    PHONE,
    WABA_ID,
    WAMID,
    body,
    message,
    messages,
    status,
    statuses,
)

KEYS = {"type", "text", "id", "title", "media", "location", "contacts", "order", "form", "referral"}
SENT_AT = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)


def one(payload):
    parsed = parse(payload)
    assert parsed.faults == ()
    (item,) = parsed.items
    return item


def read(*args, **keys):
    return one(messages(message(*args, **keys)))


def said(item):
    """What flows see, without the keys that say nothing."""
    assert set(item.message) == KEYS
    return {key: value for key, value in item.message.items() if value is not None}


def media(kind, **known):
    blank = dict.fromkeys(("mime_type", "sha256", "filename", "caption", "size"))
    return {**blank, "id": "1003383421387256", "kind": kind, **known}


def test_a_text_message_is_read_whole():
    item = read("text", {"body": "Does it come in another color?"})
    assert item == InboundMessage(
        phone_number_id=NUMBER_ID,
        waba_id=WABA_ID,
        display_phone_number="15550783881",
        wamid=WAMID,
        sender=Sender(phone=PHONE, bsuid=BSUID, profile_name="Sheena Nelson"),
        type="text",
        sent_at=SENT_AT,
        message={**dict.fromkeys(KEYS), "type": "text", "text": "Does it come in another color?"},
        context_wamid=None,
        opens_window=True,
        is_conversational=True,
        group_id=None,
        error_code=None,
        flags=(),
        raw=message("text", {"body": "Does it come in another color?"}),
    )
    assert item.dedup_key == f"message:{NUMBER_ID}:{WAMID}"


FILE = {"id": "1003383421387256", "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI="}
SHA = FILE["sha256"]
ORDER = {
    "catalog_id": "194836987003835",
    "text": "for Friday",
    "product_items": [
        {"product_retailer_id": "di9ozbzfi4", "quantity": "2", "item_price": 30, "currency": "USD"}
    ],
}
CARD = {"name": {"formatted_name": "Barbara", "first_name": "Barbara"}, "phones": [{"phone": "+1 650"}]}


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("text", {"body": ""}, {"type": "text", "text": ""}),
        (
            "image",
            {
                **FILE,
                "mime_type": "image/jpeg",
                "caption": "Taj Mahal",
                "url": "https://lookaside.fbsbx.com/x",
            },
            {
                "type": "image",
                "text": "Taj Mahal",
                "media": media("image", mime_type="image/jpeg", sha256=SHA, caption="Taj Mahal"),
            },
        ),
        (
            "video",
            {**FILE, "mime_type": "video/mp4", "file_size": "1234"},
            {"type": "video", "media": media("video", mime_type="video/mp4", sha256=SHA, size=1234)},
        ),
        (
            "audio",
            {**FILE, "mime_type": "audio/ogg; codecs=opus", "voice": True},
            {"type": "audio", "media": media("audio", mime_type="audio/ogg; codecs=opus", sha256=SHA)},
        ),
        (
            "voice",
            {**FILE, "mime_type": "audio/ogg"},
            {"type": "audio", "media": media("audio", mime_type="audio/ogg", sha256=SHA)},
        ),
        (
            "document",
            {**FILE, "mime_type": "application/pdf", "filename": "bill.pdf", "caption": ""},
            {
                "type": "document",
                "media": media("document", mime_type="application/pdf", sha256=SHA, filename="bill.pdf"),
            },
        ),
        (
            "sticker",
            {**FILE, "mime_type": "image/webp", "animated": False},
            {"type": "sticker", "media": media("sticker", mime_type="image/webp", sha256=SHA)},
        ),
        (
            "location",
            {"latitude": 38.9806, "longitude": -76, "name": "Main Street Beach", "address": "Main St 12"},
            {
                "type": "location",
                "location": {
                    "latitude": 38.9806,
                    "longitude": -76.0,
                    "name": "Main Street Beach",
                    "address": "Main St 12",
                },
            },
        ),
        (
            "location",
            {"latitude": "38.9", "longitude": "-76.1", "url": ""},
            {
                "type": "location",
                "location": {"latitude": 38.9, "longitude": -76.1, "name": None, "address": None},
            },
        ),
        ("contacts", [CARD, "junk"], {"type": "contact", "contacts": [CARD]}),
        (
            "interactive",
            {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes!"}},
            {"type": "tap", "id": "yes", "title": "Yes!", "text": "Yes!"},
        ),
        (
            "interactive",
            {"type": "list_reply", "list_reply": {"id": "r1", "title": "Monday", "description": "morning"}},
            {"type": "tap", "id": "r1", "title": "Monday", "text": "Monday"},
        ),
        (
            "interactive",
            {
                "type": "nfm_reply",
                "nfm_reply": {
                    "name": "flow",
                    "body": "Sent",
                    "response_json": '{"day":"Mon","flow_token":"t"}',
                },
            },
            {"type": "form", "text": "Sent", "form": {"day": "Mon", "flow_token": "t"}},
        ),
        (
            "interactive",
            {
                "type": "nfm_reply",
                "nfm_reply": {"name": "address_message", "response_json": '{"values":{"a":"\\u0000"}}'},
            },
            {"type": "form", "form": {"values": {"a": "\ufffd"}}},
        ),
        ("interactive", {"type": "payment_method", "payment_method": {}}, {"type": "other"}),
        (
            "button",
            {"payload": "book_ride", "text": "Book a ride"},
            {"type": "tap", "id": "book_ride", "title": "Book a ride", "text": "Book a ride"},
        ),
        ("button", {"text": "Stop"}, {"type": "tap", "id": "Stop", "title": "Stop", "text": "Stop"}),
        ("order", ORDER, {"type": "order", "text": "for Friday", "order": ORDER}),
    ],
)
def test_each_type_becomes_what_flows_know(kind, content, expected):
    item = read(kind, content)
    assert said(item) == expected
    assert (item.type, item.is_conversational, item.opens_window) == (kind, True, True)


@pytest.mark.parametrize(
    ("kind", "content", "opens_window", "expected"),
    [
        ("reaction", {"message_id": OURS, "emoji": "👍"}, False, {"type": "reaction", "text": "👍"}),
        ("reaction", {"message_id": OURS}, False, {"type": "reaction"}),
        ("reaction", "👍", False, {"type": "other"}),
        ("reaction", {"message_id": OURS, "emoji": ""}, False, {"type": "reaction"}),
        ("edit", {"original_message_id": OURS, "message": {"type": "text"}}, False, {"type": "other"}),
        ("revoke", {"original_message_id": OURS}, False, {"type": "other"}),
        ("request_welcome", None, False, {"type": "other"}),
        ("system", {"type": "customer_identity_changed", "body": "security code"}, False, {"type": "other"}),
        ("interactive", {"type": "call_permission_reply"}, False, {"type": "other"}),
        ("unsupported", {"type": "poll"}, True, {"type": "other"}),
        ("unsupported", {"type": "edit"}, False, {"type": "other"}),
        ("unsupported", None, True, {"type": "other"}),
        ("unknown", None, True, {"type": "other"}),
        ("hologram", {"body": "from the year 2030"}, False, {"type": "other"}),
    ],
)
def test_what_is_no_conversation_is_kept_but_not_answered(kind, content, opens_window, expected):
    item = read(kind, content)
    assert said(item) == expected
    assert (item.is_conversational, item.opens_window) == (False, opens_window)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text", None),
        ("text", {}),
        ("text", {"body": 7}),
        ("text", "hello"),
        ("image", None),
        ("location", {"latitude": 1}),
        ("location", {"latitude": True, "longitude": 1}),
        ("location", {"latitude": 91, "longitude": 1}),
        ("location", {"latitude": "nan", "longitude": 1}),
        ("contacts", {"name": "x"}),
        ("interactive", None),
        ("interactive", {"type": ["list_reply"]}),
        ("interactive", {"type": "hologram_reply"}),
        ("interactive", {"type": "button_reply"}),
        ("interactive", {"type": "list_reply", "list_reply": {"title": "no id"}}),
        ("interactive", {"type": "nfm_reply", "nfm_reply": "x"}),
        ("button", {}),
        ("order", []),
    ],
)
def test_a_misshapen_body_is_still_the_customers_turn(kind, content):
    item = read(kind, content)
    assert said(item) == {"type": "other"}
    assert item.flags == ("malformed",)
    assert item.is_conversational
    assert item.opens_window


def test_an_interactive_message_that_is_missing_leaves_its_error_beside_it():
    payload = messages(message("interactive"))
    payload["entry"][0]["changes"][0]["value"]["errors"] = [{"code": 131000, "title": "Something went wrong"}]
    reply, errors = parse(payload).items
    assert said(reply) == {"type": "other"}
    assert (errors.kind, errors.value) == (
        "errors",
        {"errors": [{"code": 131000, "title": "Something went wrong"}]},
    )


@pytest.mark.parametrize(
    "response",
    [
        None,
        7,
        {"day": "Mon"},
        "",
        "not json",
        "[1]",
        '"text"',
        "null",
        '{"a": NaN}',
        "[" * 70 + "]" * 70,
        '{"a": ' * 70 + "1" + "}" * 70,
        json.dumps({"a": "x" * 2_000_000}),
    ],
)
def test_a_form_that_cannot_be_read_says_so(response):
    item = read(
        "interactive", {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": response}}
    )
    assert said(item) == {"type": "form", "text": "Sent"}
    assert item.flags == ("form_unreadable",)


@pytest.mark.parametrize(
    "media_id", ["https://evil.example/x", "../../etc/passwd", "..", "", None, 5, "a b", "x" * 256]
)
def test_a_media_id_that_is_none_is_refused(media_id):
    item = read("image", {"id": media_id, "mime_type": "image/jpeg"})
    assert item.message["media"]["id"] is None
    assert item.flags == ("media_refused",)


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("..\\..\\x.php", "x.php"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\x1f.pdf", "a\ufffdb.pdf"),
        ("in\u202efdp.exe", "infdp.exe"),
        ("..", None),
        ("", None),
        ("/", None),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_a_file_name_is_only_a_name_to_show(claimed, shown):
    item = read("document", {**FILE, "filename": claimed})
    assert item.message["media"]["filename"] == shown


def test_a_reply_names_the_message_that_it_answers():
    item = read("text", {"body": "this one"}, context={"from": "15550783881", "id": OURS})
    assert item.context_wamid == OURS


def test_what_is_too_long_for_a_column_is_cut_or_absent():
    item = read("text", {"body": "x"}, context={"id": "w" * 256}, group_id="g" * 300)
    assert (item.context_wamid, len(item.group_id)) == (None, 255)
    assert len(read("t" * 300).type) == 64
    errors = [{"code": 10**12, "title": "t" * 300, "error_data": {"details": "d" * 3000}}]
    failed = one(statuses(status("failed", errors=errors)))
    assert (failed.error_code, len(failed.error_title), len(failed.error_details)) == (None, 255, 1000)


def test_a_forwarded_message_answers_nothing():
    item = read("text", {"body": "look"}, context={"forwarded": True})
    assert item.context_wamid is None
    assert item.flags == ("forwarded",)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("reaction", {"message_id": OURS, "emoji": "👍"}),
        ("edit", {"original_message_id": OURS}),
        ("revoke", {"original_message_id": OURS}),
    ],
)
def test_what_speaks_of_a_message_names_it(kind, content):
    assert read(kind, content).context_wamid == OURS


def test_the_referral_of_an_ad_is_kept():
    referral = {"source_id": "120", "source_type": "ad", "ctwa_clid": "Aff-n8"}
    item = read("text", {"body": "hi"}, referral=referral)
    assert said(item) == {"type": "text", "text": "hi", "referral": referral}


def test_a_group_message_is_kept_but_not_answered():
    item = read("text", {"body": "hi all"}, group_id="Y2FwaV9ncm91cDox")
    assert item.group_id == "Y2FwaV9ncm91cDox"
    assert (item.is_conversational, item.opens_window) == (False, False)


def test_the_error_of_media_that_meta_could_not_fetch_is_told():
    item = read("image", {**FILE}, errors=[{"code": "131052", "title": "Media download error"}])
    assert item.error_code == 131052


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x00b", "a\ufffdb"), ("\ud800", "\ufffd"), ("ok \udc00 ok", "ok \ufffd ok")],
)
def test_text_that_a_database_refuses_is_replaced_and_flagged(text, shown):
    item = read("text", {"body": text})
    assert item.message["text"] == item.raw["text"]["body"] == shown
    assert item.flags == ("text_replaced",)


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "🙂" * 10_000, "\u200b\u200b", "\u202eabc", "<img onerror=x>", "\ufffd"]
)
def test_any_other_text_is_kept_as_it_came(text):
    item = read("text", {"body": text})
    assert item.message["text"] == text
    assert item.flags == ()


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        (AT, SENT_AT),
        (int(AT), SENT_AT),
        (AT + "000", SENT_AT),
        (int(AT) * 1000, SENT_AT),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-86400", datetime(1969, 12, 31, tzinfo=UTC)),
        ("7258118400", datetime(2200, 1, 1, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        ("٣٣", None),
        ("9" * 19, None),
        ("9" * 5000, None),
        ([AT], None),
    ],
)
def test_the_claimed_time_is_kept_as_claimed(timestamp, moment):
    assert read("text", {"body": "hi"}, timestamp=timestamp).sent_at == moment


def test_a_sent_status_is_read_whole():
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}
    told = status(biz_opaque_callback_data="wf1.0192.1.ab12cd34", recipient_user_id=BSUID, pricing=pricing)
    item = one(statuses(told, contacts=[{"wa_id": PHONE, "user_id": BSUID}]))
    assert item == InboundStatus(
        phone_number_id=NUMBER_ID,
        waba_id=WABA_ID,
        wamid=OURS,
        status="sent",
        participant="",
        at=SENT_AT,
        token="wf1.0192.1.ab12cd34",
        recipient=Sender(phone=PHONE, bsuid=BSUID),
        group_id=None,
        error_code=None,
        error_title=None,
        error_details=None,
        pricing=pricing,
        conversation=None,
        raw=told,
    )
    assert item.dedup_key == f"status:{NUMBER_ID}:{OURS}:sent:"


@pytest.mark.parametrize("data", [{"details": "Message undeliverable."}, "Message undeliverable."])
def test_a_failed_status_says_why(data):
    errors = [{"code": 131026, "title": "Message undeliverable", "message": "x", "error_data": data}]
    item = one(statuses(status("failed", errors=errors)))
    assert (item.error_code, item.error_title, item.error_details) == (
        131026,
        "Message undeliverable",
        "Message undeliverable.",
    )


@pytest.mark.parametrize("name", ["sent", "delivered", "read", "played", "failed", "deleted", "levitated"])
def test_every_status_is_kept_known_or_not(name):
    assert one(statuses(status(name))).status == name


def test_a_status_of_a_group_names_the_participant():
    told = status(
        "read",
        recipient_id="Y2FwaV9ncm91cDox",
        recipient_type="group",
        recipient_participant_id=PHONE,
        recipient_participant_user_id=BSUID,
    )
    item = one(statuses(told))
    assert (item.participant, item.group_id, item.recipient) == (PHONE, "Y2FwaV9ncm91cDox", Sender())


@pytest.mark.parametrize("token", [None, "", 5, "x" * 513])
def test_a_token_that_is_none_is_absent(token):
    assert one(statuses(status(biz_opaque_callback_data=token))).token is None


@pytest.mark.parametrize(
    ("system", "new"),
    [
        ({"type": "user_changed_number", "wa_id": "12195555358"}, Sender(phone="12195555358")),
        ({"type": "customer_changed_number", "new_wa_id": "12195555358"}, Sender(phone="12195555358")),
        (
            {"type": "user_changed_number", "wa_id": "12195555358", "user_id": "US.99"},
            Sender(phone="12195555358", bsuid="US.99"),
        ),
        (
            {"type": "user_changed_user_id", "user_id": "US.99", "parent_user_id": "US.ENT.9"},
            Sender(bsuid="US.99", parent_bsuid="US.ENT.9"),
        ),
    ],
)
def test_a_changed_number_leads_from_the_old_ids_to_the_new(system, new):
    told = {"from": PHONE, "id": WAMID, "timestamp": AT, "type": "system", "system": system}
    item = one(messages(told, contacts=()))
    assert isinstance(item, NumberChange)
    assert (item.old, item.new, item.at, item.wamid) == (Sender(phone=PHONE), new, SENT_AT, WAMID)
    assert item.dedup_key == f"message:{NUMBER_ID}:{WAMID}"


def test_the_old_number_may_stand_under_customer():
    system = {"type": "customer_changed_number", "wa_id": "12195555358", "customer": PHONE}
    told = {"id": WAMID, "timestamp": AT, "type": "system", "system": system}
    assert one(messages(told, contacts=())).old == Sender(phone=PHONE)


def test_a_change_that_does_not_say_from_what_is_kept_as_a_message():
    system = {"type": "user_changed_user_id", "user_id": "US.99"}
    item = one(messages({"id": WAMID, "timestamp": AT, "type": "system", "system": system}, contacts=()))
    assert isinstance(item, InboundMessage)
    assert (item.sender, item.is_conversational) == (Sender(bsuid="US.99"), False)


@pytest.mark.parametrize(
    "system", [None, [], {"type": ["user_changed_number"]}, {"type": "user_changed_number"}]
)
def test_a_system_message_that_changes_nothing_is_kept(system):
    item = read("system", system)
    assert isinstance(item, InboundMessage)
    assert not item.is_conversational


def test_a_user_id_update_links_the_old_id_to_the_new():
    update = {
        "wa_id": PHONE,
        "detail": "The user id has changed",
        "user_id": {"previous": BSUID, "current": "US.99"},
        "timestamp": AT,
    }
    item = one(body({"messaging_product": "whatsapp", "user_id_update": [update]}, field="user_id_update"))
    assert isinstance(item, NumberChange)
    assert (item.old, item.new) == (Sender(bsuid=BSUID), Sender(phone=PHONE, bsuid="US.99"))
    assert (item.phone_number_id, item.at, item.wamid) == (None, SENT_AT, None)


def test_a_preference_names_the_customer():
    wish = {
        "wa_id": PHONE,
        "user_id": BSUID,
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": int(AT),
    }
    item = one(body({"metadata": METADATA, "user_preferences": [wish]}, field="user_preferences"))
    assert (item.kind, item.customer, item.value, item.at) == (
        "preference",
        Sender(phone=PHONE, bsuid=BSUID),
        wish,
        SENT_AT,
    )


def test_an_echo_belongs_to_the_customer_it_was_sent_to():
    echo = {
        "from": "15550783881",
        "to": PHONE,
        "id": WAMID,
        "timestamp": AT,
        "type": "text",
        "text": {"body": "x"},
    }
    item = one(body({"metadata": METADATA, "message_echoes": [echo]}, field="smb_message_echoes"))
    assert isinstance(item, InboundOther)
    assert (item.kind, item.customer, item.opens_window) == ("echo", Sender(phone=PHONE), False)


@pytest.mark.parametrize(
    ("call", "opens_window"),
    [
        ({"event": "connect", "direction": "USER_INITIATED"}, True),
        ({"event": "connect", "direction": "BUSINESS_INITIATED"}, False),
        ({"event": "terminate", "direction": "USER_INITIATED"}, False),
    ],
)
def test_only_a_customers_call_opens_the_window(call, opens_window):
    told = {"id": "wacid.x", "from": PHONE, "to": "15550783881", "timestamp": AT, **call}
    item = one(body({"metadata": METADATA, "calls": [told]}, field="calls"))
    assert (item.kind, item.opens_window) == ("call", opens_window)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("message_template_status_update", "template_status"),
        ("message_template_quality_update", "template_quality"),
        ("message_template_components_update", "template_components"),
        ("template_category_update", "template_category"),
        ("phone_number_quality_update", "number_quality"),
        ("phone_number_name_update", "number_name"),
        ("business_capability_update", "capability"),
        ("account_update", "account"),
        ("account_review_update", "account"),
        ("account_alerts", "account"),
        ("security", "security"),
        ("history", "history"),
        ("smb_app_state_sync", "address_book"),
        ("field_of_the_future", "unknown"),
        ("user_preferences", "preference"),
        ("user_id_update", "user_id"),
        ("calls", "call"),
    ],
)
def test_every_other_field_is_kept_whole(field, kind):
    value = {"event": "APPROVED", "message_template_id": 594425479261596, "note": "a\x00b"}
    item = one(body(value, field=field, time=1763800000))
    assert isinstance(item, InboundOther)
    assert (item.field, item.kind, item.waba_id) == (field, kind, WABA_ID)
    assert item.value == value | {"note": "a\ufffdb"}
    assert item.at == SENT_AT


def test_the_same_value_redelivered_has_the_same_key_and_no_other_has():
    def key(value, time=1, field="account_update"):
        return one(body(value, field=field, time=time)).dedup_key

    first = key({"event": "DISABLED_UPDATE", "ban": {"a": 1, "b": 2}})
    assert first == key({"ban": {"b": 2, "a": 1}, "event": "DISABLED_UPDATE"})
    assert len(first) == len(hashlib.sha256().hexdigest())
    assert (
        len({first, key({"event": "X"}), key({"event": "X"}, time=2), key({"event": "X"}, field="security")})
        == 4
    )


def test_everything_in_a_body_is_split_in_metas_order():
    first = messages(message("text", {"body": "1"}, wamid="a"), message("text", {"body": "2"}, wamid="b"))
    second = statuses(status("sent"), status("delivered"))
    third = body({"event": "X"}, field="account_update")
    joined = first | {"entry": first["entry"] + second["entry"] + third["entry"]}
    joined["entry"][0]["changes"] += messages(message("text", {"body": "3"}, wamid="c"))["entry"][0][
        "changes"
    ]
    parsed = parse(joined)
    assert parsed.faults == ()
    assert [getattr(item, "wamid", item) for item in parsed.items[:3]] == ["a", "b", "c"]
    assert [item.status for item in parsed.items[3:5]] == ["sent", "delivered"]
    assert parsed.items[5].kind == "account"


def test_a_thousand_changes_are_split_each():
    payload = body(
        *[
            messages(message("text", {"body": "x"}, wamid=f"w{n}"))["entry"][0]["changes"][0]["value"]
            for n in range(1000)
        ]
    )
    assert len(parse(payload).items) == 1000


def test_an_error_that_stands_alone_is_kept():
    value = {"metadata": METADATA, "errors": [{"code": 130429, "title": "Rate limit hit"}]}
    item = one(body(value))
    assert (item.kind, item.phone_number_id) == ("errors", NUMBER_ID)


@pytest.mark.parametrize("field", ["user_id_update", "user_preferences", "calls", "smb_message_echoes"])
def test_an_empty_list_is_kept_too(field):
    key = "message_echoes" if field == "smb_message_echoes" else field
    assert one(body({"metadata": METADATA, key: []}, field=field)).value == {"metadata": METADATA, key: []}


def test_a_value_with_nothing_in_it_is_kept():
    assert one(body({"metadata": METADATA, "contacts": [CONTACT]})).kind == "empty"


def test_a_body_of_bytes_with_escapes_is_read_as_text():
    raw = json.dumps(messages(message("text", {"body": "café 🙂 a/b"}))).replace("/", "\\/").encode()
    assert one(load(raw)).message["text"] == "café 🙂 a/b"


def test_numeric_ids_of_our_own_are_read():
    payload = messages(message("text", {"body": "x"}))
    payload["entry"][0]["id"] = int(WABA_ID)
    payload["entry"][0]["changes"][0]["value"]["metadata"] = METADATA | {"phone_number_id": int(NUMBER_ID)}
    item = one(payload)
    assert (item.waba_id, item.phone_number_id) == (WABA_ID, NUMBER_ID)


@pytest.mark.parametrize("parent_key", ["recipient_parent_user_id", "parent_recipient_user_id"])
def test_both_spellings_of_the_parent_id_are_read(parent_key):
    assert one(statuses(status(**{parent_key: PARENT}))).recipient == Sender(phone=PHONE, parent_bsuid=PARENT)

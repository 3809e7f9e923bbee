import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.whatsapp.outbound import BUILDERS, BadContent, Recipient, build, read_receipt

PHONE = Recipient(phone="16505551234")
BUTTONS = [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}]
LINK = "https://example.com/a.jpg"


def sent(content, **keys):
    """What stands under the message's own type."""
    body = build(content, to=PHONE, token="t", **keys)
    assert body["type"] in body
    return body["type"], body[body["type"]]


def interactive(content, **keys):
    wire_type, value = sent(content, **keys)
    assert wire_type == "interactive"
    return value


def test_the_whole_body_of_a_text():
    body = build(
        {"type": "text", "body": "hi", "preview_url": True},
        to=PHONE,
        token="wf1.1.1.ab",
        context_wamid="wamid.x",
    )
    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+16505551234",
        "type": "text",
        "text": {"body": "hi", "preview_url": True},
        "context": {"message_id": "wamid.x"},
        "biz_opaque_callback_data": "wf1.1.1.ab",
    }


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (Recipient(phone="16505551234"), {"to": "+16505551234"}),
        (Recipient(phone="+16505551234"), {"to": "+16505551234"}),
        (Recipient(bsuid="US.13491208655302741918"), {"recipient": "US.13491208655302741918"}),
        (Recipient(phone="16505551234", bsuid="US.1"), {"to": "+16505551234"}),
    ],
)
def test_a_phone_goes_with_a_plus_and_a_bsuid_as_recipient(to, expected):
    body = build({"type": "text", "body": "hi"}, to=to, token=None)
    assert {key: body[key] for key in ("to", "recipient") if key in body} == expected


def test_without_token_and_context_their_keys_are_absent():
    body = build({"type": "text", "body": "hi"}, to=PHONE, token=None)
    assert not {"biz_opaque_callback_data", "context"} & set(body)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "text", "body": "hi"}, {"body": "hi"}),
        ({"type": "text", "body": "hi", "preview_url": False}, {"body": "hi", "preview_url": False}),
        ({"type": "image", "link": LINK, "caption": "A"}, {"link": LINK, "caption": "A"}),
        ({"type": "image", "media": "123", "caption": ""}, {"id": "123"}),
        ({"type": "image", "media": "123", "link": LINK}, {"id": "123"}),
        ({"type": "video", "link": LINK, "caption": None}, {"link": LINK}),
        ({"type": "audio", "media": "1", "voice": True, "caption": "never"}, {"id": "1", "voice": True}),
        (
            {"type": "document", "link": LINK, "caption": "bill", "filename": "bill.pdf"},
            {"link": LINK, "caption": "bill", "filename": "bill.pdf"},
        ),
        ({"type": "sticker", "media": "9", "caption": "never"}, {"id": "9"}),
        ({"type": "location", "latitude": 1.5, "longitude": 0}, {"latitude": 1.5, "longitude": 0}),
        (
            {"type": "location", "latitude": 0, "longitude": 0, "name": "N", "address": "A"},
            {"latitude": 0, "longitude": 0, "name": "N", "address": "A"},
        ),
        (
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "B", "first_name": "B"}}]},
            [{"name": {"formatted_name": "B", "first_name": "B"}}],
        ),
        (
            {"type": "reaction", "message_id": "wamid.y", "emoji": "👍"},
            {"message_id": "wamid.y", "emoji": "👍"},
        ),
        ({"type": "reaction", "message_id": "wamid.y"}, {"message_id": "wamid.y", "emoji": ""}),
    ],
)
def test_each_plain_kind_is_put_into_metas_shape(content, expected):
    assert sent(content) == (content["type"], expected)


def test_a_reaction_goes_to_the_message_it_answers_and_quotes_nothing():
    body = build({"type": "reaction", "emoji": "👍"}, to=PHONE, token="t", context_wamid="wamid.x")
    assert body["reaction"] == {"message_id": "wamid.x", "emoji": "👍"}
    assert "context" not in body


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"type": "buttons", "header": "Hey", "body": "Sure?", "footer": "f", "buttons": BUTTONS},
            {
                "type": "button",
                "header": {"type": "text", "text": "Hey"},
                "body": {"text": "Sure?"},
                "footer": {"text": "f"},
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "yes", "title": "Yes"}},
                        {"type": "reply", "reply": {"id": "no", "title": "No"}},
                    ]
                },
            },
        ),
        (
            {
                "type": "list",
                "body": "Which?",
                "button": "Choose",
                "sections": [
                    {
                        "title": "Bikes",
                        "rows": [{"id": "a", "title": "A", "description": "fast"}, {"id": "b", "title": "B"}],
                    }
                ],
            },
            {
                "type": "list",
                "body": {"text": "Which?"},
                "action": {
                    "button": "Choose",
                    "sections": [
                        {
                            "title": "Bikes",
                            "rows": [
                                {"id": "a", "title": "A", "description": "fast"},
                                {"id": "b", "title": "B"},
                            ],
                        }
                    ],
                },
            },
        ),
        (
            {"type": "cta_url", "body": "Look", "text": "Open", "url": "https://example.com"},
            {
                "type": "cta_url",
                "body": {"text": "Look"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Open", "url": "https://example.com"},
                },
            },
        ),
        (
            {"type": "location_request", "body": "Where?"},
            {
                "type": "location_request_message",
                "body": {"text": "Where?"},
                "action": {"name": "send_location"},
            },
        ),
        (
            {
                "type": "form",
                "body": "Fill in",
                "form": "8126",
                "cta": "Open",
                "screen": "DAY",
                "data": {"a": 1},
            },
            {
                "type": "flow",
                "body": {"text": "Fill in"},
                "action": {
                    "name": "flow",
                    "parameters": {
                        "flow_message_version": "3",
                        "flow_id": "8126",
                        "flow_cta": "Open",
                        "flow_token": "t",
                        "flow_action": "navigate",
                        "flow_action_payload": {"screen": "DAY", "data": {"a": 1}},
                    },
                },
            },
        ),
        (
            {"type": "form", "body": "Fill in", "form": "book_ride", "cta": "Open"},
            {
                "type": "flow",
                "body": {"text": "Fill in"},
                "action": {
                    "name": "flow",
                    "parameters": {
                        "flow_message_version": "3",
                        "flow_name": "book_ride",
                        "flow_cta": "Open",
                        "flow_token": "t",
                    },
                },
            },
        ),
        (
            {"type": "product", "catalog_id": "c", "product_retailer_id": "p"},
            {"type": "product", "action": {"catalog_id": "c", "product_retailer_id": "p"}},
        ),
        (
            {
                "type": "product_list",
                "header": "Ours",
                "body": "Pick",
                "catalog_id": "c",
                "sections": [{"title": "S", "product_items": [{"product_retailer_id": "p"}, "q"]}],
            },
            {
                "type": "product_list",
                "header": {"type": "text", "text": "Ours"},
                "body": {"text": "Pick"},
                "action": {
                    "catalog_id": "c",
                    "sections": [
                        {
                            "title": "S",
                            "product_items": [{"product_retailer_id": "p"}, {"product_retailer_id": "q"}],
                        }
                    ],
                },
            },
        ),
        (
            {"type": "catalog", "body": "All", "thumbnail_product_retailer_id": "p"},
            {
                "type": "catalog_message",
                "body": {"text": "All"},
                "action": {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "p"}},
            },
        ),
        (
            {"type": "catalog", "body": "All"},
            {"type": "catalog_message", "body": {"text": "All"}, "action": {"name": "catalog_message"}},
        ),
        (
            {
                "type": "carousel",
                "body": "Swipe",
                "cards": [
                    {
                        "header": {"type": "image", "link": LINK},
                        "body": "one",
                        "text": "Open",
                        "url": "https://example.com",
                    },
                    {"header": {"type": "video", "media": "5"}, "buttons": BUTTONS[:1]},
                ],
            },
            {
                "type": "carousel",
                "body": {"text": "Swipe"},
                "action": {
                    "cards": [
                        {
                            "card_index": 0,
                            "type": "cta_url",
                            "header": {"type": "image", "image": {"link": LINK}},
                            "body": {"text": "one"},
                            "action": {
                                "name": "cta_url",
                                "parameters": {"display_text": "Open", "url": "https://example.com"},
                            },
                        },
                        {
                            "card_index": 1,
                            "type": "cta_url",
                            "header": {"type": "video", "video": {"id": "5"}},
                            "action": {
                                "buttons": [
                                    {"type": "quick_reply", "quick_reply": {"id": "yes", "title": "Yes"}}
                                ]
                            },
                        },
                    ]
                },
            },
        ),
        (
            {"type": "interactive", "interactive": {"type": "voice_call", "action": {"name": "voice_call"}}},
            {"type": "voice_call", "action": {"name": "voice_call"}},
        ),
    ],
)
def test_each_interactive_kind_is_put_into_metas_shape(content, expected):
    assert interactive(content) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Hey", {"type": "text", "text": "Hey"}),
        ({"type": "text", "text": "Hey"}, {"type": "text", "text": "Hey"}),
        ({"type": "image", "link": LINK}, {"type": "image", "image": {"link": LINK}}),
        ({"type": "video", "media": "7"}, {"type": "video", "video": {"id": "7"}}),
        (
            {"type": "document", "link": LINK, "filename": "a.pdf"},
            {"type": "document", "document": {"link": LINK, "filename": "a.pdf"}},
        ),
    ],
)
def test_a_header_is_text_or_a_medium(header, expected):
    assert (
        interactive({"type": "buttons", "header": header, "body": "b", "buttons": BUTTONS})["header"]
        == expected
    )


def body_of(*parameters):
    return {"type": "body", "parameters": list(parameters)}


def button(index, sub_type, parameter):
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": [parameter]}


@pytest.mark.parametrize(
    ("content", "components"),
    [
        ({}, None),
        ({"variables": []}, None),
        (
            {"variables": ["Ann", 5]},
            [body_of({"type": "text", "text": "Ann"}, {"type": "text", "text": "5"})],
        ),
        (
            {"variables": {"2": "b", "10": "c", "1": "a"}},
            [
                body_of(
                    {"type": "text", "text": "a"},
                    {"type": "text", "text": "b"},
                    {"type": "text", "text": "c"},
                )
            ],
        ),
        (
            {"variables": {"name": "Ann", "day": "Mon"}},
            [
                body_of(
                    {"type": "text", "parameter_name": "name", "text": "Ann"},
                    {"type": "text", "parameter_name": "day", "text": "Mon"},
                )
            ],
        ),
        (
            {
                "variables": [
                    {
                        "type": "currency",
                        "currency": {"code": "EUR", "amount_1000": 1000, "fallback_value": "1"},
                    }
                ]
            },
            [
                body_of(
                    {
                        "type": "currency",
                        "currency": {"code": "EUR", "amount_1000": 1000, "fallback_value": "1"},
                    }
                )
            ],
        ),
        ({"header": "Hey"}, [{"type": "header", "parameters": [{"type": "text", "text": "Hey"}]}]),
        (
            {"header": {"name": "who", "text": "Ann"}},
            [{"type": "header", "parameters": [{"type": "text", "parameter_name": "who", "text": "Ann"}]}],
        ),
        (
            {"header": {"type": "image", "link": LINK}},
            [{"type": "header", "parameters": [{"type": "image", "image": {"link": LINK}}]}],
        ),
        (
            {"header": {"type": "document", "media": "4", "filename": "a.pdf"}},
            [
                {
                    "type": "header",
                    "parameters": [{"type": "document", "document": {"id": "4", "filename": "a.pdf"}}],
                }
            ],
        ),
        (
            {"header": {"type": "location", "latitude": 1, "longitude": 2, "name": "N"}},
            [
                {
                    "type": "header",
                    "parameters": [
                        {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "N"}}
                    ],
                }
            ],
        ),
        (
            {
                "buttons": [
                    {"id": "book", "title": "Book"},
                    {"payload": "stop"},
                    {"url": "abc"},
                    {"coupon_code": "X9"},
                ]
            },
            [
                button("0", "quick_reply", {"type": "payload", "payload": "book"}),
                button("1", "quick_reply", {"type": "payload", "payload": "stop"}),
                button("2", "url", {"type": "text", "text": "abc"}),
                button("3", "copy_code", {"type": "coupon_code", "coupon_code": "X9"}),
            ],
        ),
        (
            {"buttons": [{"index": 2, "flow": {"flow_token": "t"}}, {"sub_type": "mpm", "parameters": []}]},
            [
                button("2", "flow", {"type": "action", "action": {"flow_token": "t"}}),
                {"type": "button", "index": "1", "sub_type": "mpm", "parameters": []},
            ],
        ),
        (
            {"variables": ["a"], "components": [{"type": "limited_time_offer", "parameters": []}]},
            [body_of({"type": "text", "text": "a"}), {"type": "limited_time_offer", "parameters": []}],
        ),
    ],
)
def test_a_template_gets_its_components(content, components):
    wire_type, template = sent({"type": "template", "name": "ride", "language": "en_US", **content})
    expected = {"name": "ride", "language": {"code": "en_US"}}
    assert (wire_type, template) == (
        "template",
        expected | ({"components": components} if components else {}),
    )


def test_a_template_without_language_goes_in_the_numbers_own():
    assert sent({"type": "template", "name": "ride"}, default_language="de")[1]["language"] == {"code": "de"}


@pytest.mark.parametrize(
    ("content", "to"),
    [
        ({"type": "hologram"}, PHONE),
        ({"type": ["text"]}, PHONE),
        ({}, PHONE),
        ({"type": "text"}, PHONE),
        ({"type": "text", "body": "x"}, Recipient()),
        ({"type": "image"}, PHONE),
        ({"type": "image", "asset": "bike.jpg"}, PHONE),
        ({"type": "buttons", "body": "b", "buttons": [{"title": "no id"}]}, PHONE),
        ({"type": "buttons", "body": "b", "buttons": None}, PHONE),
        ({"type": "list", "body": "b", "button": "c", "sections": [{}]}, PHONE),
        ({"type": "buttons", "body": "b", "header": {"type": "image"}, "buttons": BUTTONS}, PHONE),
        ({"type": "reaction", "emoji": "👍"}, PHONE),
        ({"type": "template"}, PHONE),
        ({"type": "template", "name": "n", "buttons": [{"title": "no id"}]}, PHONE),
        ({"type": "template", "name": "n", "variables": 5}, PHONE),
        ({"type": "interactive", "interactive": "x"}, PHONE),
    ],
)
def test_what_has_no_shape_at_meta_is_bad_content(content, to):
    with pytest.raises(BadContent):
        build(content, to=to, token="t")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "body", "link", "media", "caption", "latitude", "longitude", "contacts", "buttons", "header", "sections", "button", "text",
    "url", "form", "cta", "screen", "catalog_id", "cards", "name", "variables", "components", "emoji", "interactive",
]  # fmt: skip


@given(st.sampled_from(sorted(BUILDERS)), st.dictionaries(st.sampled_from(KEYS), values))
def test_any_content_is_built_or_refused(kind, content):
    try:
        body = build({**content, "type": kind}, to=PHONE, token="t", context_wamid="wamid.x")
    except BadContent:
        return
    assert json.loads(json.dumps(body))["to"] == "+16505551234"


def test_the_content_is_left_as_it_was():
    content = {
        "type": "template",
        "name": "n",
        "variables": {"a": "b"},
        "components": [{"type": "x"}],
        "buttons": [{"id": "1"}],
    }
    before = json.dumps(content)
    build(content, to=PHONE, token="t")
    assert json.dumps(content) == before


@pytest.mark.parametrize("typing", [False, True])
def test_a_read_receipt_may_show_typing(typing):
    expected = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"}
    assert read_receipt("wamid.x", typing=typing) == expected | (
        {"typing_indicator": {"type": "text"}} if typing else {}
    )

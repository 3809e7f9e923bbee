"""What Meta refuses, with its codes: each row is a request that differs in one thing from a good one."""

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.refusals import Refusal
from simulator.validation import TYPES, check_message, recipient_of


def message(kind: str = "text", value: Any = None, **more: Any) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": "+16505551234", "type": kind, kind: value, **more}


def interactive(kind: str, action: Any, **more: Any) -> dict[str, Any]:
    return message("interactive", {"type": kind, "body": {"text": "b"}, "action": action, **more})


def button(id_: str = "a", title: str = "A") -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": id_, "title": title}}


def buttons(*each: dict[str, Any], **more: Any) -> dict[str, Any]:
    return interactive("button", {"buttons": list(each) or [button()]}, **more)


def listed(*sections: dict[str, Any], label: str = "Open", **more: Any) -> dict[str, Any]:
    return interactive("list", {"button": label, "sections": list(sections) or [section(row())]}, **more)


def section(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"rows": list(rows), **more}


def row(id_: str = "a", title: str = "A", **more: Any) -> dict[str, Any]:
    return {"id": id_, "title": title, **more}


def template(**changes: Any) -> dict[str, Any]:
    return message("template", {"name": "hello", "language": {"code": "en_US"}, **changes})


def body_parameter(**parameter: Any) -> dict[str, Any]:
    return template(components=[{"type": "body", "parameters": [parameter]}])


LINK = {"link": "https://example.com/a"}
GOOD = {
    "text": message("text", {"body": "x" * 4096}),
    "text without type": {"messaging_product": "whatsapp", "to": "16505551234", "text": {"body": "x"}},
    "to a user id": {
        "messaging_product": "whatsapp",
        "recipient": "US.1349abc",
        "type": "text",
        "text": {"body": "x"},
    },
    "phone with marks": message("text", {"body": "x"}, to="+1 (650) 555-1234"),
    "image by link": message("image", {**LINK, "caption": "c" * 1024}),
    "audio by id": message("audio", {"id": "123"}),
    "sticker": message("sticker", {"id": "123"}),
    "location": message("location", {"latitude": 90, "longitude": "-180"}),
    "contact": message("contacts", [{"name": {"formatted_name": "A B", "first_name": "A"}}]),
    "reaction": message("reaction", {"message_id": "wamid.x", "emoji": "👍"}),
    "reaction taken away": message("reaction", {"message_id": "wamid.x", "emoji": ""}),
    "three buttons": buttons(button("a" * 256, "A" * 20), button("b", "B"), button("c", "C")),
    "buttons with an image": buttons(header={"type": "image", "image": {"id": "1"}}),
    "list": listed(section(*(row(str(i), "t" * 24, description="d" * 72) for i in range(10)))),
    "list with a long body": listed(body={"text": "b" * 4096}),
    "cta_url": interactive(
        "cta_url", {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://a.b"}}
    ),
    "location request": interactive("location_request_message", {"name": "send_location"}),
    "form": interactive(
        "flow",
        {"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Open"}},
    ),
    "product without body": message(
        "interactive", {"type": "product", "action": {"catalog_id": "1", "product_retailer_id": "2"}}
    ),
    "catalog": interactive("catalog_message", {"name": "catalog_message"}),
    "template": body_parameter(type="text", text="Ada"),
    "template with a quick reply": template(
        components=[
            {
                "type": "button",
                "sub_type": "quick_reply",
                "index": 0,
                "parameters": [{"type": "payload", "payload": "x"}],
            }
        ]
    ),
    "read receipt": {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"},
}
BAD = [
    ("not an object", [], 100),
    ("no product", {"to": "16505551234", "text": {"body": "x"}}, 100),
    ("no recipient", {"messaging_product": "whatsapp", "type": "text", "text": {"body": "x"}}, 100),
    ("a word for a phone", message("text", {"body": "x"}, to="abc"), 131009),
    ("a group", message("text", {"body": "x"}, recipient_type="group"), 131041),
    ("an unknown type", message("poll", {}), 100),
    ("type without its object", {"messaging_product": "whatsapp", "to": "16505551234", "type": "image"}, 100),
    ("an empty text", message("text", {"body": ""}), 100),
    ("a text of 4097", message("text", {"body": "x" * 4097}), 100),
    ("preview_url as a word", message("text", {"body": "x", "preview_url": "yes"}), 100),
    ("callback data of 513", message("text", {"body": "x"}, biz_opaque_callback_data="x" * 513), 100),
    ("a context without id", message("text", {"body": "x"}, context={}), 100),
    ("image with id and link", message("image", {**LINK, "id": "1"}), 100),
    ("image with neither", message("image", {}), 100),
    ("an image at no address", message("image", {"link": "file:///etc/passwd"}), 100),
    ("a caption of 1025", message("image", {**LINK, "caption": "c" * 1025}), 100),
    ("a caption on audio", message("audio", {"id": "1", "caption": "c"}), 100),
    ("latitude 91", message("location", {"latitude": 91, "longitude": 0}), 131009),
    ("no longitude", message("location", {"latitude": 1}), 131008),
    ("latitude as a word", message("location", {"latitude": "north", "longitude": 0}), 100),
    ("a contact of one name part", message("contacts", [{"name": {"formatted_name": "A"}}]), 131008),
    ("no contacts", message("contacts", []), 131009),
    ("reaction to nothing", message("reaction", {"emoji": "👍"}), 131008),
    ("no interactive type", message("interactive", {}), 131008),
    ("an unknown interactive", interactive("poll", {}), 131009),
    ("no action", message("interactive", {"type": "button", "body": {"text": "b"}}), 131008),
    ("no body", interactive("button", {"buttons": [button()]}, body={}), 131008),
    ("a body of 1025", buttons(body={"text": "b" * 1025}), 131009),
    ("a footer of 61", buttons(footer={"text": "f" * 61}), 131009),
    ("a header of 61", buttons(header={"type": "text", "text": "h" * 61}), 131009),
    ("four buttons", buttons(*(button(str(i), str(i)) for i in range(4))), 131009),
    ("a button title of 21", buttons(button(title="t" * 21)), 131009),
    ("a button id of 257", buttons(button(id_="i" * 257)), 131009),
    ("a button id with spaces at its edge", buttons(button(id_=" a")), 131009),
    ("two buttons of one id", buttons(button("a", "A"), button("a", "B")), 131009),
    ("two buttons of one title", buttons(button("a", "A"), button("b", "A")), 131009),
    ("a button without id", buttons({"type": "reply", "reply": {"title": "A"}}), 131008),
    ("a button that is no reply", buttons({"type": "url"}), 131009),
    ("eleven rows", listed(section(*(row(str(i)) for i in range(11)))), 131009),
    (
        "eleven rows in two sections",
        listed(*[section(*(row(f"{s}{i}") for i in range(6)), title=s) for s in "ab"]),
        131009,
    ),
    ("eleven sections", listed(*[section(row(str(i)), title=str(i)) for i in range(11)]), 131009),
    ("two sections without titles", listed(section(row("a")), section(row("b"))), 131008),
    ("two rows of one id", listed(section(row("a"), row("a"))), 131009),
    ("a row title of 25", listed(section(row(title="t" * 25))), 131009),
    ("a row description of 73", listed(section(row(description="d" * 73))), 131009),
    ("a row id of 201", listed(section(row(id_="i" * 201))), 131009),
    ("a list label of 21", listed(label="l" * 21), 131009),
    ("a list with an image on top", listed(header={"type": "image", "image": {"id": "1"}}), 131009),
    ("a list body of 4097", listed(body={"text": "b" * 4097}), 131009),
    ("a section without rows", listed(section()), 131008),
    (
        "cta_url of 21",
        interactive(
            "cta_url", {"name": "cta_url", "parameters": {"display_text": "t" * 21, "url": "https://a.b"}}
        ),
        131009,
    ),
    (
        "cta_url to no address",
        interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "t", "url": "a.b"}}),
        100,
    ),
    (
        "location request with a footer",
        interactive("location_request_message", {"name": "send_location"}, footer={"text": "f"}),
        131009,
    ),
    (
        "a form of another version",
        interactive(
            "flow",
            {"name": "flow", "parameters": {"flow_message_version": "2", "flow_id": "1", "flow_cta": "x"}},
        ),
        131009,
    ),
    ("products without a header", interactive("product_list", {"catalog_id": "1", "sections": []}), 131008),
    ("a carousel of one card", interactive("carousel", {"cards": [{"card_index": 0}]}), 131009),
    ("a template of a bad name", template(name="Hello World"), 132001),
    ("a template of a bad language", template(language={"code": "english"}), 132001),
    ("a template without language", template(language=None), 131008),
    ("a new line in a parameter", body_parameter(type="text", text="a\nb"), 132018),
    ("five spaces in a parameter", body_parameter(type="text", text="a     b"), 132018),
    ("an empty parameter", body_parameter(type="text", text=""), 131008),
    ("a parameter without value", body_parameter(type="currency"), 132012),
    ("a template button without index", template(components=[{"type": "button", "sub_type": "url"}]), 131008),
    ("another status", {"messaging_product": "whatsapp", "status": "seen", "message_id": "w"}, 100),
    (
        "typing as a picture",
        {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": "w",
            "typing_indicator": {"type": "image"},
        },
        100,
    ),
]


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD.keys())
def test_a_good_message_passes(body: dict[str, Any]) -> None:
    check_message(body)


@pytest.mark.parametrize(("body", "code"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_meta_refuses(body: Any, code: int) -> None:
    with pytest.raises(Refusal) as caught:
        check_message(body)
    assert caught.value.code == code
    error = caught.value.body()["error"]
    assert error["code"] == code
    assert error["message"].startswith("(#")
    assert error["fbtrace_id"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "junk", [None, 1, "x", [], [[]], {"id": 5}, {"type": None}, {"body": []}, {"parameters": 3}]
)
def test_junk_in_the_object_of_a_type_is_refused_and_never_raises_anything_else(kind: str, junk: Any) -> None:
    with pytest.raises(Refusal):
        check_message(message(kind, junk))


@pytest.mark.parametrize(
    "kind", ["button", "list", "cta_url", "flow", "product_list", "carousel", "catalog_message"]
)
@pytest.mark.parametrize(
    "action",
    [
        None,
        1,
        [],
        {},
        {"buttons": [1]},
        {"sections": [1]},
        {"cards": [1, 2]},
        {"button": "x", "sections": [{"rows": [1]}]},
    ],
)
def test_junk_in_an_action_is_refused(kind: str, action: Any) -> None:
    with pytest.raises(Refusal):
        check_message(interactive(kind, action))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"to": "+1 650-555"}, ("phone", "1650555")),
        ({"to": "US.abc"}, ("user_id", "US.abc")),
        ({"recipient": "US.abc"}, ("user_id", "US.abc")),
        ({"to": "1650555", "recipient": "US.abc"}, ("phone", "1650555")),
    ],
)
def test_the_recipient_is_a_phone_or_a_user_id_and_to_wins(
    given: dict[str, str], expected: tuple[str, str]
) -> None:
    assert recipient_of(given) == expected


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into a JSON value, its own first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in inner for deeper in places(item, (*path, key)))]


JUNK = st.sampled_from(
    [None, True, 0, -1.5, "", "x", " ", [], {}, [None], {"type": "text"}, [[1]], {"text": 7}]
)


@given(st.sampled_from(list(GOOD.values())), st.data())
def test_a_good_message_with_junk_at_any_place_is_taken_or_refused_but_never_breaks(
    good: dict[str, Any], data: st.DataObject
) -> None:
    body = copy.deepcopy(good)
    *path, last = data.draw(st.sampled_from(places(body)[1:]))
    holder: Any = body
    for key in path:
        holder = holder[key]
    holder[last] = data.draw(JUNK)
    with suppress(Refusal):
        check_message(body)
        if "status" not in body:
            recipient_of(body)

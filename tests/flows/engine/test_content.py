"""The table of contents and of Meta's limits on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.engine.content import KINDS, LIMITS, Option, check_content, is_free, options, render
from flows.engine.links import why_not_public
from tests.flows.engine.walks import buttons

LINK = "https://example.com/a.png"


def listed(*rows, title="S", **more):
    return {
        "type": "list",
        "body": "b",
        "button": "Go",
        "sections": [{"title": title, "rows": [{"id": row, "title": row} for row in rows]}],
        **more,
    }


def carousel(*cards):
    return {"type": "carousel", "body": "b", "cards": list(cards)}


CARD = {"header": {"type": "image", "link": LINK}, "body": "x", "text": "Go", "url": LINK}
BUTTON_CARD = {"header": {"type": "image", "link": LINK}, "buttons": [{"id": "a", "title": "A"}]}
GOOD = [
    {"type": "text", "body": "x", "preview_url": True},
    *({"type": kind, "link": LINK} for kind in ("image", "video", "audio", "document", "sticker")),
    {"type": "image", "media": "123", "caption": ""},
    {"type": "document", "asset": "a.pdf", "filename": "a.pdf", "caption": None},
    {"type": "audio", "link": LINK, "voice": True},
    {"type": "location", "latitude": 18.5, "longitude": -73, "name": "Pune"},
    {"type": "contacts", "contacts": [{"name": {"formatted_name": "A", "first_name": "A"}}]},
    {**buttons("a", "b", "c"), "header": "H", "footer": "F"},
    {**buttons("a"), "header": {"type": "video", "link": LINK}},
    listed("a", "b"),
    {**listed("a"), "sections": [{"rows": [{"id": "a", "title": "A", "description": "d"}]}]},
    {"type": "cta_url", "body": "b", "text": "Open", "url": "http://localhost/x"},
    {"type": "location_request", "body": "Where?"},
    {"type": "form", "body": "b", "form": "f", "cta": "Go", "data": {"a": 1}},
    {"type": "product", "catalog_id": "1", "product_retailer_id": "2"},
    {
        "type": "product_list",
        "header": "h",
        "body": "b",
        "catalog_id": "1",
        "sections": [{"product_items": ["a"]}],
    },
    {"type": "catalog", "body": "b"},
    carousel(CARD, CARD),
    carousel(BUTTON_CARD, BUTTON_CARD),
    {"type": "template", "name": "hello_1", "language": "en", "variables": {"name": "Ravi", "n": 5}},
    {"type": "template", "name": "hello", "variables": ["a", "b"], "header": "x", "buttons": [{"id": "go"}]},
    {"type": "template", "name": "hello", "header": {"type": "image", "link": LINK}, "components": []},
    {"type": "reaction", "emoji": ""},
    {"type": "interactive", "interactive": {"type": "address_message"}},
    {
        "type": "interactive",
        "interactive": {
            "type": "button",
            "body": {"text": "b"},
            "action": {"buttons": [{"reply": {"id": "a", "title": "A"}}]},
        },
    },
]


@pytest.mark.parametrize("content", GOOD, ids=lambda content: content["type"])
def test_good_content_has_no_fault(content):
    assert check_content(content) == []


def test_every_kind_of_content_is_tried():
    assert {content["type"] for content in GOOD} == set(KINDS)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("text", [((), "WF102")]),
        (None, [((), "WF102")]),
        ({}, [(("type",), "WF105")]),
        ({"type": ["text"]}, [(("type",), "WF105")]),
        ({"type": "poem", "body": "x"}, [(("type",), "WF105")]),
        ({"type": "text"}, [((), "WF104")]),
        ({"type": "text", "body": "x", "color": "red"}, [(("color",), "WF101")]),
        ({"type": "text", "body": "x", "preview_url": "yes"}, [(("preview_url",), "WF102")]),
        ({"type": "text", "body": 5}, [(("body",), "WF102")]),
        ({"type": "text", "body": True}, [(("body",), "WF102")]),
        ({"type": "text", "body": " "}, [(("body",), "WF304")]),
        ({"type": "text", "body": "x" * 4097}, [(("body",), "WF301")]),
        ({"type": "image"}, [((), "WF104")]),
        ({"type": "image", "link": LINK, "media": "1"}, [((), "WF107")]),
        ({"type": "image", "link": "http://example.com/a.png"}, [(("link",), "WF311")]),
        ({"type": "image", "link": LINK, "caption": "x" * 1025}, [(("caption",), "WF301")]),
        ({"type": "audio", "link": LINK, "caption": "x"}, [(("caption",), "WF101")]),
        (
            {"type": "location", "latitude": 91, "longitude": True},
            [(("latitude",), "WF106"), (("longitude",), "WF106")],
        ),
        ({"type": "contacts", "contacts": [{}, 5]}, [(("contacts", 0), "WF104"), (("contacts", 1), "WF104")]),
        ({"type": "contacts", "contacts": {}}, [(("contacts",), "WF102")]),
        (buttons(), [(("buttons",), "WF302")]),
        (buttons("a", "b", "c", "d"), [(("buttons",), "WF302")]),
        (
            {**buttons("a"), "header": "h" * 61, "footer": "f" * 61},
            [(("footer",), "WF301"), (("header",), "WF301")],
        ),
        ({**buttons("a"), "header": {"type": "audio", "link": LINK}}, [(("header", "type"), "WF304")]),
        ({**buttons("a"), "header": 5}, [(("header",), "WF102")]),
        ({**buttons("a"), "header": {"link": LINK}}, [(("header",), "WF104"), (("header", "type"), "WF304")]),
        ({"type": "buttons", "body": "b", "buttons": ["a"]}, [(("buttons", 0), "WF102")]),
        (
            {
                "type": "buttons",
                "body": "b",
                "buttons": [{"id": " a", "title": "*A*"}, {"id": " a", "title": "x" * 21}],
            },
            [
                (("buttons", 0, "id"), "WF304"),
                (("buttons", 0, "title"), "WF304"),
                (("buttons", 1, "id"), "WF304"),
                (("buttons", 1, "title"), "WF301"),
                (("buttons", 1, "id"), "WF303"),
            ],
        ),
        ({**listed("a"), "header": {"type": "image", "link": LINK}}, [(("header",), "WF304")]),
        (listed("a", body="x" * 1025), [(("body",), "WF305")]),
        (listed("a", body="x" * 4097), [(("body",), "WF301")]),
        (listed(*"abcdefghijk"), [(("sections", 0, "rows"), "WF302"), (("sections",), "WF302")]),
        (listed("a", "a"), [(("sections", 0, "rows", 1, "id"), "WF303")]),
        (
            {
                **listed("a"),
                "sections": [{"rows": [{"id": "a", "title": "A"}]}, {"title": "T", "rows": ["x"]}, 5],
            },
            [
                (("sections", 0, "title"), "WF304"),
                (("sections", 1, "rows", 0), "WF102"),
                (("sections", 2), "WF102"),
            ],
        ),
        ({"type": "cta_url", "body": "b", "text": "Open", "url": "tel:1"}, [(("url",), "WF311")]),
        ({"type": "cta_url", "body": "b", "text": "Open"}, [((), "WF104")]),
        ({"type": "form", "body": "b", "form": "f", "cta": "Go", "data": []}, [(("data",), "WF102")]),
        (
            {
                "type": "product_list",
                "header": "h",
                "body": "b",
                "catalog_id": "1",
                "sections": [
                    {"title": "a", "product_items": ["x"] * 20},
                    {"title": "b", "product_items": ["x"] * 20},
                    5,
                ],
            },
            [(("sections", 2), "WF102"), (("sections",), "WF302")],
        ),
        (carousel(CARD), [(("cards",), "WF302")]),
        (carousel(CARD, BUTTON_CARD), [(("cards",), "WF304")]),
        (carousel(CARD, 5), [(("cards", 1), "WF102")]),
        (carousel(CARD, {**CARD, "header": "x"}), [(("cards", 1, "header"), "WF102")]),
        (carousel(CARD, {**CARD, "body": "a\nb\nc\nd"}), [(("cards", 1, "body"), "WF304")]),
        ({"type": "template", "name": "Hello"}, [(("name",), "WF106")]),
        ({"type": "template", "name": "h", "variables": {"a": "x\ny"}}, [(("variables", "a"), "WF505")]),
        ({"type": "template", "name": "h", "variables": [""]}, [(("variables", 0), "WF304")]),
        ({"type": "template", "name": "h", "variables": True}, [(("variables",), "WF102")]),
        ({"type": "template", "name": "h", "header": "a     b"}, [(("header",), "WF505")]),
        ({"type": "template", "name": "h", "buttons": 5}, [(("buttons",), "WF102")]),
        ({"type": "reaction", "emoji": 5}, [(("emoji",), "WF102")]),
        ({"type": "interactive", "interactive": "x"}, [(("interactive",), "WF102")]),
        ({"type": "interactive", "interactive": {}}, [(("interactive",), "WF102")]),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "button",
                    "body": {"text": ""},
                    "action": {"buttons": [{"reply": {"id": "a", "title": "x" * 21}}, 5]},
                },
            },
            [
                (("interactive", "body", "text"), "WF304"),
                (("interactive", "action", "buttons", 0, "reply", "title"), "WF301"),
                (("interactive", "action", "buttons", 1), "WF102"),
            ],
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "list", "body": "b", "action": {"button": "x" * 21, "sections": []}},
            },
            [
                (("interactive", "body", "text"), "WF102"),
                (("interactive", "action", "button"), "WF301"),
                (("interactive", "action", "sections"), "WF302"),
            ],
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "button", "body": {"text": "b"}, "action": {"buttons": 5}},
            },
            [(("interactive", "action", "buttons"), "WF102")],
        ),
    ],
)
def test_bad_content_has_its_faults(content, faults):
    assert [(path, code) for path, code, _ in check_content(content)] == faults


@pytest.mark.parametrize(
    "content",
    [
        {"type": "text", "body": "{{ x }}" + "y" * 5000},
        {"type": "image", "link": "{{ photo }}"},
        {"type": "location", "latitude": "{{ lat }}", "longitude": "{{ lon }}"},
        {"type": "buttons", "body": "b", "buttons": [{"id": "{{ a }}", "title": "{{ b }}"}] * 2},
        {"type": "form", "body": "b", "form": "f", "cta": "Go", "data": "{{ data }}"},
        listed("a", body="{% if x %}" + "y" * 3000 + "{% endif %}"),
    ],
)
def test_a_text_with_liquid_is_measured_only_when_it_is_rendered(content):
    assert check_content(content, has_templates=True) == []


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (buttons("a", "b"), ["a", "b"]),
        (listed("a", "b"), ["a", "b"]),
        (carousel(BUTTON_CARD, CARD), ["a"]),
        ({"type": "template", "name": "x", "buttons": [{"id": "go"}, {"index": 1}]}, ["go"]),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "button",
                    "action": {"buttons": [{"reply": {"id": "a", "title": "A"}}]},
                },
            },
            ["a"],
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "list",
                    "action": {"sections": [{"rows": [{"id": "r", "title": "R"}]}, 5]},
                },
            },
            ["r"],
        ),
        ({"type": "interactive", "interactive": {"type": "flow"}}, []),
        ({"type": "interactive", "interactive": 5}, []),
        ({"type": "text", "body": "x"}, []),
        ({"type": "buttons", "buttons": 5}, []),
        ({}, []),
    ],
)
def test_what_can_be_tapped(content, ids):
    assert [option.id for option in options(content)] == ids


def test_an_option_without_a_title_is_called_by_its_id():
    assert options({"type": "template", "buttons": [{"id": "go"}]}) == [Option(id="go", title="go")]


def test_only_templates_may_leave_when_the_window_is_closed():
    assert is_free({"type": "text", "body": "x"})
    assert not is_free({"type": "template", "name": "x"})


def test_rendering_prints_every_text_and_makes_places_numbers():
    content = {
        "type": "location",
        "latitude": "1.5",
        "longitude": "east",
        "name": "n",
        "$comment": "left out",
    }
    assert render(content, lambda text: text) == {
        "type": "location",
        "latitude": 1.5,
        "longitude": "east",
        "name": "n",
    }
    assert render({"type": "location", "latitude": 1, "longitude": 2}, str)["latitude"] == 1
    nested = {"type": "template", "variables": {"a": ["x", 5]}, "ok": True}
    assert render(nested, str.upper) == {"type": "TEMPLATE", "variables": {"a": ["X", 5]}, "ok": True}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "ftp://example.com/a",
        "file:///etc/passwd",
        "data:text/plain,x",
        "https://127.0.0.1/a",
        "https://127.1/a",
        "https://0x7f000001/a",
        "https://2130706433/a",
        "https://10.0.0.1/a",
        "https://[::1]/a",
        "https://[::1/a",
        "https://localhost/a",
        "https://printer.local./a",
        "https://intranet/a",
        "https://user@example.com/a",
        "https:///a",
        "https://example.com/a b",
        "https://example.com\\a",
        "example.com",
    ],
)
def test_an_address_that_meta_cannot_fetch_is_refused(url):
    assert why_not_public(url)


@pytest.mark.parametrize(
    "url", [LINK, "https://cafe.de/x", "https://8.8.8.8/x", "https://EXAMPLE.com:8443/?q=1"]
)
def test_a_public_address_is_fine(url):
    assert why_not_public(url) == ""


def test_limits_cannot_be_changed():
    with pytest.raises(TypeError):
        LIMITS["text.body"] = 1  # type: ignore[index]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "title",
                    "body",
                    "rows",
                    "buttons",
                    "sections",
                    "reply",
                    "action",
                    "type",
                    "header",
                    "link",
                    "text",
                    "name",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(
        st.sampled_from(sorted({key for kind in KINDS.values() for key in kind.required | kind.optional})),
        JSON,
        max_size=6,
    ),
    st.booleans(),
)
def test_checking_and_offering_never_raise(kind, fields, has_templates):
    content = {**fields, "type": kind}
    check_content(content, has_templates=has_templates)
    options(content)

import copy
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.whatsapp.inbound import Fault, InboundMessage, InboundStatus, Parsed, parse
from tests.conversations.whatsapp.payloads import (
    METADATA,
    body,
    message,
    messages,
    status,
    statuses,
)

ENTRY = "entry[0]"
VALUE = "entry[0].changes[0].value"


@pytest.mark.parametrize(
    ("payload", "place", "reason"),
    [
        (None, "body", "expected an object"),
        ([], "body", "expected an object"),
        ("x", "body", "expected an object"),
        (7, "body", "expected an object"),
        ({}, "entry", "expected a list of entries"),
        ({"object": "page", "entry": [{}]}, "object", "expected whatsapp_business_account"),
        ({"object": ["x"], "entry": [{}]}, "object", "expected whatsapp_business_account"),
        ({"entry": None}, "entry", "expected a list of entries"),
        ({"entry": {}}, "entry", "expected a list of entries"),
        ({"entry": []}, "entry", "expected a list of entries"),
        ({"entry": [None]}, ENTRY, "expected an object"),
        ({"entry": [{}]}, "entry[0].changes", "expected a list of changes"),
        ({"entry": [{"changes": "x"}]}, "entry[0].changes", "expected a list of changes"),
        ({"entry": [{"changes": []}]}, "entry[0].changes", "expected a list of changes"),
        (
            {"entry": [{"changes": [None]}]},
            "entry[0].changes[0]",
            "expected an object with an object `value`",
        ),
        (body(None), "entry[0].changes[0]", "expected an object with an object `value`"),
        (body([]), "entry[0].changes[0]", "expected an object with an object `value`"),
        (body({"messages": [message("text")]}), f"{VALUE}.metadata", "expected the phone_number_id"),
        (
            body({"metadata": None, "messages": [message("text")]}),
            f"{VALUE}.metadata",
            "expected the phone_number_id",
        ),
        (
            body({"metadata": {"phone_number_id": "../x"}, "statuses": [status()]}),
            f"{VALUE}.metadata",
            "expected the phone_number_id",
        ),
        (body({"metadata": METADATA, "messages": {}}), f"{VALUE}.messages", "expected a list"),
        (body({"metadata": METADATA, "statuses": None}), f"{VALUE}.statuses", "expected a list"),
        (body({"metadata": METADATA, "messages": [None]}), f"{VALUE}.messages[0]", "expected an object"),
        (
            messages(message("text", wamid="")),
            f"{VALUE}.messages[0]",
            "expected an id of 1 to 255 characters",
        ),
        (messages(message("text", wamid=5)), f"{VALUE}.messages[0]", "expected an id of 1 to 255 characters"),
        (
            messages(message("text", wamid="x" * 256)),
            f"{VALUE}.messages[0]",
            "expected an id of 1 to 255 characters",
        ),
        (statuses(status(id=None)), f"{VALUE}.statuses[0]", "expected an id of 1 to 255 characters"),
        (statuses(status(None)), f"{VALUE}.statuses[0]", "expected a status"),
        (statuses(status("<b>")), f"{VALUE}.statuses[0]", "expected a status"),
        (statuses(status({"x": 1})), f"{VALUE}.statuses[0]", "expected a status"),
        (
            body({"user_id_update": [{"user_id": {"current": "US.1"}}]}, field="user_id_update"),
            f"{VALUE}.user_id_update[0]",
            "expected the previous and the current user id",
        ),
        (body({"a": float("nan")}, field="account_update"), VALUE, "a number that is not JSON"),
    ],
)
def test_what_cannot_be_split_is_a_fault_with_its_place(payload, place, reason):
    assert parse(payload) == Parsed(items=(), faults=(Fault(place=place, reason=reason),))


def test_a_change_without_its_field_is_read_by_its_lists():
    payload = messages(message("text", {"body": "x"}))
    del payload["entry"][0]["changes"][0]["field"]
    assert [type(item) for item in parse(payload).items] == [InboundMessage]


def test_an_entry_without_its_id_is_still_read():
    payload = messages(message("text", {"body": "x"}))
    payload["entry"][0]["id"] = None
    assert parse(payload).items[0].waba_id == ""


def test_a_message_nested_too_deep_is_a_fault_and_the_next_is_read():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    parsed = parse(messages(message("text", {"body": deep}), message("text", {"body": "ok"}, wamid="b")))
    assert [item.wamid for item in parsed.items] == ["b"]
    assert [fault.reason for fault in parsed.faults] == ["nested too deep"]


KEYS = [
    "object", "entry", "changes", "value", "field", "metadata", "phone_number_id", "messages", "statuses", "contacts",
    "errors", "id", "from", "type", "text", "body", "interactive", "system", "status", "timestamp", "context", "calls",
    "user_id_update", "user_preferences", "unsupported", "reaction", "image", "button_reply", "nfm_reply",
]  # fmt: skip
WORDS = [
    "whatsapp_business_account", "messages", "text", "interactive", "system", "image", "edit", "nfm_reply", "calls",
    "user_changed_number", "unsupported", "16505551234", "US.123", "wamid.x", "user_id_update", "1763800000", "\ud800", "\x00",
]  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(st.characters(), max_size=8)
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=40,
)

VALID = [
    messages(message("text", {"body": "hi"}, context={"id": "wamid.y"})),
    messages(message("image", {"id": "1", "mime_type": "image/png", "caption": "c"})),
    messages(message("interactive", {"type": "list_reply", "list_reply": {"id": "a", "title": "A"}})),
    messages(message("interactive", {"type": "nfm_reply", "nfm_reply": {"response_json": "{}"}})),
    messages(message("location", {"latitude": 1, "longitude": 2})),
    messages(message("system", {"type": "user_changed_number", "wa_id": "12195555358"}), contacts=()),
    messages(message("order", {"product_items": [{"quantity": 1}]})),
    messages(message("unsupported", {"type": "poll"}, errors=[{"code": 131051}])),
    statuses(status("failed", errors=[{"code": 131026, "error_data": {"details": "x"}}], pricing={"category": "utility"})),
    statuses(status("read", recipient_type="group", recipient_participant_id="16505551234")),
    body({"user_id_update": [{"user_id": {"previous": "US.1", "current": "US.2"}}]}, field="user_id_update"),
    body({"metadata": METADATA, "calls": [{"from": "16505551234", "event": "connect"}]}, field="calls"),
    body({"event": "APPROVED"}, field="message_template_status_update", time=1),
]  # fmt: skip


def places(value, path=()):
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def put(value, path, part):
    if not path:
        return part
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = part
    return value


def assert_sound(parsed):
    assert isinstance(parsed, Parsed)
    assert parsed.items or parsed.faults
    assert all(fault.reason and fault.place for fault in parsed.faults)
    for item in parsed.items:
        assert len(item.dedup_key) <= (500 if isinstance(item, InboundStatus) else 300)
        if isinstance(item, InboundMessage):
            assert item.sender.is_known
            assert item.message["type"]
        if isinstance(item, InboundMessage | InboundStatus):
            assert item.phone_number_id


@given(json_values)
def test_no_json_value_makes_it_raise(value):
    assert_sound(parse(value))


@given(st.sampled_from(VALID), st.integers(min_value=0), json_values)
def test_no_change_to_a_valid_body_makes_it_raise_or_say_nothing(valid, where, part):
    payload = copy.deepcopy(valid)
    paths = list(places(payload))
    assert_sound(parse(put(payload, paths[where % len(paths)], part)))


def test_every_place_of_every_valid_body_bears_every_kind_of_junk():
    for valid in VALID:
        for path in places(valid):
            for junk in (
                None,
                True,
                0,
                -1.5,
                "",
                "x",
                [],
                {},
                [None],
                [[]],
                {"": {}},
                {"type": []},
                "\ud800",
            ):
                assert_sound(parse(put(copy.deepcopy(valid), path, copy.deepcopy(junk))))


def test_a_large_body_is_split_in_time_that_grows_with_its_size():
    def seconds(count):
        told = [message("text", {"body": "x"}, wamid=f"w{number}") for number in range(count)]
        payload = messages(*told)
        started = time.process_time()
        assert len(parse(payload).items) == count
        return time.process_time() - started

    seconds(100)
    assert seconds(4000) < 60 * max(seconds(400), 0.005)


def test_many_contacts_do_not_make_it_slow():
    rng = random.Random(7)
    contacts = [{"wa_id": str(rng.randrange(10**10, 10**11))} for _ in range(1000)]
    told = [
        message("text", {"body": "x"}, wamid=f"w{n}") | {"from": contacts[n]["wa_id"], "from_user_id": ""}
        for n in range(1000)
    ]
    started = time.process_time()
    assert len(parse(messages(*told, contacts=contacts)).items) == 1000
    assert time.process_time() - started < 1

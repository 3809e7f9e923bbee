import pytest

from conversations.whatsapp.identity import is_bsuid, is_phone, read_cards, read_sender
from conversations.whatsapp.inbound import Sender, parse
from tests.conversations.whatsapp.payloads import BSUID, PARENT, PHONE, message, messages

KEYS = ("from", "from_user_id", "from_parent_user_id")


@pytest.mark.parametrize("value", ["123456", PHONE, "9" * 20])
def test_digits_are_a_phone(value):
    assert is_phone(value)
    assert not is_bsuid(value)


@pytest.mark.parametrize("value", [BSUID, PARENT, "IN.a", "DE." + "Z9" * 64, "US.ENT." + "a" * 128])
def test_a_country_and_letters_are_a_bsuid(value):
    assert is_bsuid(value)
    assert not is_phone(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "12345",
        "9" * 21,
        "+16505551234",
        "٠١٢٣٤٥٦٧٨٩",
        "us.123",
        "USA.123",
        "US.",
        "US.12-3",
        "US.ENT.",
        "US." + "a" * 129,
        "../../x",
        "9" * 500,
        "<img onerror=x>",
        PHONE + "\n",
        BSUID + "\n",
        " " + PHONE,
    ],
)
def test_anything_else_is_neither(value):
    assert not is_phone(value)
    assert not is_bsuid(value)


@pytest.mark.parametrize(
    ("owner", "contacts", "expected"),
    [
        ({"from": PHONE}, None, Sender(phone=PHONE)),
        ({"from": BSUID}, None, Sender(bsuid=BSUID)),
        ({"from": PARENT}, None, Sender(parent_bsuid=PARENT)),
        ({"from": "", "from_user_id": BSUID}, None, Sender(bsuid=BSUID)),
        (
            {"from": PHONE, "from_user_id": BSUID, "from_parent_user_id": PARENT},
            None,
            Sender(phone=PHONE, bsuid=BSUID, parent_bsuid=PARENT),
        ),
        ({"from": PHONE}, [{"wa_id": PHONE, "user_id": BSUID}], Sender(phone=PHONE, bsuid=BSUID)),
        ({"from_user_id": BSUID}, [{"wa_id": PHONE, "user_id": BSUID}], Sender(phone=PHONE, bsuid=BSUID)),
        (
            {"from": BSUID},
            [{"wa_id": BSUID, "profile": {"name": "Ann"}}],
            Sender(bsuid=BSUID, profile_name="Ann"),
        ),
        ({}, [{"wa_id": "", "user_id": BSUID}], Sender(bsuid=BSUID)),
        ({"from": PHONE}, [{"user_id": BSUID}], Sender(phone=PHONE, bsuid=BSUID)),
        ({"from": PHONE}, [{"wa_id": "491701234567", "user_id": BSUID}], Sender(phone=PHONE)),
        (
            {"from": PHONE},
            [{"wa_id": "491701234567"}, {"wa_id": PHONE, "user_id": BSUID}],
            Sender(phone=PHONE, bsuid=BSUID),
        ),
        ({}, [{"wa_id": "491701234567"}, {"wa_id": PHONE}], Sender()),
        (
            {"from": PHONE},
            [{"wa_id": PHONE, "profile": {"name": "A\x00nn", "username": "@ann"}}],
            Sender(phone=PHONE, profile_name="A\ufffdnn", username="@ann"),
        ),
        (
            {"from": PHONE},
            [{"wa_id": PHONE, "profile": {"name": "n" * 300}}],
            Sender(phone=PHONE, profile_name="n" * 255),
        ),
        ({"from": PHONE}, [{"wa_id": PHONE, "profile": "Ann"}], Sender(phone=PHONE)),
        ({"from": PHONE}, ["junk", None], Sender(phone=PHONE)),
        ({"from": PHONE}, {"wa_id": PHONE}, Sender(phone=PHONE)),
        ({"from": "../../x"}, None, Sender()),
        ({"from": 16505551234}, None, Sender()),
    ],
)
def test_all_that_is_said_of_one_person_comes_together(owner, contacts, expected):
    assert read_sender(owner, KEYS, read_cards(contacts)) == expected


@pytest.mark.parametrize("sender", ["../../x", "9" * 500, "<img onerror=alert(1)>", "", None, 7])
def test_a_message_of_nobody_is_a_fault(sender):
    told = message("text", {"body": "x"}) | {"from": sender, "from_user_id": ""}
    parsed = parse(messages(told, contacts=()))
    assert parsed.items == ()
    (fault,) = parsed.faults
    assert fault.place == "entry[0].changes[0].value.messages[0]"
    assert fault.reason == "expected a sender: a phone of 6 to 20 digits or a BSUID"


def test_a_message_of_nobody_does_not_hold_back_the_others():
    bad = message("text", {"body": "x"}) | {"from": "x", "from_user_id": None}
    parsed = parse(messages(bad, message("text", {"body": "ok"}, wamid="b"), contacts=()))
    assert [item.wamid for item in parsed.items] == ["b"]
    assert len(parsed.faults) == 1

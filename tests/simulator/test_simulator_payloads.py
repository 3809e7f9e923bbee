import json

from hypothesis import given
from hypothesis import strategies as st

from simulator.payloads import contact, encode, message_value, metadata, new_user_id, new_wamid, status_value

META = metadata(phone_number_id="7", display_phone_number="+1 555 010-0000")
ADA = contact(name="Ada", wa_id="14155550142", user_id="US.x")
HIDDEN = contact(name="Ada", wa_id=None, user_id="US.x", username="ada")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_escapes_are_metas_and_the_value_is_unharmed(value: object) -> None:
    raw = encode(value)
    assert raw.isascii()
    assert raw.count(b"/") == raw.count(b"\\/")
    assert json.loads(raw) == value


def test_metas_escapes_differ_from_pythons() -> None:
    assert encode({"a": "ü/"}) == b'{"a":"\\u00fc\\/"}'


def test_a_customer_who_hides_the_phone_leaves_no_phone_in_the_webhook() -> None:
    value = message_value(meta=META, person=HIDDEN, message={"id": "w", "type": "text"})
    assert "wa_id" not in value["contacts"][0]
    assert "from" not in value["messages"][0]
    assert value["messages"][0]["from_user_id"] == "US.x"


def test_the_display_number_is_digits() -> None:
    assert META["display_phone_number"] == "15550100000"


def status(name: str, **more: object) -> dict:
    given = {"meta": META, "person": ADA, "wamid": "w", "timestamp": 1, "token": "t", "category": "service"}
    return status_value(**{**given, "status": name, **more})


def test_a_status_echoes_the_token_and_carries_contacts() -> None:
    value = status("delivered")
    assert value["statuses"][0]["biz_opaque_callback_data"] == "t"
    assert value["statuses"][0]["recipient_id"] == "14155550142"
    assert value["contacts"] == [ADA]


def test_pricing_stands_on_sent_and_delivered_alone() -> None:
    assert ["pricing" in status(name)["statuses"][0] for name in ("sent", "delivered", "read")] == [
        True,
        True,
        False,
    ]


def test_a_failed_status_has_the_error_and_no_contacts_unless_asked() -> None:
    value = status("failed", code=131026)
    assert "contacts" not in value
    assert "recipient_user_id" not in value["statuses"][0]
    assert value["statuses"][0]["errors"][0]["code"] == 131026
    assert "contacts" in status("failed", code=131026, contacts_in_failed=True)


def test_ids_look_like_metas_and_never_repeat() -> None:
    assert len({new_wamid("14155550142") for _ in range(200)}) == 200
    assert new_wamid("1").startswith("wamid.")
    assert new_user_id("IN").startswith("IN.")

"""What a customer can do on the phone, and the webhook it makes."""

import base64
import hashlib
from typing import Any

import pytest

from simulator import chat, customers, ledger, media, numbers
from simulator.chat import SayingFault
from simulator.models import SimulatedMessage, SimulatedNumber, SimulatedWebhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def number() -> SimulatedNumber:
    return numbers.demo()


@pytest.fixture
def ada() -> Any:
    return customers.create(who="+1 415 555 0142", name="Ada")


def sent() -> dict[str, Any]:
    return SimulatedWebhook.objects.latest("pk").value["messages"][0]


def ask(number: SimulatedNumber, interactive: dict[str, Any]) -> str:
    body = {
        "messaging_product": "whatsapp",
        "to": "14155550142",
        "type": "interactive",
        "interactive": interactive,
    }
    return ledger.post_message(number, body).message.wamid


BUTTONS = {
    "type": "button",
    "body": {"text": "?"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": f"b{i}", "title": f"B {i}"}} for i in range(2)]},
}
LIST = {
    "type": "list",
    "body": {"text": "?"},
    "action": {"button": "o", "sections": [{"rows": [{"id": "r1", "title": "R 1", "description": "d"}]}]},
}


def test_a_text_comes_as_metas_text(number, ada) -> None:
    message = chat.say(number, ada, {"text": "hi"})
    webhook = SimulatedWebhook.objects.get()
    assert sent()["text"] == {"body": "hi"}
    assert sent()["from"] == "14155550142"
    assert sent()["timestamp"].isdigit()
    assert webhook.value["contacts"][0]["user_id"] == ada.user_id
    assert webhook.message == message


def test_a_tap_is_told_by_id_or_title_with_the_context_of_the_message(number, ada) -> None:
    chat.say(number, ada, {"text": "hi"})
    wamid = ask(number, BUTTONS)
    for wanted in ("b1", "B 1"):
        chat.say(number, ada, {"tap": wanted})
        assert sent()["interactive"] == {"type": "button_reply", "button_reply": {"id": "b1", "title": "B 1"}}
        assert sent()["context"]["id"] == wamid


def test_a_list_row_is_told_with_its_description(number, ada) -> None:
    chat.say(number, ada, {"text": "hi"})
    ask(number, LIST)
    chat.say(number, ada, {"tap": {"id": "r1"}})
    assert sent()["interactive"]["list_reply"] == {"id": "r1", "title": "R 1", "description": "d"}


def test_a_tap_may_answer_an_older_message(number, ada) -> None:
    chat.say(number, ada, {"text": "hi"})
    first = ask(number, BUTTONS)
    ask(number, LIST)
    chat.say(number, ada, {"tap": "b0", "context": first})
    assert sent()["context"]["id"] == first


def test_a_quick_reply_of_a_template_comes_as_a_button(number, ada) -> None:
    button = {
        "type": "button",
        "sub_type": "quick_reply",
        "index": "0",
        "parameters": [{"type": "payload", "payload": "yes"}],
    }
    template = {"name": "hello", "language": {"code": "en"}, "components": [button]}
    body = {"messaging_product": "whatsapp", "to": "14155550142", "type": "template", "template": template}
    ledger.post_message(number, body)
    chat.say(number, ada, {"tap": "yes"})
    assert sent()["button"] == {"payload": "yes", "text": "yes"}


def test_media_comes_with_its_hash_in_base64(number, ada) -> None:
    file = media.store(number, content=b"x", mime_type="image/png")
    chat.say(number, ada, {"image": {"id": file.media_id, "caption": "look"}})
    digest = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    assert sent()["image"] == {
        "id": file.media_id,
        "mime_type": "image/png",
        "sha256": digest,
        "caption": "look",
    }


def test_a_document_has_a_file_name_and_a_voice_note_says_so(number, ada) -> None:
    file = media.store(number, content=b"x", mime_type="application/pdf", filename="a.pdf")
    chat.say(number, ada, {"document": file.media_id})
    assert sent()["document"]["filename"] == "a.pdf"
    chat.say(number, ada, {"audio": {"id": file.media_id, "voice": True}})
    assert sent()["audio"]["voice"] is True


def test_a_location_a_card_and_a_reaction(number, ada) -> None:
    first = chat.say(number, ada, {"location": {"latitude": 1, "longitude": "2.5", "name": "Here"}})
    assert sent()["location"] == {"latitude": 1.0, "longitude": 2.5, "name": "Here"}
    chat.say(number, ada, {"contacts": [{"name": {"formatted_name": "A"}}]})
    assert sent()["type"] == "contacts"
    chat.say(number, ada, {"reaction": {"message_id": first.wamid, "emoji": ""}})
    assert sent()["reaction"] == {"message_id": first.wamid}


def test_a_raw_message_goes_as_it_stands_and_its_id_is_kept(number, ada) -> None:
    chat.say(
        number, ada, {"message": {"id": "wamid.mine", "type": "unsupported", "errors": [{"code": 131051}]}}
    )
    assert sent()["errors"] == [{"code": 131051}]
    assert SimulatedMessage.objects.get().wamid == "wamid.mine"
    with pytest.raises(SayingFault, match="is taken"):
        chat.say(number, ada, {"message": {"id": "wamid.mine", "type": "text"}})


@pytest.mark.parametrize(
    ("saying", "words"),
    [
        ({}, "exactly one"),
        ({"text": "a", "tap": "b"}, "exactly one"),
        ({"txt": "a"}, "exactly one"),
        ({"text": ""}, "1 to 4096"),
        ({"text": "x" * 4097}, "1 to 4096"),
        ({"tap": "b0"}, "no message with buttons"),
        ({"image": "99"}, "no media '99'"),
        ({"location": {"latitude": "north"}}, "latitude and longitude"),
        ({"contacts": []}, "list of contact cards"),
        ({"reaction": "👍"}, "message_id and emoji"),
        ({"message": "x"}, "message object"),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_was_expected(number, ada, saying: Any, words: str) -> None:
    with pytest.raises(SayingFault, match=words):
        chat.say(number, ada, saying)
    assert SimulatedWebhook.objects.count() == 0


def test_a_tap_on_nothing_offered_names_what_is(number, ada) -> None:
    chat.say(number, ada, {"text": "hi"})
    ask(number, BUTTONS)
    with pytest.raises(SayingFault, match="one of b0, b1"):
        chat.say(number, ada, {"tap": "b9"})


def test_a_made_up_customer_has_a_phone_set_aside_for_fiction() -> None:
    person = customers.create()
    assert person.wa_id[4:9] == "55501"
    assert person.user_id.startswith("US.")


@pytest.mark.parametrize(("phone", "country"), [("919876543210", "IN"), ("4915112345678", "DE"), ("1", "US")])
def test_a_user_id_begins_with_the_country_of_the_phone(phone: str, country: str) -> None:
    assert customers.country_of(phone) == country

"""A real client on the wire: pywa sends through the simulator and receives from it."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from pywa import WhatsApp, types
from pywa.errors import WhatsAppError

from tests.simulator.alone import SECRET, StandAlone, free_port, wait_until

PHONE_ID = "4455"
ADA = "14155550142"


class Bot:
    """pywa behind FastAPI, and what reached its handlers."""

    def __init__(self, alone: StandAlone) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/wh"
        app = FastAPI()
        self.client = WhatsApp(
            phone_id=PHONE_ID,
            token="pywa-token",
            server=app,
            webhook_endpoint="/wh",
            verify_token="vt",
            app_secret=SECRET,
        )
        self.client.api._session.base_url = f"{alone.url}/simulator/graph/v25.0"
        self.messages: list[types.Message] = []
        self.taps: list[Any] = []
        self.statuses: list[types.MessageStatus] = []
        self.client.on_message(lambda _, message: self.messages.append(message))
        self.client.on_callback_button(lambda _, tap: self.taps.append(tap))
        self.client.on_callback_selection(lambda _, tap: self.taps.append(tap))
        self.client.on_message_status(lambda _, status: self.statuses.append(status))
        self.server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True).start()
        wait_until(lambda: self.server.started)


@pytest.fixture(scope="module")
def _quiet_logs() -> None:
    logging.getLogger("pywa").setLevel(logging.WARNING)


@pytest.fixture(scope="module")
def bot(alone: StandAlone, _quiet_logs: None) -> Iterator[Bot]:
    bot = Bot(alone)
    yield bot
    bot.server.should_exit = True


@pytest.fixture(autouse=True)
def _talking(alone: StandAlone, bot: Bot) -> None:
    alone.api("POST", "reset/", everything=True)
    alone.api("POST", "numbers/", phone_number_id=PHONE_ID, access_token="pywa-token", callback_url=bot.url)
    for seen in (bot.messages, bot.taps, bot.statuses):
        seen.clear()
    alone.api("POST", "send/", **{"from": ADA, "number": PHONE_ID, "text": "hi"})
    wait_until(lambda: bot.messages)


def ask(alone: StandAlone, **saying: Any) -> Any:
    return alone.api("POST", "send/", **{"from": ADA, "number": PHONE_ID, **saying})


def test_pywa_receives_what_a_customer_writes(bot: Bot) -> None:
    message = bot.messages[0]
    assert (message.text, message.from_user.wa_id, message.type.value) == ("hi", ADA, "text")
    assert message.from_user.bsuid.startswith("US.")


def test_pywa_sends_a_text_and_gets_its_statuses_with_its_tracker(alone: StandAlone, bot: Bot) -> None:
    sent = bot.client.send_message(to=ADA, text="hello", tracker="row-7")
    wait_until(lambda: len(bot.statuses) == 3)
    assert [status.status.value for status in bot.statuses] == ["sent", "delivered", "read"]
    assert {(status.id, status.tracker) for status in bot.statuses} == {(sent.id, "row-7")}
    assert alone.api("GET", "ledger/?token=row-7")["count"] == 1


def test_pywa_sends_buttons_and_gets_the_tap(alone: StandAlone, bot: Bot) -> None:
    sent = bot.client.send_message(
        to=ADA,
        text="?",
        buttons=[types.Button("Yes", callback_data="yes"), types.Button("No", callback_data="no")],
    )
    ask(alone, tap="yes")
    wait_until(lambda: bot.taps)
    assert (bot.taps[0].data, bot.taps[0].title, bot.taps[0].reply_to_message.id) == (
        "yes",
        "Yes",
        sent.id,
    )


def test_pywa_sends_a_list_and_gets_the_row(alone: StandAlone, bot: Bot) -> None:
    rows = [
        types.SectionRow("One", callback_data="1", description="first"),
        types.SectionRow("Two", callback_data="2"),
    ]
    bot.client.send_message(to=ADA, text="?", buttons=types.SectionList("Open", [types.Section("All", rows)]))
    ask(alone, tap="1")
    wait_until(lambda: bot.taps)
    assert (bot.taps[0].data, bot.taps[0].description) == ("1", "first")


def test_pywa_uploads_and_sends_an_image_and_downloads_a_customers(
    alone: StandAlone, bot: Bot, tmp_path: Path
) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG picture")
    bot.client.send_image(to=ADA, image=picture, caption="look", mime_type="image/png")
    row = alone.api("GET", "ledger/?type=image")["messages"][0]
    assert row["body"]["image"]["caption"] == "look"
    uploaded = alone.api("POST", "media/", content_base64="eA==", mime_type="image/png", number=PHONE_ID)
    ask(alone, image={"id": uploaded["id"]})
    wait_until(lambda: len(bot.messages) == 2)
    assert bot.messages[1].image.get_bytes() == b"x"


def test_pywa_marks_as_read_and_types(alone: StandAlone, bot: Bot) -> None:
    bot.messages[0].mark_as_read()
    bot.messages[0].indicate_typing()
    assert alone.api("GET", "ledger/?direction=from_customer")["messages"][0]["status"] == "read"


def test_pywa_raises_metas_error(alone: StandAlone, bot: Bot) -> None:
    alone.api("POST", "faults/", number=PHONE_ID, kind="refuse", code=131056)
    with pytest.raises(WhatsAppError) as caught:
        bot.client.send_message(to=ADA, text="x")
    assert caught.value.code == 131056


def test_pywa_hears_of_a_failure_when_contacts_are_switched_on(alone: StandAlone, bot: Bot) -> None:
    alone.api("PATCH", f"behaviour/?number={PHONE_ID}", contacts_in_failed=True)
    alone.api("POST", "faults/", number=PHONE_ID, kind="fail", code=131026)
    bot.client.send_message(to=ADA, text="x")
    wait_until(lambda: bot.statuses)
    assert (bot.statuses[0].status.value, bot.statuses[0].error.code) == ("failed", 131026)


def test_pywa_registers_its_callback_for_the_app(alone: StandAlone, bot: Bot) -> None:
    alone.api("PATCH", f"numbers/{PHONE_ID}/", callback_url="")
    app_id = int(alone.api("GET", "numbers/")["numbers"][0]["app_id"])
    token = bot.client.get_app_access_token(app_id=app_id, app_secret=SECRET)
    fields = ("messages",)
    assert bot.client.set_app_callback_url(
        app_id=app_id, app_access_token=token, callback_url=bot.url, verify_token="vt", fields=fields
    )
    ask(alone, text="over the app's callback")
    wait_until(lambda: len(bot.messages) == 2)

"""The phone in a real browser, with the business's side played through the Graph API."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.simulator.alone import ROOT, TOKEN, StandAlone, wait_until
from tests.simulator.receiver import Receiver

# A busy machine is no fault of the page.
expect.set_options(timeout=20_000)

pytestmark = pytest.mark.journey
ADA = "14155550142"
LOGIN = """
import django; django.setup()
from django.contrib.auth import get_user_model
from django.test import Client
user, _ = get_user_model().objects.get_or_create(username="staff", defaults={"is_staff": True})
client = Client(); client.force_login(user, "django.contrib.auth.backends.ModelBackend")
print(client.cookies["sessionid"].value)
"""
LIST = {
    "type": "list",
    "body": {"text": "Which *bike*?"},
    "action": {
        "button": "See bikes",
        "sections": [
            {"title": "Bikes", "rows": [{"id": "r1", "title": "Roadster"}, {"id": "r2", "title": "Trail"}]}
        ],
    },
}


@pytest.fixture(scope="module")
def session(alone: StandAlone) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOGIN],
        cwd=ROOT,
        env=alone.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()[-1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Playwright's loop must not make Django think that this thread is asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(params=[(1440, 900), (360, 740)], ids=["wide", "narrow"])
def page(
    request: pytest.FixtureRequest, browser: Any, session: str, alone: StandAlone, receiver: Receiver
) -> Iterator[Page]:
    receiver.clear()
    alone.api("POST", "reset/", everything=True)
    alone.api("POST", "customers/", phone=ADA, name="Ada Park")
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    context.add_cookies([{"name": "sessionid", "value": session, "url": alone.url}])
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if "Security Policy" in line.text else None)
    page.route("**/conversations/trace/**", lambda route: route.fulfill(json={"events": []}))
    page.goto(f"{alone.url}/simulator/")
    expect(page.get_by_text("Say hi to start the demo flow.")).to_be_visible()
    # What is written before the connection stands stays in the box, with a word about it.
    expect(page.locator("#connection")).to_have_attribute("data-live", "true", timeout=20_000)
    yield page
    assert problems == []
    context.close()


def write(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message from Ada Park")
    box.fill(text)
    box.press("Enter")


def send(alone: StandAlone, **body: Any) -> str:
    number = alone.api("GET", "numbers/")["numbers"][0]["phone_number_id"]
    answer = httpx.post(
        f"{alone.url}/simulator/graph/v23.0/{number}/messages",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={"messaging_product": "whatsapp", "to": ADA, **body},
    )
    assert answer.is_success, answer.text
    return answer.json()["messages"][0]["id"]


def said(alone: StandAlone) -> list[dict[str, Any]]:
    return [row["body"] for row in alone.api("GET", "ledger/?direction=from_customer")["messages"]]


def test_hi_goes_out_with_grey_ticks_that_turn_blue(page: Page, alone: StandAlone) -> None:
    write(page, "hi")
    bubble = page.locator(".bubble--mine")
    expect(bubble).to_have_count(1)
    expect(bubble.get_by_role("img", name="delivered")).to_be_visible()
    wamid = said(alone)[0]["id"]
    number = alone.api("GET", "numbers/")["numbers"][0]["phone_number_id"]
    httpx.post(
        f"{alone.url}/simulator/graph/v23.0/{number}/messages",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": wamid,
            "typing_indicator": {"type": "text"},
        },
    )
    expect(bubble.get_by_role("img", name="read")).to_be_visible()
    expect(page.get_by_text("typing…")).to_be_visible()


def test_a_list_opens_as_a_sheet_and_the_row_is_sent_by_keyboard_alone(page: Page, alone: StandAlone) -> None:
    write(page, "hi")
    send(alone, type="interactive", interactive=LIST)
    expect(page.locator(".bubble--theirs strong", has_text="bike")).to_be_visible()
    page.get_by_role("button", name="See bikes").focus()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="See bikes")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(page.get_by_role("button", name="See bikes")).to_be_focused()
    page.keyboard.press("Enter")
    sheet.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    sheet.get_by_role("button", name="Send").focus()
    page.keyboard.press("Enter")
    wait_until(lambda: len(said(alone)) == 2)
    assert said(alone)[1]["interactive"]["list_reply"] == {"id": "r2", "title": "Trail"}
    expect(page.locator(".bubble--mine").last.get_by_text("Trail")).to_be_visible()


def test_a_button_a_location_and_a_refusal(page: Page, alone: StandAlone) -> None:
    write(page, "hi")
    reply = {"type": "reply", "reply": {"id": "yes", "title": "Yes, please"}}
    send(
        alone,
        type="interactive",
        interactive={"type": "button", "body": {"text": "?"}, "action": {"buttons": [reply]}},
    )
    page.get_by_role("button", name="Yes, please").click()
    wait_until(lambda: said(alone)[-1].get("interactive"))
    send(
        alone,
        type="interactive",
        interactive={
            "type": "location_request_message",
            "body": {"text": "Where?"},
            "action": {"name": "send_location"},
        },
    )
    page.get_by_role("button", name="Send location").click()
    page.get_by_role("dialog").get_by_role("button", name="Send", exact=True).click()
    wait_until(lambda: said(alone)[-1].get("location"))
    alone.api("POST", "faults/", kind="fail", code=131026)
    send(alone, type="text", text={"body": "lost"})
    expect(page.get_by_text("Not delivered · 131026: Message undeliverable")).to_be_visible()


def test_a_picture_is_attached_with_its_caption(page: Page, alone: StandAlone) -> None:
    page.get_by_role("button", name="Attach").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Photo or video").click()
    chooser.value.set_files({"name": "bike.png", "mimeType": "image/png", "buffer": b"\x89PNG not quite"})
    expect(page.get_by_text("bike.png")).to_be_visible()
    write(page, "my bike")
    wait_until(lambda: said(alone))
    assert said(alone)[0]["image"]["caption"] == "my bike"


def test_a_second_customer_gets_a_phone_of_their_own(page: Page, alone: StandAlone) -> None:
    page.get_by_role("button", name="Add a customer").click()
    dialog = page.get_by_role("dialog", name="Add a customer")
    dialog.get_by_role("textbox", name="Name").fill("Ravi")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("textbox", name="Message from Ravi")).to_be_focused()
    page.get_by_role("textbox", name="Message from Ravi").fill("hello")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="Ravi").locator(".bubble--mine")).to_have_count(1)
    expect(page.get_by_role("article", name="Ada Park").locator(".bubble--mine")).to_have_count(0)


def test_nothing_is_wider_than_the_window(page: Page) -> None:
    write(page, "x" * 400)
    expect(page.locator(".bubble--mine")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(
        "[...document.querySelectorAll('.chat')].every((chat) => chat.scrollWidth <= chat.clientWidth)"
    )


def test_the_page_comes_back_by_itself_after_the_server_was_gone(page: Page, alone: StandAlone) -> None:
    write(page, "before")
    expect(page.locator(".bubble--mine")).to_have_count(1)
    alone.process.kill()
    alone.process.wait(10)
    expect(page.locator("#connection")).to_have_attribute("data-live", "false")
    alone.start()
    expect(page.locator("#connection")).to_have_attribute("data-live", "true", timeout=20_000)
    write(page, "after")
    expect(page.locator(".bubble--mine")).to_have_count(2)

"""A real browser on every page of the back office: hostile names and texts run nothing, the policy is never broken."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests import factories
from tests.factories import UserFactory

HOSTILE = "\"><script>window.ran=1</script><img src=x onerror='window.ran=1'>{{ 7*7 }}' x-init='window.ran=1"
pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True, databases=["default", "door"])]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's loop lives in this thread; Django would take its own queries for ones made inside of it.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def _leave_nobody(transactional_db: None, browser: Browser) -> Iterator[None]:
    """Close what still polls, and take users away with all that points at them."""
    yield
    for context in browser.contexts:
        context.close()
    User.objects.all().delete()


class Watched:
    """A page that keeps what its console complains about, and what asks for attention."""

    def __init__(self, browser: Browser, live_server: Any, **context: Any) -> None:
        user = UserFactory.create(username="boss", is_superuser=True)
        client = Client()
        client.force_login(user)
        self.complaints: list[str] = []
        self.url = live_server.url
        context_ = browser.new_context(**context)
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        context_.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": self.url}])
        self.page: Page = context_.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on(
            "dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss())
        )

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def open(self, path: str) -> int:
        response = self.page.goto(self.url + path)
        self.page.wait_for_load_state("load")
        assert response is not None
        return response.status


def hostile_rows() -> list[str]:
    """One row of each noun with hostile texts, as paths of their pages."""
    contact = factories.ContactFactory.create(name=HOSTILE, groups=[HOSTILE], fields={HOSTILE: HOSTILE})
    conversation = factories.ConversationFactory.create(contact=contact, last_text=HOSTILE, unread_count=2)
    for kind in ("text", "image", "document"):
        content = {"type": kind, "media": {"filename": HOSTILE}}
        factories.MessageFactory.create(conversation=conversation, kind=kind, text=HOSTILE, content=content)
    shared = {"contact_id": contact.pk, "data": {"by": HOSTILE, "outcome": HOSTILE}}
    factories.EventFactory.create(name="session_ended", step_id=HOSTILE[:60], **shared)
    rows = [
        contact,
        conversation,
        factories.ConsentEntryFactory.create(contact=contact, detail=HOSTILE),
        factories.HandoffFactory.create(contact=contact, note=HOSTILE),
        factories.SessionFactory.create(
            contact=contact, data={"frames": [{"variables": {HOSTILE: HOSTILE}}]}
        ),
        factories.OutboxFactory.create(
            contact=contact, state="parked", reason=HOSTILE, content={"body": HOSTILE}
        ),
        factories.InboxFactory.create(payload={"text": HOSTILE}),
        factories.WebhookDeliveryFactory.create(body=HOSTILE.encode(), reason=HOSTILE),
        factories.CallFactory.create(name=HOSTILE[:90], result={"x": HOSTILE}, trace=HOSTILE),
        factories.TimerFactory.create(),
        factories.BreakerFactory.create(reason=HOSTILE, code=None),
        factories.EventFactory.create(**shared),
        factories.IncidentFactory.create(reason=HOSTILE),
        factories.DeadLetterFactory.create(cause=HOSTILE, trace=HOSTILE),
        factories.NumberFactory.create(name=HOSTILE[:90]),
    ]
    bases = [f"/admin/{row._meta.app_label}/{row._meta.model_name}/" for row in rows]
    pages = [
        f"{base}{row.pk}/{page}/"
        for base, row in zip(bases, rows, strict=True)
        for page in ("change", "history")
    ]
    return [*bases, *pages]


OTHERS = [
    "/admin/",
    "/admin/conversations/killswitch/1/change/",
    "/admin/conversations/number/add/",
    "/admin/two-factor/",
    "/admin/password_change/",
    "/admin/auth/user/",
    "/admin/auth/group/",
    "/admin/auth/user/add/",
    "/admin/axes/accessattempt/",
    "/admin/conversations/outbox/?state=leased",
    "/api/docs/",
]


@pytest.mark.timeout(300)
def test_no_page_breaks_the_policy_runs_what_customers_wrote_or_outgrows_a_phone(
    live_server: Any, browser: Browser
) -> None:
    watched = Watched(browser, live_server, color_scheme="dark")
    paths = [*hostile_rows(), *OTHERS]
    for path in paths:
        watched.page.set_viewport_size({"width": 1280, "height": 900})
        assert watched.open(path) == 200, path
        assert watched.page.evaluate("window.ran") is None, path
        watched.page.set_viewport_size({"width": 390, "height": 844})
        assert watched.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    assert watched.complaints == []
    assert len(paths) > 50


def test_the_conversation_refreshes_and_keeps_what_is_typed(live_server: Any, browser: Browser) -> None:
    watched = Watched(browser, live_server)
    conversation = factories.ConversationFactory.create()
    page = watched.page
    watched.open(f"/admin/conversations/conversation/{conversation.pk}/change/")
    page.get_by_role("button", name="Take over").click()
    page.get_by_label("Message", exact=True).fill("half typed")
    factories.MessageFactory.create(conversation=conversation, text="are you there?")
    page.get_by_text("are you there?").wait_for(timeout=15_000)
    assert page.get_by_label("Message", exact=True).input_value() == "half typed"
    page.get_by_label("Message", exact=True).fill("Yes, I am.")
    page.get_by_role("button", name="Send").click()
    page.locator(".wf-row-out .wf-bubble-body", has_text="Yes, I am.").wait_for(timeout=15_000)
    assert watched.complaints == []


def test_a_grave_move_asks_first(live_server: Any, browser: Browser) -> None:
    watched = Watched(browser, live_server)
    watched.open("/admin/conversations/killswitch/1/change/")
    page = watched.page
    page.get_by_role("button", name="Stop all outbound").click()
    assert watched.complaints[0].startswith("dialog No message of any number leaves")
    assert page.get_by_text("Messages leave").is_visible()

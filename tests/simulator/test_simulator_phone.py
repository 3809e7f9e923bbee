"""The phone's page and its socket."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import Client

from simulator import chat, customers, delivery, ledger, numbers
from simulator.models import SimulatedCustomer, SimulatedMessage
from tests.simulator.page import Page, opened_page

ADA = "14155550142"


def staff() -> Any:
    return get_user_model()(username="s", is_staff=True, is_active=True)


# --- the page ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_visitor_is_sent_to_the_login() -> None:
    answer = Client().get("/simulator/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/simulator/")


@pytest.mark.django_db
def test_a_user_who_is_not_staff_may_not_see_it() -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("u"))
    assert client.get("/simulator/").status_code == 403


@pytest.mark.django_db
def test_staff_sees_the_page_with_a_first_customer_and_no_inline_script() -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("u", is_staff=True))
    page = client.get("/simulator/")
    html = page.content.decode()
    assert SimulatedCustomer.objects.count() == 1
    assert "Say hi to start the demo flow." in html
    scripts = [part.split(">")[0] for part in html.split("<script")[1:]]
    assert all("src=" in script or "application/json" in script for script in scripts)
    assert "style=" not in html
    assert "onclick" not in html


@pytest.mark.django_db
def test_a_customers_name_cannot_break_out_of_the_page() -> None:
    customers.create(who="49151", name="</script><script>alert(1)</script>")
    client = Client()
    client.force_login(get_user_model().objects.create_user("u", is_staff=True))
    assert "<script>alert" not in client.get("/simulator/").content.decode()


# --- the socket -------------------------------------------------------------------------------------------


@pytest.fixture
def quiet_door(settings: Any) -> Any:
    settings.SIMULATOR_WEBHOOK_URL = "http://127.0.0.1:9/"
    yield
    delivery.stop()


@sync_to_async
def ada() -> SimulatedCustomer:
    return customers.create(who=ADA, name="Ada")


async def opened(page: Page, customer: SimulatedCustomer) -> None:
    number = await sync_to_async(numbers.demo)()
    await page.send({"type": "open", "number": number.phone_number_id, "customers": [customer.pk]})


@pytest.mark.parametrize("user", [None, get_user_model], ids=["nobody", "no staff"])
async def test_the_socket_is_for_staff(user: Any) -> None:
    page = Page(user and user()(username="u"))
    first = await page.connect()
    assert (first["type"], first["code"]) == ("websocket.close", 4403)


async def test_the_socket_is_closed_when_the_simulator_is_off(settings: Any) -> None:
    settings.SIMULATOR_ENABLED = False
    assert (await Page(staff()).connect())["type"] == "websocket.close"


@pytest.mark.django_db(transaction=True)
async def test_what_is_said_on_the_page_is_a_message_of_the_customer(quiet_door: None) -> None:
    customer = await ada()
    async with opened_page(staff()) as page:
        await opened(page, customer)
        await page.send({"type": "say", "customer": customer.pk, "saying": {"text": "hi"}, "ref": "1.1"})
        said = await page.until("said")
        assert (said["ref"], said["message"]["body"]["text"]["body"]) == ("1.1", "hi")
        row = await SimulatedMessage.objects.aget()
        assert row.customer_id == customer.pk


@pytest.mark.django_db(transaction=True)
async def test_the_businesss_message_its_statuses_and_typing_come_over_the_socket(quiet_door: None) -> None:
    customer = await ada()
    number = await sync_to_async(numbers.demo)()
    async with opened_page(staff()) as page:
        await opened(page, customer)
        first = await sync_to_async(chat.say)(number, customer, {"text": "hi"})
        assert (await page.until("messages"))["messages"][0]["direction"] == "from_customer"
        typing = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": first.wamid,
            "typing_indicator": {"type": "text"},
        }
        await sync_to_async(ledger.post_message)(number, typing)
        assert (await page.until("messages"))["messages"][0]["status"] == "read"
        assert (await page.until("typing"))["customers"] == [customer.pk]
        body = {"messaging_product": "whatsapp", "to": ADA, "type": "text", "text": {"body": "hello"}}
        taken = await sync_to_async(ledger.post_message)(number, body)
        message = (await page.until("messages"))["messages"][0]
        assert (message["wamid"], message["body"]["text"]["body"]) == (taken.message.wamid, "hello")
        assert (await page.until("typing"))["customers"] == []


@pytest.mark.django_db(transaction=True)
async def test_opening_tells_the_history_and_nothing_twice(quiet_door: None) -> None:
    customer = await ada()
    number = await sync_to_async(numbers.demo)()
    for text in ("one", "two"):
        await sync_to_async(chat.say)(number, customer, {"text": text})
    async with opened_page(staff()) as page:
        await opened(page, customer)
        history = (await page.until("messages"))["messages"]
        assert [message["body"]["text"]["body"] for message in history] == ["one", "two"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                assert (await page.until("messages"))["messages"][0]["status"] != "sent"


@pytest.mark.django_db(transaction=True)
async def test_another_customers_messages_do_not_come(quiet_door: None) -> None:
    customer = await ada()
    number = await sync_to_async(numbers.demo)()
    other = await sync_to_async(customers.create)(who="49151")
    async with opened_page(staff()) as page:
        await opened(page, customer)
        await sync_to_async(chat.say)(number, other, {"text": "secret"})
        await sync_to_async(chat.say)(number, customer, {"text": "mine"})
        assert [m["body"]["text"]["body"] for m in (await page.until("messages"))["messages"]] == ["mine"]


@pytest.mark.django_db(transaction=True)
async def test_a_product_that_does_not_take_webhooks_is_told(quiet_door: None) -> None:
    customer = await ada()
    number = await sync_to_async(numbers.demo)()
    async with opened_page(staff()) as page:
        await opened(page, customer)
        await sync_to_async(chat.say)(number, customer, {"text": "hi"})
        async with asyncio.timeout(10):
            while not (news := await page.until("queue"))["failure"]:
                pass
        assert news["failure"].startswith("ClientConnectorError")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "content",
    [
        [],
        {"type": "dance"},
        {"type": "say", "customer": 1, "saying": {"text": "hi"}},
        {"type": "open", "number": "nope", "customers": []},
        {"type": "open", "number": "1000000001", "customers": "all"},
    ],
)
async def test_what_the_socket_cannot_obey_is_a_problem_and_leaves_it_open(
    quiet_door: None, content: Any
) -> None:
    async with opened_page(staff()) as page:
        await page.send(content)
        assert (await page.until("problem"))["text"]


@pytest.mark.django_db(transaction=True)
async def test_a_saying_that_cannot_be_said_comes_back_with_its_ref(quiet_door: None) -> None:
    customer = await ada()
    async with opened_page(staff()) as page:
        await opened(page, customer)
        await page.send({"type": "say", "customer": customer.pk, "saying": {"tap": "x"}, "ref": "9"})
        assert (await page.until("problem"))["ref"] == "9"

"""The control API: who may, what it answers, what it says to what it cannot obey."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from simulator import customers, numbers
from simulator.models import SimulatedCustomer, SimulatedMessage, SimulatedNumber, SimulatedWebhook

pytestmark = pytest.mark.django_db
API = "/simulator/api/"
ADDRESSES = ["numbers/", "customers/", "behaviour/", "faults/", "ledger/", "webhooks/", "clock/"]


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.SIMULATOR_TOKEN = "tok"


@pytest.fixture
def api() -> Any:
    def call(method: str, address: str, body: Any = None, status: int = 200, token: str = "tok") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = {} if body is None else {"data": body, "content_type": "application/json"}
        answer = getattr(Client(enforce_csrf_checks=True), method)(API + address, headers=headers, **sent)
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    return call


def user(**flags: bool) -> Any:
    return get_user_model().objects.create_user("someone", **flags)


# --- who may ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_gets_in_without_token_or_staff(api, address: str) -> None:
    api("get", address, status=403, token="")
    api("get", address, status=403, token="wrong")
    outsider = Client()
    outsider.force_login(user(is_staff=False))
    assert outsider.get(API + address).status_code == 403


@pytest.mark.parametrize("address", ADDRESSES)
def test_staff_and_the_token_get_in(api, address: str) -> None:
    api("get", address)
    staff = Client()
    staff.force_login(user(is_staff=True))
    assert staff.get(API + address).status_code == 200


def test_an_empty_token_in_the_settings_opens_nothing(api, settings) -> None:
    settings.SIMULATOR_TOKEN = ""
    api("get", "clock/", status=403, token="")
    api("get", "clock/", status=403, token=" ")


def test_a_session_needs_its_csrf_token() -> None:
    staff = Client(enforce_csrf_checks=True)
    staff.force_login(user(is_staff=True))
    assert staff.post(API + "reset/").status_code == 403


@pytest.mark.parametrize(
    "address",
    ["/simulator/", f"{API}clock/", "/simulator/graph/v23.0/1000000001/messages", "/simulator/graph/v23.0/1"],
)
def test_everything_is_404_when_the_simulator_is_off(address: str, settings) -> None:
    settings.SIMULATOR_ENABLED = False
    staff = Client()
    staff.force_login(user(is_staff=True))
    assert staff.get(address).status_code == 404
    assert staff.post(address).status_code == 404


# --- numbers and customers --------------------------------------------------------------------------------


def test_a_number_is_created_changed_and_deleted(api) -> None:
    made = api(
        "post",
        "numbers/",
        {
            "phone_number_id": "77",
            "access_token": "t",
            "app_id": "9",
            "app_secret": "s",
            "behaviour": {"duplicates": 1},
        },
        201,
    )
    assert (made["behaviour"]["duplicates"], made["app_id"]) == (1, "9")
    number = SimulatedNumber.objects.get(phone_number_id="77")
    assert (numbers.access_token(number), numbers.secret(number.app)) == ("t", "s")
    changed = api("patch", "numbers/77/", {"callback_url": "http://127.0.0.1:1/x"})
    assert changed["callback_url"] == "http://127.0.0.1:1/x"
    api("delete", "numbers/77/", status=204)
    api("get", "numbers/77/", status=400)


def test_the_demos_number_comes_into_being_when_asked_for(api, settings) -> None:
    found = api("get", "numbers/")["numbers"]
    assert [number["phone_number_id"] for number in found] == [settings.SIMULATOR_PHONE_NUMBER_ID]


@pytest.mark.parametrize(
    ("body", "phone", "user_id"),
    [
        ({"phone": "+91 98765 43210", "name": "Ravi"}, "919876543210", "IN."),
        ({"user_id": "US.xyz"}, None, "US.xyz"),
        ({}, "1", "US."),
    ],
)
def test_a_customer_has_a_phone_or_a_user_id_or_is_made_up(api, body, phone, user_id) -> None:
    made = api("post", "customers/", body, 201)
    assert (made["phone"] or "None").startswith(phone or "None")
    assert made["user_id"].startswith(user_id)


def test_the_same_phone_is_the_same_customer(api) -> None:
    first, second = (api("post", "customers/", {"phone": phone}, 201) for phone in ("+49 151", "49151"))
    assert first["id"] == second["id"]


def test_a_customer_can_hide_the_phone_and_leave_whatsapp(api) -> None:
    api("post", "customers/", {"phone": "49151"}, 201)
    changed = api("patch", "customers/49151/", {"hides_phone": True, "on_whatsapp": False, "name": "Eva"})
    assert (changed["hides_phone"], changed["on_whatsapp"], changed["name"]) == (True, False, "Eva")
    api("delete", "customers/49151/", status=204)
    assert not SimulatedCustomer.objects.exists()


# --- saying and seeing ------------------------------------------------------------------------------------


def test_what_a_customer_says_is_in_the_ledger_and_in_the_queue(api) -> None:
    said = api("post", "send/", {"from": "49151", "text": "hi"}, 201)
    assert api("get", "ledger/")["messages"] == [said]
    assert api("get", "webhooks/")["waiting"] == 1
    assert api("get", "webhooks/?list=1")["webhooks"][0]["value"]["messages"][0]["id"] == said["wamid"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("contact=49151", 2),
        ("contact=49152", 1),
        ("contact=0", 0),
        ("direction=from_business", 0),
        ("number=none", 0),
        ("type=text", 3),
        ("status=sent", 3),
        ("after=99999999", 0),
    ],
)
def test_the_ledger_is_searched(api, query: str, count: int) -> None:
    for who in ("49151", "49151", "49152"):
        api("post", "send/", {"from": who, "text": "hi"}, 201)
    found = api("get", f"ledger/?{query}")
    assert (found["count"], len(found["messages"])) == (count, count)


def test_a_file_is_uploaded_shown_and_sent(api) -> None:
    made = api(
        "post", "media/", {"content_base64": "eA==", "mime_type": "image/png", "filename": "a.png"}, 201
    )
    api("post", "send/", {"from": "49151", "image": {"id": made["id"]}}, 201)
    shown = Client().get(f"{API}media/{made['id']}/", headers={"Authorization": "Bearer tok"})
    assert (shown.content, shown["Content-Type"], shown["Content-Disposition"]) == (
        b"x",
        "image/png",
        "inline",
    )


def test_a_file_that_could_run_is_only_ever_downloaded(api) -> None:
    made = api("post", "media/?check=0", {"content_base64": "eA==", "mime_type": "image/svg+xml"}, 201)
    shown = Client().get(f"{API}media/{made['id']}/", headers={"Authorization": "Bearer tok"})
    assert (shown["Content-Disposition"], shown["X-Content-Type-Options"]) == ("attachment", "nosniff")


# --- switches ---------------------------------------------------------------------------------------------


def test_patch_changes_some_switches_and_put_sets_the_others_back(api) -> None:
    api("patch", "behaviour/", {"duplicates": 2, "reorder": True})
    assert api("patch", "behaviour/", {"batch": 5})["duplicates"] == 2
    now = api("put", "behaviour/", {"batch": 7})
    assert (now["batch"], now["duplicates"], now["reorder"]) == (7, 0, False)


def test_faults_are_armed_listed_and_disarmed(api) -> None:
    fault = api("post", "faults/", {"kind": "refuse", "code": 131026, "times": 3}, 201)
    assert api("get", "faults/")["faults"] == [fault]
    assert fault["remaining"] == 3
    api("delete", f"faults/{fault['id']}/", status=204)
    api("post", "faults/", {"kind": "drop"}, 201)
    api("delete", "faults/", status=204)
    assert api("get", "faults/")["faults"] == []


def test_the_clock_jumps_and_is_reset_with_everything(api) -> None:
    assert api("post", "clock/", {"seconds": 3600})["ahead_seconds"] == 3600
    api("post", "reset/", {"everything": True}, 204)
    assert api("get", "clock/")["ahead_seconds"] == 0


def test_reset_forgets_what_happened_but_not_who_there_is(api) -> None:
    api("post", "send/", {"from": "49151", "text": "hi"}, 201)
    api("patch", "behaviour/", {"batch": 5})
    api("post", "reset/", {}, 204)
    assert (SimulatedMessage.objects.count(), SimulatedWebhook.objects.count()) == (0, 0)
    assert api("get", "behaviour/")["batch"] == 1
    assert customers.find("49151") is not None


@pytest.mark.parametrize(
    ("method", "address", "body", "words"),
    [
        ("post", "send/", {"text": "hi"}, "from:"),
        ("post", "send/", {"from": "1", "number": "nope", "text": "hi"}, "no simulated number"),
        ("post", "send/", {"from": "1", "tap": "x"}, "tap:"),
        ("post", "send/", "[1]", "not a JSON object"),
        ("post", "send/", "{", "not JSON"),
        ("post", "send/", '{"from": "1", "text": "\\u0000"}', "not JSON"),
        ("post", "numbers/", {}, "phone_number_id"),
        ("get", "customers/404/", None, "no customer"),
        ("patch", "behaviour/", {"speed": 1}, "no such switch"),
        ("post", "faults/", {"kind": "x"}, "kind:"),
        ("get", "ledger/?after=x", None, "after:"),
        ("post", "webhooks/", {}, "either value or raw_body"),
        ("post", "webhooks/", {"raw_body": "x", "signature": "maybe"}, "signature:"),
        ("post", "clock/", {"seconds": -1}, "seconds:"),
        ("post", "clock/", {"seconds": True}, "seconds:"),
        ("post", "media/", {"content_base64": "?"}, "base64"),
    ],
)
def test_what_cannot_be_obeyed_is_answered_with_400_and_why(api, method, address, body, words) -> None:
    assert words in api(method, address, body, 400)["error"]


def test_a_method_that_is_not_served_is_405(api) -> None:
    api("delete", "clock/", status=405)

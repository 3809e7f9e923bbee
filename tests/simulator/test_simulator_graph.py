"""The Graph API's door: tokens, unknown objects, media, numbers, apps."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from simulator import numbers
from simulator.models import SimulatedApp, SimulatedNumber

pytestmark = pytest.mark.django_db
GRAPH = "/simulator/graph/v23.0/"
ME = {"Authorization": "Bearer tok"}


@pytest.fixture(autouse=True)
def number(settings: Any) -> SimulatedNumber:
    settings.SIMULATOR_TOKEN = "tok"
    settings.SIMULATOR_APP_SECRET = "secret"
    return numbers.create(phone_number_id="77", display_phone_number="+1 555 010 0077", verified_name="Shop")


def get(address: str, **more: Any) -> Any:
    return Client().get(GRAPH + address, **{"headers": ME, **more})


def post(address: str, body: Any, **more: Any) -> Any:
    return Client(enforce_csrf_checks=True).post(
        GRAPH + address, body, "application/json", **{"headers": ME, **more}
    )


TEXT = {"messaging_product": "whatsapp", "to": "14155550142", "type": "text", "text": {"body": "x"}}


@pytest.mark.parametrize("version", ["v17.0", "v23.0", "v25.0", "v100.0"])
def test_any_version_is_served(version: str) -> None:
    answer = Client().post(f"/simulator/graph/{version}/77/messages", TEXT, "application/json", headers=ME)
    assert answer.status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic tok"}])
def test_a_wrong_token_is_190(headers: dict[str, str]) -> None:
    answer = post("77/messages", TEXT, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 190)
    assert "invalid_token" in answer["WWW-Authenticate"]


def test_the_token_of_a_number_opens_no_other() -> None:
    numbers.create(phone_number_id="78", display_phone_number="+1", verified_name="B", access_token="b")
    assert post("78/messages", TEXT).status_code == 401
    assert post("78/messages", TEXT, headers={"Authorization": "Bearer b"}).status_code == 200


def test_a_number_that_does_not_exist_is_100_subcode_33() -> None:
    error = post("404/messages", TEXT).json()["error"]
    assert (error["code"], error["error_subcode"], error["type"]) == (100, 33, "GraphMethodException")


@pytest.mark.parametrize("body", ["{", "[]", "NaN", '{"a": "\\u0000"}', '{"a": "\\ud800"}', "\xff"])
def test_a_body_that_is_no_json_object_is_100(body: str) -> None:
    answer = post("77/messages", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


def test_another_method_is_100() -> None:
    assert Client().put(GRAPH + "77/messages", headers=ME).json()["error"]["code"] == 100


def test_a_number_tells_the_fields_that_were_asked_for() -> None:
    assert get("77?fields=verified_name,throughput,nonsense").json() == {
        "verified_name": "Shop",
        "throughput": {"level": "STANDARD"},
        "id": "77",
    }
    assert get("77").json()["display_phone_number"] == "+1 555 010 0077"


def test_the_numbers_of_an_account() -> None:
    waba = SimulatedNumber.objects.get(phone_number_id="77").waba_id
    ids = {number["id"] for number in get(f"{waba}/phone_numbers").json()["data"]}
    assert "77" in ids
    assert get("404/phone_numbers").json()["error"]["error_subcode"] == 33


# --- media ------------------------------------------------------------------------------------------------


def upload(content: bytes = b"png", mime: str = "image/png", **fields: str) -> Any:
    file = SimpleUploadedFile("a.png", content, content_type=mime)
    data = {"file": file, "messaging_product": "whatsapp", "type": mime, **fields}
    return Client().post(GRAPH + "77/media", data, headers=ME)


def test_media_goes_up_is_looked_up_comes_down_and_is_deleted() -> None:
    media_id = upload().json()["id"]
    found = get(f"{media_id}?phone_number_id=77").json()
    assert (found["mime_type"], found["file_size"], len(found["sha256"])) == ("image/png", 3, 64)
    path = found["url"].removeprefix("http://testserver")
    assert Client().get(path, headers=ME).content == b"png"
    assert Client().get(path).json()["error"]["code"] == 190
    assert Client().delete(GRAPH + media_id, headers=ME).json() == {"success": True}
    assert get(media_id).json()["error"]["code"] == 100


def test_the_address_of_media_is_stale_after_five_minutes() -> None:
    path = get(upload().json()["id"]).json()["url"].removeprefix("http://testserver")
    with time_machine.travel(timezone.now() + timedelta(minutes=5, seconds=1)):
        assert Client().get(path, headers=ME).status_code == 404
    assert Client().get(path.replace("mid=", "mid=9"), headers=ME).status_code == 404


def test_media_of_another_number_is_not_found() -> None:
    assert get(f"{upload().json()['id']}?phone_number_id=78").json()["error"]["code"] == 100


@pytest.mark.parametrize(
    ("upload_kwargs", "code"),
    [
        ({"mime": "image/gif"}, 100),
        ({"content": b"x" * (5 * 1024 * 1024 + 1)}, 131009),
        ({"messaging_product": "sms"}, 100),
    ],
)
def test_media_that_meta_does_not_take_is_refused(upload_kwargs: dict[str, Any], code: int) -> None:
    assert upload(**upload_kwargs).json()["error"]["code"] == code


# --- apps -------------------------------------------------------------------------------------------------


def app_token(secret: str = "secret") -> Any:
    query = f"oauth/access_token?grant_type=client_credentials&client_id={numbers.DEMO_APP_ID}&client_secret={secret}"
    return Client().get(GRAPH + query)


def subscribe(url: str, token: str, verify: str = "verify") -> Any:
    query = f"object=whatsapp_business_account&callback_url={url}&verify_token={verify}&fields=messages&access_token={token}"
    return Client().post(f"{GRAPH}{numbers.DEMO_APP_ID}/subscriptions?{query}")


def test_an_app_gets_its_token_by_its_secret_alone() -> None:
    assert app_token().json()["token_type"] == "bearer"
    assert app_token("wrong").status_code == 400


def test_a_callback_is_believed_after_it_answered_the_challenge(receiver) -> None:
    token = app_token().json()["access_token"]
    assert subscribe(receiver.url, token).json() == {"success": True}
    assert SimulatedApp.objects.get(app_id=numbers.DEMO_APP_ID).callback_url == receiver.url


@pytest.mark.parametrize("verify", ["wrong", ""])
def test_a_callback_that_does_not_know_the_verify_token_is_refused(receiver, verify: str) -> None:
    answer = subscribe(receiver.url, app_token().json()["access_token"], verify)
    assert answer.json()["error"]["code"] == 2200
    assert SimulatedApp.objects.get(app_id=numbers.DEMO_APP_ID).callback_url == ""


def test_a_callback_that_nobody_serves_is_refused() -> None:
    assert (
        subscribe("http://127.0.0.1:9/", app_token().json()["access_token"]).json()["error"]["code"] == 2200
    )


def test_a_subscription_needs_the_apps_token(receiver) -> None:
    assert subscribe(receiver.url, "tok").json()["error"]["code"] == 190


def test_a_number_and_an_account_can_have_another_callback(receiver) -> None:
    override = {"override_callback_uri": receiver.url, "verify_token": "verify"}
    assert post("77/", {"webhook_configuration": override}).json() == {"success": True}
    number = SimulatedNumber.objects.get(phone_number_id="77")
    assert number.callback_url == receiver.url
    assert post(f"{number.waba_id}/subscribed_apps", {}).json() == {"success": True}
    number.refresh_from_db()
    assert number.callback_url == ""
    assert get(f"{number.waba_id}/subscribed_apps").json()["data"]

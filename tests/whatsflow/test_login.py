"""Logging in: lock-out, the second factor for those who enrolled one, and no secret in any answer."""

import re
import time
from collections.abc import Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.factories import PASSWORD, UserFactory

LOGIN = "/admin/login/?next=/admin/"
PAGE = "/admin/two-factor/"


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def user(db: None) -> User:
    return UserFactory.create(username="asha", group="Agent")


def code(device: TOTPDevice) -> str:
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time()
    return f"{totp.token():06d}"


def login(client: Client, password: str = PASSWORD, **more: str) -> int:
    fields = {"username": "asha", "password": password, "next": "/admin/", **more}
    return client.post(LOGIN, fields).status_code


def enrolled(user: User) -> TOTPDevice:
    return TOTPDevice.objects.create(user=user, name="authenticator", confirmed=True)


def test_a_password_lets_in_who_has_no_device(client: Client, user: User) -> None:
    assert login(client) == 302
    assert client.get("/admin/").status_code == 200


def test_a_login_goes_to_the_home_page_by_itself(client: Client, user: User) -> None:
    page = client.get("/admin/login/").content.decode()
    assert '<input type="hidden" name="next" value="/admin/">' in page


def test_a_wrong_password_says_nothing_of_the_user(client: Client, user: User) -> None:
    known = client.post(LOGIN, {"username": "asha", "password": "no"}).content.decode()
    unknown = client.post(LOGIN, {"username": "nobody", "password": "no"}).content.decode()
    strip = re.compile(r'value="[^"]*"')
    assert strip.sub("", known) == strip.sub("", unknown)


def test_ten_failures_lock_the_account_for_that_address(client: Client, user: User) -> None:
    for _ in range(10):
        login(client, "wrong")
    assert login(client) == 429
    assert (
        Client(REMOTE_ADDR="203.0.113.9").post(LOGIN, {"username": "asha", "password": PASSWORD}).status_code
        == 302
    )


def test_a_forwarded_address_does_not_escape_the_lock(client: Client, user: User) -> None:
    for n in range(10):
        client.post(LOGIN, {"username": "asha", "password": "wrong"}, HTTP_X_FORWARDED_FOR=f"198.51.100.{n}")
    assert login(client) == 429


def test_who_has_a_device_needs_its_code(client: Client, user: User) -> None:
    device = enrolled(user)
    assert login(client) == 200
    assert client.get("/admin/").status_code == 302
    assert login(client, otp_token=code(device)) == 302
    assert client.get("/admin/").status_code == 200


def test_a_code_counts_once(client: Client, user: User) -> None:
    token = code(enrolled(user))
    assert login(client, otp_token=token) == 302
    assert login(Client(), otp_token=token) == 200


@pytest.mark.parametrize("token", ["000000", "abc", "12345678", " "])
def test_a_wrong_code_is_refused(client: Client, user: User, token: str) -> None:
    enrolled(user)
    assert login(client, otp_token=token) == 200
    assert client.get("/admin/").status_code == 302


def test_another_users_code_is_refused(client: Client, user: User) -> None:
    enrolled(user)
    other = enrolled(UserFactory.create())
    assert login(client, otp_token=code(other)) == 200


def test_a_refused_code_does_not_print_the_password(client: Client, user: User) -> None:
    enrolled(user)
    page = client.post(
        LOGIN, {"username": "asha", "password": PASSWORD, "otp_token": "000000"}
    ).content.decode()
    assert PASSWORD not in page


def test_a_session_from_before_the_device_must_log_in_again(client: Client, user: User) -> None:
    assert login(client) == 302
    enrolled(user)
    assert client.get("/admin/").status_code == 302


def test_enrolling_shows_a_key_until_a_code_proves_it(client: Client, user: User) -> None:
    login(client)
    page = client.get(PAGE).content.decode()
    device = TOTPDevice.objects.get(user=user)
    assert not device.confirmed
    assert "data:image/svg+xml;base64," in page
    assert client.get(PAGE).status_code == 200
    assert TOTPDevice.objects.count() == 1
    wrong = client.post(PAGE, {"token": "000000"}).content.decode()
    assert "This code is not right" in wrong
    assert not TOTPDevice.objects.get(user=user).confirmed


def test_a_proven_device_counts_and_brings_recovery_codes(client: Client, user: User) -> None:
    login(client)
    client.get(PAGE)
    device = TOTPDevice.objects.get(user=user)
    page = client.post(PAGE, {"token": code(device)}).content.decode()
    device.refresh_from_db()
    assert device.confirmed
    codes = list(StaticDevice.objects.get(user=user).token_set.values_list("token", flat=True))
    assert len(codes) == 8
    assert all(each in page for each in codes)
    assert client.get("/admin/").status_code == 200
    again = client.get(PAGE).content.decode()
    assert not any(each in again for each in codes)
    assert device.key not in again
    assert LogEntry.objects.filter(change_message="Two-step login turned on").exists()


def test_a_recovery_code_lets_in_once(client: Client, user: User) -> None:
    enrolled(user)
    StaticDevice.objects.create(user=user, name="recovery codes").token_set.create(token="abcdef0123")
    assert login(client, otp_token="abcdef0123") == 302
    assert login(Client(), otp_token="abcdef0123") == 200


def test_turning_off_is_a_post_and_removes_all(client: Client, user: User) -> None:
    device = enrolled(user)
    login(client, otp_token=code(device))
    assert client.get("/admin/two-factor/remove/").status_code == 405
    client.post("/admin/two-factor/remove/")
    assert not TOTPDevice.objects.exists()
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("model", ["authtoken/tokenproxy", "otp_static/staticdevice", "axes/accesslog"])
def test_what_holds_secrets_has_no_page(client: Client, db: None, model: str) -> None:
    client.force_login(UserFactory.create(is_superuser=True))
    assert client.get(f"/admin/{model}/").status_code == 404


def test_the_list_of_devices_shows_no_key(client: Client, user: User) -> None:
    device = enrolled(user)
    client.force_login(UserFactory.create(is_superuser=True))
    for url in ("/admin/otp_totp/totpdevice/", f"/admin/otp_totp/totpdevice/{device.pk}/change/"):
        response = client.get(url)
        assert response.status_code == 200
        assert device.key not in response.content.decode()

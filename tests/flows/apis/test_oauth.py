"""The auth of API records against exact headers, and OAuth2 against a real authorization server."""

import base64
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.admin.models import LogEntry
from django.db import connection, connections
from django.db.models import F
from django.urls import include, path, reverse
from django.utils import timezone
from joserfc.jwk import ECKey, OKPKey, RSAKey

from flows import secrets
from flows.apis import oauth, oauth_urls, tokens
from flows.apis.client import Door
from flows.models import OAuthToken, Secret
from tests.flows.apis.oauth_server import OAuthServer
from tests.flows.test_secrets import someone
from whatsflow.urls import urlpatterns as product

urlpatterns = [*product, path("", include("flows.apis.oauth_urls"))]

SECRET = "client-secret-CANARY"
KEPT = {"crm": SECRET, "user": "anna", "pw": "pä:ss"}
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


@pytest.fixture
def server():
    with OAuthServer(client_secret=SECRET) as running:
        yield running


@pytest.fixture
def request_(server):
    door = Door(allowed_networks=[ip_network("127.0.0.0/8")], allowed_ports=[server.port])
    yield door.request
    door.close()


@pytest.fixture
def get(server, request_):
    """Ask for a token of ``spec`` as a call would."""

    def ask(spec, **more):
        return oauth.access_token(
            "crm", spec, lambda name: (KEPT | more)[name], request_, allow_http=True, environment="test"
        )

    return ask


@pytest.fixture
def credentials(server):
    return {
        "type": "oauth2",
        "grant": "client_credentials",
        "token_url": server.token_url,
        "client_id": server.client_id,
        "client_secret": "{{ secrets.crm }}",
        "scope": "orders.read orders.write",
    }


def age(seconds):
    """Let time pass for the kept token."""
    by = timedelta(seconds=seconds)
    OAuthToken.objects.update(
        expires_at=F("expires_at") - by, renew_at=F("renew_at") - by, retry_at=F("retry_at") - by
    )


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.django_db(transaction=True)
def test_client_credentials(server, get, credentials):
    first = get(credentials)
    assert first == get(dict(reversed(credentials.items()))) == "access-1-CANARY"
    assert server.forms == [{"grant_type": "client_credentials", "scope": "orders.read orders.write"}]


@pytest.mark.django_db(transaction=True)
def test_a_public_client_names_itself_in_the_form(server, get, credentials):
    server.client_secret = ""
    assert get(credentials | {"client_secret": ""}).startswith("access-")
    assert server.forms[0]["client_id"] == "shop"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rotates", [True, False])
def test_refresh_token(server, get, credentials, rotates):
    server.rotates = rotates
    server.refresh_tokens = {"seed"}
    spec = credentials | {"grant": "refresh_token", "refresh_token": "{{ secrets.seed }}"}
    get(spec, seed="seed")
    age(4000)
    get(spec, seed="seed")
    sent = [form["refresh_token"] for form in server.forms]
    assert sent[0] == "seed"
    assert (sent[1] == "seed") is not rotates


@pytest.mark.django_db(transaction=True)
def test_a_refresh_token_that_died_gives_way_to_a_newer_one(server, get, credentials):
    server.refresh_tokens = {"seed"}
    spec = credentials | {"grant": "refresh_token", "refresh_token": "{{ secrets.seed }}"}
    get(spec, seed="seed")
    server.refresh_tokens = {"newer"}
    age(4000)
    with pytest.raises(oauth.OAuthError, match="invalid_grant") as caught:
        get(spec, seed="newer")
    assert "refresh-2-CANARY" not in str(caught.value)
    age(10)
    assert get(spec, seed="newer").startswith("access-")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("private", "public"),
    [
        (rsa.generate_private_key(65537, 2048), RSAKey),
        (ec.generate_private_key(ec.SECP256R1()), ECKey),
        (ed25519.Ed25519PrivateKey.generate(), OKPKey),
    ],
    ids=["RSA", "EC", "Ed25519"],
)
def test_jwt_bearer(server, get, credentials, private, public):
    server.public_key = public.import_key(private.public_key())
    spec = {
        "grant": "jwt_bearer",
        "token_url": server.token_url,
        "issuer": "robot@shop",
        "subject": "anna@shop",
        "scope": "mail",
        "private_key": "{{ secrets.pem }}",
    }
    assert get(spec, pem=pem(private).replace("\n", "\\n")).startswith("access-")
    claims = server.claims
    assert (claims["iss"], claims["sub"], claims["scope"]) == ("robot@shop", "anna@shop", "mail")
    assert 0 < claims["exp"] - claims["iat"] <= 180


@pytest.mark.django_db(transaction=True)
def test_a_client_may_prove_itself_by_its_private_key(server, get, credentials):
    private = rsa.generate_private_key(65537, 2048)
    server.public_key = RSAKey.import_key(private.public_key())
    spec = credentials | {"client_secret": "", "private_key": "{{ secrets.pem }}"}
    assert get(spec, pem=pem(private)).startswith("access-")
    assert (server.claims["iss"], server.claims["sub"]) == ("shop", "shop")


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_none_is_told_without_showing_it(server, get, credentials):
    spec = {"grant": "jwt_bearer", "token_url": server.token_url, "issuer": "i", "private_key": SECRET}
    with pytest.raises(oauth.OAuthError, match="expected PEM") as caught:
        get(spec)
    assert "CANARY" not in str(caught.value)
    assert server.forms == []


def ask_together(get, spec, count=8):
    """What each of ``count`` threads got, all starting at once."""
    start, got = threading.Barrier(count), []

    def ask():
        start.wait(10)
        try:
            got.append(get(spec))
        except oauth.OAuthError as error:
            got.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got) == count
    return got


@pytest.mark.django_db(transaction=True)
def test_each_expiry_costs_one_request_however_many_ask(server, get, credentials):
    server.delay_seconds = 0.2
    assert set(ask_together(get, credentials)) == {"access-1-CANARY"}
    assert len(server.forms) == 1
    age(4000)
    assert set(ask_together(get, credentials)) == {"access-2-CANARY"}
    assert len(server.forms) == 2


@pytest.mark.django_db(transaction=True)
def test_a_token_that_ends_soon_is_used_while_one_renews_it(server, get, credentials):
    get(credentials)
    age(3600 - 30)
    server.delay_seconds = 0.5
    got = ask_together(get, credentials)
    assert sorted(got) == ["access-1-CANARY"] * 7 + ["access-2-CANARY"]
    assert len(server.forms) == 2


@pytest.mark.django_db(transaction=True)
def test_a_token_really_ends(server, get, credentials):
    server.expires_in = 1
    first = get(credentials)
    time.sleep(1.1)
    assert get(credentials) != first
    assert len(server.forms) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("said", "kept"), [(None, None), ("120", 120), ("soon", None), (0, None), (float("1e300"), 315_360_000)]
)
def test_the_end_of_a_token_is_read_with_patience(server, get, credentials, said, kept):
    server.expires_in = said
    get(credentials)
    row = OAuthToken.objects.get()
    assert (row.expires_at is None) == (kept is None)
    if kept:
        assert abs((row.expires_at - row.obtained_at).total_seconds() - kept) < 0.01
    get(credentials)
    assert len(server.forms) == 1


@pytest.mark.django_db(transaction=True)
def test_a_refused_token_is_fetched_anew_once(server, get, credentials):
    old = get(credentials)
    assert oauth.invalidate("crm", environment="test", token=old) == 1
    new = get(credentials)
    # The second of two calls that were refused with the old one.
    assert oauth.invalidate("crm", environment="test", token=old) == 0
    assert get(credentials) == new != old
    assert oauth.invalidate("crm", environment="test") == 1
    assert oauth.invalidate("other") == 0
    assert len(server.forms) == 2


@pytest.mark.django_db(transaction=True)
def test_the_wrong_secret_is_told_without_any_secret(server, get, credentials):
    server.client_secret = "another"
    server.echo = SECRET
    with pytest.raises(oauth.OAuthError, match=r"127\.0\.0\.1: HTTP 401, invalid_client") as caught:
        get(credentials)
    row = OAuthToken.objects.get()
    for text in (str(caught.value), row.error):
        assert "CANARY" not in text
        assert base64.b64encode(f"shop:{SECRET}".encode()).decode() not in text
        assert "***" in text
    assert row.state(timezone.now()) == "failed"


@pytest.mark.django_db(transaction=True)
def test_failures_back_off_and_end_with_a_success(server, get, credentials):
    server.breaks = "<html>"
    for count in (1, 2, 3):
        with pytest.raises(oauth.OAuthError, match="expected JSON"):
            get(credentials)
        with pytest.raises(oauth.OAuthError, match="expected JSON"):
            get(credentials)
        row = OAuthToken.objects.get()
        assert (len(server.forms), row.failures) == (count, count)
        assert (row.retry_at - timezone.now()).total_seconds() == pytest.approx(2 ** (count - 1), abs=0.9)
        age(2**count)
    server.breaks = ""
    assert get(credentials) == "access-1-CANARY"
    row.refresh_from_db()
    assert (row.error, row.failures, row.retry_at) == ("", 0, None)


@pytest.mark.django_db(transaction=True)
def test_a_failed_renewal_leaves_the_old_token_in_use(server, get, credentials):
    old = get(credentials)
    age(3600 - 30)
    server.breaks = "no"
    assert get(credentials) == get(credentials) == old
    assert len(server.forms) == 2


@pytest.mark.django_db(transaction=True)
def test_a_server_that_is_away_and_a_secret_that_is_unknown_are_told(server, request_, get, credentials):
    gone = credentials | {"token_url": f"http://127.0.0.1:{server.port + 1}/"}
    with pytest.raises(oauth.OAuthError, match="port"):
        get(gone)
    with pytest.raises(oauth.OAuthError, match="no secret is named 'nothing'"):
        oauth.access_token(
            "crm",
            credentials | {"client_secret": "{{ secrets.nothing }}"},
            secrets.get,
            request_,
            allow_http=True,
        )


@pytest.mark.django_db(transaction=True)
def test_one_that_died_while_asking_is_followed_after_its_lease(get, credentials, server):
    row = tokens.announce("crm", credentials, environment="test", allow_http=True)
    assert tokens.claim(tokens.look("crm", "test", row.spec_hash))
    assert tokens.claim(tokens.look("crm", "test", row.spec_hash)) == ""
    with pytest.raises(oauth.OAuthError, match="another one asks"):
        oauth.access_token("crm", credentials, KEPT.get, None, environment="test", wait_seconds=0.1)
    OAuthToken.objects.update(refreshing_until=timezone.now() - timedelta(seconds=1))
    assert get(credentials) == "access-1-CANARY"


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_ours_frees_the_lease(credentials):
    def broken(*_, **__):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        oauth.access_token("crm", credentials, KEPT.__getitem__, broken)
    assert OAuthToken.objects.get().refreshing_until is None


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_server_is_asked(request_, credentials):
    seen = []

    def ask(*args, **kwargs):
        seen.append(connection.in_atomic_block)
        return request_(*args, **kwargs)

    oauth.access_token("crm", credentials, KEPT.__getitem__, ask, allow_http=True)
    assert seen == [False]


@pytest.mark.django_db(transaction=True)
def test_tokens_are_encrypted_and_move_to_a_new_key(get, credentials, settings):
    token = get(credentials)
    stored = str(OAuthToken.objects.values_list().get())
    assert "CANARY" not in stored
    assert "token_url" not in stored
    new = Fernet.generate_key().decode()
    settings.WHATSFLOW_ENCRYPTION_KEYS = [new, *settings.WHATSFLOW_ENCRYPTION_KEYS]
    assert tokens.rotate_all() == 1
    settings.WHATSFLOW_ENCRYPTION_KEYS = [new]
    assert get(credentials) == token


# --- A person connects ------------------------------------------------------------------------------------


@pytest.fixture
def staff(client, db):
    client.force_login(someone("keeper", OAuthToken, "view", "change"))
    return client


@pytest.fixture
def consent(server, credentials, monkeypatch, request_):
    """A row that waits to be connected, and the product's door open to the local server."""
    monkeypatch.setattr(oauth_urls, "door", lambda: type("Open", (), {"request": staticmethod(request_)}))
    kept = Secret(name="crm")
    kept.set_value(SECRET)
    kept.save()
    spec = credentials | {
        "grant": "authorization_code",
        "authorize_url": server.authorize_url + "?prompt=login",
    }
    return tokens.announce("crm", spec, environment="test", allow_http=True)


def leave(staff, row):
    """Follow the connect link as a browser does; the address that the server sends the person back to."""
    response = staff.get(reverse("flows_oauth_connect", args=[row.pk]))
    assert response.status_code == 302
    there = requests.get(response["Location"], allow_redirects=False, timeout=10)
    assert there.status_code == 302
    parts = urlsplit(there.headers["Location"])
    assert parts.path == reverse("flows_oauth_callback")
    return dict(parse_qsl(parts.query)), dict(parse_qsl(urlsplit(response["Location"]).query))


def come_back(staff, query):
    return staff.get(reverse("flows_oauth_callback"), query, follow=True).content.decode()


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)
def test_staff_connect_an_api_and_its_token_is_renewed_without_them(server, get, staff, consent):
    with pytest.raises(oauth.OAuthError, match="not connected"):
        get(consent.read_spec())
    brought, asked = leave(staff, consent)
    assert (asked["prompt"], asked["scope"], asked["client_id"]) == (
        "login",
        "orders.read orders.write",
        "shop",
    )
    page = come_back(staff, brought)
    assert "crm (test) is connected." in page
    assert "Connected" in page
    assert "CANARY" not in page
    assert get(consent.read_spec()) == "access-2-CANARY"
    age(4000)
    assert get(consent.read_spec()) not in {"", "access-2-CANARY"}
    assert [form["grant_type"] for form in server.forms] == ["authorization_code", "refresh_token"]
    assert len(server.forms[0]["code_verifier"]) >= 43


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_an_answer_without_our_state_is_not_taken(server, staff, consent):
    brought, _asked = leave(staff, consent)
    assert "begin again" in come_back(staff, brought | {"state": "forged"})
    assert "begin again" in come_back(staff, {"code": brought["code"]})
    assert server.forms == []
    assert "is connected" in come_back(staff, brought)
    assert "begin again" in come_back(staff, brought)
    assert len(server.forms) == 1


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_an_answer_that_comes_late_is_not_taken(server, staff, consent, monkeypatch):
    brought, _asked = leave(staff, consent)
    monkeypatch.setattr(oauth_urls, "VALID_SECONDS", 0)
    assert "begin again" in come_back(staff, brought)
    assert server.forms == []


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_a_refusal_of_the_other_side_is_told_as_text(server, staff, consent):
    brought, _asked = leave(staff, consent)
    page = come_back(
        staff, {"state": brought["state"], "error": "access_denied", "error_description": "<b>No</b>"}
    )
    assert "was not connected: &lt;b&gt;No" in page
    assert "<b>No" not in page
    brought, _asked = leave(staff, consent)
    page = come_back(staff, brought | {"code": "code-of-somebody-else"})
    assert "invalid_grant" in page
    assert "code-of-somebody-else" not in page


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_only_those_with_the_right_connect(client, staff, consent):
    url = reverse("flows_oauth_connect", args=[consent.pk])
    assert staff.get(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    client.force_login(someone("reader", OAuthToken, "view"))
    assert client.get(url).status_code == 403
    assert client.get(reverse("flows_oauth_callback")).status_code == 403
    page = client.get(reverse("admin:flows_oauthtoken_changelist")).content.decode()
    assert "crm" in page
    assert url not in page
    assert 'value="disconnect"' not in page
    client.logout()
    assert client.get(url).status_code == 302


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)
def test_what_nobody_can_connect_says_so(staff, credentials, consent):
    row = tokens.announce("plain", credentials)
    url = reverse("flows_oauth_connect", args=[row.pk])
    assert "nobody connects this API" in staff.get(url, follow=True).content.decode()
    page = staff.get(reverse("admin:flows_oauthtoken_changelist")).content.decode()
    assert url not in page
    assert reverse("flows_oauth_connect", args=[consent.pk]) in page


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)
def test_pages_show_the_state_and_no_token_and_staff_disconnect(server, staff, consent, get):
    come_back(staff, leave(staff, consent)[0])
    row = OAuthToken.objects.get()
    shown = [
        staff.get(reverse("admin:flows_oauthtoken_changelist")).content.decode(),
        staff.get(reverse("admin:flows_oauthtoken_change", args=[row.pk])).content.decode(),
    ]
    for page in shown:
        assert "Connected" in page
        assert "59\xa0minutes" in page
        for secret in ("CANARY", row.access_token, row.refresh_token, row.spec):
            assert secret not in page
    staff.post(
        reverse("admin:flows_oauthtoken_changelist"), {"action": "disconnect", "_selected_action": [row.pk]}
    )
    row.refresh_from_db()
    assert (row.access_token, row.refresh_token, row.state(timezone.now())) == ("", "", "new")
    assert LogEntry.objects.get().change_message == "Disconnected"
    with pytest.raises(oauth.OAuthError, match="not connected"):
        get(row.read_spec())


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "new"),
        ({"access_token": "x"}, "connected"),
        ({"access_token": "x", "expires_at": NOW + timedelta(seconds=1)}, "connected"),
        ({"access_token": "x", "expires_at": NOW}, "expired"),
        ({"access_token": "x", "error": "why"}, "failed"),
    ],
)
def test_states(fields, state):
    assert OAuthToken(**fields).state(NOW) == state

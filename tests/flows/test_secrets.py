"""Secrets by name: from the table or the environment, changed without a restart, written only."""

import base64
import json
import threading
import time
from urllib.parse import quote, quote_plus

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.urls import reverse

from flows import encryption, secrets
from flows.models import Secret

CANARY = 'canary-7f3a/ä +&"quoted"'
OTHER = "second-canary-91"


def keep(name: str, value: str) -> Secret:
    row = Secret(name=name)
    row.set_value(value)
    row.save()
    return row


def someone(name, model, *verbs):
    """A member of staff with rights on ``model`` alone; tests with real transactions may have emptied the tables."""
    ContentType.objects.clear_cache()
    kind = ContentType.objects.get_for_model(model)
    user = get_user_model().objects.create_user(name, password="x", is_staff=True)
    for verb in verbs:
        codename = f"{verb}_{model._meta.model_name}"
        right, _new = Permission.objects.get_or_create(
            content_type=kind, codename=codename, defaults={"name": codename}
        )
        user.user_permissions.add(right)
    return user


@pytest.fixture
def staff(client, db):
    client.force_login(someone("keeper", Secret, "view", "add", "change", "delete"))
    return client


@pytest.mark.django_db
def test_the_table_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("WHATSFLOW_SECRET_CRM", "of the environment")
    assert secrets.get("crm") == "of the environment"
    keep("crm", CANARY)
    assert secrets.get("crm") == secrets.get("CRM") == CANARY


@pytest.mark.django_db
def test_a_secret_may_lie_in_a_file(monkeypatch, tmp_path):
    path = tmp_path / "key"
    path.write_text(CANARY + "\n", encoding="utf-8")
    monkeypatch.setenv("WHATSFLOW_SECRET_CRM_FILE", str(path))
    assert secrets.get("crm") == CANARY
    path.write_text(OTHER)
    assert secrets.get("crm") == OTHER


@pytest.mark.django_db
def test_a_file_that_is_gone_is_told(monkeypatch):
    monkeypatch.setenv("WHATSFLOW_SECRET_CRM_FILE", "/no/such/file")
    with pytest.raises(secrets.SecretUnknown, match=r"'crm'.*WHATSFLOW_SECRET_CRM_FILE.*No such file"):
        secrets.get("crm")


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["maps_key", "a b", "", "x" * 100])
def test_an_unknown_secret_says_its_name_and_how_to_set_it(name):
    with pytest.raises(secrets.SecretUnknown) as caught:
        secrets.get(name)
    assert repr(name) in str(caught.value)
    assert f"WHATSFLOW_SECRET_{name.upper()}" in str(caught.value)


@pytest.mark.django_db
def test_names_are_those_of_both_places(monkeypatch):
    monkeypatch.setenv("WHATSFLOW_SECRET_ONE", "1")
    monkeypatch.setenv("WHATSFLOW_SECRET_TWO_FILE", "/some/file")
    monkeypatch.setenv("WHATSFLOW_SECRET_EMPTY", "")
    keep("three", "3")
    assert {"one", "two", "three"} <= secrets.names()
    assert not {"empty", "two_file"} & secrets.names()


@pytest.mark.django_db
def test_what_is_stored_shows_nothing(caplog):
    row = keep("crm", CANARY)
    stored = Secret.objects.values_list("value", flat=True).get()
    assert "canary" not in stored
    assert "canary" not in f"{row!r} {row} {secrets.get('crm')!r} {[secrets.get('crm')]}"
    assert f"{secrets.get('crm')}" == CANARY


@pytest.mark.django_db
def test_keys_can_be_changed_and_a_lost_one_is_named(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.WHATSFLOW_ENCRYPTION_KEYS = [old]
    keep("crm", CANARY)
    settings.WHATSFLOW_ENCRYPTION_KEYS = [new, old]
    assert secrets.rotate_all() == 1
    settings.WHATSFLOW_ENCRYPTION_KEYS = [new]
    assert secrets.get("crm") == CANARY
    settings.WHATSFLOW_ENCRYPTION_KEYS = [old]
    with pytest.raises(encryption.TokenUnreadable, match="WHATSFLOW_ENCRYPTION_KEYS"):
        secrets.get("crm")


@pytest.mark.django_db(transaction=True)
def test_a_new_value_is_seen_by_others_within_a_second():
    keep("crm", CANARY)
    seen = []
    asked, changed = threading.Event(), threading.Event()

    def reader():
        seen.append(secrets.get("crm"))
        asked.set()
        changed.wait(10)
        until = time.monotonic() + 1
        while secrets.get("crm") != OTHER and time.monotonic() < until:
            time.sleep(0.01)
        seen.append(secrets.get("crm"))
        connections.close_all()

    thread = threading.Thread(target=reader)
    thread.start()
    assert asked.wait(10)
    row = Secret.objects.get()
    row.set_value(OTHER)
    row.save()
    changed.set()
    thread.join(10)
    assert seen == [CANARY, OTHER]


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY),
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        quote(CANARY).lower(),
        base64.b64encode(CANARY.encode()).decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode().rstrip("="),
        json.dumps(CANARY)[1:-1],
        json.dumps(CANARY, ensure_ascii=False)[1:-1],
    ],
)
def test_each_form_of_a_value_is_cut(form):
    assert secrets.redact(f"before {form} after", [OTHER, CANARY]) == "before *** after"


def test_a_value_within_another_does_not_show_the_rest():
    assert secrets.redact("x abcdef y", ["abc", "abcdef"]) == "x *** y"
    assert secrets.redact("nothing", ["", "other"]) == "nothing"
    assert secrets.redact("nothing", []) == "nothing"


def pages(client, row):
    for name, args in (("changelist", []), ("change", [row.pk]), ("history", [row.pk]), ("delete", [row.pk])):
        response = client.get(reverse(f"admin:flows_secret_{name}", args=args))
        assert response.status_code == 200
        yield response.content.decode()


def test_the_admin_takes_a_value_and_never_gives_it(staff):
    added = staff.post(
        reverse("admin:flows_secret_add"),
        {"name": "crm", "description": "of the CRM", "new_value": CANARY},
        follow=True,
    )
    row = Secret.objects.get()
    assert secrets.get("crm") == CANARY
    assert row.changed_by.username == "keeper"
    changed = staff.post(
        reverse("admin:flows_secret_change", args=[row.pk]),
        {"description": "new words", "new_value": OTHER},
        follow=True,
    )
    assert secrets.get("crm") == OTHER
    shown = "".join([added.content.decode(), changed.content.decode(), *pages(staff, row)])
    logged = "".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    assert LogEntry.objects.count() == 2
    for text in (shown, logged):
        assert "canary" not in text
        assert Secret.objects.get().value not in text


def test_what_was_typed_is_not_drawn_again_with_an_error(staff):
    response = staff.post(reverse("admin:flows_secret_add"), {"name": "Not a name!", "new_value": OTHER})
    assert response.status_code == 200
    assert "lower-case" in response.content.decode()
    assert OTHER not in response.content.decode()
    assert not Secret.objects.exists()


@pytest.mark.parametrize("name", ["x_file", "9x", "a-b", "x\n"])
def test_a_bad_name_is_refused(staff, name):
    if name == "x\n":
        name = "x\ny"
    assert staff.post(reverse("admin:flows_secret_add"), {"name": name, "new_value": "v"}).status_code == 200
    assert not Secret.objects.exists()


def test_an_empty_value_keeps_what_is_set_but_none_can_be_added_without(staff):
    staff.post(reverse("admin:flows_secret_add"), {"name": "empty", "new_value": ""})
    assert not Secret.objects.exists()
    row = keep("crm", CANARY)
    staff.post(reverse("admin:flows_secret_change", args=[row.pk]), {"description": "words", "new_value": ""})
    row.refresh_from_db()
    assert (row.description, row.changed_at, secrets.get("crm")) == ("words", None, CANARY)


def test_a_key_of_several_lines_is_kept_as_it_is(staff):
    staff.post(
        reverse("admin:flows_secret_add"), {"name": "pem", "new_value": "-----BEGIN\r\nabc\r\n-----END\r\n"}
    )
    assert secrets.get("pem") == "-----BEGIN\nabc\n-----END"


def test_a_secret_goes_after_a_question(staff):
    row = keep("crm", CANARY)
    url = reverse("admin:flows_secret_delete", args=[row.pk])
    assert staff.get(url).status_code == 200
    assert Secret.objects.exists()
    staff.post(url, {"post": "yes"})
    assert not Secret.objects.exists()


def test_rights_are_the_models_own(client, db):
    client.force_login(someone("nobody", Secret))
    row = keep("crm", CANARY)
    url = reverse("admin:flows_secret_change", args=[row.pk])
    assert client.get(url).status_code == 403
    client.force_login(someone("reader", Secret, "view"))
    response = client.get(url)
    assert response.status_code == 200
    assert "new_value" not in response.content.decode()
    assert client.post(url, {"new_value": OTHER}).status_code == 403
    assert secrets.get("crm") == CANARY

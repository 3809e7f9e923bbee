"""The probes."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def test_healthz_answers_without_the_database(client, monkeypatch):
    monkeypatch.setattr(connection, "cursor", lambda: pytest.fail("asked the database"))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_readyz_tells_what_it_found(client, settings):
    settings.REDIS_URL = ""
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "database": "ok",
        "migrations": "ok",
        "broker": "none; workers poll the database",
        "workers": 0,
    }


def test_readyz_stays_ready_without_its_broker(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["broker"] == "no answer: ConnectionError; workers sweep"


def test_readyz_refuses_while_a_migration_is_missing(client):
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(name) FROM django_migrations WHERE app = 'flows'")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'flows' AND name = %s", cursor.fetchone())
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "to apply; run manage.py migrate" in answer.json()["migrations"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_not_redirected_to_https(client, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(path).status_code == 200

"""The content policy: strict everywhere, and no wider than its skin needs under the admin."""

import pytest
from django.test import Client

from tests.factories import UserFactory


def policy(client: Client, url: str) -> dict[str, str]:
    header = client.get(url)["Content-Security-Policy"]
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in header.split(";"))}


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/admin/login/", "/admin/", "/admin/no-such-page/"])
def test_the_admin_may_evaluate_and_run_nothing_of_others(client: Client, url: str) -> None:
    given = policy(client, url)
    assert "'unsafe-eval'" in given["script-src"]
    assert "'unsafe-inline'" not in given["script-src"]
    assert given["frame-ancestors"] == "'none'"
    assert given["object-src"] == "'none'"


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/healthz", "/api/docs/"])
def test_other_pages_get_the_strict_policy(client: Client, url: str) -> None:
    client.force_login(UserFactory.create(is_superuser=True))
    given = policy(client, url)
    assert given["script-src"] == "'self'"
    assert "unsafe" not in " ".join(given.values())

from collections.abc import Callable

import pytest
from django.test import Client

from tests.factories import NumberFactory, UserFactory


@pytest.fixture
def as_group(db: None) -> Callable[[str], Client]:
    """A logged-in browser of a staff user in the group named."""

    def login(group: str) -> Client:
        NumberFactory.create()
        client = Client()
        client.force_login(UserFactory.create(username=group.lower(), group=group))
        return client

    return login

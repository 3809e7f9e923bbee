from collections.abc import Callable

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from tests.factories import NumberFactory, UserFactory


@pytest.fixture
def api(db: None) -> Callable[[str], APIClient]:
    """A program with the rights of the group named; it brings a token, not a cookie."""

    def client(group: str = "Agent") -> APIClient:
        cache.clear()
        NumberFactory.create()
        caller = APIClient()
        caller.force_authenticate(UserFactory.create(username=group.lower(), group=group))
        return caller

    return client

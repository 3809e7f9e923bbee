from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.authtoken.models import Token

from tests.factories import UserFactory


def run(*args: str) -> str:
    out = StringIO()
    call_command("create_token", *args, stdout=out)
    return out.getvalue().strip()


@pytest.mark.django_db
def test_a_token_is_printed_once_and_ends_the_old_one() -> None:
    user = UserFactory.create(username="shop")
    first, second = run("shop"), run("shop")
    assert first != second
    assert Token.objects.get(user=user).key == second


@pytest.mark.django_db
def test_a_token_can_be_revoked() -> None:
    UserFactory.create(username="shop")
    run("shop")
    assert "1 token of shop ended" in run("shop", "--revoke")
    assert not Token.objects.exists()


@pytest.mark.django_db
def test_an_unknown_or_inactive_user_gets_none() -> None:
    UserFactory.create(username="gone", is_active=False)
    with pytest.raises(CommandError, match="no user named nobody"):
        run("nobody")
    with pytest.raises(CommandError, match="not active"):
        run("gone")

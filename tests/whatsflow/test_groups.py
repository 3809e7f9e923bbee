"""The seven groups have what their table says, on a new database and after a second run."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from whatsflow.groups import GROUPS, rights_of

migration = import_module("whatsflow.migrations.0001_groups")


@pytest.fixture(autouse=True)
def made(db: None) -> None:
    """A test with transactions of its own empties the tables behind it, the groups of the migration with them."""
    if not Group.objects.exists():
        ContentType.objects.clear_cache()
        migration.make_groups(apps, SimpleNamespace(connection=connection))


def held(name: str) -> set[str]:
    rows = Permission.objects.filter(group__name=name).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def known() -> set[str]:
    rows = Permission.objects.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


@pytest.mark.django_db
@pytest.mark.parametrize("name", GROUPS)
def test_a_group_has_the_rights_of_its_table(name: str) -> None:
    assert held(name) == rights_of(name, known())
    assert held(name)


@pytest.mark.django_db
@pytest.mark.parametrize("name", GROUPS)
def test_every_right_named_exists(name: str) -> None:
    assert {right for right in GROUPS[name] if not right.endswith(".*")} <= known()


@pytest.mark.django_db
def test_running_again_changes_nothing() -> None:
    before = {name: held(name) for name in GROUPS}
    migration.make_groups(apps, SimpleNamespace(connection=connection))
    assert {name: held(name) for name in GROUPS} == before
    assert Group.objects.count() == len(GROUPS)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["Viewer", "Analyst", "Campaigner", "Approver"])
def test_readers_hold_no_right_to_change(name: str) -> None:
    assert all(right.partition(".")[2].startswith("view_") for right in held(name))
    assert "conversations.view_pii" not in held(name)

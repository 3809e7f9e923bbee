"""What must stand before the first message: tables, static files, numbers, someone who can log in."""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from conversations import numbers
from simulator import numbers as simulated_numbers

# The business of the demo's flows, as the simulated phones show it.
DEMO_BUSINESS = "Aster Motors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who may log in; ``password`` only when it was made just now, and then shown once."""

    username: str
    password: str | None = None


def migrate(*, is_allowed: bool) -> int:
    """Bring the tables up to date and return how many migrations were applied."""
    connection = connections[DEFAULT_DB_ALIAS]
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan and not is_allowed:
        raise CommandError(f"{len(plan)} migrations to apply: run manage.py migrate, or up --migrate")
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    connections.close_all()
    return len(plan)


def collect_static() -> None:
    """Collect static files where the server does not find them by itself."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    if not settings.WHITENOISE_USE_FINDERS:
        call_command("collectstatic", interactive=False, verbosity=0)


def ensure_numbers() -> None:
    """Make the numbers that settings name, and the simulator's side of its own."""
    for number in numbers.ensure_numbers():
        if number.is_simulated:
            simulated_numbers.create(
                phone_number_id=number.phone_number_id,
                display_phone_number=number.display_phone_number,
                verified_name=DEMO_BUSINESS,
            )


def ensure_login() -> Login | None:
    """Make the demo's ``admin`` with a one-time password; elsewhere people make their own."""
    users = get_user_model().objects
    existing = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if existing is not None:
        return Login(username=existing.get_username())
    if not settings.IS_DEMO:
        return None
    password = secrets.token_urlsafe(9)
    users.create_superuser("admin", "", password)
    return Login(username="admin", password=password)

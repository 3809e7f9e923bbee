"""What the tests of the conversation way share: tables of their own for each test, a number, the way itself."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connections

from conversations import sender, webhook
from conversations.models import Number
from conversations.whatsapp.client import GraphClient, Timeouts
from flows import database, registry
from tests.conversations import bodies
from tests.conversations.way import Way
from tests.factories import NumberFactory
from tests.graph import Graph, accept

REAL_SECRET = "the-real-app-secret"
OLD_SECRET = "the-app-secret-before"


def _empty_tables() -> None:
    """Delete rows, not schema: what migrations put into other tables stays, and it is quick."""
    assert "test" in str(connections["default"].settings_dict["NAME"]), "never the tables of anybody"
    models = [m for app in ("conversations", "flows") for m in apps.get_app_config(app).get_models()]
    with database.write() as cursor:
        for model in (*models, User):
            cursor.run(f"DELETE FROM {model._meta.db_table}")


@pytest.fixture(scope="session")
def _pools(django_db_setup, django_db_blocker) -> Iterator[None]:
    """A pool that stays open would keep the test database from being dropped."""
    yield
    with django_db_blocker.unblock():
        for connection in connections.all():
            connection.close()
            if connection.vendor == "postgresql":
                connection.close_pool()


@pytest.fixture
def transactional_db(_pools, django_db_blocker) -> Iterator[None]:
    """Real commits that any thread and both aliases see: pytest-django's fixture, a hundred times as fast."""
    with django_db_blocker.unblock():
        _empty_tables()
        yield
        _empty_tables()
        connections.close_all()


@pytest.fixture
def number(transactional_db: None) -> Number:
    return NumberFactory.create(phone_number_id=bodies.NUMBER, waba_id=bodies.WABA, is_simulated=True)


@pytest.fixture
def real_number(transactional_db: None, settings) -> Number:
    settings.WHATSAPP_APP_SECRETS = [REAL_SECRET, OLD_SECRET]
    return NumberFactory.create(
        phone_number_id=bodies.REAL_NUMBER, waba_id=bodies.REAL_WABA, is_simulated=False
    )


@pytest.fixture
def way(number: Number, tmp_path: Path, settings, monkeypatch) -> Iterator[Way]:
    settings.WHATSFLOW_DATASETS = tmp_path
    settings.WHATSFLOW_PROCESSORS = tmp_path / "processors"
    monkeypatch.setattr(webhook, "backlog", webhook.Backlog())
    registry.forget()
    yield Way(tmp_path)
    registry.forget()


@pytest.fixture
def timed():
    """A block that must be over within so many seconds."""

    @contextmanager
    def within(seconds: float) -> Iterator[None]:
        began = time.monotonic()
        yield
        assert time.monotonic() - began < seconds

    return within


@pytest.fixture(scope="session")
def far_end() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.stop()


@pytest.fixture
def graph(far_end: Graph, settings, monkeypatch) -> Graph:
    """Meta as this test scripts it; the sender waits 0.6 s for an answer, not 20."""
    far_end.posts.clear()
    far_end.script.clear()
    far_end.usual = accept
    far_end.on_post = lambda _post, _wamid: None
    settings.SIMULATOR_BASE_URL = settings.WHATSAPP_GRAPH_URL = far_end.url
    short = Timeouts(connect=0.5, read=0.5, total=0.6)
    monkeypatch.setattr(sender, "GraphClient", functools.partial(GraphClient, timeouts=short))
    monkeypatch.setattr(sender, "POLL_SECONDS", 0.05)
    return far_end


@pytest.fixture
def patient(graph: Graph, monkeypatch) -> None:
    """The sender waits as long for an answer as it does in earnest."""
    monkeypatch.setattr(sender, "GraphClient", GraphClient)


@pytest.fixture
def send() -> Callable[..., int]:
    """Run one sending loop until it is idle."""

    def run(idle_seconds: float = 0.15) -> int:
        return sender.run(threading.Event(), idle_seconds)

    return run

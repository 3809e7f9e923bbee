"""API records and a real server for them on loopback."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flows.apis import call, client
from flows.apis.call import Called
from flows.apis.definition import Record, read
from tests.flows.apis.web import Web, serving

_keys = itertools.count()


@pytest.fixture
def web(settings) -> Iterator[Web]:
    """A server that the door may reach."""
    with serving() as web:
        settings.WHATSFLOW_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        settings.WHATSFLOW_API_PORTS = [web.port]
        client.door.cache_clear()
        call.forget_cached()
        yield web
    client.door.cache_clear()


def record_of(name: str, document: dict[str, Any], web: Web) -> Record:
    """A record as its file would give it, moved to the server's port, which no file may name."""
    made, faults = read(name, {"url": "http://api.test/", "allow_http": True, **document})
    assert made is not None, faults
    url = made.url.replace("http://api.test", f"http://127.0.0.1:{web.port}")
    return dataclasses.replace(made, url=url)


@pytest.fixture
def ask(db, web: Web) -> Callable[..., Called]:
    """Make a record and call it once."""

    def asked(document: dict[str, Any], args: dict[str, Any] | None = None, **given: Any) -> Called:
        given.setdefault("key", f"test-{next(_keys)}")
        return call.call(record_of("weather", document, web), args or {}, **given)

    return asked

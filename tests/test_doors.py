"""Two doors lead out of the product; nothing else in it opens a connection.

A second way to fetch an address is how guards are forgotten: it works, and nobody sees that it skips them.
Drivers that speak to what the operator configured (PostgreSQL, Redis) are no ways to fetch an address.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PRODUCT = ("whatsflow", "conversations", "campaigns", "analytics", "flows")
GRAPH_DOOR = "conversations/whatsapp/client.py"
GUARDED_DOOR = "flows/apis/client.py"

CLIENTS = {
    *(
        "aiohttp",
        "apprise",
        "asyncssh",
        "ftplib",
        "grpc",
        "h11",
        "http.client",
        "httpcore",
        "httplib2",
        "httpx",
    ),
    *(
        "imaplib",
        "multiprocessing.connection",
        "niquests",
        "nntplib",
        "paramiko",
        "poplib",
        "pycurl",
        "requests",
    ),
    *(
        "smtplib",
        "ssl",
        "telnetlib",
        "tornado",
        "twisted",
        "urllib.request",
        "urllib3",
        "websocket",
        "websockets",
    ),
    *("xmlrpc.client", "_socket", "_ssl", "django.core.mail"),
}
# Ways of asyncio and of its loops to open a connection.
OPENERS = {
    *("create_connection", "create_datagram_endpoint", "create_unix_connection", "open_connection"),
    *("open_unix_connection", "sock_connect", "start_tls"),
}
# The name of this machine, for the log and for leases: asking it connects to nothing.
HARMLESS = {"socket.gethostname"}
# What a file beside the doors may use, and what for.
ALLOWED = {
    "whatsflow/management/commands/up.py": {
        "urllib.request": "asks its own web server on loopback if it is ready"
    },
    "whatsflow/broker.py": {
        "socket.create_connection": "asks the embedded broker on loopback if it answers",
        "socket.socket": "finds a free port on loopback, by binding it",
        "socket.SOL_SOCKET": "the same",
        "socket.SO_REUSEADDR": "the same",
    },
}


def network_uses(source: str) -> set[str]:
    """Name every network client that a file imports, every member of `socket`, and every opener of asyncio."""
    tree = ast.parse(source)
    sockets = {alias for name, alias in imports(tree) if name == "socket"}
    found = {name for name, _ in imports(tree) if is_client(name)}
    found |= {
        name for name, _ in imports(tree) if name.startswith("socket.") or name.split(".")[-1] in OPENERS
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in sockets:
                found.add(f"socket.{node.attr}")
            elif node.attr in OPENERS:
                found.add(node.attr)
        elif isinstance(node, ast.Call):
            found |= {name for name in dynamic_imports(node) if is_client(name) or name == "socket"}
    return found - HARMLESS


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each imported name, whole, with the name it has in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", alias.asname or alias.name) for alias in node.names)


def is_client(name: str) -> bool:
    return any(f"{name}.".startswith(f"{client}.") for client in CLIENTS)


def dynamic_imports(call: ast.Call) -> Iterator[str]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in {"__import__", "import_module", "import_string"} and call.args:
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def product_files() -> Iterator[Path]:
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def test_nothing_but_the_two_doors_opens_a_connection():
    found = {
        str(path.relative_to(ROOT)): uses
        for path in product_files()
        if (uses := network_uses(path.read_text(encoding="utf-8")))
    }
    assert GRAPH_DOOR in found
    assert GUARDED_DOOR in found
    beside = {
        name: uses - set(ALLOWED.get(name, ()))
        for name, uses in found.items()
        if name not in {GRAPH_DOOR, GUARDED_DOOR}
    }
    assert {name: uses for name, uses in beside.items() if uses} == {}, (
        "call flows.apis.client.door() instead"
    )


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_still_used(name):
    path = ROOT / name
    assert set(ALLOWED[name]) - network_uses(path.read_text(encoding="utf-8")) == set()


def test_the_door_to_the_graph_api_knows_no_other_client():
    uses = network_uses((ROOT / GRAPH_DOOR).read_text(encoding="utf-8"))
    assert uses == {"aiohttp"}


@pytest.mark.parametrize(
    "source",
    [
        "import requests",
        "import requests.adapters as r",
        "from requests import get",
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen as u",
        "from http import client",
        "from http.client import HTTPSConnection",
        "def f():\n    import httpx",
        "import socket\nsocket.create_connection(('a', 1))",
        "import socket as s\ns.socket()",
        "from socket import create_connection as c",
        "from socket import *",
        "import asyncio\nasyncio.open_connection('a', 1)",
        "from asyncio import open_connection",
        "loop.create_connection(None, 'a', 1)",
        "__import__('requests')",
        "importlib.import_module('urllib3.util')",
        "import_module('socket')",
        "import smtplib",
        "import ssl",
    ],
)
def test_the_gate_sees_such_a_line(source):
    assert network_uses(source)


@pytest.mark.parametrize(
    "source",
    [
        "from urllib.parse import urlsplit",
        "import urllib.parse",
        "from http import HTTPStatus",
        "import asyncio\nasyncio.run(main())",
        "import socket\nsocket.gethostname()",
        "import requests_like",
        "row.socket.create()",
        "import_module('flows.tasks')",
        "from django.core.mailbox import x",
    ],
)
def test_the_gate_lets_such_a_line_pass(source):
    assert network_uses(source) == set()

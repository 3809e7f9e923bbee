"""The tree keeps its shape: layers, names, sizes, and who may open a connection."""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

from tests.conftest import ROOT

APPS = ("whatsflow", "flows", "conversations", "campaigns", "analytics", "simulator")
BANNED_NAMES = {
    "services",
    "service",
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "managers",
    "misc",
}
NETWORK = {
    "socket",
    "ssl",
    "aiohttp",
    "requests",
    "httpx",
    "urllib3",
    "urllib.request",
    "http.client",
    "smtplib",
}
# Who may import a network library, and what for; a new name here is a decision for a page in docs/decisions.
DOORS = {
    "conversations/whatsapp/client.py": "the Graph origin",
    "flows/apis/client.py": "every address that a user can write",
    "simulator/delivery.py": "plays Meta: posts webhooks to the product",
    "simulator/objects.py": "plays Meta: asks a webhook address for its challenge",
    "simulator/sockets.py": "plays Meta: refuses private addresses",
    "whatsflow/broker.py": "finds a free port, asks the embedded broker",
    "whatsflow/management/commands/up.py": "asks its own web server whether it is ready",
    # Only the name of this machine:
    "flows/apis/tokens.py": "gethostname",
    "flows/management/commands/load_flows.py": "gethostname",
    "flows/registry.py": "gethostname",
    "whatsflow/sweeper.py": "gethostname",
}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, *, everywhere: bool = True) -> set[str]:
    """Every module name that a file imports; with ``from a import b`` both ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(tree(path)) if everywhere else tree(path).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def functions() -> Iterator[tuple[str, int]]:
    for path in sources(*APPS, "processors"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_every_import_contract_is_kept():
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr


def test_the_simulator_knows_the_codec_and_the_table_of_limits_only():
    graph = grimp.build_graph("simulator", "conversations", "flows", cache_dir=None)
    foreign = {
        (module, found)
        for module in graph.find_descendants("simulator")
        for found in graph.find_modules_directly_imported_by(module)
        if found.startswith(("conversations", "flows"))
    }
    allowed = ("conversations.whatsapp.", "flows.engine.content")
    assert {pair for pair in foreign if not f"{pair[1]}.".startswith(allowed)} == set()


def test_processors_import_their_own_door_only_and_nobody_imports_them():
    ours = tuple(f"{app}." for app in APPS)
    for path in sources("processors"):
        inside = {name for name in imported(path) if f"{name}.".startswith(ours)}
        assert all(name.startswith("flows.processing") for name in inside), path
    for path in sources(*APPS):
        assert not {name for name in imported(path) if name.split(".")[0] == "processors"}, path


def test_only_the_named_doors_import_a_network_library():
    found = {str(path.relative_to(ROOT)) for path in sources(*APPS, "processors") if imported(path) & NETWORK}
    assert found - set(DOORS) == set()
    assert set(DOORS) - found == set(), "named as a door, but imports none of it any more"


def test_no_module_has_a_name_that_says_nothing():
    found = [
        path for path in sources(*APPS, "tests", "processors") if {path.stem, path.parent.name} & BANNED_NAMES
    ]
    assert found == []


def test_datasets_hold_no_python():
    assert list((ROOT / "datasets").rglob("*.py")) == []


def test_no_import_stands_inside_a_function():
    found = []
    # AppConfig.ready is the one place where Django wants it so.
    for path in (p for p in sources(*APPS) if p.name != "apps.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found += [
                    f"{path.relative_to(ROOT)}:{inner.lineno}"
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Import | ast.ImportFrom)
                ]
    assert found == []


def test_functions_stay_small():
    sizes = dict(functions())
    long = {name: size for name, size in sizes.items() if size > 50}
    told = f"{len(sizes)} functions, median {statistics.median(sizes.values())} lines, over 50: {long}"
    assert statistics.median(sizes.values()) <= 8, told
    assert len(long) <= len(sizes) * 0.04, told


@pytest.mark.parametrize("folder", APPS)
def test_files_are_split_before_they_grow_out_of_sight(folder):
    sizes = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8").count("\n") for p in sources(folder)}
    assert {name: size for name, size in sizes.items() if size > 600} == {}


def test_every_environment_name_is_read_in_the_settings_alone():
    allowed = {
        "whatsflow/env.py": "the reader itself",
        "whatsflow/supervisor.py": "hands its environment on to programs",
        "whatsflow/asgi.py": "names the settings",
        "whatsflow/wsgi.py": "names the settings",
        "whatsflow/celery.py": "names the settings",
        "flows/failpoints.py": "works before settings do",
        "flows/secrets.py": "secrets whose names only API records know",
    }
    reads = set()
    for path in sources(*APPS):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                reads.add(str(path.relative_to(ROOT)))
    assert {name for name in reads - set(allowed) if not name.startswith("flows/processing/")} == set()

"""A folder of processors, what is found in it, and children to run it in."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.processing.discovery import Discovery
from flows.processing.runner import Outcome, Runner


class Workshop:
    """Writes processor files and calls what they define."""

    def __init__(self, folder: Path, runner: Runner) -> None:
        self.folder = folder
        self.runner = runner
        self.discovery = Discovery(folder)

    def write(self, text: str, name: str = "things.py") -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        self.discovery.refresh()
        return path

    def call(self, name: str, args: dict | None = None, context: dict | None = None, **options) -> Outcome:
        """`timeout` is long unless given: the machine may be busy with other tests."""
        flow_id = options.pop("flow_id", None)
        options.setdefault("timeout", 60)
        info = self.discovery.ensure().find(name, flow_id)
        assert info is not None, self.discovery.catalog.problems
        return self.runner.run(info, args or {}, context, **options)

    def outcome_of(self, text: str, args: dict | None = None, **options) -> Outcome:
        """Write a file whose processor is called `work`, and call it."""
        self.write(text)
        return self.call("work", args, **options)


@pytest.fixture(scope="session")
def shared_runner() -> Iterator[Runner]:
    with Runner(2) as runner:
        runner.warm()
        yield runner


@pytest.fixture
def workshop(tmp_path: Path, shared_runner: Runner) -> Workshop:
    folder = tmp_path / "processors"
    folder.mkdir()
    return Workshop(folder, shared_runner)


@pytest.fixture(params=[True, False], ids=["namespaces", "subreaper"])
def own_workshop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    """A workshop with children of its own, once with namespaces and once as on a kernel without them."""
    folder = tmp_path / "processors"
    folder.mkdir()
    with Runner(1, namespaces=request.param) as runner:
        yield Workshop(folder, runner)

"""A folder of broken files: each of their faults is named with its line and column, all in one pass."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from flows import lint

FOLDER = Path(__file__).parent / "broken"
EXPECTED = FOLDER / "expected.txt"
PROCESSORS = """from flows.processing import processor


@processor
def describe_bike(bike: str) -> str:
    return bike
"""


@pytest.fixture
def output(tmp_path, settings, monkeypatch):
    """What check_flows prints of the folder, with a dataset and a processor of its own."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "processors").mkdir()
    (tmp_path / "processors" / "bikes.py").write_text(PROCESSORS)
    settings.WHATSFLOW_DATASETS = tmp_path
    settings.WHATSFLOW_PROCESSORS = tmp_path / "processors"
    monkeypatch.chdir(FOLDER.parent)
    monkeypatch.setattr(lint, "_consent_words", {"stop", "start"})
    out = StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("check_flows", "broken", stdout=out)
    assert left.value.code == 1
    return out.getvalue()


def test_every_fault_of_every_file_is_named_with_its_place(output):
    assert output == EXPECTED.read_text(encoding="utf-8")


def test_no_broken_file_is_left_without_a_fault(output):
    files = {path.name for path in FOLDER.glob("*.json")}
    named = {line.split(":")[0].removeprefix("broken/") for line in output.splitlines()[:-1]}
    assert len(files) >= 30
    assert named == files

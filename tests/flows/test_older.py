"""Files of the older dialect: they load without errors, with the warnings that are due, and run unchanged."""

import json
from pathlib import Path

import pytest

from flows import loader, testing
from flows.dataset import json_files, read_file
from flows.engine.catalog import Catalog
from flows.lint import lint

FOLDER = Path(__file__).parent / "older"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
WARNINGS = {
    "absent_next": ["WF205"],
    "empty_parts": ["WF521"],
    "from_campaign": ["WF521", "WF521"],
    "hidden_processor": ["WF131", "WF131", "WF521"],
    "payload": ["WF521", "WF521"],
    "raw_list": ["WF521"],
    "script_processor": ["WF521"],
    "several_processors": ["WF521"],
    "unknown_names": ["WF521", "WF521"],
    "with_on_fail": ["WF133"],
}
PLACES = {
    "hidden_processor": [
        "steps[0].content.processor",
        "steps[1].content.body.processor",
        "steps[2].content.body",
    ],
    "with_on_fail": ["steps[0].on_success"],
}


@pytest.fixture(scope="module")
def files():
    sources = [read_file(path, name=path.name) for path in json_files(FOLDER)]
    return {file.name.removesuffix(".json"): file for file in lint(sources, catalog=Catalog())}


@pytest.fixture(scope="module")
def library(files):
    return loader.library(list(files.values()), [], {})


def test_there_are_files_of_every_shape():
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_valid_and_gets_the_warnings_that_are_due(name, files):
    findings = files[name].findings
    assert [finding.text() for finding in findings if finding.is_error] == []
    assert sorted(finding.code for finding in findings) == WARNINGS.get(name, [])
    if name in PLACES:
        assert [finding.path for finding in findings] == PLACES[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_flow_is_walked_to_its_end(name, library):
    test = json.loads((FOLDER / "tests" / f"{name}.json").read_text(encoding="utf-8"))
    for result in testing.run_cases(test, library):
        assert result.has_passed, "\n".join([result.failure, *result.transcript])


def test_an_unknown_processor_is_a_warning_in_an_older_file():
    path = FOLDER / "goes_on.json"
    [file] = lint([read_file(path, name="goes_on.json")], catalog=Catalog(processor=lambda *_: None))
    assert [finding.code for finding in file.findings] == ["WF702", "WF702"]
    assert not file.is_broken


def test_a_mixture_of_the_dialects_is_an_error():
    path = FOLDER.parent / "broken" / "40_mixture.json"
    [file] = lint([read_file(path, name="mixture.json")], catalog=Catalog())
    assert "WF132" in [finding.code for finding in file.findings if finding.is_error]

"""The published schemas: what the tables say, valid JSON Schema, and of one mind with lint."""

import copy
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from flows.engine.catalog import Catalog
from flows.engine.validation import check
from flows.schemas import FOLDER, SCHEMAS, flow_schema, text_of
from flows.schemas import test_schema as schema_of_tests

ROOT = Path(__file__).resolve().parents[2]
FLOWS = sorted((ROOT / "datasets" / "flows").glob("*.json"))
TESTS = sorted((ROOT / "datasets" / "flows" / "tests").glob("*.json"))
OLDER = sorted((ROOT / "tests" / "flows" / "older").glob("*.json"))
SHAPE_CODES = {"WF101", "WF102", "WF103", "WF104", "WF105", "WF107"}


@pytest.fixture(scope="module")
def flow_validator():
    return Draft202012Validator(flow_schema())


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_file_is_what_the_tables_say(name):
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == text_of(name), "run: python -m flows.schemas"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_valid_and_every_reference_leads_somewhere(name):
    schema = SCHEMAS[name]()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for target in set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(schema))):
        assert target in schema["$defs"]


def test_every_key_is_described():
    def keys(part):
        if isinstance(part, dict):
            if "title" in part and isinstance(part.get("properties"), dict):
                yield from part["properties"].items()
            for inner in part.values():
                yield from keys(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from keys(inner)

    found = list(keys(flow_schema()["else"])) + list(keys(flow_schema()["$defs"]))
    assert len(found) > 100
    assert [key for key, schema in found if not schema.get("description")] == []


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_the_demo_flows_fit_their_schema(path, flow_validator):
    assert list(flow_validator.iter_errors(json.loads(path.read_text()))) == []


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_demo_tests_fit_their_schema(path):
    assert list(Draft202012Validator(schema_of_tests()).iter_errors(json.loads(path.read_text()))) == []


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def changed(document, path, change):
    made = copy.deepcopy(document)
    here = made
    for part in path[:-1]:
        here = here[part]
    change(here, path[-1])
    return made


CHANGES = {
    "renamed": lambda here, key: (
        here.__setitem__(f"{key}x", here.pop(key)) if isinstance(here, dict) else None
    ),
    "numbered": lambda here, key: here.__setitem__(key, 3.5),
    "listed": lambda here, key: here.__setitem__(key, [[]]),
    "switched": lambda here, key: here.__setitem__(key, True),
    "emptied": lambda here, key: here.__setitem__(key, {}),
    "nulled": lambda here, key: here.__setitem__(key, None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_schema_and_lint_agree_on_slips_of_shape(change, flow_validator):
    """Every third place of one rich flow: validating by the schema costs a thousand times what lint does."""
    document = json.loads((ROOT / "datasets" / "flows" / "test_ride.json").read_text())
    disagreed = []
    for place in [place for place in places(document) if place][:: len(CHANGES) // 2]:
        slipped = changed(document, place, CHANGES[change])
        faults = [fault for fault in check(slipped, catalog=Catalog()) if fault.severity == "error"]
        slips = [fault for fault in faults if fault.code in SHAPE_CODES]
        is_valid = flow_validator.is_valid(slipped)
        if (slips and is_valid) or (not faults and not is_valid):
            disagreed.append((place, [fault.message for fault in faults]))
    assert disagreed == []


@pytest.mark.parametrize("path", [*FLOWS, *OLDER], ids=lambda path: path.stem)
def test_lint_survives_every_slip(path):
    document = json.loads(path.read_text())
    changes = list(CHANGES.values())
    for number, place in enumerate(place for place in places(document) if place):
        faults = check(changed(document, place, changes[number % len(changes)]), catalog=Catalog())
        assert all(fault.message and fault.remedy for fault in faults)

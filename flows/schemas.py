"""The JSON Schemas that editors complete and check by, generated from the tables that lint uses.

``python -m flows.schemas`` writes them; a test fails while they differ from the tables.
"""

import json
import sys
from pathlib import Path

from flows.apis.vocabulary import RECORD as API_RECORD
from flows.engine.scalars import Schema
from flows.engine.vocabulary import FLOW
from flows.scripts import TEST

FOLDER = Path(__file__).parent / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MARKS_OF_OLDER = ("action", "sequence_no", "processor", "payload_template")

_OLDER: Schema = {
    "title": "flow of the older dialect",
    "type": "object",
    "required": ["steps"],
    "properties": {
        "trigger": {"type": "string", "description": "the words that start the flow"},
        "start": {"description": "first step"},
        "end": {"description": "last step"},
        "is_active": {"type": "boolean", "description": "false: never triggered"},
        "steps": {"type": "array", "minItems": 1, "items": {"type": "object"}, "description": "the steps"},
    },
}


def flow_schema() -> Schema:
    """The schema of a flow file, of either dialect."""
    is_older = {
        "required": ["steps"],
        "properties": {
            "steps": {
                "type": "array",
                "contains": {"anyOf": [{"required": [mark]} for mark in MARKS_OF_OLDER]},
            }
        },
    }
    defs: Schema = {}
    body = {"if": is_older, "then": _OLDER, "else": FLOW.schema(defs)}
    return _document("flow.schema.json", "WhatsFlow flow", body, defs)


def test_schema() -> Schema:
    """The schema of a file of flow tests."""
    defs: Schema = {}
    body = TEST.schema(defs)
    return _document("flow-test.schema.json", "WhatsFlow flow test", body, defs)


def api_schema() -> Schema:
    """The schema of an API record."""
    defs: Schema = {}
    body = API_RECORD.schema(defs)
    return _document("api.schema.json", "WhatsFlow API record", body, defs)


def _document(name: str, title: str, body: Schema, defs: Schema) -> Schema:
    return {"$schema": DIALECT, "$id": name, **body, "title": title, "$defs": dict(sorted(defs.items()))}


SCHEMAS = {
    "flow.schema.json": flow_schema,
    "flow-test.schema.json": test_schema,
    "api.schema.json": api_schema,
}


def text_of(name: str) -> str:
    """The text of a schema file as it should be."""
    return json.dumps(SCHEMAS[name](), indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    for name in SCHEMAS:
        (FOLDER / name).write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    write()
    sys.stdout.write(f"written: {', '.join(SCHEMAS)}\n")

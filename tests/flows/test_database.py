"""Rows go into statements as they are, whatever they hold, on both databases."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import database

pytestmark = pytest.mark.django_db
HOSTILE = [
    "",
    "NULL",
    "null",
    'a "b"',
    "back\\slash",
    "{a,b}",
    "a,b",
    "line\nbreak",
    "\t",
    "नमस्ते 🙂",
    "'; --",
    '\\"',
    None,
]


def there_and_back(kind: str, values: list[object]) -> list[object]:
    cursor = database.read()
    source = cursor.source({"n": "int", "v": kind}, list(enumerate(values)), alias="w")
    return [
        value for _, value in cursor.rows(f"SELECT w.n, w.v FROM {source.sql} ORDER BY w.n", source.params)
    ]


def test_texts_come_back_as_they_went() -> None:
    assert there_and_back("text", list(HOSTILE)) == HOSTILE


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), max_size=8))
def test_any_texts_come_back_as_they_went(texts: list[str]) -> None:
    assert there_and_back("text", list(texts)) == texts


def test_numbers_truths_and_nothing_come_back() -> None:
    assert there_and_back("id", [2**62, -1, None]) == [2**62, -1, None]
    assert [None if v is None else bool(v) for v in there_and_back("boolean", [True, False, None])] == [
        True,
        False,
        None,
    ]


def test_times_come_back_to_the_microsecond() -> None:
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    assert [database.as_time(v) for v in there_and_back("time", [moment])] == [moment]


def test_json_comes_back_whole() -> None:
    record = {"a": ['x "y"', None, 1.5], "b": {"c": "\\"}}
    assert [database.as_json(v) for v in there_and_back("json", [database.dumps(record)])] == [record]


def test_a_condition_finds_hostile_values_and_nothing_else() -> None:
    cursor = database.read()
    source = cursor.source({"v": "text"}, [(v,) for v in HOSTILE if v], alias="w")
    among = cursor.among("w.v", "text", ['a "b"', "{a,b}"])
    found = cursor.rows(f"SELECT w.v FROM {source.sql} WHERE {among.sql}", [*source.params, *among.params])
    assert {v for (v,) in found} == {'a "b"', "{a,b}"}


def test_no_rows_are_an_empty_table() -> None:
    cursor = database.read()
    source = cursor.source({"v": "text"}, [])
    assert cursor.rows(f"SELECT v.v FROM {source.sql}", source.params) == []

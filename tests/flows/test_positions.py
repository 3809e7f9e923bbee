"""The reader with positions: the same values as the standard parser, strictness, places, all problems."""

import json
import math
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.positions import MAX_BYTES, read
from flows.recovery import MAX_DEPTH, Reading, recover

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=30,
)


def slow(text: str) -> Reading:
    return recover(text)


def problems(data: bytes) -> list[tuple[str, int, int]]:
    document = read(data)
    return [(p.code, *document.at(p.offset)[1:]) for p in document.problems]


@given(values, st.sampled_from([None, 0, 2]), st.booleans())
def test_both_ways_of_reading_give_what_json_gives(value, indent, escaped):
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)
    assert read(text.encode()).value == json.loads(text)
    assert read(text.encode()).problems == ()
    assert slow(text).value == json.loads(text)
    assert slow(text).problems == ()


@given(values, st.sampled_from([None, 1]))
def test_every_span_holds_exactly_the_text_of_its_value(value, indent):
    text = json.dumps(value, indent=indent)
    document = read(text.encode())
    for path, span in document.spans.items():
        here = document.value
        for part in path:
            here = here[part]
        assert json.loads(text[span.start : span.end]) == here
        if path and isinstance(path[-1], str):
            assert json.loads(re.match(r'"(?:[^"\\]|\\.)*"', text[span.key :])[0]) == path[-1]


@given(st.text(alphabet="{}[]\",:'\\ \n\t/#*aeE1-.0u\x00\ud800é", max_size=60))
def test_the_reader_agrees_with_the_strict_parser_on_what_is_valid_and_never_raises(text):
    try:
        json.loads(text, parse_constant=pytest.fail, object_pairs_hook=_no_duplicates)
        valid = True
    except ValueError:
        valid = False
    assert (slow(text).problems == ()) == valid


def _no_duplicates(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError(pairs)
    return dict(pairs)


@given(st.binary(max_size=80))
def test_no_bytes_make_it_raise(data):
    document = read(data)
    for problem in document.problems:
        assert problem.message
        assert problem.remedy
        assert document.at(problem.offset).line >= 1


def _finite(text: str) -> float:
    """A number too large for a float is a fault to us (WF005), where the standard module makes it infinite."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


@settings(max_examples=300)
@given(values, st.data())
def test_a_text_with_one_character_removed_is_valid_for_both_or_for_none(value, data):
    text = json.dumps({"a": value}, indent=1)
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + text[at + 1 :]
    try:
        expected = json.loads(damaged, object_pairs_hook=_no_duplicates, parse_float=_finite)
    except ValueError:
        assert slow(damaged).problems
    else:
        assert slow(damaged).value == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [("WF001", 1, 1)]),
        (b" \r\n\t", [("WF001", 1, 1)]),
        (b"\xef\xbb\xbf", [("WF001", 1, 1)]),
        ('{"id": "a"}'.encode("utf-16"), [("WF002", 1, 1)]),
        ('{"id": "a"}'.encode("utf-16-be"), [("WF002", 1, 1)]),
        ('{"id": "a"}'.encode("utf-16-le"), [("WF002", 1, 2)]),
        ('{"id": "a"}'.encode("utf-32"), [("WF002", 1, 1)]),
        (b'{"a":\n "\xff"}', [("WF002", 2, 3)]),
        (b'{"a": [1, 2', [("WF003", 1, 12)]),
        (b'{"a": 1,\n}', [("WF003", 1, 8)]),
        (b"[1, 2,]", [("WF003", 1, 6)]),
        (b'{\n  // no\n  "a": 1}', [("WF003", 2, 3)]),
        (b'{"a": 1 /* no */}', [("WF003", 1, 9)]),
        (b"{'a': 1}", [("WF003", 1, 2)]),
        (b"{a: 1}", [("WF003", 1, 2)]),
        (b'{"a" 1}', [("WF003", 1, 6)]),
        (b'{"a": 1 "b": 2}', [("WF003", 1, 9)]),
        (b'{"a": }', [("WF003", 1, 7)]),
        (b'{"a": True}', [("WF003", 1, 7)]),
        (b'{"a": None}', [("WF003", 1, 7)]),
        (b'{"a": 01}', [("WF003", 1, 7)]),
        (b'{"a": "b\tc"}', [("WF003", 1, 9)]),
        (b'{"a": "b\nc"}', [("WF003", 1, 9)]),
        (b'{"a": "b,\n"c": 1}', [("WF003", 1, 7), ("WF003", 2, 1)]),
        (b'{"a": "\\x"}', [("WF003", 1, 8)]),
        (b'{"a": 1} 2', [("WF003", 1, 10)]),
        (b"[1}", [("WF003", 1, 3)]),
        (b'{"id": 1,\n "x": 2,\n "id": 3}', [("WF004", 3, 2)]),
        (b'{"a": NaN, "b": Infinity, "c": -Infinity}', [("WF005", 1, 7), ("WF005", 1, 17), ("WF005", 1, 32)]),
        (b'{"a": 1e999}', [("WF005", 1, 7)]),
        (b'{"a": ' + b"9" * 5000 + b"}", [("WF005", 1, 7)]),
        (b'{"a": 1,\n "b": NaN,\n "a": 2,}', [("WF005", 2, 7), ("WF004", 3, 2), ("WF003", 3, 8)]),
    ],
)
def test_a_faulty_text_gets_every_problem_with_its_place(data, expected):
    assert problems(data) == expected


def test_a_duplicate_key_names_both_places():
    document = read(b'{"id": 1,\n "id": 2}')
    assert [document.at(at)[1:] for at in document.problems[0].also] == [(1, 2)]


def test_a_file_that_ends_too_early_names_what_was_left_open():
    document = read(b'{"a": 1,\n "b": [1, 2')
    assert document.problems[0].message == "the file ends inside the list"
    assert [document.at(at)[1:] for at in document.problems[0].also] == [(2, 7)]
    assert not document.is_whole


@pytest.mark.parametrize("data", [b'\xef\xbb\xbf{"a":\r\n 1}\r\n', b'{"a":\r 1}'])
def test_a_mark_and_foreign_line_ends_are_accepted_and_counted(data):
    document = read(data)
    assert document.value == {"a": 1}
    assert document.problems == ()
    assert document.place(("a",)) == (document.spans["a",].start, 2, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b" " * (50 * 1024 * 1024),
        b'"\\"' * 600_000,
        b'["' + b"\\" * 2_000_000,
    ],
    ids=["brackets", "objects", "50 MB", "escaped quotes", "backslashes"],
)
def test_hostile_sizes_are_refused_within_a_second(data):
    started = time.process_time()
    document = read(data)
    assert time.process_time() - started < 1
    assert document.problems


def test_depth_and_size_have_exact_limits():
    assert read(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).problems == ()
    assert problems(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)) == [("WF006", 1, MAX_DEPTH + 1)]
    assert read(b" " * (MAX_BYTES - 2) + b"{}").problems == ()
    assert problems(b" " * (MAX_BYTES - 1) + b"{}") == [("WF006", 1, 1)]


def test_brackets_inside_texts_are_not_depth():
    assert read(json.dumps({"a": "[" * 500, "b": '\\"[{' * 200}).encode()).problems == ()


def test_the_place_of_a_missing_path_is_that_of_its_nearest_parent():
    document = read(b'{"steps": [\n  {"id": "a"}]}')
    assert document.place(("steps", 0, "content", "body"))[1:] == (2, 3)
    assert document.place(("steps", 0, "id"), key=True)[1:] == (2, 4)
    assert document.place(("steps", 0, "id"))[1:] == (2, 10)

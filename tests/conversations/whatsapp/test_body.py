import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.whatsapp.body import MAX_DEPTH, BadBody, clean, load

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**18), max_value=10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(json_values)
def test_what_json_writes_is_read_back(value):
    assert load(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON at character 0"),
        (b"{", "not JSON at character 1"),
        (b"[1] []", "not JSON at character 4"),
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 6"),
        ('{"a":"é"}'.encode("latin-1"), "not UTF-8 at byte 6"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "a number out of range"),
        (b"[12345678901234567890]", "an integer of more than 19 digits"),
        (b"[" + b"9" * 5000 + b"]", "an integer of more than 19 digits"),
        (b'{"a":"\x00"}', "not JSON"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b"[" * 100_000, "nested deeper than 64"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64"),
    ],
)
def test_other_bytes_are_refused_with_a_reason(raw, reason):
    with pytest.raises(BadBody) as refusal:
        load(raw)
    assert refusal.value.reason.startswith(reason)


def test_the_deepest_that_is_allowed_is_read():
    assert load(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_brackets_in_strings_are_not_depth():
    assert load(json.dumps(["[" * 500, 'a"[{\\', "{" * 500]).encode())[0] == "[" * 500


def test_many_flat_brackets_are_not_depth():
    assert len(load(b"[" + b",".join([b"[]"] * 5000) + b"]")) == 5000


@pytest.mark.parametrize(
    "raw",
    [
        b'"' + b'\\"' * 700_000,
        b"[" * 65 + b'"' * 1_500_000,
        b'{"' * 700_000,
        b"[{" * 65 + b'"\\' * 700_000,
    ],
)
def test_a_hostile_body_is_refused_quickly(raw):
    started = time.process_time()
    with pytest.raises(BadBody):
        load(b"[" * 70 + raw)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("🙂 é \u200f", "🙂 é \u200f"),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ({"a\x00": ["x", {"b": "\ud83d"}]}, {"a\ufffd": ["x", {"b": "\ufffd"}]}),
        ("\\u0000 as typed", "\\u0000 as typed"),
        ([1, 2.5, None, True], [1, 2.5, None, True]),
    ],
)
def test_nul_and_lone_surrogates_are_replaced(value, expected):
    assert clean(value) == (expected, value != expected)


def test_a_pair_of_escaped_surrogates_is_one_character():
    assert clean(load(rb'"\ud83d\ude42"')) == ("🙂", False)


@given(
    st.recursive(st.text(st.characters()), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_what_was_cleaned_can_be_stored(value):
    cleaned, _ = clean(value)
    json.dumps(cleaned, ensure_ascii=False).encode()
    assert "\\u0000" not in json.dumps(cleaned).replace("\\\\", "")


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": float("-inf")}])
def test_a_number_that_no_database_takes_is_refused(value):
    with pytest.raises(BadBody):
        clean(value)


def test_nesting_beyond_the_reader_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(BadBody):
        clean(value)

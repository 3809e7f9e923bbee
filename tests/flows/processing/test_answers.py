import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.processing import Result
from flows.processing.answers import LARGEST_ANSWER, BadAnswerError, encode, encode_result


def holds_itself():
    value = []
    value.append(value)
    return value


def deep(levels):
    value = None
    for _ in range(levels):
        value = [value]
    return value


REFUSED = [
    (float("nan"), "returned nan, which is not JSON"),
    ({"a": {"b": [1, float("inf")]}}, "returned inf at a.b[1], which is not JSON"),
    (b"raw", "returned bytes, which is not JSON"),
    ({"due": date(2026, 1, 1)}, "returned date at due, which is not JSON"),
    ([Decimal(1)], "returned Decimal at [0], which is not JSON"),
    ({1, 2}, "returned set, which is not JSON"),
    (object(), "returned object, which is not JSON"),
    ({(1, 2): "x"}, "returned an object with a tuple as key, which is not JSON"),
    ("a\x00b", "returned text with a NUL character, which no database keeps"),
    ({"x": "\ud800"}, "returned text that is not Unicode at x: half of a surrogate pair"),
    ({"x\x00": 1}, "returned text with a NUL character, which no database keeps"),
    (holds_itself(), "returned more than 100 levels, or a value that holds itself"),
    (deep(5000), "returned more than 100 levels, or a value that holds itself"),
    ("x" * (LARGEST_ANSWER + 1), "returned 256 KB of JSON; at most 256 KB is kept"),
    ("x" * (50 * 1024 * 1024), "returned 50.0 MB of JSON; at most 256 KB is kept"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_kept_is_refused_in_exact_words(value, message):
    with pytest.raises(BadAnswerError) as refused:
        encode(value)
    assert str(refused.value) == message


def test_a_whole_number_too_long_to_print_is_refused():
    with pytest.raises(BadAnswerError, match="not JSON"):
        encode(10**5000)


def test_the_six_letters_of_an_escape_are_only_text():
    assert json.loads(encode("\\u0000")) == "\\u0000"


def test_the_largest_answer_is_kept():
    assert len(encode("x" * (LARGEST_ANSWER - 2))) == LARGEST_ANSWER


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\x00")), inner)
        ),
        max_leaves=20,
    )
)
def test_all_json_comes_back_as_it_was(value):
    encoded = encode(value)
    assert b"\n" not in encoded
    assert json.loads(encoded) == value


BAD_RESULTS = [
    (Result(go_to=5), "Result(go_to=…): expected a step's id, got int"),
    (Result(send={"type": "text"}), "Result(send=…): expected a list of contents, got dict"),
    (Result(send=["hello"]), 'Result(send=…)[0]: expected a content, an object with a "type"'),
    (Result(send=[{"type": "text"}] * 11), "Result(send=…): 11 contents; at most 10 are sent"),
    (Result(save=b""), "returned bytes, which is not JSON"),
]


@pytest.mark.parametrize(("result", "message"), BAD_RESULTS)
def test_a_result_is_checked_part_by_part(result, message):
    with pytest.raises(BadAnswerError) as refused:
        encode_result(result)
    assert str(refused.value) == message


def test_a_result_becomes_its_three_parts():
    result = Result(save={"a": 1}, go_to="done", send=[{"type": "text", "body": "Hi"}])
    assert encode_result(result) == (b'{"a":1}', b'"done"', b'[{"type":"text","body":"Hi"}]')

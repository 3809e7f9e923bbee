import string
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, time
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.processing import Context, processor
from flows.processing.arguments import ArgumentsError, Mismatch, UnknownAnnotationError, bind, kind_of, plan

ACCEPTED = [
    (str, "a", "a"),
    (str, "", ""),
    (int, 5, 5),
    (int, 5.0, 5),
    (float, 5, 5.0),
    (float, 1.5, 1.5),
    (bool, True, True),
    (list, [1], [1]),
    (list[int], [1, 2.0], [1, 2]),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (Mapping, {}, {}),
    (Optional[int], None, None),  # noqa: UP045 - authors write it so
    (int | None, 3, 3),
    (int | str, "x", "x"),
    (date, "2026-02-28", date(2026, 2, 28)),
    (time, "09:30", time(9, 30)),
    (datetime, "2026-02-28T10:00:00+05:30", datetime.fromisoformat("2026-02-28T10:00:00+05:30")),
    (Literal["new", "old"], "old", "old"),
    (Any, {"x": [None]}, {"x": [None]}),
    (None, None, None),
]
REFUSED = [
    (str, 5, "expected text, got a whole number"),
    (str, None, "expected text, got null"),
    (int, "5", "expected a whole number, got text"),
    (int, True, "expected a whole number, got true or false"),
    (int, 5.5, "expected a whole number, got a number"),
    (float, "1", "expected a number, got text"),
    (float, False, "expected a number, got true or false"),
    (bool, 1, "expected true or false, got a whole number"),
    (bool, "true", "expected true or false, got text"),
    (list, {}, "expected a list, got an object"),
    (list[int], [1, "2"], "[1]: expected a whole number, got text"),
    (list[list[str]], [["a"], [None]], "[1][0]: expected text, got null"),
    (dict, [], "expected an object, got a list"),
    (dict[str, int], {"a": "b"}, ".a: expected a whole number, got text"),
    (int | None, "x", "expected a whole number or null, got text"),
    (list[int] | None, ["x"], "[0]: expected a whole number, got text"),
    (date, "28.2.2026", 'expected a date as "YYYY-MM-DD", got text that is none'),
    (date, "2026-02-30", 'expected a date as "YYYY-MM-DD", got text that is none'),
    (date, "20260228", 'expected a date as "YYYY-MM-DD", got text that is none'),
    (date, 20260228, 'expected a date as "YYYY-MM-DD", got a whole number'),
    (time, "25:00", 'expected a time as "HH:MM", got text that is none'),
    (Literal["new", "old"], "older", 'expected one of "new", "old", got another value'),
    (Literal[1, 2], True, "expected one of 1, 2, got true or false"),
]


@pytest.mark.parametrize(("hint", "value", "expected"), ACCEPTED)
def test_a_value_of_the_kind_is_read(hint, value, expected):
    read = kind_of(hint).read(value)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(("hint", "value", "message"), REFUSED)
def test_a_value_of_another_kind_is_refused_in_exact_words(hint, value, message):
    with pytest.raises(Mismatch) as refused:
        kind_of(hint).read(value)
    fault = refused.value
    prefix = f"{fault.path}: " if fault.path else ""
    assert f"{prefix}expected {fault.expected}, got {fault.got}" == message


@pytest.mark.parametrize(
    "hint", [bytes, complex, set, tuple[int, int], dict[int, str], list[bytes], object()]
)
def test_an_annotation_that_no_json_can_meet_is_refused(hint):
    with pytest.raises(UnknownAnnotationError):
        kind_of(hint)


def typed(loan_id: str, amount: float, day: date | None = None) -> None: ...
def payload_untyped(payload): ...
def lone_dict(answers: dict): ...
def lone_text(bike: str): ...
def with_context(bike: str, context: Context): ...
def only_context(context): ...
def others(name: str, **rest): ...
def positions(first: int, /, second: int): ...


@processor
def declared_dict(answers: dict): ...


@processor
def declared_payload(payload: dict): ...


BOUND = [
    (typed, {"loan_id": "L1", "amount": 5}, False, ([], {"loan_id": "L1", "amount": 5.0})),
    (payload_untyped, {"user_id": "1"}, False, ([], {"payload": {"user_id": "1"}})),
    (payload_untyped, {"payload": 1}, False, ([], {"payload": 1})),
    (payload_untyped, {"payload": 1}, True, ([], {"payload": {"payload": 1}})),
    (lone_dict, {"answers": {"a": 1}}, False, ([], {"answers": {"a": 1}})),
    (lone_dict, {"user_id": "1", "a": 1}, False, ([], {"answers": {"user_id": "1", "a": 1}})),
    (lone_text, {"user_id": "1", "bike": "x"}, True, ([], {"bike": "x"})),
    (with_context, {"bike": "x"}, False, ([], {"bike": "x"})),
    (only_context, {}, False, ([], {})),
    (others, {"name": "a", "b": 2}, False, ([], {"name": "a", "b": 2})),
    (positions, {"first": 1, "second": 2}, False, ([1], {"second": 2})),
    (declared_payload, {"user_id": "1"}, False, ([], {"payload": {"user_id": "1"}})),
    (declared_dict, {"user_id": "1"}, True, ([], {"answers": {"user_id": "1"}})),
]
UNBOUND = [
    (typed, {}, 'typed: argument "loan_id" is missing; argument "amount" is missing'),
    (
        typed,
        {"loan_i": "L1", "amount": "5"},
        (
            'typed: there is no argument "loan_i"; did you mean "loan_id"?; argument "loan_id" is missing; '
            'argument "amount": expected a number, got text'
        ),
    ),
    (lone_text, {"bike": "x", "zzz": 1}, 'lone_text: there is no argument "zzz"'),
    (only_context, {"x": 1}, 'only_context: there is no argument "x"'),
    (
        declared_dict,
        {"user_id": "1"},
        'declared_dict: there is no argument "user_id"; argument "answers" is missing',
    ),
]


@pytest.mark.parametrize(("function", "args", "older", "expected"), BOUND)
def test_arguments_are_bound(function, args, older, expected):
    assert bind(plan(function), args, older=older) == expected


@pytest.mark.parametrize(("function", "args", "message"), UNBOUND)
def test_every_argument_that_does_not_fit_is_named(function, args, message):
    with pytest.raises(ArgumentsError) as refused:
        bind(plan(function), args, older=False)
    assert str(refused.value) == message


def test_a_context_is_found_by_its_annotation_or_its_name():
    assert plan(with_context).context_name == "context"
    assert plan(only_context).context_name == "context"
    assert plan(typed).context_name is None


def test_a_plain_function_may_say_what_cannot_be_checked():
    def work(raw: bytes): ...

    assert bind(plan(work), {"raw": 5}, older=False) == ([], {"raw": 5})


def test_a_declared_processor_may_not():
    @processor
    def work(raw: bytes): ...

    with pytest.raises(
        UnknownAnnotationError, match="work: parameter 'raw': bytes is no kind that can be checked"
    ):
        plan(work)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from([one[0] for one in ACCEPTED]))
def test_any_json_is_read_or_refused_in_words(value, hint):
    with suppress(Mismatch):
        kind_of(hint).read(value)


@given(st.dictionaries(st.text(string.ascii_lowercase, min_size=1), json_values, max_size=4), st.booleans())
def test_binding_any_arguments_gives_a_call_or_an_arguments_error(args, older):
    with suppress(ArgumentsError):
        positional, named = bind(plan(typed), args, older=older)
        assert positional == []
        assert set(named) <= {"loan_id", "amount", "day"}

from datetime import datetime

import pytest

from flows.processing import Context, Result, processor
from flows.processing.contract import DECLARATION, Declaration


def test_a_declared_function_stays_a_function():
    @processor(timeout_seconds=2)
    def double(n: int) -> int:
        return 2 * n

    assert double(4) == 8
    assert getattr(double, DECLARATION) == Declaration(timeout_seconds=2)


def test_the_decorator_needs_no_brackets():
    @processor
    def double(n: int) -> int:
        return 2 * n

    assert getattr(double, DECLARATION) == Declaration()
    assert double(4) == 8


@pytest.mark.parametrize(
    ("declared", "error", "message"),
    [
        ({"timeout_seconds": 0}, ValueError, "timeout_seconds: expected more than 0 and at most 300, got 0"),
        (
            {"timeout_seconds": 301},
            ValueError,
            "timeout_seconds: expected more than 0 and at most 300, got 301",
        ),
        (
            {"timeout_seconds": float("nan")},
            ValueError,
            "timeout_seconds: expected more than 0 and at most 300, got nan",
        ),
        ({"timeout_seconds": "5"}, TypeError, "timeout_seconds: expected a number, got '5'"),
        ({"timeout_seconds": True}, TypeError, "timeout_seconds: expected a number, got True"),
        ({"memory_mb": 8}, ValueError, "memory_mb: expected more than 15 and at most 8192, got 8"),
        ({"effects": "magic"}, ValueError, "effects: expected one of pure, calls, sends, got 'magic'"),
        ({"idempotent": "yes"}, TypeError, "idempotent: expected True or False, got 'yes'"),
    ],
)
def test_a_declaration_that_cannot_be_kept_is_refused(declared, error, message):
    with pytest.raises(error) as refused:
        processor(**declared)
    assert str(refused.value) == message


def test_a_context_can_be_made_by_a_test_with_no_more_than_it_needs():
    context = Context(variables={"score": 3})
    assert context.variables["score"] == 3
    assert isinstance(context.now, datetime)
    assert context.now.tzinfo is not None
    context.logger.debug("works")


def test_a_result_is_empty_by_default():
    assert Result() == Result(save=None, go_to=None, send=[], fail=None)

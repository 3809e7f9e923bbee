from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.masking import mask_phone, redact


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("+919607742010", "+9196****2010"),
        ("919607742010", "9196****2010"),
        ("12345678", "****78"),
        ("+12", "+****12"),
        ("", "****"),
    ],
)
def test_country_and_last_digits_stay(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown


@given(st.text("0123456789", min_size=9, max_size=20))
def test_at_least_one_digit_is_always_hidden(phone: str) -> None:
    assert phone not in mask_phone(phone)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("call +919607742010 now", "call +9196****2010 now"),
        ({"919607742010": ["919607742010", 5, None]}, {"9196****2010": ["9196****2010", 5, None]}),
        ((("919607742010", "x"),), (("9196****2010", "x"),)),
        ("order 1234567", "order 1234567"),
    ],
)
def test_long_runs_of_digits_are_hidden_everywhere(value: Any, shown: Any) -> None:
    assert redact(value) == shown

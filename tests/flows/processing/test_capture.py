from hypothesis import given
from hypothesis import strategies as st

from flows.processing.capture import HEAD, TAIL, Captured


def test_a_little_is_kept_whole():
    captured = Captured()
    captured.add(b"one ")
    captured.add(b"two")
    assert captured.tail(3) == "two"
    assert captured.take() == "one two"
    assert captured.take() == ""


def test_of_much_the_beginning_and_the_end_are_kept():
    captured = Captured()
    for _ in range(1000):
        captured.add(b"x" * 1000)
    captured.add(b"the end")
    text = captured.take()
    assert text.startswith("xxx")
    assert text.endswith("the end")
    assert f"[… {1_000_007 - HEAD - TAIL} bytes more …]" in text


@given(st.lists(st.binary(max_size=3000), max_size=30))
def test_never_more_than_the_bound_is_kept_and_nothing_below_it_is_lost(pieces):
    captured = Captured()
    for piece in pieces:
        captured.add(piece)
    whole = b"".join(pieces)
    assert captured.total == len(whole)
    text = captured.take()
    if len(whole) <= HEAD + TAIL:
        assert text == whole.decode("utf-8", errors="replace")
    else:
        assert len(text) <= HEAD + TAIL + 100

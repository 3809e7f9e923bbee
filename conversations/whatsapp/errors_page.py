"""The table of Meta's codes as a page of the docs."""

from conversations.whatsapp.errors import FAMILIES, TABLE
from conversations.whatsapp.meta_error import MetaError

HEAD = """\
# Meta's error codes

Written from the table in `conversations/whatsapp/errors.py`; a test keeps the two equal
(`python -m conversations.whatsapp.errors_page > docs/meta-errors.md`).

*Verdict* is what becomes of a message when the code stands in the answer to its POST: *queued* goes again
after the back-off, *ambiguous* may have left (evidence or a person decides), *refused* never goes again by
itself. A failed status means failed whatever the code; the column *failed status* says what may follow.

A code of a family goes by its own row if it has one. Any other code: refused; with HTTP 5xx ambiguous; with
HTTP 429 queued. Nothing written: queued. Written, and no answer of the Graph API: ambiguous. Code 100 with
subcode 33 is read as 33.

"""
COLUMNS = (
    "code",
    "meaning",
    "verdict",
    "back-off, seconds",
    "scope",
    "effect",
    "failed status",
    "words for staff",
    "who acts",
)


def as_markdown() -> str:
    """Write docs/meta-errors.md."""
    families = [(f"{codes.start}-{codes.stop - 1}", row) for codes, row in FAMILIES]
    rows = [(str(code), TABLE[code]) for code in sorted(TABLE)] + families
    lines = [_line(COLUMNS), "|---" * len(COLUMNS) + "|\n"]
    return HEAD + "".join(lines + [_line(_cells(name, row)) for name, row in rows])


def _cells(name: str, row: MetaError) -> tuple[str, ...]:
    waits = ", ".join(f"{seconds:g}" for seconds in row.backoff) or "-"
    effect, retry = row.effect.replace("_", " "), row.retry.replace("_", " ")
    return (name, row.meaning, row.verdict, waits, row.scope, effect, retry, row.words, row.who)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201  # the page goes to standard output

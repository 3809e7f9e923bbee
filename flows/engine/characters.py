"""Texts that must not stand in a file: secrets, and characters that cannot be stored or that deceive."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from flows.engine.faults import Path
from flows.engine.walk import Walk

MOST_MARKS = 16

_SECRETS = (
    (re.compile(r"\bBearer\s+[A-Za-z0-9._~+/=-]{8,}"), "a bearer token"),
    (re.compile(r"\bEAA[A-Za-z0-9]{24,}"), "an access token of Meta"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (
        re.compile(r"\b(?:password|passwd|secret|api_?key|access_token)=[^\s{&]{4,}", re.IGNORECASE),
        "a password or key",
    ),
    (re.compile(r"://[^/\s:@{]+:[^/\s:@{]+@"), "a password in an address"),
)
_SECRET_KEY = re.compile(
    r"(?i)^(?:password|passwd|secret|client_secret|api_?key|access_token|auth_token|authorization)$"
)
_WORTH_A_LOOK = re.compile(
    r"Bearer|EAA|PRIVATE KEY|passw|secret|api_?key|access_token|auth_token|authorization|://[^/\s]*@",
    re.IGNORECASE,
)
_SUSPECT = re.compile(r"[^\t\n\r -~\xa0-\u02ff]")
_DECEIVING = {"\u202d", "\u202e"}


def check(document: Any, walk: Walk) -> None:
    """Look at all texts at once first: places are worth finding only where something is wrong."""
    every = "\n".join(_bare_texts(document))
    if _WORTH_A_LOOK.search(every) is None and _SUSPECT.search(every) is None:
        return
    for path, text, is_key in texts_of(document, ()):
        _check_secret(walk, path, text, is_key=is_key)
        if _SUSPECT.search(text):
            _check_characters(walk, path, text)


def _bare_texts(document: Any) -> list[str]:
    found: list[str] = []
    todo = [document]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found += value
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return found


def texts_of(value: Any, path: Path) -> Iterator[tuple[Path, str, bool]]:
    """Every text of a JSON value with its path, the keys too."""
    if isinstance(value, str):
        yield path, value, False
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_of(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key, True
            yield from texts_of(item, (*path, key))


def _check_secret(walk: Walk, path: Path, text: str, *, is_key: bool) -> None:
    remedy = 'keep it in the environment and name it in an API record as "secret:NAME"'
    if is_key or text.startswith("secret:"):
        return
    named = path and isinstance(path[-1], str) and _SECRET_KEY.match(path[-1])
    if named and len(text) > 3 and "{{" not in text:
        walk.report("WF120", path, f'"{path[-1]}" holds a secret in clear', remedy)
        return
    for pattern, what in _SECRETS:
        if pattern.search(text):
            walk.report("WF120", path, f"{what} stands in the file", remedy)
            return


def _check_characters(walk: Walk, path: Path, text: str) -> None:
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category == "Mn" else 0
        if category in {"Cs", "Cc"} and char not in "\t\n\r":
            name = "half of a surrogate pair" if category == "Cs" else "a control character"
            walk.report("WF507", path, f"U+{ord(char):04X}, {name}, cannot be stored", "remove it")
            return
        if char in _DECEIVING:
            walk.report("WF507", path, f"U+{ord(char):04X} turns the text around it", "remove it")
            return
        if marks > MOST_MARKS:
            walk.report("WF507", path, f"more than {MOST_MARKS} combining marks in a row", "remove them")
            return

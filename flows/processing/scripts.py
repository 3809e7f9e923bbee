"""Runs a file as `python file.py` would: the payload as JSON on stdin, its result as JSON on stdout."""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from flows.processing.answers import BadAnswerError, size_words

LARGEST_PRINTED = 1024 * 1024


class _Printed(io.BytesIO):
    """Keeps what was printed when the script closes its stdout."""

    def close(self) -> None:
        """Stay open."""


def run_script(code: CodeType, path: str, payload: Mapping[str, Any]) -> Any:
    """What the script printed, read as JSON; None when it printed nothing.

    Raises: BadAnswerError when it is not JSON or the exit code is not 0, and whatever the script raises.
    """
    printed = _Printed()
    module = ModuleType("__main__")
    module.__file__ = path
    with _as_main(module, path, json.dumps(payload, ensure_ascii=False).encode(), printed):
        try:
            exec(code, module.__dict__)  # noqa: S102 - the author's own file, from disk, in its own process
        except SystemExit as leaving:
            if leaving.code not in (None, 0):
                raise BadAnswerError(f"the script ended with {leaving.code!r}") from None
    if printed.tell() > LARGEST_PRINTED:
        raise BadAnswerError(f"the script printed {size_words(printed.tell())}; at most 1 MB is read")
    return _read(printed.getvalue())


@contextmanager
def _as_main(module: ModuleType, path: str, payload: bytes, printed: io.BytesIO) -> Iterator[None]:
    kept = sys.stdin, sys.stdout, sys.argv, sys.modules["__main__"]
    sys.stdin = io.TextIOWrapper(io.BytesIO(payload), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(printed, encoding="utf-8", write_through=True)
    sys.argv, sys.modules["__main__"] = [Path(path).name], module
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.argv, sys.modules["__main__"] = kept


def _read(printed: bytes) -> Any:
    """The whole as JSON, else its last line; the lines before are notes and go to the record."""
    text = printed.decode("utf-8", errors="replace").strip()
    if not text:
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        *notes, last = text.splitlines()
    if notes:
        print("\n".join(notes), file=sys.stderr)  # noqa: T201 - stderr is the call's record
    try:
        return json.loads(last, parse_constant=_refuse)
    except ValueError as fault:
        raise BadAnswerError(f"the script's last printed line is not JSON: {fault}") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

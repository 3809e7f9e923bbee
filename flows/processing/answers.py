"""Answers: what a processor returned becomes JSON, or the exact reason why it cannot."""

import json
import math
from typing import Any

from flows.processing.contract import Result

LARGEST_ANSWER = 256 * 1024
MOST_CONTENTS = 10
_DEEPEST = 100
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class BadAnswerError(Exception):
    """What a processor returned cannot be kept; the message says what and where."""


def encode(value: Any) -> bytes:
    """A returned value as one line of JSON. Raises: BadAnswerError"""
    try:
        text = _JSON.encode(value)
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as fault:
        raise BadAnswerError(_first_fault(value, "", 0) or f"returned what is not JSON: {fault}") from None
    if len(encoded) > LARGEST_ANSWER:
        raise BadAnswerError(f"returned {size_words(len(encoded))} of JSON; at most 256 KB is kept")
    if "\\u0000" in text and (fault_text := _first_fault(value, "", 0)):
        raise BadAnswerError(fault_text)
    return encoded


def encode_result(result: Result) -> tuple[bytes, bytes, bytes]:
    """`save`, `go_to` and `send` of a result, each as JSON. Raises: BadAnswerError"""
    if result.go_to is not None and not isinstance(result.go_to, str):
        raise BadAnswerError(f"Result(go_to=…): expected a step's id, got {type(result.go_to).__name__}")
    contents = result.send
    if not isinstance(contents, list | tuple):
        raise BadAnswerError(f"Result(send=…): expected a list of contents, got {type(contents).__name__}")
    for index, content in enumerate(contents):
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            raise BadAnswerError(f'Result(send=…)[{index}]: expected a content, an object with a "type"')
    if len(contents) > MOST_CONTENTS:
        raise BadAnswerError(f"Result(send=…): {len(contents)} contents; at most {MOST_CONTENTS} are sent")
    return encode(result.save), encode(result.go_to), encode(contents)


def _first_fault(value: Any, path: str, depth: int) -> str | None:
    where = f" at {path.lstrip('.')}" if path else ""
    if depth > _DEEPEST:
        return f"returned more than {_DEEPEST} levels, or a value that holds itself"
    if isinstance(value, float) and not math.isfinite(value):
        return f"returned {value}{where}, which is not JSON"
    if isinstance(value, str):
        return _text_fault(value, where)
    if isinstance(value, dict):
        return _dict_fault(value, path, where, depth)
    if isinstance(value, list | tuple):
        faults = (_first_fault(one, f"{path}[{index}]", depth + 1) for index, one in enumerate(value))
        return next((fault for fault in faults if fault), None)
    if value is None or isinstance(value, bool | int | float):
        return None
    return f"returned {type(value).__name__}{where}, which is not JSON"


def _text_fault(text: str, where: str) -> str | None:
    if "\x00" in text:
        return f"returned text with a NUL character{where}, which no database keeps"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return f"returned text that is not Unicode{where}: half of a surrogate pair"
    return None


def _dict_fault(value: dict[Any, Any], path: str, where: str, depth: int) -> str | None:
    for key, one in value.items():
        if not isinstance(key, str | int | float | bool | None):
            return f"returned an object{where} with a {type(key).__name__} as key, which is not JSON"
        fault = _text_fault(str(key), where) or _first_fault(one, f"{path}.{key}", depth + 1)
        if fault:
            return fault
    return None


def size_words(count: int) -> str:
    """A number of bytes as people say it."""
    if count < 1024 * 1024:
        return f"{count / 1024:.0f} KB"
    return f"{count / 1024 / 1024:.1f} MB"

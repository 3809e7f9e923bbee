"""From the answer of an outside system to what the flow gets; pure, and total: any bytes may come."""

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Never

import jmespath
from jmespath.exceptions import JMESPathError
from jsonschema import Draft202012Validator

from flows.apis.definition import ErrorRule, Record
from flows.apis.kinds import FORBIDDEN_NAME, condition_path
from flows.engine.values import UnstorableValue, as_json, size_of

MOST_VALUE_BYTES = 64 * 1024
CUT = "[cut]"

# Others are quadratic (punycode), or no encodings of text at all.
_CHARSETS = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e|-sig)?|iso8859-.*|cp[0-9]+|koi8-.|gb.*|big5.*|euc_.*|shift_jis.*"
)
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What became of a call; ``code`` is "" for a good answer, ``reason`` holds nothing of the answer."""

    outcome: Literal["ok", "failed"]
    value: Any = None
    reason: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of an answer: ``following`` is the next address or cursor, "" after the last."""

    items: tuple[Any, ...]
    following: str


class _Bad(Exception):
    """The answer cannot be used."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.mapped = Mapped(outcome="failed", code=code, reason=reason)


def map_answer(record: Record, status: int, headers: Mapping[str, str], body: bytes) -> Mapped:
    """Judge an answer and pick what the flow gets. Never raises."""
    plain = {name.lower(): value for name, value in headers.items()}
    try:
        if len(body) > record.max_bytes:
            size, most = len(body), record.max_bytes
            raise _Bad("answer_too_large", f"the answer has {size:,} bytes, at most {most:,} are read")
        _require_success(record, status, plain, body)
        return Mapped(outcome="ok", value=_value(record, plain, body))
    except _Bad as problem:
        return problem.mapped


def map_mock(record: Record) -> Mapped:
    """Map the answer that the record gives for itself; a record without one gives an empty answer."""
    mock = record.mock
    if mock is None:
        return Mapped(outcome="ok")
    if mock.text is not None:
        return map_answer(
            record, mock.status, {"content-type": "text/plain", **mock.headers}, mock.text.encode()
        )
    body = b"" if mock.json is None else json.dumps(mock.json).encode()
    return map_answer(record, mock.status, {"content-type": "application/json", **mock.headers}, body)


# --- errors -------------------------------------------------------------------------------------------


def _require_success(record: Record, status: int, headers: Mapping[str, str], body: bytes) -> None:
    whole = {"status": status, "headers": dict(headers), "body": _body_or_none(headers, body)}
    for rule in record.errors:
        if status in rule.statuses or (rule.when and _holds(rule, whole)):
            raise _Bad(rule.outcome, rule.reason or f"the API answered {status}: {rule.outcome}")
    if not 200 <= status < 300:
        hint = ", a redirect that is not followed" if 300 <= status < 400 else ""
        raise _Bad(f"http_{status}", f"the API answered {status}{hint}")


def _body_or_none(headers: Mapping[str, str], body: bytes) -> Any:
    try:
        return _json(headers, body) if body else None
    except _Bad:
        return None


def _holds(rule: ErrorRule, whole: Mapping[str, Any]) -> bool:
    try:
        found = _found(condition_path(rule.when), whole)
    except _Bad:
        return False
    # JMESPath calls empty texts, lists and objects false, and 0 true.
    return not (found is None or found is False or found in ("", [], {}))


# --- the value ----------------------------------------------------------------------------------------


def _value(record: Record, headers: Mapping[str, str], body: bytes) -> Any:
    if record.document:
        return {"mime_type": headers.get("content-type", "").split(";")[0].strip(), "size": len(body)}
    answer = _parsed(record, headers, body)
    if record.answer is not None:
        _require_fit(record.answer, answer)
    return _kept(_picked(record.result, answer))


def _parsed(record: Record, headers: Mapping[str, str], body: bytes) -> Any:
    expects = record.result is not None or record.answer is not None
    if not body.strip():
        if expects:
            raise _Bad("answer_empty", "the answer is empty, JSON was expected")
        return None
    try:
        return _json(headers, body)
    except _Bad as problem:
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        is_text = kind in {"text/plain", "application/xml", "text/xml"}
        if expects or not is_text or problem.mapped.code != "answer_not_json":
            raise
        return _decoded(headers, body)


def _json(headers: Mapping[str, str], body: bytes) -> Any:
    text = _decoded(headers, body)
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        kind = headers.get("content-type", "").split(";")[0].strip()[:60] or "something without a type"
        raise _Bad("answer_not_json", f"the API answered {kind}, which holds no JSON") from None


def _no_constant(text: str) -> Never:
    raise ValueError(text)


def _decoded(headers: Mapping[str, str], body: bytes) -> str:
    named = _CHARSET.search(headers.get("content-type", ""))
    charset = named[1] if named else "utf-8-sig"
    try:
        if not _CHARSETS.fullmatch(codecs.lookup(charset).name):
            raise LookupError(charset)
        # "utf-8" keeps a byte order mark, which JSON does not have.
        return body.decode(charset).removeprefix("\ufeff")
    except (LookupError, ValueError):
        message = f"the answer cannot be read as {charset.removesuffix('-sig')[:40]}"
        raise _Bad("answer_charset", message) from None


def _require_fit(schema: Mapping[str, Any], answer: Any) -> None:
    try:
        problem = next(iter(Draft202012Validator(schema).iter_errors(answer)), None)
    except RecursionError:
        raise _Bad("answer_invalid", "the answer is nested too deeply for its schema") from None
    if problem is not None:
        where = ".".join(str(part) for part in problem.absolute_path)[:100] or "the answer"
        raise _Bad("answer_invalid", f'{where} does not fit "{problem.validator}" of the record\'s schema')


def _picked(result: str | Mapping[str, str] | None, answer: Any) -> Any:
    if result is None:
        return answer
    if isinstance(result, str):
        return _found(result, answer)
    return {name: _found(path, answer) for name, path in result.items()}


def _found(path: str, whole: Any) -> Any:
    try:
        return jmespath.search(path, whole)
    # The library's functions let odd values through to Python's own.
    except (
        JMESPathError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        raise _Bad("result_unusable", f"{path[:100]} cannot be read from the answer") from None


def _kept(value: Any) -> Any:
    """Return the value as it is stored, of bounded size."""
    try:
        kept = _without_forbidden(as_json(value))
    except UnstorableValue as problem:
        raise _Bad("result_unusable", f"the result cannot be kept: {problem}") from None
    size = size_of(kept)
    if size > MOST_VALUE_BYTES:
        message = f"the result has {size:,} bytes, at most {MOST_VALUE_BYTES:,} are kept"
        raise _Bad("result_too_large", message)
    return kept


def _without_forbidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_forbidden(item) for key, item in value.items() if key != FORBIDDEN_NAME}
    return [_without_forbidden(item) for item in value] if isinstance(value, list) else value


# --- pages --------------------------------------------------------------------------------------------


def page_of(record: Record, headers: Mapping[str, str], body: bytes) -> Page:
    """Read one page of an answer in pages; what cannot be read is a page without items, the last one."""
    plain = {name.lower(): value for name, value in headers.items()}
    whole = _body_or_none(plain, body)
    pagination = record.pagination
    if pagination is None:
        return Page(items=(), following="")
    try:
        items, following = _found(pagination.items, whole), _found(pagination.next, whole)
    except _Bad:
        return Page(items=(), following="")
    is_cursor = isinstance(following, str | int) and not isinstance(following, bool)
    return Page(
        items=tuple(items) if isinstance(items, list) else (), following=str(following) if is_cursor else ""
    )


# --- journals -----------------------------------------------------------------------------------------


def redacted(value: Any, *, fields: Iterable[str] = (), texts: Iterable[str] = ()) -> Any:
    """Return a copy of JSON for journals: without the values of some fields, and without some texts.

    Shapes: a field is a name such as token, or the end of a path such as card.number, at any depth.
    """
    ends = [tuple(name.lower().split(".")) for name in fields]
    return _redacted(value, (), ends, sorted({text for text in texts if text}, key=len, reverse=True))


def _redacted(value: Any, path: tuple[str, ...], ends: list[tuple[str, ...]], texts: list[str]) -> Any:
    if any(path[-len(end) :] == end for end in ends):
        return CUT
    if isinstance(value, Mapping):
        return {
            _cut(key, texts): _redacted(item, (*path, str(key).lower()), ends, texts)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(item, path, ends, texts) for item in value]
    return _cut(value, texts)


def _cut(value: Any, texts: list[str]) -> Any:
    if isinstance(value, str):
        for text in texts:
            value = value.replace(text, CUT)
    return value

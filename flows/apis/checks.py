"""What the shape of an API record cannot say: addresses, secrets, names, repeats, and the answer's schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from flows.apis.addresses import Network
from flows.apis.kinds import check_header_name
from flows.apis.urls import EXPRESSION, Rules, check_url
from flows.apis.vocabulary import (
    NEEDED_BY_GRANT,
    REPEATABLE_METHODS,
    SECRET_KEYS,
    TYPES,
    WITHOUT_BODY,
)
from flows.engine.expressions import Name, check_text, is_template, names_in_text
from flows.engine.faults import Path
from flows.engine.keys import ID_PATTERN, RESERVED_ROOTS
from flows.engine.walk import Site, Walk, an, kind_of, spelled, suggestion, why_no_id

SECRETS = "secrets"

_ID = re.compile(ID_PATTERN)
_SECRET_HEADER = re.compile(
    r"(?i)(authorization|cookie|.*(token|secret|password|api[-_]?key|signature|auth[-_]?key))"
)
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list, tuple),
}
_SHOWN_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
}


def type_problem(value: Any, wanted: str) -> str:
    """Say that a value is not of a type of JSON Schema, "" if it is."""
    fits = isinstance(value, _PYTHON_TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
    return "" if fits else f"expected {an(_SHOWN_TYPES[wanted])}, got {an(kind_of(value))}"


def check_name(name: str, walk: Walk) -> None:
    if _ID.fullmatch(name) is None:
        message = f"{spelled(name)} is no name of an API record: {why_no_id(name)}"
        walk.report("WF103", (), message, "name the file with a-z, 0-9 and _, first a letter")


def check(
    document: Mapping[str, Any], walk: Walk, *, secrets: frozenset[str] | None, allowed: Sequence[Network]
) -> None:
    """Report all that is wrong beside the shape, which was checked before and left its expressions."""
    _check_addresses(document, walk, allowed)
    for path, auth in _auths(document):
        _check_auth(auth, path, walk)
    for path, headers in _headers(document):
        _check_header_secrets(headers, path, walk)
    _check_arguments(document, walk)
    _check_expressions(document, walk, secrets)
    _check_repeats(document, walk)
    method = document.get("method", "GET")
    if isinstance(method, str) and method in WITHOUT_BODY and "body" in document:
        walk.report("WF107", ("body",), f"a {method} has no body", 'use "query", or the method POST')
    _check_answer(document, walk)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _parts(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The record itself, then its environments."""
    yield (), document
    for name, entry in _object(document.get("environments")).items():
        yield ("environments", name), _object(entry)


# --- addresses ----------------------------------------------------------------------------------------


def _check_addresses(document: Mapping[str, Any], walk: Walk, allowed: Sequence[Network]) -> None:
    environments = _object(document.get("environments"))
    if "url" not in document and not (
        environments and all("url" in _object(e) for e in environments.values())
    ):
        walk.report("WF104", (), 'the API record has no "url"', 'add "url": "https://host/path"')
    rules = Rules(allow_http=document.get("allow_http") is True, allowed=allowed)
    fixed = Rules(allowed=allowed, allow_http=rules.allow_http, may_vary=False)
    for path, part in _parts(document):
        if isinstance(part.get("url"), str):
            url = part["url"]
            check_url(url, (*path, "url"), walk, rules)
            if EXPRESSION.search(url) and "{%" not in url and "{{" not in EXPRESSION.sub("", url):
                walk.sites.append(Site((*path, "url"), url, "text"))
        auth = _object(part.get("auth"))
        for key in ("token_url", "authorize_url"):
            if isinstance(auth.get(key), str):
                check_url(auth[key], (*path, "auth", key), walk, fixed)


# --- secrets ------------------------------------------------------------------------------------------


def _auths(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, part in _parts(document):
        if "auth" in part:
            yield (*path, "auth"), _object(part["auth"])


def _headers(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, part in _parts(document):
        yield (*path, "headers"), _object(part.get("headers"))


def _check_auth(auth: Mapping[str, Any], path: Path, walk: Walk) -> None:
    for key in sorted(SECRET_KEYS & auth.keys()):
        _check_clear(auth[key], (*path, key), walk)
    if auth.get("type") == "api_key" and auth.get("in") == "header" and isinstance(auth.get("name"), str):
        check_header_name(auth["name"], (*path, "name"), walk)
    grant = auth.get("grant")
    for key in NEEDED_BY_GRANT.get(grant, ()) if isinstance(grant, str) else ():
        if key not in auth:
            walk.report("WF104", path, f'the grant {grant} needs "{key}"', f'add "{key}"')


def _check_clear(value: Any, path: Path, walk: Walk) -> None:
    if isinstance(value, str) and "{{" not in value:
        walk.report("WF120", path, f'"{path[-1]}" holds a secret in clear', "")


def _check_header_secrets(headers: Mapping[str, Any], path: Path, walk: Walk) -> None:
    for name, value in headers.items():
        if _SECRET_HEADER.fullmatch(name):
            _check_clear(value, (*path, name), walk)


# --- names in expressions -----------------------------------------------------------------------------


def _check_arguments(document: Mapping[str, Any], walk: Walk) -> None:
    for name, raw in _object(document.get("args")).items():
        if name == SECRETS or name in RESERVED_ROOTS:
            remedy = "choose another name"
            walk.report("WF113", ("args", name), f'"{name}" is a reserved name', remedy)
        entry = _object(raw)
        wanted = entry.get("type", "string")
        if entry.get("default") is not None and wanted in TYPES:
            problem = type_problem(entry["default"], wanted)
            if problem:
                walk.report(
                    "WF102", ("args", name, "default"), problem, "give a default of the argument's type"
                )


def _check_expressions(document: Mapping[str, Any], walk: Walk, secrets: frozenset[str] | None) -> None:
    known = _object(document.get("args")).keys()
    for site in walk.sites:
        if not is_template(site.text):
            continue
        problems = check_text(site.text)
        for code, message in problems:
            walk.report(code, site.path, message, "write {{ name }} or {{ name | filter }}")
        for name in [] if any(code != "WF502" for code, _ in problems) else names_in_text(site.text):
            if name.path[0] == SECRETS:
                _check_secret(name, site.path, walk, secrets)
            elif name.path[0] not in known:
                word = str(name.path[0])
                remedy = suggestion(word, known, f'add "{word}" to "args", and pass it from the flow')
                walk.report("WF510", site.path, f'the record has no argument "{word}"', remedy)


def _check_secret(name: Name, path: Path, walk: Walk, secrets: frozenset[str] | None) -> None:
    part = path[2:] if path[0] == "environments" else path
    if part[0] not in {"auth", "headers"}:
        remedy = 'move it to "auth" or "headers"'
        walk.report("WF609", path, f'a secret may not stand in "{part[0]}"', remedy)
    elif len(name.path) != 2 or not isinstance(name.path[1], str) or name.path[1] == "[]":
        walk.report("WF608", path, "a secret is named plainly", "write {{ secrets.NAME }}")
    elif secrets is not None and name.path[1] not in secrets:
        remedy = suggestion(name.path[1], secrets, "add it to the secrets")
        walk.report("WF608", path, f'no secret "{name.path[1]}"', remedy)


# --- repeats and the answer ---------------------------------------------------------------------------


def _check_repeats(document: Mapping[str, Any], walk: Walk) -> None:
    attempts = _object(document.get("retries")).get("attempts")
    method = document.get("method", "GET")
    if not isinstance(attempts, int | float) or isinstance(attempts, bool) or attempts <= 0:
        return
    by_method = isinstance(method, str) and method in REPEATABLE_METHODS
    if document.get("idempotency_header") or document.get("idempotent", by_method):
        return
    message = f"a {method} that is not idempotent is tried again"
    remedy = 'add "idempotent": true or "idempotency_header", or leave out "retries"'
    walk.report("WF606", ("retries",), message, remedy)


def _check_answer(document: Mapping[str, Any], walk: Walk) -> None:
    schema = document.get("answer")
    if not isinstance(schema, dict):
        return
    for path, reference in _references(schema, ("answer",)):
        if not _leads_somewhere(schema, reference):
            message = f"the schema refers to {spelled(reference)}, which does not stand in it"
            walk.report("WF611", path, message, 'refer to "#/$defs/NAME"')
    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as problem:
        at: Path = ("answer", *problem.absolute_path)
        walk.report(
            "WF611", at, f"this is no JSON Schema: {problem.message[:200]}", "see JSON Schema 2020-12"
        )
    except RecursionError:
        walk.report("WF611", ("answer",), "the schema is nested too deeply", "make it flatter")


def _leads_somewhere(schema: Mapping[str, Any], reference: str) -> bool:
    """Whether a reference is a pointer into the schema itself: nothing is ever fetched."""
    here: Any = schema
    if reference != "#" and not reference.startswith("#/"):
        return False
    for part in reference.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if not isinstance(here, dict) or name not in here:
            return False
        here = here[name]
    return True


def _references(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in {"$ref", "$dynamicRef", "$id"} and isinstance(item, str):
                yield (*path, key), item
            else:
                yield from _references(item, (*path, key))

"""From a record and the arguments of one call to the request that goes out; pure, no network.

Whatever an argument holds stays what it is: one segment of the path, one parameter, one line of a header.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit
from xml.sax.saxutils import escape

from flows.apis.checks import SECRETS, type_problem
from flows.apis.definition import Auth, Record
from flows.apis.kinds import breaks_header
from flows.apis.urls import EXPRESSION
from flows.engine.expressions import ExpressionError, is_template, print_text, value_of
from flows.engine.scopes import Scope
from flows.engine.values import UnstorableValue, as_json, printed
from flows.engine.walk import suggestion

CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
LONGEST_URL = 8_192
# A shorter secret would cut harmless texts to pieces.
SHORTEST_REDACTION = 4

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class BadRequest(ValueError):
    """A call that cannot become a request; the text names each argument and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a multipart body: a text, or a file that the caller fetches by what ``file`` holds."""

    name: str
    text: str | None = None
    file: Any = None
    filename: str = ""
    mime_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that is ready but for its proof of who calls (see `authorized`).

    Shapes: `url` is percent-encoded and holds no parameters of `query`; `parts` are given instead of `body`
    where the body is multipart; `redactions` are the texts of the secrets in it, never to be shown.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    parts: tuple[Part, ...] = field(default=(), repr=False)
    auth: Auth = field(default_factory=Auth, repr=False)
    redactions: tuple[str, ...] = field(default=(), repr=False)

    @property
    def full_url(self) -> str:
        """The address with its parameters, encoded; it must go out as it is."""
        if not self.query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.query, quote_via=quote)}"


def build(
    record: Record,
    args: Mapping[str, Any],
    environment: str | None = None,
    *,
    secrets: Mapping[str, str] | None = None,
    now: datetime | None = None,
    idempotency_key: str = "",
) -> Prepared:
    """Render a record with the arguments of one call.

    Units: `now` is what the filter `date` takes for now.
    Raises: BadRequest.
    """
    known = record.within(environment)
    given = _arguments(known, args)
    plain = _Renderer(given, now)
    safe = _Renderer({**given, SECRETS: dict(secrets or {})}, now)
    if not known.url:
        raise BadRequest(f'{known.name}: there is no address for the environment "{environment or ""}"')
    headers = _headers(known, safe)
    body, content_type = _body(known, plain)
    if content_type and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = content_type
    if known.idempotency_header and idempotency_key:
        headers[known.idempotency_header] = _line(known.idempotency_header, idempotency_key)
    return Prepared(
        method=known.method,
        url=_url(known.url, plain),
        headers=headers,
        query=_pairs(plain.value(known.query, "query")),
        body=body,
        parts=_parts(known, plain),
        auth=_auth(known.auth, safe),
        redactions=_redactions(secrets or {}),
    )


# --- arguments ----------------------------------------------------------------------------------------


def _arguments(record: Record, args: Mapping[str, Any]) -> dict[str, Any]:
    problems = [
        f'there is no argument "{name}"; {suggestion(name, record.args, _listed(record))}'
        for name in args
        if name not in record.args
    ]
    values: dict[str, Any] = {}
    for name, argument in record.args.items():
        given = args.get(name)
        value = argument.default if given is None else given
        if value is None and argument.required:
            problems.append(f'the argument "{name}" is missing')
        problem = _value_problem(value, argument.type)
        if problem:
            problems.append(f'the argument "{name}": {problem}')
        else:
            values[name] = as_json(value)
    if problems:
        raise BadRequest(f"{record.name}: {'; '.join(problems)}")
    return values


def _value_problem(value: Any, wanted: str) -> str:
    if value is None:
        return ""
    try:
        as_json(value)
    except UnstorableValue as problem:
        return str(problem)
    return type_problem(value, wanted)


def _listed(record: Record) -> str:
    return f"known here: {', '.join(record.args)}" if record.args else "it takes none"


class _Renderer:
    """Renders texts over the arguments of one call."""

    def __init__(self, names: Mapping[str, Any], now: datetime | None) -> None:
        self.names = names
        self.scope = Scope(names.__getitem__, now=now or _NO_TIME, language="en")

    def text(self, text: str, what: str) -> str:
        try:
            return print_text(text, self.scope)
        except ExpressionError as problem:
            raise BadRequest(f"{what}: {problem}") from None

    def value(self, data: Any, what: str) -> Any:
        try:
            return value_of(data, self.scope)
        except ExpressionError as problem:
            raise BadRequest(f"{what}: {problem}") from None

    def escaped(self) -> "_Renderer":
        """Return a renderer whose values can stand inside XML."""
        names = {name: _xml(value) for name, value in self.names.items()}
        return _Renderer(names, self.scope.now)


def _xml(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value, {'"': "&quot;", "'": "&apos;"})
    if isinstance(value, Mapping):
        return {key: _xml(entry) for key, entry in value.items()}
    return [_xml(entry) for entry in value] if isinstance(value, list | tuple) else value


# --- address, query, headers --------------------------------------------------------------------------


def _url(template: str, render: _Renderer) -> str:
    """Render an address; what stands in it by a variable is percent-encoded, whatever it is."""
    path, mark, query = _split(template)
    url = _encoded(path, render, is_path=True) + mark + _encoded(query, render, is_path=False)
    if any(unquote(segment) in {".", ".."} for segment in urlsplit(url).path.split("/")):
        raise BadRequest("url: a segment of the path may not be . or ..")
    if len(url) > LONGEST_URL:
        raise BadRequest(f"url: it has {len(url):,} characters, at most {LONGEST_URL:,} are allowed")
    return url


def _split(template: str) -> tuple[str, str, str]:
    """Split at the first ? that stands outside of expressions."""
    masked = EXPRESSION.sub(lambda found: "_" * len(found[0]), template)
    at = masked.find("?")
    return (template, "", "") if at < 0 else (template[:at], "?", template[at + 1 :])


def _encoded(template: str, render: _Renderer, *, is_path: bool) -> str:
    pieces, at = [], 0
    for found in EXPRESSION.finditer(template):
        text = render.text(found[0], "url")
        if is_path and not text:
            # DELETE /rides/{{ ride }} must never become DELETE /rides/.
            raise BadRequest(f"url: {found[0]} is empty")
        pieces += [_literal(template[at : found.start()]), quote(text, safe="")]
        at = found.end()
    return "".join([*pieces, _literal(template[at:])])


def _literal(text: str) -> str:
    return quote(text, safe="/:?#[]@!$&'()*+,;=-._~%")


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return parameters in order: a list gives one for each entry, null gives none."""
    pairs = []
    for name, value in values.items():
        for entry in value if isinstance(value, list) else [value]:
            if entry is not None:
                pairs.append((name, printed(entry)))
    return tuple(pairs)


def _headers(record: Record, render: _Renderer) -> dict[str, str]:
    values = {name: render.value(text, f"header {name}") for name, text in record.headers.items()}
    return {name: _line(name, printed(value)) for name, value in values.items() if value is not None}


def _line(name: str, value: str) -> str:
    if breaks_header(value):
        raise BadRequest(f"header {name}: its value holds a line break or a control character")
    return value


# --- body ---------------------------------------------------------------------------------------------


def _body(record: Record, render: _Renderer) -> tuple[bytes | None, str]:
    """Return the bytes of the body and their type; none for a multipart one."""
    body = record.body
    if body is None or body.kind == "multipart":
        return None, ""
    if body.kind == "json":
        text = json.dumps(render.value(body.content, "body"), ensure_ascii=False, separators=(",", ":"))
    elif body.kind == "form":
        text = urlencode(_pairs(render.value(body.content, "body")))
    else:
        renderer = render.escaped() if body.kind == "xml" else render
        text = renderer.text(body.content, "body")
    return text.encode(), CONTENT_TYPES[body.kind]


def _parts(record: Record, render: _Renderer) -> tuple[Part, ...]:
    body = record.body
    if body is None or body.kind != "multipart":
        return ()
    return tuple(part for name, raw in body.content.items() if (part := _part(name, raw, render)))


def _part(name: str, raw: Any, render: _Renderer) -> Part | None:
    value = render.value(raw, f"body.{name}")
    if isinstance(raw, str):
        return None if value is None else Part(name=name, text=printed(value))
    if value["file"] is None:
        return None
    filename = str(value.get("filename") or "").replace("\\", "/").rsplit("/", 1)[-1]
    if breaks_header(filename):
        raise BadRequest(f"body.{name}: the filename holds a line break or a control character")
    return Part(name=name, file=value["file"], filename=filename, mime_type=value.get("type", ""))


# --- proof of who calls -------------------------------------------------------------------------------


def _auth(auth: Auth, render: _Renderer) -> Auth:
    values = {entry.name: getattr(auth, entry.name) for entry in fields(auth)}
    rendered = {name: render.text(text, f"auth.{name}") for name, text in values.items() if is_template(text)}
    return replace(auth, **rendered)


def _redactions(secrets: Mapping[str, str]) -> tuple[str, ...]:
    """Return all secrets, the longest first, so that one inside another leaves no rest."""
    found = {text for text in secrets.values() if len(text) >= SHORTEST_REDACTION}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def authorized(prepared: Prepared, *, timestamp: int, token: str = "") -> Prepared:
    """Add the proof of who calls; ``token`` is the one that OAuth 2 gave, where the record asks for it.

    Units: `timestamp` in seconds since 1970, signed where the record says so.
    Raises: BadRequest.
    """
    auth = prepared.auth
    if auth.type == "basic":
        pair = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
        return _with_header(prepared, "Authorization", f"Basic {pair}", hidden=pair)
    if auth.type == "bearer":
        return _with_header(prepared, "Authorization", f"Bearer {auth.token}", hidden=auth.token)
    if auth.type == "oauth2":
        return _with_header(prepared, "Authorization", f"Bearer {token}", hidden=token)
    if auth.type == "api_key" and auth.where == "query":
        query = (*prepared.query, (auth.name, auth.value))
        return replace(prepared, query=query, redactions=(auth.value, *prepared.redactions))
    if auth.type == "api_key":
        return _with_header(prepared, auth.name, auth.value, hidden=auth.value)
    if auth.type == "hmac":
        return _signed(prepared, timestamp)
    return prepared


def _signed(prepared: Prepared, timestamp: int) -> Prepared:
    auth = prepared.auth
    if prepared.parts:
        raise BadRequest("auth: a multipart body cannot be signed")
    signed = prepared.body or b""
    if auth.of != "body":
        parts = urlsplit(prepared.full_url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        signed = f"{prepared.method}{target}{timestamp}".encode() + signed
        prepared = _with_header(prepared, auth.timestamp_header, str(timestamp))
    digest = hmac.new(auth.secret.encode(), signed, getattr(hashlib, auth.algorithm)).hexdigest()
    return _with_header(prepared, auth.header, digest)


def _with_header(prepared: Prepared, name: str, value: str, *, hidden: str = "") -> Prepared:
    others = {key: text for key, text in prepared.headers.items() if key.lower() != name.lower()}
    redactions = (hidden, *prepared.redactions) if hidden else prepared.redactions
    return replace(prepared, headers={**others, name: _line(name, value)}, redactions=redactions)

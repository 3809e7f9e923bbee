"""API records: one JSON file describes one call of an outside system.

``read`` judges a document and makes the record that the request, the client and the answer work by.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flows.apis import checks
from flows.apis.addresses import Network
from flows.apis.vocabulary import RECORD, REPEATABLE_METHODS
from flows.engine import characters
from flows.engine.definition import flow_hash
from flows.engine.faults import Fault, Path
from flows.engine.walk import Walk, an, kind_of

REMEDY_OF_CLEAR = 'keep it in the environment and write "{{ secrets.NAME }}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """What a call gives; ``type`` is JSON Schema's word."""

    type: str = "string"
    required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The proof of who calls: ``type`` says which of the fields count. ``where`` is the file's ``in``."""

    type: str = "none"
    username: str = ""
    password: str = ""
    token: str = ""
    where: str = ""
    name: str = ""
    value: str = ""
    secret: str = ""
    header: str = ""
    algorithm: str = "sha256"
    of: str = "body"
    timestamp_header: str = "X-Timestamp"
    grant: str = ""
    token_url: str = ""
    authorize_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    scope: str = ""
    private_key: str = ""
    issuer: str = ""
    audience: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What differs in one environment; None or empty where nothing does. Headers and query are added."""

    url: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Auth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """``kind`` is json, form, multipart, xml or text."""

    kind: str
    content: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """``attempts`` come after the first one."""

    attempts: int = 0
    backoff_seconds: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagination:
    """JMESPaths to the next address or cursor and to the items of a page."""

    next: str
    items: str
    param: str = ""
    pages: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """An answer that is an error: by its status, or by a JMESPath over status, headers and body."""

    statuses: frozenset[int] = frozenset()
    when: str = ""
    outcome: str = "refused"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mock:
    """The answer that stands in where nothing is called."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call of an outside system, as its file describes it; ``hash`` is that of the file's content.

    Shapes: `result` is a JMESPath, one for each name, or None for the whole answer; `answer` a JSON Schema.
    """

    name: str
    hash: str
    url: str = ""
    description: str = ""
    method: str = "GET"
    environments: Mapping[str, Environment] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    args: Mapping[str, Argument] = field(default_factory=dict)
    auth: Auth = field(default_factory=Auth)
    timeout_seconds: float = 10
    retries: Retries = field(default_factory=Retries)
    idempotent: bool = False
    idempotency_header: str = ""
    calls_per_second: float | None = None
    cache_seconds: float = 0
    pagination: Pagination | None = None
    result: str | Mapping[str, str] | None = None
    answer: Mapping[str, Any] | None = None
    errors: tuple[ErrorRule, ...] = ()
    redact: tuple[str, ...] = ()
    mock: Mock | None = None
    max_bytes: int = 1_048_576
    redirects: int = 0
    allow_http: bool = False
    document: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether a call of which nobody knows how it ended may be made again, with the same key."""
        return self.idempotent or bool(self.idempotency_header)

    def within(self, environment: str | None) -> "Record":
        """Return the record as it is in one environment; one that the file does not name changes nothing."""
        other = self.environments.get(environment or "")
        if other is None:
            return self
        return replace(
            self,
            url=other.url or self.url,
            query={**self.query, **other.query},
            headers=_without_case({**self.headers}, other.headers),
            auth=other.auth or self.auth,
        )


def read(
    name: str,
    document: Any,
    *,
    secrets: frozenset[str] | None = None,
    allowed: Sequence[Network] = (),
) -> tuple[Record | None, list[Fault]]:
    """Judge a document and make the record; None where a fault is an error. Never raises.

    ``secrets`` are the names that are known, None where nobody knows; ``allowed`` are the networks that the
    operator opened.
    """
    walk = Walk()
    checks.check_name(name, walk)
    if not isinstance(document, dict):
        walk.report(
            "WF007", (), f"expected an object, got {an(kind_of(document))}", 'write {"url": "https://…"}'
        )
        return None, walk.faults
    RECORD.check(document, (), walk)
    checks.check(document, walk, secrets=secrets, allowed=allowed)
    characters.check({key: document[key] for key in document if key != "$schema"}, walk)
    faults = _told_apart(walk.faults)
    if any(fault.severity == "error" for fault in faults):
        return None, faults
    return _record(name, document), faults


def _told_apart(faults: list[Fault]) -> list[Fault]:
    """Two checks may find one secret; the first found has the better words."""
    seen: dict[tuple[str, Path, str], Fault] = {}
    for fault in faults:
        if fault.code == "WF120":
            seen.setdefault((fault.code, fault.path, ""), replace(fault, remedy=REMEDY_OF_CLEAR))
        else:
            seen.setdefault((fault.code, fault.path, fault.message), fault)
    return list(seen.values())


def _without_case(headers: dict[str, str], over: Mapping[str, str]) -> dict[str, str]:
    """Lay headers over others: names that differ in case alone are one header."""
    replaced = {name.lower() for name in over}
    return {**{name: text for name, text in headers.items() if name.lower() not in replaced}, **over}


# --- from a faultless document ------------------------------------------------------------------------


def _record(name: str, document: Mapping[str, Any]) -> Record:
    plain = {key: value for key, value in document.items() if key in _PLAIN_KEYS}
    method = document.get("method", "GET")
    return Record(
        name=name,
        hash=flow_hash(document),
        environments={key: _environment(raw) for key, raw in document.get("environments", {}).items()},
        body=_body(document),
        args={key: _made(Argument, raw) for key, raw in document.get("args", {}).items()},
        auth=_auth(document.get("auth", {})),
        retries=_made(Retries, document.get("retries", {})),
        calls_per_second=document.get("rate", {}).get("per_second"),
        pagination=_made(Pagination, document["pagination"]) if "pagination" in document else None,
        errors=tuple(_error(raw) for raw in document.get("errors", [])),
        redact=tuple(document.get("redact", [])),
        mock=_made(Mock, document["mock"]) if "mock" in document else None,
        **{"idempotent": method in REPEATABLE_METHODS, **plain},
    )


_PLAIN_KEYS = frozenset(
    {
        "url",
        "description",
        "method",
        "query",
        "headers",
        "timeout_seconds",
        "idempotent",
        "idempotency_header",
        "cache_seconds",
        "result",
        "answer",
        "max_bytes",
        "redirects",
        "allow_http",
        "document",
    }
)


def _made(kind: type[Any], raw: Mapping[str, Any]) -> Any:
    names = {entry.name for entry in dataclasses.fields(kind)}
    return kind(**{key: value for key, value in raw.items() if key in names})


def _environment(raw: Mapping[str, Any]) -> Environment:
    made: Environment = _made(Environment, {**raw, "auth": _auth(raw["auth"]) if "auth" in raw else None})
    return made


def _auth(raw: Mapping[str, Any]) -> Auth:
    made: Auth = _made(Auth, {**raw, "where": raw.get("in", "")})
    return made


def _body(document: Mapping[str, Any]) -> Body | None:
    given = [(key, value) for key, value in document.get("body", {}).items() if key != "$comment"]
    return Body(kind=given[0][0], content=given[0][1]) if given else None


def _error(raw: Mapping[str, Any]) -> ErrorRule:
    status = raw.get("status", [])
    statuses = frozenset(status if isinstance(status, list) else [status])
    made: ErrorRule = _made(ErrorRule, {**raw, "statuses": statuses})
    return made

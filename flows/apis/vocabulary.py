"""The language of API records as one table: every key with its shape and meaning.

Lint checks by it, and the JSON Schema that editors use is generated from it.
"""

from flows.apis.kinds import HeaderName, Headers, Limit, Pick, ResultName
from flows.engine.scalars import AnyJson, Choice, Flag, Id, Liquid, Number, Text, Typed
from flows.engine.shapes import Either, Key, ListOf, MapOf, Record, Shape, Variant

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
WITHOUT_BODY = frozenset({"GET", "HEAD"})
TYPES = ("string", "integer", "number", "boolean", "object", "array")
ENVIRONMENT_KEYS = ("url", "query", "headers", "auth")
LONGEST_TIMEOUT_SECONDS = 60
MOST_RETRIES = 5
LONGEST_BACKOFF_SECONDS = 30
MOST_BYTES = 10 * 1024 * 1024
MOST_REDIRECTS = 5


def _key(shape: Shape, about: str, *, required: bool = False) -> Key:
    return Key(shape=shape, about=about, required=required)


_PRINTED = Liquid()
_RENDERED = Typed()
_URL = Text(least=1, most=2_000, what="address")

ARGUMENT = Record(
    what="the argument",
    shared="argument",
    keys={
        "type": _key(Choice(TYPES), "type of its value (string)"),
        "required": _key(Flag(), "whether each call must give it (false)"),
        "default": _key(AnyJson(), "its value where a call gives none"),
        "description": _key(Text(), "what it is for"),
    },
)


def _auth(**keys: Key) -> Record:
    return Record(what="the auth", keys={"type": _key(Text(), "which kind of proof this is"), **keys})


AUTH = Variant(
    what="the auth",
    shared="auth",
    cases={
        "none": _auth(),
        "basic": _auth(
            username=_key(_PRINTED, "user name", required=True),
            password=_key(_PRINTED, "password: {{ secrets.NAME }}", required=True),
        ),
        "bearer": _auth(token=_key(_PRINTED, "token: {{ secrets.NAME }}", required=True)),
        "api_key": _auth(
            **{
                "in": _key(Choice(("header", "query")), "where the key is sent", required=True),
                "name": _key(Text(least=1), "name of the header or parameter", required=True),
                "value": _key(_PRINTED, "the key: {{ secrets.NAME }}", required=True),
            }
        ),
        "hmac": _auth(
            secret=_key(_PRINTED, "shared secret: {{ secrets.NAME }}", required=True),
            header=_key(HeaderName(), "header that takes the signature, in hexadecimal", required=True),
            algorithm=_key(Choice(("sha256", "sha512")), "hash (sha256)"),
            of=_key(Choice(("body", "method+path+timestamp+body")), "what is signed (body)"),
            timestamp_header=_key(
                HeaderName(), "header that takes the signed time, in seconds (X-Timestamp)"
            ),
        ),
        "oauth2": _auth(
            grant=_key(
                Choice(("client_credentials", "refresh_token", "jwt_bearer", "authorization_code")),
                "how a token is got",
                required=True,
            ),
            token_url=_key(_URL, "address that gives tokens", required=True),
            authorize_url=_key(_URL, "address where a person agrees"),
            client_id=_key(_PRINTED, "id of the client"),
            client_secret=_key(_PRINTED, "its secret: {{ secrets.NAME }}"),
            refresh_token=_key(_PRINTED, "the first refresh token: {{ secrets.NAME }}"),
            scope=_key(Text(), "scopes, with spaces between them"),
            private_key=_key(_PRINTED, "key that signs the assertion: {{ secrets.NAME }}"),
            issuer=_key(_PRINTED, "issuer of the assertion"),
            audience=_key(_PRINTED, "audience of the assertion or token"),
            subject=_key(_PRINTED, "whom the assertion speaks for"),
        ),
    },
)
SECRET_KEYS = frozenset(
    {"password", "token", "value", "secret", "client_secret", "refresh_token", "private_key"}
)
NEEDED_BY_GRANT = {
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "refresh_token"),
    "jwt_bearer": ("private_key", "issuer"),
    "authorization_code": ("authorize_url", "client_id"),
}

FILE = Record(
    what="the file",
    shared="file",
    keys={
        "file": _key(_RENDERED, "the media: {{ photo }}", required=True),
        "filename": _key(_PRINTED, "name of the file"),
        "type": _key(Text(pattern=r"^[\w.+-]+/[\w.+-]+$", what="media type"), "its media type"),
    },
)
BODY = Record(
    what="the body",
    shared="body",
    keys={
        "json": _key(_RENDERED, "JSON; its texts are rendered"),
        "form": _key(MapOf(value=_RENDERED), "fields of a form"),
        "multipart": _key(MapOf(value=Either(string=_PRINTED, record=FILE)), "fields and files of a form"),
        "xml": _key(_PRINTED, "XML; what arguments hold is escaped"),
        "text": _key(_PRINTED, "plain text"),
    },
    one_of=(("json", "form", "multipart", "xml", "text"),),
)
_QUERY = _key(MapOf(value=_RENDERED), "parameters after the ?; what is null is left out")
_HEADERS = _key(Headers(), "headers; secrets may stand here")
ENVIRONMENT = Record(
    what="the environment",
    shared="environment",
    keys={
        "url": _key(_URL, "the address here"),
        "query": _QUERY,
        "headers": _HEADERS,
        "auth": _key(AUTH, "the proof of who calls here"),
    },
)
ERROR = Record(
    what="the error",
    shared="error",
    keys={
        "status": _key(
            Either(
                number=Number(least=100, most=599, integer=True),
                items=ListOf(item=Number(least=100, most=599, integer=True), least=1),
            ),
            "HTTP status, or several",
        ),
        "when": _key(
            Pick(is_condition=True), "JMESPath over status, headers and body, such as status == 409"
        ),
        "outcome": _key(Id(what="outcome"), "code of this error (refused)"),
        "reason": _key(Text(most=300), "what staff read"),
    },
    one_of=(("status", "when"),),
)
RECORD = Record(
    what="the API record",
    keys={
        "$schema": _key(Text(), "where editors find this schema"),
        "description": _key(Text(), "what the call does"),
        "method": _key(Choice(METHODS), "HTTP method (GET)"),
        "url": _key(_URL, "https address; {{ arguments }} in path and query only"),
        "environments": _key(
            MapOf(value=ENVIRONMENT, names=Id(what="name of an environment")), "what differs, by environment"
        ),
        "query": _QUERY,
        "headers": _HEADERS,
        "body": _key(BODY, "what is sent"),
        "args": _key(MapOf(value=ARGUMENT, names=Id(what="name of an argument")), "what a call gives"),
        "auth": _key(AUTH, "the proof of who calls"),
        "timeout_seconds": _key(
            Limit(above=0, most=LONGEST_TIMEOUT_SECONDS, code="WF605"), "longest time of one attempt (10)"
        ),
        "retries": _key(
            Record(
                what="the retries",
                keys={
                    "attempts": _key(
                        Limit(least=0, most=MOST_RETRIES, integer=True, code="WF605"),
                        "how often it is tried again (0)",
                    ),
                    "backoff_seconds": _key(
                        Limit(least=0, most=LONGEST_BACKOFF_SECONDS, code="WF605"),
                        "pause before the first of them, doubled each time (0.5)",
                    ),
                },
            ),
            "what is done where the outside fails",
        ),
        "idempotent": _key(Flag(), "true: calling twice does no more than calling once"),
        "idempotency_header": _key(
            HeaderName(), "header that takes the key of a call, the same when repeated"
        ),
        "rate": _key(
            Record(
                what="the rate",
                keys={"per_second": _key(Limit(above=0, most=1_000), "calls in a second", required=True)},
            ),
            "how fast it may be called",
        ),
        "cache_seconds": _key(Limit(least=0, most=86_400), "how long a good answer is used again (0)"),
        "pagination": _key(
            Record(
                what="the pagination",
                keys={
                    "next": _key(Pick(), "JMESPath to the next address or cursor", required=True),
                    "param": _key(Text(least=1), "query parameter that takes a cursor"),
                    "items": _key(Pick(), "JMESPath to the items of a page", required=True),
                    "pages": _key(Limit(least=1, most=100, integer=True), "most pages that are read (10)"),
                },
            ),
            "how to read answers in pages",
        ),
        "result": _key(
            Either(string=Pick(), record=MapOf(value=Pick(), names=ResultName(what="name of the result"))),
            "JMESPath to what the flow gets, or one for each name; without it the whole answer",
        ),
        "answer": _key(MapOf(value=AnyJson()), "JSON Schema that a good answer fits"),
        "errors": _key(ListOf(item=ERROR), "answers that are errors, first match wins"),
        "redact": _key(
            ListOf(item=Text(pattern=r"^[^.\s]+(\.[^.\s]+)*$", most=200, what="name of a field")),
            "fields, such as token or card.number, that journals never show",
        ),
        "mock": _key(
            Record(
                what="the mock",
                keys={
                    "status": _key(Number(least=100, most=599, integer=True), "HTTP status (200)"),
                    "headers": _key(MapOf(value=Text()), "headers"),
                    "json": _key(AnyJson(), "the answer as JSON"),
                    "text": _key(Text(), "the answer as text"),
                },
            ),
            "answer that stands in where nothing is called",
        ),
        "max_bytes": _key(Limit(least=1, most=MOST_BYTES, integer=True), "largest answer (1048576)"),
        "redirects": _key(
            Limit(least=0, most=MOST_REDIRECTS, integer=True), "redirects that are followed (0)"
        ),
        "allow_http": _key(Flag(), "true: the address may be plain http"),
        "document": _key(Flag(), "true: the answer is a file"),
    },
)

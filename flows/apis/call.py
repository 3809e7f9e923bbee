"""One call of an API record from end to end: journal, pace, breaker, proof, retries, pages, mapping.

Nothing is in a transaction while the wire is used. A call with a recorded result is never made again for its key.
"""

import dataclasses
import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from django.conf import settings

from flows import database, secrets
from flows.apis import client, log, oauth, request
from flows.apis.answer import Mapped, map_answer, map_mock, page_of, redacted
from flows.apis.client import Answer, BadRequest, DoorError
from flows.apis.definition import Record
from flows.apis.request import Prepared, authorized, build
from flows.encryption import TokenUnreadable

MOST_LOGGED = 4_000
LONGEST_PAUSE_SECONDS = 30.0
# Never shown, whatever a record says of its own fields.
ALWAYS_CUT = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "password",
    "access_token",
    "refresh_token",
    "client_secret",
)
_RETRIED = frozenset({429, 502, 503, 504})
_SECRET = re.compile(r"\bsecrets\.([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """How a call ended. ``unknown``: the other side may have done it, and nobody knows."""

    state: Literal["ok", "failed", "unknown"]
    value: Any = None
    reason: str = ""
    code: str = ""
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """What a call has come to so far, for its journal."""

    record: Record
    deadline: float
    prepared: Prepared | None = None
    answer: Answer | None = None
    tries: int = 0
    auth_seconds: float = 0.0
    texts: tuple[str, ...] = field(default=())

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()


class _Given(Exception):
    """Not an error: the call has come to its end."""

    def __init__(self, called: Called) -> None:
        super().__init__(called.reason)
        self.called = called


def call(
    record: Record,
    args: Mapping[str, Any],
    *,
    key: str,
    contact_id: int | None = None,
    flow_id: str = "",
    seconds: float | None = None,
) -> Called:
    """Call an API, or give what the same call came to before. Never raises for what the other side does.

    Units: `seconds` is all that the caller will wait, else the record's own time for each try.
    """
    environment = settings.WHATSFLOW_API_ENVIRONMENT
    if settings.WHATSFLOW_API_MOCKS:
        return _called(map_mock(record), 0.0)
    question = log.question_of(record.name, args)
    cached = _cache.get(record, environment, question)
    if cached is not None:
        return cached
    known = log.begin(
        key=key,
        api=record.name,
        environment=environment,
        question=question,
        contact_id=contact_id,
        flow_id=flow_id,
    )
    if known is not None and (settled := _settled(record, known)):
        return settled
    began = time.monotonic()
    limit = seconds or longest_seconds(record)
    attempt = _Attempt(record=record.within(environment), deadline=began + limit)
    try:
        called = _make(attempt, args, key)
    except _Given as given:
        called = given.called
    called = replace(called, seconds=time.monotonic() - began)
    called = replace(called, value=redacted(called.value, texts=attempt.texts))
    log.end(key, _ended(attempt, called))
    if called.state == "ok":
        _cache.put(record, environment, question, called)
    return called


def longest_seconds(record: Record) -> float:
    """All that a call of this record may take, its retries and their pauses with it."""
    tries = record.retries.attempts + 1
    pauses = sum(_pause(record, n) for n in range(1, tries))
    return tries * record.timeout_seconds + pauses * 1.5 + 1


def _settled(record: Record, known: log.Known) -> Called | None:
    """What a call with this key came to before; None when it may be made again."""
    if not known.is_same:
        return Called(
            state="failed", code="key_used", reason=f"{record.name}: this key has asked something else before"
        )
    if known.state == "started":
        if record.is_repeatable:
            return None
        return Called(
            state="unknown", code="lost", reason=f"{record.name}: it was started and its answer is lost"
        )
    result = known.result or {}
    return Called(
        state=known.state,  # type: ignore[arg-type]
        value=result.get("value"),
        reason=result.get("reason", ""),
        code=result.get("code", ""),
    )


# --- the call -----------------------------------------------------------------------------------------------------


def _make(attempt: _Attempt, args: Mapping[str, Any], key: str) -> Called:
    record = attempt.record
    until = log.resting_until(record.name)
    if until is not None:
        raise _failed(
            "breaker_open", f"{record.name} failed again and again; it rests until {until:%H:%M:%S} UTC"
        )
    given = _secrets_of(record)
    attempt.texts = tuple(given.values())
    try:
        prepared = build(record, args, None, secrets=given, idempotency_key=key, now=datetime.now(UTC))
    except request.BadRequest as problem:
        raise _failed("bad_request", str(problem)) from None
    answer = _sent(attempt, prepared)
    mapped = _mapped(attempt, prepared, answer)
    if answer.status < 500:
        log.note_success(record.name)
    return _called(mapped, 0.0)


def _failed(code: str, reason: str, state: Literal["failed", "unknown"] = "failed") -> _Given:
    return _Given(Called(state=state, code=code, reason=reason))


def _called(mapped: Mapped, seconds: float) -> Called:
    return Called(
        state=mapped.outcome, value=mapped.value, reason=mapped.reason, code=mapped.code, seconds=seconds
    )


def _secrets_of(record: Record) -> dict[str, str]:
    """The secrets that a record names, by name."""
    text = json.dumps([dict(record.headers), dataclasses.asdict(record.auth)])
    try:
        return {name: secrets.get(name) for name in sorted(set(_SECRET.findall(text)))}
    except secrets.SecretUnknown as problem:
        raise _failed("secret_unknown", f"{record.name}: {problem}") from None
    except TokenUnreadable as problem:
        raise _failed("secret_unreadable", f"{record.name}: {problem}") from None


def _sent(attempt: _Attempt, prepared: Prepared) -> Answer:
    """Send until an answer came that is not worth another try. Raises: _Given"""
    record, has_renewed = attempt.record, False
    pause: float | None
    while True:
        _keep_pace(attempt)
        ready = _with_proof(attempt, prepared)
        attempt.prepared, attempt.tries = ready, attempt.tries + 1
        try:
            answer = attempt.answer = _request(attempt, ready)
        except DoorError as error:
            pause = _pause_after_error(attempt, error)
        else:
            if answer.status == 401 and prepared.auth.type == "oauth2" and not has_renewed:
                sent = ready.headers.get("Authorization", "").removeprefix("Bearer ")
                oauth.invalidate(record.name, environment=settings.WHATSFLOW_API_ENVIRONMENT, token=sent)
                has_renewed = True
                continue
            pause = _pause_after(attempt, answer)
        if pause is None:
            return answer
        time.sleep(pause)


def _keep_pace(attempt: _Attempt) -> None:
    rate = attempt.record.calls_per_second
    if not rate:
        return
    wait = log.take_turn(attempt.record.name, rate)
    if wait >= attempt.left:
        raise _failed(
            "rate", f"{attempt.record.name}: {rate:g} calls a second are allowed, and too many wait"
        )
    time.sleep(wait)


def _with_proof(attempt: _Attempt, prepared: Prepared) -> Prepared:
    began = time.monotonic()
    token = ""
    if prepared.auth.type == "oauth2":
        try:
            token = oauth.access_token(
                attempt.record.name,
                _spec_of(attempt.record),
                secrets.get,
                _ask_for_token(attempt),
                environment=settings.WHATSFLOW_API_ENVIRONMENT,
                allow_http=attempt.record.allow_http,
                wait_seconds=max(0.1, min(oauth.WAIT_SECONDS, attempt.left)),
            )
        except (oauth.OAuthError, TokenUnreadable) as problem:
            raise _failed("auth", f"{attempt.record.name}: {problem}") from None
    try:
        ready = authorized(prepared, timestamp=int(time.time()), token=token)
    except request.BadRequest as problem:
        raise _failed("bad_request", str(problem)) from None
    attempt.auth_seconds += time.monotonic() - began
    attempt.texts = tuple({*attempt.texts, *ready.redactions})
    return ready


def _spec_of(record: Record) -> dict[str, Any]:
    """The auth of a record as its file has it, secrets as placeholders."""
    fields = dataclasses.asdict(record.auth)
    fields["in"] = fields.pop("where")
    return {name: value for name, value in fields.items() if value}


def _ask_for_token(attempt: _Attempt) -> Callable[..., Answer]:
    def ask(method: str, url: str, **given: Any) -> Answer:
        limit = float(given.pop("timeout_seconds", oauth.REQUEST_SECONDS))
        given["timeout_seconds"] = min(limit, attempt.record.timeout_seconds, max(attempt.left, 0.1))
        return client.door().request(method, url, **given)

    return ask


def _request(attempt: _Attempt, ready: Prepared) -> Answer:
    record = attempt.record
    if any(part.file is not None for part in ready.parts):
        raise _failed("bad_request", f"{record.name}: files in a multipart body cannot be sent yet")
    files = {part.name: (None, part.text) for part in ready.parts} or None
    return client.door().request(
        ready.method,
        ready.full_url,
        headers=ready.headers,
        data=ready.body,
        files=files,
        timeout_seconds=min(record.timeout_seconds, max(attempt.left, 0.05)),
        max_bytes=record.max_bytes,
        redirects=record.redirects,
        allow_http=record.allow_http,
    )


def _pause_after_error(attempt: _Attempt, error: DoorError) -> float:
    """Seconds until the next try. Raises: _Given when there is none."""
    record = attempt.record
    is_ours = isinstance(error, client.AddressForbidden | BadRequest)
    is_answered = isinstance(error, client.TooLarge | client.BadAnswer)
    if not is_ours:
        log.note_failure(record.name, error.reason)
    may_repeat = record.is_repeatable or not error.wrote_bytes
    pause = _pause(record, attempt.tries)
    if not is_ours and not is_answered and may_repeat and _may_try_again(attempt, pause):
        return pause
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    is_unknown = error.wrote_bytes and not record.is_repeatable and not is_answered
    raise _failed(kind, f"{record.name}: {error.reason}", "unknown" if is_unknown else "failed")


def _pause_after(attempt: _Attempt, answer: Answer) -> float | None:
    """Seconds until the next try; None when the answer stands."""
    record = attempt.record
    if answer.status >= 500:
        log.note_failure(record.name, f"it answered {answer.status}")
    if answer.status not in _RETRIED or not record.is_repeatable:
        return None
    pause = max(_pause(record, attempt.tries), _retry_after(answer.headers.get("retry-after", "")))
    return pause if _may_try_again(attempt, pause) else None


def _may_try_again(attempt: _Attempt, pause: float) -> bool:
    is_left = attempt.tries <= attempt.record.retries.attempts
    return is_left and pause <= LONGEST_PAUSE_SECONDS and pause < attempt.left


def _pause(record: Record, tries: int) -> float:
    """Back-off, doubled each time; the jitter keeps callers apart."""
    doubled = float(record.retries.backoff_seconds * (1 << (tries - 1)))
    return doubled * (0.75 + random.random() / 2)  # noqa: S311 - no secret


def _retry_after(text: str) -> float:
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


# --- what the answer says -----------------------------------------------------------------------------------------


def _mapped(attempt: _Attempt, prepared: Prepared, answer: Answer) -> Mapped:
    record = attempt.record
    pagination = record.pagination
    if pagination is None or not 200 <= answer.status < 300:
        return map_answer(record, answer.status, answer.headers, answer.body)
    items: list[Any] = []
    for _ in range(pagination.pages):
        page = page_of(record, answer.headers, answer.body)
        items += page.items
        following = _following(prepared, page.following, pagination.param)
        if following is None:
            break
        answer = _sent(attempt, following)
        if not 200 <= answer.status < 300:
            return map_answer(record, answer.status, answer.headers, answer.body)
    body = json.dumps(items).encode()
    whole = replace(record, max_bytes=max(record.max_bytes, len(body)))
    return map_answer(whole, answer.status, {"content-type": "application/json"}, body)


def _following(prepared: Prepared, following: str, param: str) -> Prepared | None:
    """The request for the next page: a cursor as parameter, or an address of the same origin."""
    if not following:
        return None
    if param:
        query = tuple(pair for pair in prepared.query if pair[0] != param)
        return replace(prepared, query=(*query, (param, following)))
    url = urljoin(prepared.url, following)
    if urlsplit(url)[:2] != urlsplit(prepared.url)[:2]:
        return None
    return replace(prepared, url=url, query=())


# --- journal and cache ----------------------------------------------------------------------------------------------


def _ended(attempt: _Attempt, called: Called) -> log.Ended:
    prepared, answer = attempt.prepared, attempt.answer
    return log.Ended(
        state=called.state,
        status=answer.status if answer else None,
        code=called.code,
        reason=str(redacted(called.reason, texts=attempt.texts)),
        tries=attempt.tries,
        seconds=called.seconds,
        auth_seconds=attempt.auth_seconds,
        method=prepared.method if prepared else attempt.record.method,
        url=str(redacted(prepared.url if prepared else attempt.record.url, texts=attempt.texts)),
        request=_shown(attempt, dict(prepared.headers), prepared.body or b"", prepared.query)
        if prepared
        else "",
        answer=_shown(attempt, dict(answer.headers), answer.body) if answer else "",
        result={"value": called.value, "reason": called.reason, "code": called.code},
    )


def _shown(
    attempt: _Attempt, headers: Mapping[str, str], body: bytes, query: tuple[tuple[str, str], ...] = ()
) -> str:
    """Headers and body as a journal may keep them: redacted, and cut at four thousand characters."""
    try:
        content: Any = json.loads(body) if body else None
    except (ValueError, RecursionError):
        content = body[:MOST_LOGGED].decode("utf-8", "replace")
    shown = {"headers": dict(headers), "body": content}
    if query:
        shown["query"] = dict(query)
    fields = (*ALWAYS_CUT, *attempt.record.redact)
    return database.dumps(redacted(shown, fields=fields, texts=attempt.texts)).replace("\\u0000", "")[
        :MOST_LOGGED
    ]


class _Cache:
    """Good answers of records that allow it, in this process; each for its record's seconds."""

    most = 1_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, str, str], tuple[float, Called]] = {}

    def get(self, record: Record, environment: str, question: str) -> Called | None:
        if not record.cache_seconds:
            return None
        with self._lock:
            until, called = self._kept.get((record.name, record.hash, environment, question), (0.0, None))
        return called if called is not None and time.monotonic() < until else None

    def put(self, record: Record, environment: str, question: str, called: Called) -> None:
        if not record.cache_seconds:
            return
        with self._lock:
            if len(self._kept) >= self.most:
                self._kept.clear()
            until = time.monotonic() + record.cache_seconds
            self._kept[record.name, record.hash, environment, question] = (until, called)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


_cache = _Cache()
forget_cached = _cache.clear

"""The one table of Meta's error codes, and the judgment of Meta's answers by it.

Docs, screens, sender and simulator read it. A row: code, HTTP status, meaning, words for staff, who acts.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conversations.whatsapp import meta_error as like
from conversations.whatsapp.answer import Verdict, failure_text, failure_trace, read_accepted, read_failure
from conversations.whatsapp.meta_error import (
    ADMIN,
    AGENT,
    CAMPAIGNER,
    DEVELOPER,
    NOBODY,
    MetaError,
    account,
    ambiguous,
    marketing,
    number,
    refused,
    template,
    too_fast,
)
from conversations.whatsapp.values import read_code

__all__ = [
    "FAMILIES",
    "TABLE",
    "MetaError",
    "Verdict",
    "judge_answer",
    "judge_status",
    "lookup",
]

Json = dict[str, Any]

_TOKEN = "Token expired or revoked"  # noqa: S105  # words for people
_RIGHTS = "Our app may not use this account"
_TOO_FAST = "Too fast"
_RESTRICTED = "Meta restricted this number (spam / locked / country)"
_HELD_BACK = "Meta held this message back for this person"
_PAYMENT = "Payment problem at Meta"
_VARIABLES = "Template variables do not match"
_TEMPLATE = "Template missing / policy / paused / disabled"
_REQUEST = "Meta did not understand this message"
_NOT_REGISTERED = "This number is not registered at Meta"
_META_DOWN = "Meta had a problem; it is not known whether the message left"
_GROUP = "Group messages are not sent"
_CALLING = "Calling is not set up for this message"
_CREATION = "Meta did not take the template's text"
_IMPORT = "Meta does not hand out this history"

_BUDGETS = tuple(
    too_fast(code, 400, meaning, f"{_TOO_FAST} (app)", NOBODY, scope="app", backoff=like.CALL_BUDGET)
    for code, meaning in {
        4: "app's call budget",
        17: "user's call budget",
        32: "page's call budget",
        613: "call budget",
        80007: "account's call budget",
    }.items()
)
# Nothing that a message could wait for.
_REGISTRATION = tuple(
    refused(code, 400, meaning, _NOT_REGISTERED, ADMIN, scope="number")
    for code, meaning in {
        133000: "deregistration half done",
        133005: "wrong PIN",
        133006: "number not verified",
        133008: "too many PIN guesses",
        133009: "PIN guessed too fast",
        133015: "deregistered just now",
        133016: "registered too often",
    }.items()
)
_CREATION_OF_TEMPLATES = tuple(
    refused(code, 400, meaning, _CREATION, CAMPAIGNER)
    for code, meaning in {
        2388019: "limit of templates reached",
        2388040: "field too long",
        2388047: "header format",
        2388072: "body format",
        2388073: "footer format",
        2388293: "too many variables for the text",
        2388299: "variable at the start or end",
    }.items()
)
_IMPORTS = tuple(
    refused(code, 400, meaning, _IMPORT, ADMIN, retry="never")
    for code, meaning in {
        2593107: "sync asked for twice",
        2593108: "sync asked for too late",
        2593109: "history declined",
    }.items()
)

ROWS: tuple[MetaError, ...] = (
    # The message may have left: only its token in a status settles it.
    ambiguous(1, 400, "unknown error", _META_DOWN, NOBODY, backoff=like.UNKNOWN),
    ambiguous(2, 503, "service down", _META_DOWN, NOBODY, backoff=like.SERVICE_DOWN, scope="number"),
    ambiguous(131000, 500, "something went wrong", _META_DOWN, NOBODY, backoff=like.UNKNOWN),
    ambiguous(131016, 500, "service down", _META_DOWN, NOBODY, backoff=like.SERVICE_DOWN, scope="number"),
    ambiguous(133004, 503, "server down", _META_DOWN, NOBODY, backoff=like.SERVICE_DOWN, scope="number"),
    ambiguous(135000, 400, "unknown error", _META_DOWN, NOBODY, backoff=like.UNKNOWN),
    # Too fast: nothing left, the same message goes later.
    *_BUDGETS,
    too_fast(
        130429,
        400,
        "number's throughput",
        f"{_TOO_FAST} (number)",
        NOBODY,
        scope="number",
        effect="slow_number",
        backoff=like.THROUGHPUT,
    ),
    too_fast(131056, 400, "pair rate", f"{_TOO_FAST} (pair)", NOBODY, scope="recipient", backoff=like.PAIR),
    too_fast(
        131057,
        500,
        "number in maintenance",
        "Meta is upgrading this number",
        NOBODY,
        scope="number",
        backoff=(60.0,),
    ),
    too_fast(
        131053,
        400,
        "media not fetched or not taken",
        "Meta could not take the file",
        CAMPAIGNER,
        backoff=(5.0, 30.0),
        attempts=3,
    ),
    too_fast(
        134101,
        400,
        "template not synced yet",
        "Meta is still preparing the template",
        NOBODY,
        scope="template",
        backoff=(600.0,),
    ),
    # The token or the app's rights: nothing of the account can leave.
    account(0, 401, "token invalid", _TOKEN, ADMIN),
    account(3, 500, "capability missing", _RIGHTS, ADMIN),
    account(10, 403, "permission missing", _RIGHTS, ADMIN),
    account(102, 401, "session invalid", _TOKEN, ADMIN),
    account(190, 401, "token expired", _TOKEN, ADMIN),
    account(131005, 403, "access denied", _RIGHTS, ADMIN),
    # The number, or marketing on it.
    number(33, 400, "number unknown to Meta", "Meta does not know this number any more", ADMIN),
    number(368, 403, "blocked for policy", _RESTRICTED, ADMIN, backoff=like.DAY),
    number(131031, 403, "account locked", _RESTRICTED, ADMIN),
    number(131037, 400, "display name not approved", "Meta has not approved this number's name", ADMIN),
    number(131042, 400, "billing problem", _PAYMENT, ADMIN),
    number(131044, 400, "billing problem", _PAYMENT, ADMIN),
    number(131045, 500, "bad certificate", _NOT_REGISTERED, ADMIN),
    number(133010, 400, "number not registered", _NOT_REGISTERED, ADMIN),
    marketing(131048, 400, "spam rate limit", _RESTRICTED, ADMIN),
    marketing(
        131063, 400, "marketing not allowed here", "Meta takes no marketing templates from this number", ADMIN
    ),
    marketing(
        131064,
        400,
        "limit after misclassified templates",
        "Messaging limit reached because of template classification violations",
        ADMIN,
    ),
    # This person.
    refused(
        130472,
        400,
        "person in an experiment",
        _HELD_BACK,
        NOBODY,
        scope="recipient",
        retry="next_day",
        backoff=like.DAY,
    ),
    refused(
        131049,
        400,
        "marketing cap of the person",
        _HELD_BACK,
        NOBODY,
        scope="recipient",
        retry="next_day",
        backoff=like.DAY,
    ),
    refused(
        131050,
        400,
        "person stopped marketing",
        "Opted out of your marketing",
        NOBODY,
        scope="recipient",
        effect="opt_out",
        retry="never",
    ),
    refused(
        131026,
        400,
        "undeliverable",
        "Not on WhatsApp, old app, or terms not accepted",
        AGENT,
        scope="recipient",
        effect="suspect_number",
        retry="next_day",
        backoff=like.DAY,
    ),
    refused(
        131047,
        400,
        "over 24 h since the last message",
        "Last reply was over 24 h ago - use a template",
        AGENT,
        scope="recipient",
        effect="close_window",
    ),
    refused(
        131021,
        400,
        "recipient is the sender",
        "This is our own number",
        AGENT,
        scope="recipient",
        effect="suspect_number",
        retry="never",
    ),
    refused(
        131030,
        400,
        "not in the test number's list",
        "Test number: recipient not on the allowed list",
        ADMIN,
        scope="recipient",
    ),
    refused(
        131062,
        400,
        "BSUID not allowed",
        "This template needs a phone number, contact has only a BSUID",
        AGENT,
        scope="recipient",
    ),
    refused(130497, 403, "country restricted", _RESTRICTED, ADMIN, scope="number", effect="block_country"),
    refused(
        131036,
        400,
        "time to live over",
        "The message waited too long for this person",
        AGENT,
        scope="recipient",
    ),
    refused(
        137000,
        400,
        "identity key mismatch",
        "This person's security code changed; confirm who it is",
        AGENT,
        scope="recipient",
    ),
    # This message.
    refused(100, 400, "bad parameter", _REQUEST, DEVELOPER),
    refused(131008, 400, "parameter missing", _REQUEST, DEVELOPER),
    refused(131009, 400, "bad parameter value", _REQUEST, DEVELOPER),
    refused(131051, 400, "unsupported type", "This kind of message is not supported", DEVELOPER),
    refused(
        131052,
        400,
        "person's media not fetched",
        "The person's file could not be fetched; ask for it again",
        AGENT,
    ),
    refused(131055, 400, "method not allowed", _REQUEST, DEVELOPER),
    refused(
        131060,
        400,
        "content not available",
        "Open this message on the phone: Meta does not hand it out",
        AGENT,
        retry="never",
    ),
    refused(131020, 400, "group error", _GROUP, DEVELOPER),
    refused(131041, 400, "group error", _GROUP, DEVELOPER),
    refused(131059, 400, "bad cursor", _REQUEST, DEVELOPER),
    refused(134011, 400, "payment terms not accepted", "Accept Meta's payment terms first", ADMIN),
    refused(134100, 400, "marketing messages only", _REQUEST, DEVELOPER),
    # The template.
    template(132000, 400, "parameter count", _VARIABLES, CAMPAIGNER, effect="stop_campaign"),
    template(132008, 400, "parameter value", _VARIABLES, CAMPAIGNER, effect="stop_campaign"),
    template(132012, 400, "parameter format", _VARIABLES, CAMPAIGNER, effect="stop_campaign"),
    template(132018, 400, "parameter format", _VARIABLES, CAMPAIGNER, effect="stop_campaign"),
    template(132001, 404, "template missing", _TEMPLATE, CAMPAIGNER, effect="pause_template"),
    template(
        132005,
        400,
        "text too long when filled",
        "The text is too long with its variables filled in",
        CAMPAIGNER,
    ),
    template(132007, 400, "policy violated", _TEMPLATE, CAMPAIGNER, effect="pause_template"),
    template(132015, 400, "template paused", _TEMPLATE, CAMPAIGNER, effect="pause_template"),
    template(132016, 400, "template disabled", _TEMPLATE, CAMPAIGNER, effect="pause_template", retry="never"),
    template(132068, 400, "form blocked", "Meta blocked the form", DEVELOPER, effect="pause_template"),
    template(
        132069,
        400,
        "form throttled",
        "Meta throttles the form: 10 an hour",
        DEVELOPER,
        backoff=(3600.0,),
        retry="back_off",
    ),
    template(134102, 400, "template not for this API", _TEMPLATE, CAMPAIGNER, effect="pause_template"),
    *_REGISTRATION,
    *_CREATION_OF_TEMPLATES,
    *_IMPORTS,
)
TABLE: dict[int, MetaError] = {row.code: row for row in ROWS}

# Codes that Meta keeps for one matter; a row of the table goes before them.
FAMILIES: tuple[tuple[range, MetaError], ...] = (
    (range(200, 300), account(200, 403, "permission missing", _RIGHTS, ADMIN)),
    (range(131200, 131300), refused(131200, 400, "group error", _GROUP, DEVELOPER)),
    (range(132000, 133000), template(132000, 400, "template error", _TEMPLATE, CAMPAIGNER)),
    (range(138000, 138019), refused(138000, 400, "calling", _CALLING, DEVELOPER)),
)

UNLISTED = refused(-1, 400, "a code that is not in the table", "Meta refused this message", DEVELOPER)
UNLISTED_DOWN = ambiguous(-1, 500, "Meta failed", _META_DOWN, NOBODY, backoff=like.UNKNOWN)
UNLISTED_TOO_FAST = too_fast(
    -1, 429, "too many requests", f"{_TOO_FAST} (number)", NOBODY, scope="number", backoff=like.THROUGHPUT
)
NOT_WRITTEN = too_fast(
    -1, 0, "no connection", "Meta could not be reached; nothing was sent", NOBODY, backoff=like.THROUGHPUT
)
NO_ANSWER = ambiguous(
    -1, 0, "no answer of Meta's", "Sent, but Meta's answer was lost", NOBODY, backoff=like.UNKNOWN
)


def lookup(code: int) -> MetaError | None:
    """Find the row of a code, its family's if it has none of its own."""
    if code in TABLE:
        return TABLE[code]
    return next((replace(row, code=code) for codes, row in FAMILIES if code in codes), None)


def judge_status(code: int | None) -> MetaError:
    """Say what a failed status means: failed whatever the code; `retry` says what may follow."""
    row = lookup(code) if code is not None else None
    return row or replace(UNLISTED, code=-1 if code is None else code)


def judge_answer(
    http_status: int | None,
    body: Any,
    *,
    wrote_bytes: bool,
    error: str | None = None,
    attempt: int = 1,
    jitter: Callable[[], float] = random.random,
) -> Verdict:
    """Judge one POST of a message: the code decides, never the HTTP status alone, never a title.

    Shapes:
        body: the parsed JSON; None where there was none or it was not JSON.
        jitter: 0 to 1, stretches the back-off by up to a quarter.
    """
    failure = read_failure(body)
    if failure is not None:
        return _judge_failure(http_status or 0, failure, attempt, jitter)
    if http_status is not None and 200 <= http_status < 300 and (accepted := read_accepted(body)):
        return accepted
    row = NO_ANSWER if wrote_bytes or http_status is not None else NOT_WRITTEN
    return _verdict(
        row, attempt, jitter, message=error or f"HTTP {http_status} without an answer of the Graph API"
    )


def _judge_failure(http_status: int, failure: Json, attempt: int, jitter: Callable[[], float]) -> Verdict:
    code = failure["code"]
    subcode = read_code(failure.get("error_subcode"))
    # An unknown object is how the Graph API words 33.
    row = lookup(33) if (code, subcode) == (100, 33) else lookup(code)
    if row is None:
        row = replace(_unlisted(http_status), code=code)
    verdict = _verdict(row, attempt, jitter, message=failure_text(failure))
    return replace(
        verdict,
        code=code,
        subcode=subcode,
        fbtrace=failure_trace(failure),
    )


def _unlisted(http_status: int) -> MetaError:
    if http_status == 429:
        return UNLISTED_TOO_FAST
    return UNLISTED_DOWN if http_status >= 500 else UNLISTED


def _verdict(row: MetaError, attempt: int, jitter: Callable[[], float], *, message: str) -> Verdict:
    is_spent = row.attempts is not None and attempt >= row.attempts
    state = "refused" if row.verdict == "queued" and is_spent else row.verdict
    wait = 0.0 if state == "refused" and row.verdict == "queued" else row.wait(attempt)
    return Verdict(
        state=state,
        backoff_seconds=round(wait * (1 + jitter() / 4), 3),
        scope=row.scope,
        effect=row.effect,
        words=row.words,
        message=message,
    )

"""Access tokens of APIs: one request per expiry over all threads and processes, the others wait or use the old one.

No transaction is open while a token endpoint is asked: a lease in the row says who asks.
"""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from flows.apis import grants, tokens
from flows.apis.client import Answer, DoorError
from flows.apis.filling import Filling, OAuthSpec, Secrets
from flows.apis.grants import Departure, GrantRefused, TokenRequest
from flows.apis.tokens import Grant, Kept, OAuthToken
from flows.encryption import TokenUnreadable, decrypt
from flows.secrets import SecretUnknown, redact

Request = Callable[..., Answer]

WAIT_SECONDS = 10.0
POLL_SECONDS = 0.05
# Below the lease: who asks is done, or has given up, before another may ask.
REQUEST_SECONDS = 10.0


class OAuthError(Exception):
    """There is no access token now; the text holds no secret and is for staff."""


def access_token(
    api: str,
    spec: OAuthSpec,
    secrets: Secrets,
    request: Request,
    *,
    environment: str = "",
    allow_http: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> str:
    """Give an access token that is good for now; never call it inside a transaction.

    Shapes:
        spec: the ``auth`` of the record, its secrets as placeholders.
        request: ``door().request``, or what asks it and keeps to the given ``timeout_seconds``.
        wait_seconds: how long to wait for another that asks.

    Raises:
        OAuthError: the server refused, staff must connect first, or another process took too long.
    """
    spec_hash = tokens.hash_of(spec)
    ends = time.monotonic() + wait_seconds
    while True:
        kept = tokens.look(api, environment, spec_hash)
        if kept is None:
            tokens.announce(api, spec, environment=environment, allow_http=allow_http)
            continue
        if kept.is_fresh:
            return decrypt(kept.access_token)
        if not kept.is_paused and not kept.is_taken and (holder := tokens.claim(kept)):
            if granted := _renew(kept, holder, spec, secrets, request, allow_http=allow_http):
                return granted
            continue
        if kept.is_valid:
            return decrypt(kept.access_token)
        if kept.is_paused:
            raise OAuthError(f"{api}: no access token: {kept.error}")
        if time.monotonic() >= ends:
            raise OAuthError(
                f"{api}: no access token: another one asks for it and took longer than {wait_seconds:g} s"
            )
        time.sleep(POLL_SECONDS)


def invalidate(api: str, *, environment: str = "", token: str | None = None) -> int:
    """Drop the access token that a server refused with 401; the next call fetches one. Returns how many went.

    With ``token`` only that one is dropped: of many calls that were refused together, the last shall not drop what
    the first has fetched.
    """
    return tokens.forget_access(api, environment=environment, token=token)


def begin(row: OAuthToken, secrets: Secrets, redirect_uri: str) -> Departure:
    """Say where a person goes to connect ``row``.

    Raises:
        OAuthError: it cannot be connected so.
    """
    try:
        return grants.departure(row.read_spec(), Filling(secrets), redirect_uri)
    except (GrantRefused, SecretUnknown, TokenUnreadable) as error:
        raise OAuthError(f"{row}: {error}") from None


def finish(
    row: OAuthToken, secrets: Secrets, request: Request, *, code: str, verifier: str, redirect_uri: str
) -> None:
    """Turn the code that a person brought back into tokens, and keep them.

    Raises:
        OAuthError: the server did not accept it.
    """
    kept = tokens.look(row.api, row.environment, row.spec_hash)
    if kept is None:
        raise OAuthError(f"{row}: it was deleted meanwhile")
    filling = Filling(secrets)
    try:
        asked = grants.exchange(row.read_spec(), filling, code, verifier, redirect_uri)
        grant = _ask(asked, request, allow_http=row.allow_http)
    except (GrantRefused, DoorError, SecretUnknown, TokenUnreadable) as error:
        raise OAuthError(f"{row}: {redact(str(error), filling.used)}") from None
    tokens.record_grant(kept, grant, None)


def _renew(
    kept: Kept, holder: str, spec: OAuthSpec, secrets: Secrets, request: Request, *, allow_http: bool
) -> str:
    """Fetch and keep a token under the lease; "" when that failed, the reason then stands in the row."""
    filling = Filling(secrets)
    try:
        newest = decrypt(kept.refresh_token) if kept.refresh_token else ""
        grant = _ask(grants.renewal(spec, filling, newest), request, allow_http=allow_http)
    except (GrantRefused, DoorError, SecretUnknown, TokenUnreadable) as error:
        is_final = isinstance(error, GrantRefused) and error.is_final
        text = redact(str(error), filling.used)
        tokens.record_failure(kept, holder, text, forget_refresh_token=is_final)
        return ""
    except BaseException:
        tokens.release(kept, holder)
        raise
    tokens.record_grant(kept, grant, holder)
    return grant.access_token


def _ask(asked: TokenRequest, request: Request, *, allow_http: bool) -> Grant:
    answer = request(
        "POST",
        asked.url,
        headers=asked.headers,
        data=asked.body,
        timeout_seconds=REQUEST_SECONDS,
        allow_http=allow_http,
    )
    return grants.read(answer, urlsplit(asked.url).hostname or "")

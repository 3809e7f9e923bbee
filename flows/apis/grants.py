"""What is said to a token endpoint, and what its answer means: requests are built here, sent elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from authlib.common.urls import add_params_to_qs
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from authlib.oauth2.rfc7523.jwt_bearer import JWT_BEARER_GRANT_TYPE
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, OKPKey, RSAKey

from flows.apis.client import Answer, BadAnswer
from flows.apis.filling import Filling, OAuthSpec
from flows.apis.tokens import AUTHORIZATION_CODE, Grant

ASSERTION_SECONDS = 180
LONGEST_LIFE_SECONDS = 10 * 365 * 86400
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class GrantRefused(Exception):
    """No token was given. ``is_final``: the refresh token or code will never work again."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A POST to a token endpoint; ``body`` is a form."""

    url: str
    headers: Mapping[str, str]
    body: str

    def __repr__(self) -> str:
        return f"TokenRequest(url={self.url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What staff take along to the authorization server, and what is kept until they come back."""

    url: str
    state: str
    verifier: str


def renewal(spec: OAuthSpec, filling: Filling, refresh_token: str) -> TokenRequest:
    """Build the request for the next access token; ``refresh_token`` is the newest one, "" if there is none.

    Raises:
        GrantRefused: nothing to ask with: a person must connect, or a key is unusable.
    """
    scope = str(spec.get("scope", ""))
    match spec.get("grant"):
        case "client_credentials":
            audience = filling.fill(spec.get("audience"))
            return _request(spec, filling, "client_credentials", scope=scope, audience=audience)
        case "jwt_bearer":
            assertion = _assertion(spec, filling, scope)
            return _request(spec, filling, JWT_BEARER_GRANT_TYPE, assertion=assertion, scope=scope)
        case "refresh_token":
            newest = refresh_token or filling.hide(spec.get("refresh_token"))
            filling.used.add(newest)
            return _request(spec, filling, "refresh_token", refresh_token=newest, scope=scope)
        case "authorization_code" if refresh_token:
            filling.used.add(refresh_token)
            return _request(spec, filling, "refresh_token", refresh_token=refresh_token)
        case "authorization_code":
            raise GrantRefused("not connected: a person connects it under API connections in the admin")
        case other:
            raise GrantRefused(f"unknown grant {other!r}")


def departure(spec: OAuthSpec, filling: Filling, redirect_uri: str) -> Departure:
    """Build the address where a person agrees, with a fresh state and proof key.

    Raises:
        GrantRefused: the spec names no such address.
    """
    url = str(spec.get("authorize_url", ""))
    if spec.get("grant") != AUTHORIZATION_CODE or urlsplit(url).scheme not in {"https", "http"}:
        raise GrantRefused(
            "nobody connects this API: expected the grant authorization_code and an authorize_url"
        )
    state, verifier = token_urlsafe(32), token_urlsafe(64)
    made: str = prepare_grant_uri(
        url,
        filling.fill(spec.get("client_id")),
        "code",
        redirect_uri,
        str(spec.get("scope", "")),
        state,
        code_challenge=create_s256_code_challenge(verifier),
        code_challenge_method="S256",
        audience=filling.fill(spec.get("audience")) or None,
    )
    return Departure(url=made, state=state, verifier=verifier)


def exchange(spec: OAuthSpec, filling: Filling, code: str, verifier: str, redirect_uri: str) -> TokenRequest:
    """Build the request that turns a code into tokens."""
    filling.used.update((code, verifier))
    return _request(
        spec, filling, AUTHORIZATION_CODE, code=code, code_verifier=verifier, redirect_uri=redirect_uri
    )


def read(answer: Answer, host: str) -> Grant:
    """Read what a token endpoint answered.

    Raises:
        GrantRefused: the text may hold what the server said, so it must still be redacted.
    """
    try:
        said = answer.json()
    except BadAnswer as error:
        raise GrantRefused(f"{host}: {error.reason}") from None
    if not isinstance(said, dict):
        raise GrantRefused(f"{host}: HTTP {answer.status}, expected a JSON object")
    # Some answer their errors with status 200.
    if answer.status not in range(200, 300) or "error" in said:
        words = [str(said[key]) for key in ("error", "error_description") if said.get(key)]
        reason = ": ".join(words) or "no reason given"
        raise GrantRefused(
            f"{host}: HTTP {answer.status}, {reason}", is_final=said.get("error") == "invalid_grant"
        )
    access_token = said.get("access_token")
    if not isinstance(access_token, str) or not access_token:
        raise GrantRefused(f"{host}: the answer holds no access_token")
    kind = str(said.get("token_type") or "bearer")
    if kind.lower() != "bearer":
        raise GrantRefused(f"{host}: a token of type {kind[:20]}, expected bearer")
    refresh_token = said.get("refresh_token")
    return Grant(
        access_token=access_token,
        refresh_token=refresh_token if isinstance(refresh_token, str) else "",
        expires_in=_seconds(said.get("expires_in")),
    )


def _request(spec: OAuthSpec, filling: Filling, grant_type: str, **params: str) -> TokenRequest:
    url = str(spec.get("token_url", ""))
    body: str = prepare_token_request(grant_type, **{name: value for name, value in params.items() if value})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    client_id = filling.fill(spec.get("client_id"))
    secret = filling.hide(spec.get("client_secret"))
    if not client_id:
        return TokenRequest(url=url, headers=headers, body=body)
    if spec.get("private_key") and spec.get("grant") != "jwt_bearer":
        key, algorithm = _key(filling.hide(spec["private_key"]))
        signed = private_key_jwt_sign(key, client_id, url, algorithm, expires_in=ASSERTION_SECONDS)
        filling.used.add(signed)
        proof = [
            ("client_id", client_id),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", signed),
        ]
        return TokenRequest(url=url, headers=headers, body=add_params_to_qs(body, proof))
    client = ClientAuth(client_id, secret, "client_secret_basic" if secret else "none")
    try:
        url, headers, body = client.prepare("POST", url, headers, body)
    except UnicodeEncodeError:
        raise GrantRefused("client_id or client_secret holds a character outside Latin-1") from None
    filling.used.add(headers.get("Authorization", "").removeprefix("Basic "))
    return TokenRequest(url=url, headers=headers, body=body)


def _assertion(spec: OAuthSpec, filling: Filling, scope: str) -> str:
    key, algorithm = _key(filling.hide(spec.get("private_key")))
    signed: str = sign_jwt_bearer_assertion(
        key,
        issuer=filling.fill(spec.get("issuer")),
        audience=filling.fill(spec.get("audience")) or str(spec.get("token_url", "")),
        subject=filling.fill(spec.get("subject")) or None,
        # Google reads the scope here, others in the form.
        claims={"scope": scope} if scope else {},
        alg=algorithm,
        expires_in=ASSERTION_SECONDS,
    )
    filling.used.add(signed)
    return signed


def _key(pem: str) -> tuple[RSAKey | ECKey | OKPKey, str]:
    """Read a private key and say which algorithm it signs by."""
    try:
        # Where a secret came as one line, its line breaks are written as \n.
        loaded = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):
        raise GrantRefused("private_key cannot be read: expected PEM without a pass phrase") from None
    if isinstance(loaded, rsa.RSAPrivateKey):
        return RSAKey.import_key(loaded), "RS256"
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.curve.name in CURVES:
        return ECKey.import_key(loaded), CURVES[loaded.curve.name]
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return OKPKey.import_key(loaded), "Ed25519"
    raise GrantRefused("private_key is of a kind that is not known: expected RSA, EC or Ed25519")


def _seconds(value: Any) -> float | None:
    """Read ``expires_in``; some write it as text. What is no number is as good as nothing."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return min(seconds, LONGEST_LIFE_SECONDS) if seconds > 0 else None

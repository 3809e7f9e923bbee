"""How a call proves who calls: adds to its headers or query what the record's ``auth`` says.

``{{ secrets.name }}`` is the only thing that is filled in here; a secret never passes through a template.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Secrets = Callable[[str], str]
OAuthSpec = Mapping[str, Any]
Authorized = tuple[dict[str, str], dict[str, Any], frozenset[str]]

DEFAULT_TIMESTAMP_HEADER = "X-Timestamp"
ALGORITHMS = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}

_placeholder = re.compile(r"\{\{ *secrets\.([A-Za-z][A-Za-z0-9_]{0,63}) *\}\}")
_header_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class AuthUnusable(Exception):
    """The auth of a record cannot be applied; the text is safe to show."""


class Filling:
    """Fills texts and remembers what must not be seen afterwards.

    Shapes: ``used`` holds each secret, and each text that was made with one.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.used: set[str] = set()

    def fill(self, text: Any) -> str:
        """Replace each ``{{ secrets.name }}``. Raises what the look-up raises."""

        def value(found: re.Match[str]) -> str:
            secret = str(self._secrets(found[1]))
            self.used.add(secret)
            return secret

        return _placeholder.sub(value, "" if text is None else str(text))

    def hide(self, text: Any) -> str:
        """Fill, and keep the whole: a credential written out is as secret as one by name."""
        filled = self.fill(text)
        if filled:
            self.used.add(filled)
        return filled


def authorize(
    auth: Mapping[str, Any],
    prepared_headers: Mapping[str, str],
    query: Mapping[str, Any],
    *,
    method: str,
    url_path: str,
    body: bytes,
    secrets: Secrets,
    token: Callable[[OAuthSpec], str],
    now: datetime,
) -> Authorized:
    """Give the headers and query with the proof in them, and every secret value that was used.

    Shapes:
        auth: as in the record: ``{"type": "bearer", "token": "{{ secrets.crm }}"}``.
        url_path: the path as it is sent, without the query.
        now: aware; its whole seconds are the signed time of ``hmac``.

    Raises:
        AuthUnusable: unknown kind, or a value that no header may hold; and what ``secrets`` and ``token`` raise.
    """
    headers, sent = dict(prepared_headers), dict(query)
    filling = Filling(secrets)
    match auth.get("type", "none"):
        case "none":
            pass
        case "basic":
            _put(headers, "Authorization", _basic(auth, filling))
        case "bearer":
            _put(headers, "Authorization", f"Bearer {filling.hide(auth['token'])}")
        case "api_key":
            key = filling.hide(auth["value"])
            if auth["in"] == "query":
                sent[auth["name"]] = key
            else:
                _put(headers, auth["name"], key)
        case "hmac":
            _sign(auth, headers, filling, f"{method.upper()}{url_path}", body, now)
        case "oauth2":
            access_token = token(auth)
            filling.used.add(access_token)
            _put(headers, "Authorization", f"Bearer {access_token}")
        case other:
            raise AuthUnusable(
                f"unknown auth {other!r}: expected none, basic, bearer, api_key, hmac or oauth2"
            )
    return headers, sent, frozenset(filling.used)


def _basic(auth: Mapping[str, Any], filling: Filling) -> str:
    username, password = filling.fill(auth["username"]), filling.hide(auth["password"])
    if ":" in username:
        raise AuthUnusable("the user name of basic auth holds a colon, which would end it")
    # As UTF-8: RFC 7617, section 2.1.
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    filling.used.add(pair)
    return f"Basic {pair}"


def _sign(
    auth: Mapping[str, Any],
    headers: dict[str, str],
    filling: Filling,
    method_and_path: str,
    body: bytes,
    now: datetime,
) -> None:
    """Sign the body, or method, path, seconds since 1970 and body written one after the other."""
    algorithm = auth.get("algorithm", "sha256")
    if algorithm not in ALGORITHMS:
        raise AuthUnusable(f"unknown algorithm {algorithm!r}: expected sha256 or sha512")
    signed = body
    if auth.get("of", "body") != "body":
        timestamp = str(int(now.timestamp()))
        signed = f"{method_and_path}{timestamp}".encode() + body
        _put(headers, auth.get("timestamp_header", DEFAULT_TIMESTAMP_HEADER), timestamp)
    key = filling.hide(auth["secret"]).encode()
    _put(headers, auth["header"], hmac.new(key, signed, ALGORITHMS[algorithm]).hexdigest())


def _put(headers: dict[str, str], name: str, value: str) -> None:
    """Set a header in place of one that was spelled otherwise."""
    if not _header_value.fullmatch(value) or value != value.strip():
        raise AuthUnusable(
            f"the value for the header {name} holds a line break or a character that no header may hold:"
            " enter the secret again"
        )
    for other in [other for other in headers if other.lower() == name.lower()]:
        del headers[other]
    headers[name] = value

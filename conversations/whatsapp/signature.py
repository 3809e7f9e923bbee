"""Meta's seal on a webhook body: an HMAC of the raw bytes, made with the app secret."""

import hmac
import re
from collections.abc import Iterable

HEADER = "X-Hub-Signature-256"

_FORM = re.compile(r"sha256=[0-9a-f]{64}", re.ASCII)


def sign(secret: str, body: bytes) -> str:
    """Return the header's value for these exact bytes."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def is_valid(secrets: Iterable[str], body: bytes, header: str | None) -> bool:
    """Tell whether one of the live secrets made this header; an empty secret never does.

    Every secret is tried, so that the time taken tells nothing about which one fits.
    """
    if header is None or not _FORM.fullmatch(header):
        return False
    given = header.encode()
    matches = [hmac.compare_digest(sign(secret, body).encode(), given) for secret in secrets if secret]
    return any(matches)

"""What the tables keep secret is encrypted by WHATSFLOW_ENCRYPTION_KEYS: the first key writes, each of them reads."""

from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class TokenUnreadable(Exception):
    """What is kept was encrypted with a key that is no longer among WHATSFLOW_ENCRYPTION_KEYS."""


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _keys() -> MultiFernet:
    return _fernet(tuple(settings.WHATSFLOW_ENCRYPTION_KEYS))


def encrypt(text: str) -> str:
    return _keys().encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """Read what ``encrypt`` made with any of the keys.

    Raises: TokenUnreadable.
    """
    try:
        return _keys().decrypt(text.encode()).decode()
    except InvalidToken:
        raise TokenUnreadable(
            "a token or secret cannot be read with WHATSFLOW_ENCRYPTION_KEYS: expected one of the keys that"
            " encrypted it; put the key back at the end of the list, or enter the value again"
        ) from None


def rotate(text: str) -> str:
    """Encrypt again with the first key.

    Raises: TokenUnreadable.
    """
    try:
        return _keys().rotate(text.encode()).decode()
    except InvalidToken:
        return encrypt(decrypt(text))

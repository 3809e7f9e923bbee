"""Read settings from the environment; a wrong value fails with its name, what is wrong and what is accepted.

Each secret may also come from a file named by ``NAME_FILE``. Where a demo may make a missing key by itself,
the key is made once and kept in ``var/``.
"""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

_yes = {"1", "true", "yes", "on"}
_no = {"0", "false", "no", "off", ""}


def has(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def text(name: str, default: str = "") -> str:
    """Read ``name``, else the content of the file that ``NAME_FILE`` names, else ``default``."""
    if name in os.environ:
        return os.environ[name].strip()
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return default
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE={path}: cannot be read ({error.strerror}); give the path of a readable file"
        ) from error


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not has(name):
        return default
    if value not in _yes | _no:
        raise ImproperlyConfigured(f"{name}={value}: expected one of true, false, 1, 0, yes, no, on, off")
    return value in _yes


def integer(name: str, default: int, *, low: int, high: int) -> int:
    if not has(name):
        return default
    value = text(name)
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value}: expected a whole number") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name}={value}: expected {low} to {high}")
    return number


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Read a comma list; blanks around the entries do not count."""
    return [w for part in text(name, ",".join(default)).split(",") if (w := part.strip())]


def one_of(name: str, default: str, accepted: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in accepted:
        raise ImproperlyConfigured(f"{name}={value}: expected one of {', '.join(accepted)}")
    return value


def matching(name: str, default: str, pattern: str, example: str) -> str:
    value = text(name, default)
    if not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name}={value}: expected the form {example}")
    return value


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        raise ImproperlyConfigured(
            f"{name}={value}: expected a zone name such as UTC or Asia/Kolkata"
        ) from None
    return value


def directory(name: str, default: Path) -> Path:
    """Read a path; one that was given must be a directory."""
    path = Path(text(name) or default).resolve()
    if has(name) and not path.is_dir():
        raise ImproperlyConfigured(f"{name}={path}: no such directory")
    return path


def url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    value = text(name, default)
    scheme, colon, rest = value.partition(":")
    if not colon or scheme not in schemes or not rest.startswith("//"):
        accepted = ", ".join(f"{s}://…" for s in schemes)
        raise ImproperlyConfigured(f"{name}={value.split('@')[-1]}: expected {accepted}")
    return value.rstrip("/")


def secret(
    name: str, keep_in: Path | None, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)
) -> str:
    """Read a secret; a missing one is made once and kept in ``keep_in``, else it is a fault."""
    if has(name):
        return text(name)
    if keep_in is None:
        raise ImproperlyConfigured(f"{name} is not set: production needs it (or {name}_FILE with a path)")
    path = keep_in / name.lower()
    if not path.exists():
        keep_in.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written aside and linked: of two processes that start at once, both read the same whole key.
        draft = keep_in / f".{name.lower()}.{os.getpid()}"
        draft.write_text(make(), encoding="utf-8")
        draft.chmod(0o600)
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()


def missing(names: dict[str, Any]) -> None:
    """Name every setting of ``names`` that has no value, all in one refusal."""
    absent = [name for name, value in names.items() if not value]
    if absent:
        raise ImproperlyConfigured(
            f"{', '.join(absent)} not set: production needs them; see .env.example"
            " (each may also be given as NAME_FILE)"
        )


def fernet_keys(name: str, keep_in: Path | None) -> list[str]:
    """Read encryption keys, the first of which encrypts; the fault never shows a key."""
    keys = [key for part in secret(name, keep_in, _fernet_key).split(",") if (key := part.strip())]
    for number, key in enumerate(keys, start=1):
        try:
            is_whole = len(base64.urlsafe_b64decode(key)) == 32
        except (binascii.Error, ValueError):
            is_whole = False
        if not is_whole:
            raise ImproperlyConfigured(
                f"{name}: key {number} of {len(keys)} is not one; expected 32 bytes in URL-safe base64:"
                ' python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
            )
    if not keys:
        raise ImproperlyConfigured(f"{name}: expected at least one key")
    return keys


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()

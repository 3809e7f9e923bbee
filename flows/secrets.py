"""Secrets by name: kept encrypted in a table, or given by the environment; never shown once they are in.

Each look-up asks the table again, so that a new value works at once in every process.
"""

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote, quote_plus

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from flows.encryption import decrypt, encrypt, rotate

NAME = r"[a-z][a-z0-9_]{0,63}"
PREFIX = "WHATSFLOW_SECRET_"
FILE = "_FILE"
MASK = "***"
# A shorter piece of base64 stands in texts that have nothing to do with the secret.
SHORTEST_PIECE = 6

_name = re.compile(NAME)
_percent = re.compile(r"%[0-9A-F]{2}")


class SecretUnknown(Exception):
    """No secret has this name, or its file cannot be read; the text says how to set it."""


class Hidden(str):
    """A secret's value: a text as any other, but for ``repr``, by which values reach tracebacks and logs."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        return super().__new__(cls, value)

    def __repr__(self) -> str:
        return f"'{MASK}'"


class Secret(models.Model):
    """A named value of the business' own. ``value`` is encrypted."""

    name = models.CharField(
        _("name"),
        max_length=64,
        unique=True,
        validators=[
            RegexValidator(
                rf"\A{NAME}\Z",
                _(
                    "Use lower-case letters, digits and _, with a letter first; flows write {{ secrets.name }}."
                ),
            ),
            RegexValidator(
                r"_file\Z", _("A name cannot end with _file, which means a file."), inverse_match=True
            ),
        ],
    )
    description = models.CharField(_("description"), max_length=200, default="", blank=True)
    value = models.TextField(editable=False)
    changed_at = models.DateTimeField(_("changed at"), null=True, editable=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("changed by"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")

    def __str__(self) -> str:
        return self.name

    def set_value(self, value: str) -> None:
        """Keep ``value`` encrypted; the caller saves it."""
        self.value = encrypt(value)


def get(name: str) -> str:
    """Give the value of a secret: the table's, else the environment's. Upper and lower case are one name.

    Raises:
        SecretUnknown: there is none; TokenUnreadable: it was encrypted with a key that is gone.
    """
    wanted = name.lower()
    kept = Secret.objects.filter(name=wanted).values_list("value", flat=True).first()
    if kept is not None:
        return Hidden(decrypt(kept))
    value = _from_environment(wanted) if _name.fullmatch(wanted) else ""
    if not value:
        raise SecretUnknown(
            f"no secret is named {wanted!r}: add it under Secrets in the admin,"
            f" or set {PREFIX}{wanted.upper()} or {PREFIX}{wanted.upper()}{FILE}"
        )
    return Hidden(value)


def names() -> frozenset[str]:
    """The names of all secrets, in lower case."""
    given = (
        key.removeprefix(PREFIX).removesuffix(FILE).lower()
        for key, value in os.environ.items()
        if key.startswith(PREFIX) and value
    )
    kept = Secret.objects.values_list("name", flat=True)
    return frozenset([*kept, *(name for name in given if _name.fullmatch(name))])


def rotate_all() -> int:
    """Put every secret under the first encryption key; returns how many there are. Either all move or none."""
    with transaction.atomic():
        rows = list(Secret.objects.select_for_update())
        for row in rows:
            row.value = rotate(row.value)
        Secret.objects.bulk_update(rows, ["value"])
    return len(rows)


def redact(text: str, values: Iterable[str]) -> str:
    """Replace each of ``values`` by ``***``: plain, percent-encoded, in base64, and as it stands in JSON."""
    forms = {form for value in values if value for form in _forms(str(value))}
    if not forms:
        return text
    # The longest first: a value may hold another.
    ordered = sorted(forms, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, ordered)), MASK, text)


def _forms(value: str) -> Iterator[str]:
    yield value
    for encoded in (quote(value), quote(value, safe=""), quote_plus(value)):
        yield encoded
        yield _percent.sub(lambda found: found[0].lower(), encoded)
    for to_ascii in (True, False):
        inner = json.dumps(value, ensure_ascii=to_ascii)[1:-1]
        yield inner
        yield inner.replace("/", "\\/")
    data = value.encode()
    for encoded in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()):
        yield encoded
        yield encoded.rstrip("=")
        # What is the same whatever follows the value.
        piece = encoded[: len(data) * 8 // 6]
        if len(piece) >= SHORTEST_PIECE:
            yield piece


def _from_environment(name: str) -> str:
    variable = PREFIX + name.upper()
    value = os.environ.get(variable, "").strip()
    path = os.environ.get(variable + FILE)
    if value or not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "no UTF-8 text"
        raise SecretUnknown(
            f"the secret {name!r} cannot be read from the file that {variable}{FILE} names ({reason})"
        ) from None

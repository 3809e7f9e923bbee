"""The kept OAuth2 tokens of APIs, and the lease by which one process at a time renews one.

States: new → connected ⇄ expired; a failure keeps what there was, with its text and a pause before the next try.
All times are the database's.
"""

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from flows import database
from flows.encryption import decrypt, encrypt, rotate

LEASE_SECONDS = 20
# A token is renewed this long before it ends, or at half its life when that is shorter.
EARLY_SECONDS = 60
LONGEST_PAUSE_SECONDS = 300
LONGEST_ERROR = 300
# What makes one spec differ from another; the rest of an ``auth`` does not.
SPEC_KEYS = (
    "grant",
    "token_url",
    "authorize_url",
    "client_id",
    "client_secret",
    "refresh_token",
    "scope",
    "private_key",
    "issuer",
    "audience",
    "subject",
)
AUTHORIZATION_CODE = "authorization_code"


class OAuthToken(models.Model):
    """The tokens of one API in one environment for one spec; the texts of tokens and spec are encrypted.

    ``expires_at`` is null where the server did not say; ``renew_at`` lies before it.
    """

    api = models.CharField(_("API"), max_length=100)
    environment = models.CharField(_("environment"), max_length=64, default="", blank=True)
    spec_hash = models.CharField(max_length=64)
    grant = models.CharField(_("grant"), max_length=32)
    spec = models.TextField()
    allow_http = models.BooleanField(default=False)
    access_token = models.TextField(default="", blank=True)
    refresh_token = models.TextField(default="", blank=True)
    obtained_at = models.DateTimeField(_("obtained at"), null=True)
    renew_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(_("expires at"), null=True)
    error = models.CharField(_("last error"), max_length=LONGEST_ERROR, default="", blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    retry_at = models.DateTimeField(null=True)
    refreshing_by = models.CharField(max_length=100, default="", blank=True)
    refreshing_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("API connection")
        verbose_name_plural = _("API connections")
        constraints = [
            models.UniqueConstraint(fields=["api", "environment", "spec_hash"], name="one_token_of_a_spec")
        ]

    def __str__(self) -> str:
        return f"{self.api} ({self.environment})" if self.environment else self.api

    def read_spec(self) -> dict[str, Any]:
        """Give the spec as it was written, its secrets as placeholders.

        Raises: TokenUnreadable.
        """
        spec: dict[str, Any] = json.loads(decrypt(self.spec))
        return spec

    def state(self, now: datetime) -> str:
        """One of ``new connected expired failed``."""
        if self.error:
            return "failed"
        if not self.access_token:
            return "new"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row as one look found it, judged by the database's clock; tokens are still encrypted.

    Shapes:
        is_fresh: to be used; is_valid: may still be used while it is renewed.
        is_paused: the last try failed and the next is not due; is_taken: somebody renews it now.
    """

    id: int
    access_token: str
    refresh_token: str
    error: str
    is_fresh: bool
    is_valid: bool
    is_paused: bool
    is_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token endpoint gave. Units: ``expires_in`` seconds, None where it did not say."""

    access_token: str
    refresh_token: str = ""
    expires_in: float | None = None

    def __repr__(self) -> str:
        return f"Grant(expires_in={self.expires_in})"


def hash_of(spec: Mapping[str, Any]) -> str:
    return hashlib.sha256(_spec_text(spec).encode()).hexdigest()


def announce(
    api: str, spec: Mapping[str, Any], *, environment: str = "", allow_http: bool = False
) -> OAuthToken:
    """Make sure that a row stands for this spec, so that staff can connect it before its first call."""
    found, _created = OAuthToken.objects.get_or_create(
        api=api,
        environment=environment,
        spec_hash=hash_of(spec),
        defaults={
            "grant": str(spec.get("grant", "")),
            "spec": encrypt(_spec_text(spec)),
            "allow_http": allow_http,
        },
    )
    if found.allow_http != allow_http:
        found.allow_http = allow_http
        found.save(update_fields=["allow_http"])
    return found


def look(api: str, environment: str, spec_hash: str) -> Kept | None:
    row = database.read().one(
        "SELECT id, access_token, refresh_token, error,"
        " access_token <> '' AND (renew_at IS NULL OR renew_at > {now}),"
        " access_token <> '' AND (expires_at IS NULL OR expires_at > {now}),"
        " retry_at IS NOT NULL AND retry_at > {now},"
        " refreshing_until IS NOT NULL AND refreshing_until > {now}"
        " FROM flows_oauthtoken WHERE api = %s AND environment = %s AND spec_hash = %s",
        [api, environment, spec_hash],
    )
    if row is None:
        return None
    pk, access, refresh, error, fresh, valid, paused, taken = row
    return Kept(
        id=pk,
        access_token=access,
        refresh_token=refresh,
        error=error,
        is_fresh=bool(fresh),
        is_valid=bool(valid),
        is_paused=bool(paused),
        is_taken=bool(taken),
    )


def claim(kept: Kept) -> str:
    """Take the right to renew what ``kept`` saw; returns the holder's name, "" where another was faster."""
    holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{token_hex(8)}"

    def take() -> int:
        with database.write() as cursor:
            return cursor.run(
                "UPDATE flows_oauthtoken SET refreshing_by = %s, refreshing_until = "
                + database.later(str(LEASE_SECONDS))
                + " WHERE id = %s AND access_token = %s AND refresh_token = %s"
                " AND (refreshing_until IS NULL OR refreshing_until <= {now})"
                " AND (retry_at IS NULL OR retry_at <= {now})",
                [holder, kept.id, kept.access_token, kept.refresh_token],
            )

    return holder if database.again(take) else ""


def record_grant(kept: Kept, grant: Grant, holder: str | None) -> bool:
    """Keep new tokens; a refresh token stays till a new one comes. False where the holder's came too late.

    A renewal that outlived its lease is kept if nobody else was faster: a server that changes refresh tokens
    knows only the newest. Without a holder, staff has connected anew, and that wins over any renewal.
    """
    life = grant.expires_in
    where = "WHERE id = %s"
    who: list[Any] = [kept.id]
    if holder is not None:
        where += " AND (refreshing_by = %s OR (access_token = %s AND refresh_token = %s))"
        who += [holder, kept.access_token, kept.refresh_token]
    refresh = encrypt(grant.refresh_token) if grant.refresh_token else kept.refresh_token

    def keep() -> int:
        early = None if life is None else max(life - EARLY_SECONDS, life / 2)
        ends, end_values = _at(life)
        renews, renew_values = _at(early)
        with database.write() as cursor:
            return cursor.run(
                "UPDATE flows_oauthtoken SET access_token = %s, refresh_token = %s, obtained_at = {now},"
                f" expires_at = {ends}, renew_at = {renews}, error = '', failures = 0, retry_at = NULL,"
                f" refreshing_by = '', refreshing_until = NULL {where}",
                [encrypt(grant.access_token), refresh, *end_values, *renew_values, *who],
            )

    return bool(database.again(keep))


def record_failure(kept: Kept, holder: str, error: str, *, forget_refresh_token: bool = False) -> None:
    """Free the lease, keep the safe text of what went wrong, and wait twice as long as before until the next try."""
    forgotten = ", refresh_token = ''" if forget_refresh_token else ""
    # 1, 2, 4 … seconds; the exponent is held small, for a failure may last for months.
    steps = "CASE " + " ".join(f"WHEN failures = {n} THEN {2**n}" for n in range(9))
    pause = f"{steps} ELSE {LONGEST_PAUSE_SECONDS} END"

    def keep() -> int:
        with database.write() as cursor:
            return cursor.run(
                "UPDATE flows_oauthtoken SET error = %s, retry_at = "
                + database.later(pause)
                + ", failures = failures + 1, refreshing_by = '', refreshing_until = NULL"
                + forgotten
                + " WHERE id = %s AND refreshing_by = %s",
                [error[:LONGEST_ERROR], kept.id, holder],
            )

    database.again(keep)


def release(kept: Kept, holder: str) -> None:
    """Free the lease and say nothing of why."""
    OAuthToken.objects.filter(pk=kept.id, refreshing_by=holder).update(
        refreshing_by="", refreshing_until=None
    )


def forget_access(api: str, *, environment: str = "", token: str | None = None) -> int:
    """Drop the access token, where it is still ``token`` (any, if None); returns how many were dropped."""
    dropped = 0
    rows = OAuthToken.objects.filter(api=api, environment=environment).exclude(access_token="")
    for pk, kept in rows.values_list("pk", "access_token"):
        if token is None or decrypt(kept) == token:
            same = OAuthToken.objects.filter(pk=pk, access_token=kept)
            dropped += same.update(access_token="", expires_at=None, renew_at=None)
    return dropped


def disconnect(rows: models.QuerySet[OAuthToken]) -> int:
    """Forget both tokens and the last error of ``rows``; returns how many rows there were."""
    return rows.update(
        access_token="",
        refresh_token="",
        obtained_at=None,
        expires_at=None,
        renew_at=None,
        error="",
        failures=0,
        retry_at=None,
        # A renewal that is on its way brings nothing back.
        refreshing_by="",
        refreshing_until=None,
    )


def rotate_all() -> int:
    """Put every spec and token under the first encryption key; returns how many rows. Either all move or none."""
    columns = ("spec", "access_token", "refresh_token")
    with transaction.atomic():
        rows = list(OAuthToken.objects.select_for_update())
        for row in rows:
            for column in columns:
                if kept := getattr(row, column):
                    setattr(row, column, rotate(kept))
        OAuthToken.objects.bulk_update(rows, columns)
    return len(rows)


def _spec_text(spec: Mapping[str, Any]) -> str:
    kept = {key: spec[key] for key in SPEC_KEYS if spec.get(key)}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _at(seconds: float | None) -> tuple[str, list[float]]:
    """SQL for the database's clock plus ``seconds``, and its parameters; NULL for None."""
    return ("NULL", []) if seconds is None else (database.later("%s"), [seconds])

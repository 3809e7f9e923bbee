"""Breakers: a bad token, a locked account or a spam mark stops sending in its scope; rows stay queued.

After a while one message probes; its acceptance closes the breaker.
"""

from collections.abc import Sequence

from flows import database, facts

PROBE_AFTER_SECONDS = 60


def scopes_of(phone_number_id: str, waba_id: str) -> list[str]:
    return [f"number:{phone_number_id}", *([f"account:{waba_id}"] if waba_id else [])]


def begin_probe(cursor: database.Cursor, scopes: Sequence[str]) -> None:
    among = cursor.among("scope", "text", scopes)
    cursor.run(
        f"UPDATE conversations_breaker SET state = 'half_open', probe_at = {database.later(str(PROBE_AFTER_SECONDS))}"
        f" WHERE state <> 'closed' AND {among.sql}",
        among.params,
    )


def trip(cursor: database.Cursor, scope: str, *, code: int | None, reason: str) -> None:
    """Open a breaker and its incident."""
    cursor.run(
        "INSERT INTO conversations_breaker (scope, state, reason, code, opened_at, probe_at, failures)"
        f" VALUES (%s, 'open', %s, %s, {{now}}, {database.later(str(PROBE_AFTER_SECONDS))}, 1)"
        " ON CONFLICT (scope) DO UPDATE SET state = 'open', reason = excluded.reason, code = excluded.code,"
        " opened_at = CASE WHEN conversations_breaker.state = 'closed' THEN excluded.opened_at"
        "  ELSE conversations_breaker.opened_at END,"
        " probe_at = excluded.probe_at, failures = conversations_breaker.failures + 1",
        [scope, reason, code],
    )
    facts.open_incident(
        cursor, "breaker", reason, scope=scope, severity="error", data={"code": code} if code else None
    )


def close(cursor: database.Cursor, scopes: Sequence[str]) -> None:
    """Close what a probe found healthy; a no-op in the usual case.

    A message that was on its way when the breaker opened proves nothing: only half-open ones are closed.
    """
    among = cursor.among("scope", "text", scopes)
    rows = cursor.rows(
        "UPDATE conversations_breaker SET state = 'closed', failures = 0"
        f" WHERE state = 'half_open' AND {among.sql} RETURNING scope",
        among.params,
    )
    for (scope,) in rows:
        facts.close_incident(cursor, "breaker", scope=scope)

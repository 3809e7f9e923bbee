"""Pacing: a token bucket for each number, one row write a batch; and Meta's pair limit, kept on the conversation."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flows import database

BURST_SECONDS = 1.0
# A number that was slowed down is as fast as before after this time without another such answer.
RECOVERY_SECONDS = 600.0
# One message to a person each 6 s, and up to 45 ahead of that, repaid by waiting.
PAIR_SECONDS = 6
PAIR_BURST = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may leave a number now; ``rate`` is the number's own, or less while it recovers."""

    tokens: float
    rate: float
    is_killed: bool
    is_broken: bool
    may_probe: bool
    moment: datetime  # of the one clock, which the simulator may have jumped
    now: datetime  # of the bare database clock


_ALLOWANCE = (
    "SELECT b.tokens, b.rate, b.at, {now},"
    " (SELECT offset_seconds FROM conversations_simulationclock WHERE id = 1),"
    " EXISTS (SELECT 1 FROM conversations_killswitch AS s WHERE s.is_on),"
    " EXISTS (SELECT 1 FROM conversations_breaker AS k WHERE k.state <> 'closed' AND k.scope IN (%s, %s)),"
    " EXISTS (SELECT 1 FROM conversations_breaker AS k WHERE k.state <> 'closed' AND k.scope IN (%s, %s)"
    "  AND k.probe_at > {now})"
    " FROM conversations_bucket AS b WHERE b.key = %s {lock}"
)


def allowance(cursor: database.Cursor, number: str, waba_id: str, rate: float) -> Allowance:
    """Read bucket, breakers and kill switch in one statement; the bucket's row stays locked until the commit."""
    scopes = [f"number:{number}", f"account:{waba_id}"]
    row = cursor.one(_ALLOWANCE, [*scopes, *scopes, number])
    if row is None:
        _fill(cursor, number, rate)
        row = cursor.one(_ALLOWANCE, [*scopes, *scopes, number])
    if row is None:
        raise LookupError(f"no bucket for number {number}")
    tokens, slowed, at, read_at, offset, is_killed, is_broken, is_resting = row
    now = database.as_time(read_at)
    passed = max(0.0, (now - database.as_time(at)).total_seconds())
    present = min(rate, float(slowed) + rate * passed / RECOVERY_SECONDS)
    return Allowance(
        tokens=min(_cap(present), float(tokens) + present * passed),
        rate=present,
        is_killed=bool(is_killed),
        is_broken=bool(is_broken),
        may_probe=not is_resting,
        moment=now + timedelta(seconds=float(offset or 0)),
        now=now,
    )


def _cap(rate: float) -> float:
    return max(1.0, rate * BURST_SECONDS)


def _fill(cursor: database.Cursor, key: str, rate: float) -> None:
    cursor.run(
        "INSERT INTO conversations_bucket (key, tokens, rate, cap, at) VALUES (%s, %s, %s, %s, {now})"
        " ON CONFLICT (key) DO NOTHING",
        [key, _cap(rate), rate, _cap(rate)],
    )


def spend(cursor: database.Cursor, key: str, rate: float, left: float) -> None:
    cursor.run(
        "UPDATE conversations_bucket SET tokens = %s, rate = %s, cap = %s, at = {now} WHERE key = %s",
        [left, rate, _cap(rate), key],
    )


def hold(cursor: database.Cursor, key: str, seconds: float) -> None:
    """Stop a number for a while: its bucket owes the tokens of that time."""
    cursor.run(
        "UPDATE conversations_bucket SET tokens = -rate * %s, at = {now} WHERE key = %s", [seconds, key]
    )


def slow_down(cursor: database.Cursor, key: str) -> None:
    """Halve a number's present rate when Meta says that it is too fast; it recovers by itself."""
    cursor.run(
        "UPDATE conversations_bucket SET rate = CASE WHEN rate > 2 THEN rate / 2 ELSE 1 END WHERE key = %s",
        [key],
    )


def pair_limit(now: datetime) -> datetime:
    """A conversation whose ``pair_until`` is not after this moment may take one more message."""
    return now + timedelta(seconds=PAIR_SECONDS * (PAIR_BURST - 1))


def pair_after(pair_until: datetime | None, now: datetime) -> datetime:
    """``pair_until`` once one more message has gone to this person."""
    return max(pair_until or now, now) + timedelta(seconds=PAIR_SECONDS)

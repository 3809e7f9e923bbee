"""One row of the table of Meta's codes, and the classes of codes that rows are made by."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

Judgment = Literal["accepted", "queued", "ambiguous", "refused"]
Scope = Literal["none", "app", "account", "number", "recipient", "template"]
Effect = Literal[
    "none",
    "open_breaker_account",
    "open_breaker_number",
    "open_breaker_marketing",
    "slow_number",
    "opt_out",
    "close_window",
    "suspect_number",
    "pause_template",
    "stop_campaign",
    "block_country",
]
Retry = Literal["back_off", "next_day", "after_breaker", "after_fix", "never"]

NOBODY, ADMIN, AGENT, CAMPAIGNER, DEVELOPER = "nobody", "admin", "agent", "campaigner", "developer"

UNKNOWN = (5.0, 30.0, 300.0)
SERVICE_DOWN = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)
CALL_BUDGET = (60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
THROUGHPUT = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
PAIR = (1.0, 4.0, 16.0, 64.0, 256.0)
PROBE = (60.0, 300.0, 900.0)
SPAM = (3600.0, 14_400.0, 86_400.0)
DAY = (86_400.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaError:
    """What one code means to us.

    Shapes:
        verdict: for the HTTP answer to a send; in a status webhook every code means failed.
        retry: how a message may be sent again after a failed status.
        backoff: the n-th wait is the n-th entry; the last one repeats, unless `attempts` ends it.
        attempts: sends after which `queued` becomes `refused`; None = until the message expires.
    Units: backoff in seconds, before jitter.
    """

    code: int
    http: int
    meaning: str
    verdict: Judgment
    backoff: tuple[float, ...]
    scope: Scope
    effect: Effect
    retry: Retry
    words: str
    who: str
    attempts: int | None = None

    def wait(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt, the first being 1."""
        return self.backoff[min(max(attempt, 1), len(self.backoff)) - 1] if self.backoff else 0.0


def make_row(
    code: int,
    http: int,
    meaning: str,
    words: str,
    who: str,
    *,
    verdict: Judgment,
    retry: Retry,
    scope: Scope = "none",
    effect: Effect = "none",
    backoff: tuple[float, ...] = (),
    attempts: int | None = None,
) -> MetaError:
    return MetaError(
        code=code,
        http=http,
        meaning=meaning,
        verdict=verdict,
        backoff=backoff,
        scope=scope,
        effect=effect,
        retry=retry,
        words=words,
        who=who,
        attempts=attempts,
    )


ambiguous = partial(make_row, verdict="ambiguous", retry="back_off")
too_fast = partial(make_row, verdict="queued", retry="back_off")
account = partial(
    make_row,
    verdict="queued",
    retry="after_breaker",
    scope="account",
    effect="open_breaker_account",
    backoff=PROBE,
)
number = partial(
    make_row,
    verdict="queued",
    retry="after_breaker",
    scope="number",
    effect="open_breaker_number",
    backoff=PROBE,
)
marketing = partial(
    make_row,
    verdict="queued",
    retry="after_breaker",
    scope="number",
    effect="open_breaker_marketing",
    backoff=SPAM,
)
refused = partial(make_row, verdict="refused", retry="after_fix")
template = partial(make_row, verdict="refused", retry="after_fix", scope="template")

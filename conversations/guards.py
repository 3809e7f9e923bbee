"""Guards against running in circles: one pair of texts again and again, or more messages than a person sends."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

SAME_PAIR_TURNS = 4
SAME_PAIR_WITHIN = timedelta(minutes=5)
PER_MINUTE = 20
PER_DAY = 200

Guard = dict[str, Any]


def note_pair(guard: Mapping[str, Any], said: str, answered: str, now: datetime) -> tuple[Guard, bool]:
    """Count a turn's (inbound, outbound) pair; True when it came four turns running within five minutes."""
    pair = hashlib.sha256(f"{said}\0{answered}".encode()).hexdigest()[:16]
    since = datetime.fromisoformat(guard["since"]) if guard.get("since") else now
    if guard.get("pair") != pair or now - since > SAME_PAIR_WITHIN:
        return {**guard, "pair": pair, "turns": 1, "since": now.isoformat()}, False
    turns = int(guard.get("turns", 1)) + 1
    return {**guard, "turns": turns}, turns >= SAME_PAIR_TURNS


def forget_pair(guard: Mapping[str, Any]) -> Guard:
    return {k: v for k, v in guard.items() if k not in {"pair", "turns", "since"}}


def take(guard: Mapping[str, Any], wanted: int, now: datetime) -> tuple[Guard, int]:
    """Allow up to ``wanted`` messages within the limits of a minute and a day; gives how many."""
    minute, day = now.strftime("%Y%m%d%H%M"), now.strftime("%Y%m%d")
    in_minute = int(guard.get("in_minute", 0)) if guard.get("minute") == minute else 0
    in_day = int(guard.get("in_day", 0)) if guard.get("day") == day else 0
    allowed = max(0, min(wanted, PER_MINUTE - in_minute, PER_DAY - in_day))
    counts = {"minute": minute, "in_minute": in_minute + allowed, "day": day, "in_day": in_day + allowed}
    return {**guard, **counts}, allowed

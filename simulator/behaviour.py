"""How the simulated Meta behaves: its switches, the statuses it plans for a message, the faults it can commit.

Plain Python: no Django, no clock; the caller gives the randomness.
"""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

STATUSES = ("sent", "delivered", "read", "played")
WINDOWS = ("off", "answer", "status")


class BehaviourFault(ValueError):
    """A switch that does not exist or has a value it does not take; `problems` names each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The steady switches of a number.

    Units: every `*_ms` is in milliseconds, counted from the acceptance of the message.
    """

    statuses: tuple[str, ...] = ("sent", "delivered", "read")
    sent_ms: int = 120
    delivered_ms: int = 350
    read_ms: int = 1500
    played_ms: int = 4000
    jitter_ms: int = 40
    answer_ms: int = 0
    status_before_answer: bool = False
    duplicates: int = 0
    reorder: bool = False
    reorder_ms: int = 400
    batch: int = 1
    contacts_in_failed: bool = False
    conversation: bool = False
    window: str = "status"
    throughput_per_second: int = 0
    pair_per_6_seconds: int = 0
    retry_first_ms: int = 1000
    retry_most_ms: int = 60_000
    retry_tries: int = 60
    webhook_timeout_ms: int = 20_000

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "statuses": list(self.statuses)}


_BOUNDS = {
    "duplicates": (0, 100),
    "batch": (1, 1000),
    "retry_tries": (0, 10_000),
    "throughput_per_second": (0, 100_000),
    "pair_per_6_seconds": (0, 1000),
    "retry_first_ms": (1, 600_000),
    "webhook_timeout_ms": (10, 600_000),
}
_MILLISECONDS = (0, 600_000)


def change_behaviour(base: Behaviour, changes: Mapping[str, Any]) -> Behaviour:
    """Return `base` with `changes`.

    Raises: BehaviourFault, which names every wrong switch at once.
    """
    known = {field.name: getattr(base, field.name) for field in fields(base)}
    problems = [
        problem for name, value in changes.items() if (problem := _problem(name, value, known)) is not None
    ]
    if problems:
        raise BehaviourFault(problems)
    values: dict[str, Any] = {
        name: tuple(value) if name == "statuses" else value for name, value in changes.items()
    }
    return replace(base, **values)


def _problem(name: str, value: Any, known: Mapping[str, Any]) -> str | None:
    if name not in known:
        return f"{name}: no such switch; known are {', '.join(known)}"
    if name == "statuses":
        right = isinstance(value, list | tuple) and all(status in STATUSES for status in value)
        return None if right else f"statuses: expected a list of {', '.join(STATUSES)}, got {value!r}"
    if name == "window":
        return None if value in WINDOWS else f"window: expected one of {', '.join(WINDOWS)}, got {value!r}"
    if isinstance(known[name], bool):
        return None if isinstance(value, bool) else f"{name}: expected true or false, got {value!r}"
    low, high = _BOUNDS.get(name, _MILLISECONDS)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return None
    return f"{name}: expected a whole number from {low} to {high}, got {value!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStatus:
    """A status webhook to come. `code` is Meta's error of a `failed` one."""

    status: str
    after_ms: int
    code: int | None = None


def plan_statuses(
    behaviour: Behaviour, *, message_type: str, fails_with: int | None, dice: random.Random
) -> tuple[PlannedStatus, ...]:
    """Plan the statuses of one accepted message, in the order in which they fall due.

    A reaction is only ever `sent`; `played` belongs to audio. Reordering deals the same due times out anew.
    """
    if fails_with is not None:
        return (PlannedStatus(status="failed", after_ms=_delay(behaviour, "sent", dice), code=fails_with),)
    wanted = [status for status in STATUSES if status in behaviour.statuses and _can(message_type, status)]
    delays = sorted(_delay(behaviour, status, dice) for status in wanted)
    if behaviour.reorder:
        dice.shuffle(wanted)
    return tuple(
        PlannedStatus(status=status, after_ms=delay) for status, delay in zip(wanted, delays, strict=True)
    )


def _can(message_type: str, status: str) -> bool:
    if message_type == "reaction":
        return status == "sent"
    return status != "played" or message_type == "audio"


def _delay(behaviour: Behaviour, status: str, dice: random.Random) -> int:
    base: int = getattr(behaviour, f"{status}_ms")
    return base + (dice.randint(0, behaviour.jitter_ms) if behaviour.jitter_ms else 0)


def copies(behaviour: Behaviour, dice: random.Random) -> list[int]:
    """Delays, in milliseconds, of the webhook and of each of its duplicates."""
    first = dice.randint(0, behaviour.reorder_ms) if behaviour.reorder else 0
    return [first, *(first + dice.randint(0, behaviour.reorder_ms) for _ in range(behaviour.duplicates))]


def retry_after_ms(behaviour: Behaviour, tries: int) -> int | None:
    """How long to wait after `tries` failed deliveries; None: give up."""
    if tries > behaviour.retry_tries:
        return None
    doublings = min(tries - 1, 30)
    return int(min(behaviour.retry_first_ms * 2**doublings, behaviour.retry_most_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """What a fault does to one POST; `accepts` says whether the message is taken when nobody says otherwise."""

    name: str
    accepts: bool
    needs_code: bool = False
    meaning: str = ""


FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(name="refuse", accepts=False, needs_code=True, meaning="answers with Meta's error `code`"),
        FaultKind(
            name="fail", accepts=True, needs_code=True, meaning="accepts, then a failed status with `code`"
        ),
        FaultKind(name="slow", accepts=True, meaning="answers after `milliseconds`"),
        FaultKind(name="hang", accepts=True, meaning="never answers: holds for `milliseconds`, then cuts"),
        FaultKind(name="drop", accepts=True, meaning="cuts the connection without an answer"),
        FaultKind(name="html", accepts=False, meaning="answers 502 with an HTML page"),
        FaultKind(name="unavailable", accepts=False, meaning="answers 503 with an empty body"),
        FaultKind(name="junk", accepts=True, meaning="answers 200 with a body that is not JSON"),
        FaultKind(name="empty", accepts=True, meaning="answers 200 with no body"),
        FaultKind(name="truncate", accepts=True, meaning="answers 200, then cuts inside the body"),
        FaultKind(name="silent", accepts=True, meaning="accepts, and no status ever comes"),
    )
}


def check_fault(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a fault to arm, with defaults.

    Shapes: kind, code?, to?, message_type?, accepts?, milliseconds?, times? (null or absent: 1; 0: always).
    Raises: BehaviourFault.
    """
    kind = FAULTS.get(str(data.get("kind")))
    if kind is None:
        raise BehaviourFault([f"kind: expected one of {', '.join(FAULTS)}, got {data.get('kind')!r}"])
    problems = [f"{key}: no such key" for key in data if key not in _FAULT_KEYS]
    if kind.needs_code and not _whole(data.get("code")):
        problems.append(f"code: {kind.name} needs one of Meta's error codes, got {data.get('code')!r}")
    for key in ("times", "milliseconds"):
        if data.get(key) is not None and not _whole(data[key]):
            problems.append(f"{key}: expected a whole number, got {data[key]!r}")
    if problems:
        raise BehaviourFault(problems)
    times = 1 if data.get("times") is None else data["times"]
    return {
        "kind": kind.name,
        "code": data.get("code") if kind.needs_code else None,
        "to": str(data.get("to") or "").lstrip("+"),
        "message_type": str(data.get("message_type") or ""),
        "accepts": bool(data.get("accepts", kind.accepts)),
        "milliseconds": data.get("milliseconds") or (30_000 if kind.name == "hang" else 2000),
        "remaining": times or None,
    }


_FAULT_KEYS = {"number", "kind", "code", "to", "message_type", "accepts", "milliseconds", "times"}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

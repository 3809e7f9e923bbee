"""What the author of a processor sees: the decorator, the context of a call, and its result."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, ParamSpec, TypeVar, get_args, overload

Params = ParamSpec("Params")
Returned = TypeVar("Returned")
Effects = Literal["pure", "calls", "sends"]

EFFECTS: tuple[str, ...] = get_args(Effects)
DEFAULT_TIMEOUT_SECONDS = 10.0
LONGEST_TIMEOUT_SECONDS = 300.0
DEFAULT_MEMORY_MB = 256
LEAST_MEMORY_MB = 16
MOST_MEMORY_MB = 8192
DECLARATION = "__processor__"
_NOWHERE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a processor promises and asks for.

    `effects`: pure = the same arguments give the same result and nothing else happens; calls = it uses the
    network (closed to all others); sends = its result carries messages; None = nothing promised.
    """

    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    idempotent: bool = False
    effects: Effects | None = None
    memory_mb: int = DEFAULT_MEMORY_MB

    def __post_init__(self) -> None:
        _check_number("timeout_seconds", self.timeout_seconds, above=0, most=LONGEST_TIMEOUT_SECONDS)
        _check_number("memory_mb", self.memory_mb, above=LEAST_MEMORY_MB - 1, most=MOST_MEMORY_MB)
        if self.effects is not None and self.effects not in EFFECTS:
            expected = ", ".join(EFFECTS)
            raise ValueError(f"effects: expected one of {expected}, got {self.effects!r}")
        if not isinstance(self.idempotent, bool):
            raise TypeError(f"idempotent: expected True or False, got {self.idempotent!r}")


class ApiError(Exception):
    """A call of `Context.api` that did not end well; `outcome` is failed or unknown, the text says why."""

    def __init__(self, reason: str, outcome: str = "failed") -> None:
        super().__init__(reason)
        self.outcome = outcome


def _no_api(name: str, **_args: Any) -> Any:
    raise ApiError(
        f"api {name!r}: this context has none; in a test give one: Context(api=lambda name, **args: …)"
    )


def _no_secret(name: str) -> str:
    raise LookupError(
        f"secret {name!r}: this context has none; in a test give one: Context(secret=lambda name: …)"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who and where the call is for. Every field has a default, so that a test may build one.

    Shapes: `contact` {name, phone, language, timezone, groups, fields}; `variables` the session's, read-only;
    `reply` the last accepted answer or None; `flow` {id, hash}; `step` the step's id.
    `idempotency_key` is the same when the call is repeated: hand it to the system that you call.
    `api(name, **args)` calls a record of datasets/apis and gives its mapped answer; raises ApiError. Its result is
    recorded: a processor that runs again is given the same answer to the same question.
    `secret(name)` gives a secret's text; raises LookupError where none of that name is set.
    """

    contact: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    reply: Mapping[str, Any] | None = None
    flow: Mapping[str, Any] = field(default_factory=dict)
    step: str = ""
    now: datetime = _NOWHERE
    language: str = ""
    user_id: str = ""
    idempotency_key: str = ""
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("processors"))
    api: Callable[..., Any] = _no_api
    secret: Callable[[str], str] = _no_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result that does more than be saved.

    `save` is what `save_as` stores; `go_to` a step's id; `send` a list of contents as in a flow file;
    `fail` the reason of a failure that the processor declares itself.
    """

    save: Any = None
    go_to: str | None = None
    send: list[dict[str, Any]] = field(default_factory=list)
    fail: str | None = None


@overload
def processor(function: Callable[Params, Returned], /) -> Callable[Params, Returned]: ...


@overload
def processor(
    *,
    timeout_seconds: float = ...,
    idempotent: bool = ...,
    effects: Effects | None = ...,
    memory_mb: int = ...,
) -> Callable[[Callable[Params, Returned]], Callable[Params, Returned]]: ...


def processor(function: Callable[..., Any] | None = None, /, **declared: Any) -> Any:
    """Declare a function as a processor; the function itself stays as it is and can be called by a test.

    Raises: TypeError, ValueError for a declaration that cannot be kept; the file then does not import.
    """
    declaration = Declaration(**declared)

    def mark(marked: Callable[Params, Returned]) -> Callable[Params, Returned]:
        setattr(marked, DECLARATION, declaration)
        return marked

    return mark if function is None else mark(function)


def _check_number(name: str, value: object, *, above: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not above < value <= most:
        raise ValueError(f"{name}: expected more than {above:g} and at most {most:g}, got {value!r}")

"""Small checks that the parts of a message share; each returns what it found good or raises Meta's refusal."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flows.engine.content import LIMITS
from simulator.refusals import Refusal, bad_parameter, bad_value, missing

Json = Mapping[str, Any]


def length(
    value: Any,
    what: str,
    limit: str | int,
    *,
    least: int = 1,
    refuse: Callable[[str], Refusal] = bad_value,
) -> str:
    most = LIMITS[limit] if isinstance(limit, str) else limit
    if not isinstance(value, str):
        raise bad_parameter(f"Param {what} must be a string.")
    if not least <= len(value) <= most:
        raise refuse(f"{what} length invalid. Min length: {least}, Max length: {most}")
    return value


def an_object(value: Any, what: str) -> Json:
    if not isinstance(value, Mapping):
        raise bad_parameter(f"Param {what} must be a JSON object.")
    return value


def items(value: Any, what: str, most: int) -> list[Any]:
    if value is None:
        raise missing(f"{what} is required")
    if not isinstance(value, list):
        raise bad_parameter(f"Param {what} must be an array.")
    if not 1 <= len(value) <= most:
        raise bad_value(f"Invalid {what} count. Min allowed {what}: 1, Max allowed {what}: {most}")
    return value


def need(holder: Json, key: str, what: str) -> Any:
    if holder.get(key) in (None, ""):
        raise missing(f"{what} is required")
    return holder[key]


def unique(values: Iterable[str], what: str) -> None:
    seen = list(values)
    if len(set(seen)) != len(seen):
        raise bad_value(f"Duplicate {what}")


def an_address(value: Any, what: str) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_parameter(f"Param {what} is not a valid URI.")
    return str(value)


def one_source(value: Any, what: str) -> Json:
    media = an_object(value, what)
    if bool(media.get("id")) == bool(media.get("link")):
        raise bad_parameter(f"Param {what} must have exactly one of the parameters id and link.")
    if media.get("link"):
        an_address(media["link"], f"{what}['link']")
    elif not isinstance(media["id"], str):
        raise bad_parameter(f"Param {what}['id'] must be a string.")
    return media

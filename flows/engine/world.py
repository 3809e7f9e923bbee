"""What a turn may know of everything outside it: plain values and lookups, no port."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.engine.definition import Flow, ProcessorInfo


def _nothing(*_: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The surroundings of one segment.

    Shapes: `flow(hash)` is a definition, None when nobody has it; `latest(flow_id)` the hash of the live
    version; `contact` has name, phone, user_id, language, timezone, groups, fields and is_new; `number` has
    phone_number_id, display_phone_number and default_language; `processors(name, flow_id)` is what a
    processor declares.
    """

    flow: Callable[[str], Flow | None]
    latest: Callable[[str], str | None]
    contact: Mapping[str, Any]
    data: Callable[[str], Any] = _nothing
    globals: Mapping[str, Any] = field(default_factory=dict)
    campaign: Mapping[str, Any] | None = None
    last_inbound_at: datetime | None = None
    processors: Callable[[str, str], ProcessorInfo | None] = _nothing
    number: Mapping[str, Any] = field(default_factory=dict)

"""Meta's answer to a send, read: the ids of an accepted message, or the error object."""

from dataclasses import dataclass
from typing import Any

from conversations.whatsapp.meta_error import Effect, Judgment, Scope
from conversations.whatsapp.values import read_string, read_whole_number

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a message after one attempt to hand it to Meta.

    Units: backoff_seconds, jitter included; 0 where nothing waits.
    """

    state: Judgment
    code: int | None = None
    subcode: int | None = None
    wamid: str | None = None
    wa_id: str | None = None
    user_id: str | None = None
    message_status: str | None = None
    backoff_seconds: float = 0.0
    scope: Scope = "none"
    effect: Effect = "none"
    words: str = ""
    message: str = ""
    fbtrace: str | None = None

    @property
    def breaker(self) -> str | None:
        """Name what is to be opened: account, number, marketing; None for nothing."""
        prefix = "open_breaker_"
        return self.effect.removeprefix(prefix) if self.effect.startswith(prefix) else None


def read_accepted(body: Any) -> Verdict | None:
    first = _first(body, "messages")
    wamid = first.get("id")
    if not isinstance(wamid, str) or not wamid:
        return None
    contact = _first(body, "contacts")
    return Verdict(
        state="accepted",
        wamid=wamid,
        wa_id=read_string(contact, "wa_id"),
        user_id=read_string(contact, "user_id"),
        message_status=read_string(first, "message_status"),
    )


def _first(body: Any, key: str) -> Json:
    entries = body.get(key) if isinstance(body, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    return first if isinstance(first, dict) else {}


def read_failure(body: Any) -> Json | None:
    """Find Meta's error object; one without a code is not Meta's."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    code = read_whole_number(error.get("code"))
    return None if code is None else {**error, "code": code}


def failure_text(failure: Json) -> str:
    data = failure.get("error_data")
    details = data.get("details") if isinstance(data, dict) else data
    parts = [part for part in (failure.get("message"), details) if isinstance(part, str) and part]
    return ": ".join(dict.fromkeys(parts))[:1000]

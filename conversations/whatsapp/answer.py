"""Meta's answer to a send, read: the ids of an accepted message, or the error object."""

from dataclasses import dataclass
from typing import Any

from conversations.whatsapp.body import clean_text
from conversations.whatsapp.identity import read_sender
from conversations.whatsapp.meta_error import Effect, Judgment, Scope
from conversations.whatsapp.received import MAX_WAMID
from conversations.whatsapp.values import MAX_DETAILS, read_code, read_string

Json = dict[str, Any]
MAX_WORD = 64


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
    """Read the ids of an accepted message; None without a wamid that can be stored."""
    first = _first(body, "messages")
    wamid = first.get("id")
    if not isinstance(wamid, str) or not 0 < len(wamid) <= MAX_WAMID or clean_text(wamid) != wamid:
        return None
    customer = read_sender(_first(body, "contacts"), ("wa_id", "user_id"))
    return Verdict(
        state="accepted",
        wamid=wamid,
        wa_id=customer.phone,
        user_id=customer.bsuid or customer.parent_bsuid,
        message_status=_word(first, "message_status"),
    )


def _word(owner: Json, key: str) -> str | None:
    text = read_string(owner, key)
    return clean_text(text)[:MAX_WORD] if text else None


def _first(body: Any, key: str) -> Json:
    entries = body.get(key) if isinstance(body, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    return first if isinstance(first, dict) else {}


def read_failure(body: Any) -> Json | None:
    """Find Meta's error object; one without a code is not Meta's."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    code = read_code(error.get("code"))
    return None if code is None else {**error, "code": code}


def failure_text(failure: Json) -> str:
    """Join what Meta says about an error, fit to be stored."""
    data = failure.get("error_data")
    details = data.get("details") if isinstance(data, dict) else data
    parts = [part for part in (failure.get("message"), details) if isinstance(part, str) and part]
    return clean_text(": ".join(dict.fromkeys(parts)))[:MAX_DETAILS]


def failure_trace(failure: Json) -> str | None:
    return _word(failure, "fbtrace_id")

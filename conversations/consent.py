"""Consent: STOP and START words take effect before the next message leaves; the ledger keeps who said what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flows import database, facts
from flows.engine.matching import folded

# Whole messages, compared as triggers are. Each language's everyday words; English counts everywhere.
STOP_WORDS = {
    "en": ("stop", "unsubscribe", "stop all", "opt out", "optout"),
    "hi": ("रोकें", "बंद करें", "बंद करो", "रुको"),
    "es": ("parar", "alto", "baja", "cancelar suscripción"),
    "pt": ("parar", "sair", "cancelar inscrição"),
    "fr": ("arrêter", "arret", "désabonner"),
    "de": ("stopp", "abmelden"),
    "ar": ("توقف", "إيقاف", "الغاء الاشتراك"),
    "id": ("berhenti",),
}
START_WORDS = {
    "en": ("start", "unstop", "subscribe", "opt in", "optin"),
    "hi": ("शुरू करें", "शुरू करो"),
    "es": ("iniciar", "alta"),
    "pt": ("iniciar", "voltar"),
    "fr": ("reprendre",),
    "de": ("anmelden",),
    "ar": ("ابدأ", "اشتراك"),
    "id": ("mulai",),
}
CONFIRMATIONS = {
    "stop": {
        "en": "You will get no more messages from us. Send START to hear from us again.",
        "hi": "अब आपको हमारे संदेश नहीं मिलेंगे। फिर से पाने के लिए START भेजें।",
    },
    "start": {
        "en": "Welcome back. You will get our messages again. Send STOP at any time.",
        "hi": "फिर से स्वागत है। अब आपको हमारे संदेश मिलेंगे। रोकने के लिए STOP भेजें।",
    },
}


_stop = frozenset(folded(w) for words in STOP_WORDS.values() for w in words)
_start = frozenset(folded(w) for words in START_WORDS.values() for w in words)


def words(kind: str) -> list[str]:
    """Every ``stop`` or ``start`` word of all languages, as they are compared."""
    return sorted(_stop if kind == "stop" else _start)


def word_of(text: str | None) -> str | None:
    """``stop``, ``start`` or None: the whole message must be the word."""
    if not text or len(text) > 40:
        return None
    said = folded(text)
    if said in _stop:
        return "stop"
    return "start" if said in _start else None


def confirmation(word: str, language: str) -> str:
    texts = CONFIRMATIONS[word]
    return texts.get(language.partition("-")[0].partition("_")[0], texts["en"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    contact_id: int
    is_granted: bool
    source: str
    detail: str = ""
    by: str = ""
    scope: str = "all"
    at: datetime


def apply(cursor: database.Cursor, changes: Sequence[Change]) -> None:
    """Write the ledger and the contacts; what waits for an opted-out contact is cancelled in the same commit."""
    if not changes:
        return
    cursor.insert(
        "conversations_consententry",
        {
            "contact_id": "id",
            "scope": "text",
            "is_granted": "boolean",
            "source": "text",
            "detail": "text",
            "by": "text",
            "at": "time",
        },
        [(c.contact_id, c.scope, c.is_granted, c.source, c.detail[:300], c.by, c.at) for c in changes],
    )
    latest = {(c.contact_id, c.scope): c for c in changes}
    _opt_in(cursor, [c for c in latest.values() if c.scope == "all" and c.is_granted])
    stopped = [c.contact_id for c in latest.values() if c.scope == "all" and not c.is_granted]
    _opt_out(cursor, stopped)
    cancel_waiting(cursor, stopped, "opted out")
    for granted in (True, False):
        ids = [c.contact_id for c in latest.values() if c.scope == "marketing" and c.is_granted is granted]
        among = cursor.among("id", "id", ids)
        cursor.run(
            f"UPDATE conversations_contact SET has_marketing_consent = %s WHERE {among.sql}",
            [granted, *among.params],
        )
    facts.record(
        cursor,
        [
            facts.Fact(
                at=c.at,
                name="consent_granted" if c.is_granted else "consent_withdrawn",
                contact_id=c.contact_id,
                data={"scope": c.scope, "source": c.source, "detail": c.detail[:100]},
            )
            for c in changes
        ],
    )


def _opt_in(cursor: database.Cursor, changes: Sequence[Change]) -> None:
    """A word that a later STOP overtook, on its way through the lane, has no effect any more."""
    source = cursor.source({"c": "id", "a": "time"}, [(c.contact_id, c.at) for c in changes])
    cursor.run(
        f"UPDATE conversations_contact SET is_opted_out = %s FROM {source.sql}"
        " WHERE conversations_contact.id = v.c AND NOT EXISTS (SELECT 1 FROM conversations_consententry AS e"
        "  WHERE e.contact_id = v.c AND e.scope = 'all' AND NOT e.is_granted AND e.at > v.a)",
        [False, *source.params],
    )


def _opt_out(cursor: database.Cursor, ids: Sequence[int]) -> None:
    among = cursor.among("id", "id", ids)
    cursor.run(f"UPDATE conversations_contact SET is_opted_out = %s WHERE {among.sql}", [True, *among.params])


def cancel_waiting(cursor: database.Cursor, contact_ids: Sequence[int], reason: str) -> int:
    """Cancel what has not left for these contacts; the answer to the STOP word itself may still go."""
    among = cursor.among("contact_id", "id", list(contact_ids))
    return cursor.run(
        "UPDATE conversations_outbox SET state = 'cancelled', reason = %s"
        f" WHERE {among.sql} AND state IN ('queued', 'leased') AND kind <> 'confirmation'",
        [reason, *among.params],
    )

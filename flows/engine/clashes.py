"""Triggers: those that cannot work, and those of two flows that would take the same message."""

from typing import Any

from flows.engine.catalog import FlowSummary
from flows.engine.claims import Claim, claims_of, fields_of, overlap, triggers_of
from flows.engine.faults import Fault, Path
from flows.engine.matching import folded
from flows.engine.messages import check_pattern
from flows.engine.subject import Subject


def check(subject: Subject) -> None:
    for path, trigger in triggers_of(subject.document):
        _check_trigger(subject, path, trigger)
    own = claims_of(subject.document)
    for index, claim in enumerate(own):
        first = next((c for c in own[:index] if overlap(c, claim)), None)
        if first:
            subject.report(
                "WF209",
                claim.path,
                f"the trigger {claim.shown} stands twice",
                "remove one",
                also=[first.path],
            )
    _check_other_flows(subject, own)


def _check_trigger(subject: Subject, path: Path, trigger: Any) -> None:
    fields = fields_of(trigger)
    at = path if isinstance(trigger, str) else (*path, "id" if fields.get("type") == "button" else "text")
    kind, text = fields.get("type"), fields.get("text")
    if kind == "button" and isinstance(fields.get("id"), str) and not fields["id"].strip():
        subject.report("WF210", at, "the trigger has an empty id", "name the option that starts the flow")
    if kind != "keyword" or not isinstance(text, str):
        return
    if not folded(text):
        subject.report(
            "WF210", at, "the trigger is empty", "write the words that start the flow, or remove it"
        )
    elif fields.get("match") == "regex":
        check_pattern(subject, at, text)
    elif folded(text) in subject.catalog.consent_words:
        subject.report(
            "WF212", at, f'"{text}" is a word for consent, no flow ever gets it', "choose another word"
        )


def _check_other_flows(subject: Subject, own: list[Claim]) -> None:
    catalog = subject.catalog
    if subject.document.get("is_active", True) is False:
        return
    for claim in own:
        for flow_id, theirs in catalog.claims_on(claim.key):
            if flow_id != subject.flow_id and overlap(claim, theirs):
                subject.add(_clash(claim, catalog.flows[flow_id], theirs))


def _clash(claim: Claim, other: FlowSummary, theirs: Claim) -> Fault:
    where = f" ({other.file})" if other.file else ""
    return Fault(
        code="WF209",
        severity="error",
        path=claim.path,
        message=f'the trigger {claim.shown} is also one of the flow "{other.flow_id}"{where}',
        remedy="change one, or give them filters that do not overlap",
        also=((other.flow_id, theirs.path),),
    )

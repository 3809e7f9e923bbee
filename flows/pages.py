"""What the pages of flows show: findings with their place, and the registry as it takes messages."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from flows import database, registry
from flows.engine.definition import Trigger
from flows.engine.triggers import RANKS, kind_of
from flows.models import Lease, ProcessView
from flows.processing import discovery
from flows.processing.catalog import Problem, ProcessorInfo

SILENT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trigger as the Registry page lists it."""

    kind: str
    text: str
    filters: str
    flow_id: str
    name: str
    number: int
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """A process of ours, and whether it works with the newest registry."""

    view: ProcessView
    is_behind: bool
    is_silent: bool
    is_loader: bool


def badge(tone: str, icon: str, word: str, note: str = "") -> SafeString:
    """A state by color, icon and word; ``tone``: calm, good, busy, warning or danger."""
    return format_html(
        '<span class="wf-badge wf-{}" title="{}"><span class="material-symbols-outlined" aria-hidden="true">{}'
        "</span>{}</span>",
        tone,
        note,
        icon,
        word,
    )


def findings(faults: list[dict[str, Any]]) -> SafeString:
    """Draw the faults of a file as the terminal prints them, errors first."""
    ordered = sorted(faults, key=lambda fault: (fault["severity"] != "error", fault["line"], fault["column"]))
    rows = format_html_join(
        "",
        '<li class="wf-finding"><span class="wf-badge wf-{}">{}</span> <code>{}:{}:{}</code> <code>{}</code>'
        "<div>{}; {}</div></li>",
        (
            (
                "danger" if fault["severity"] == "error" else "warning",
                fault["code"],
                fault["file"],
                fault["line"],
                fault["column"],
                fault["path"],
                fault["message"],
                fault["remedy"],
            )
            for fault in ordered
        ),
    )
    return format_html('<ul class="wf-findings">{}</ul>', rows) if faults else format_html("{}", "–")


def trigger_text(trigger: Trigger) -> str:
    """What a trigger listens to, in words."""
    words = {
        "keyword": f"“{trigger.text}”",
        "button": _("button %s") % trigger.id,
        "referral": _("advertisement %s") % (trigger.id or _("any")),
        "media": trigger.id or _("any media"),
        "new_contact": _("first message ever"),
        "catch_all": _("anything else"),
    }
    return words.get(trigger.type, trigger.type)


def _filters(trigger: Trigger) -> str:
    named = {
        _("number"): trigger.number,
        _("groups"): trigger.groups,
        _("not groups"): trigger.not_groups,
        _("hours"): trigger.hours,
    }
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in named.items() if values)


def precedence(trigger: Trigger) -> tuple[int, bool, bool, int, str]:
    """The order in which triggers take a message."""
    has_groups = bool(trigger.groups or trigger.not_groups)
    rank = RANKS[kind_of(trigger)]
    return (rank, not trigger.number, not has_groups, -len(trigger.text), trigger.flow_id)


def trigger_rows(snapshot: registry.Snapshot) -> list[Row]:
    return [
        Row(
            kind=kind_of(trigger),
            text=trigger_text(trigger),
            filters=_filters(trigger),
            flow_id=trigger.flow_id,
            name=snapshot.flows[trigger.flow_id].name,
            number=snapshot.flows[trigger.flow_id].number,
            is_active=trigger.is_active,
        )
        for trigger in sorted(snapshot.triggers, key=precedence)
    ]


def process_rows(generation: int) -> list[ProcessRow]:
    now = database.now()
    loaders = [lease.holder for lease in Lease.objects.filter(name=registry.LEASE, until__gte=now)]
    return [
        ProcessRow(
            view=view,
            is_behind=view.generation < generation,
            is_silent=now - view.seen_at > timedelta(seconds=SILENT_SECONDS),
            is_loader=any(holder.startswith(f"{view.name}:") for holder in loaders),
        )
        for view in ProcessView.objects.order_by("role", "name")
    ]


def processor_rows() -> tuple[list[tuple[ProcessorInfo, str]], list[Problem]]:
    """Every processor with the place of its definition in the folder, and the files that cannot be used."""
    catalog = discovery.catalog()
    ordered = sorted(catalog.processors, key=lambda info: (info.name, info.flow_id))
    return [(info, f"{Path(info.path).name}:{info.line}") for info in ordered], list(catalog.problems)

"""The back office of flows: what is live, what is wrong with which file, and the registry."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as text
from django.utils.translation import gettext_lazy as _

from flows import apis_admin, loader, pages, registry, secrets_admin
from flows.models import FlowFile, FlowRecord, FlowVersion, Publication
from flows.read_only import ReadOnlyAdmin

__all__ = ["FlowFileAdmin", "FlowRecordAdmin", "FlowVersionAdmin", "apis_admin", "secrets_admin"]

STATES = {
    "active": ("good", "check_circle", _("Live")),
    "broken": ("danger", "error", _("File broken")),
    "retired": ("calm", "archive", _("Retired")),
}


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state, words[2]) for state, words in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FlowRecord]) -> QuerySet[FlowRecord]:
        broken = FlowFile.objects.filter(is_broken=True).values("flow_id")
        if self.value() == "broken":
            return queryset.filter(flow_id__in=broken)
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(FlowRecord)
class FlowRecordAdmin(ReadOnlyAdmin):
    list_display = ["name", "flow_id", "shown_state", "shown_live", "shown_triggers", "shown_problems"]
    list_select_related = ["live"]
    list_filter = [StateFilter]
    search_fields = ["flow_id", "name"]
    ordering = ["name"]
    fields = [
        "name",
        "flow_id",
        "shown_state",
        "shown_live",
        "shown_triggers",
        "shown_faults",
        "shown_history",
        "shown_source",
    ]
    readonly_fields = fields
    empty_sentence = _("No flow is live yet.")
    empty_todo = _("Drop a JSON file into datasets/flows: two seconds later it stands here.")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.registry_page)
        return [path("registry/", page, name="flows_registry"), *super().get_urls()]

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, record: FlowRecord) -> SafeString:
        broken = [file for file in _files(record) if file.is_broken]
        state = "broken" if broken and record.state == "active" else record.state
        tone, icon, word = STATES[state]
        return pages.badge(tone, icon, str(word), ", ".join(file.path for file in broken))

    @admin.display(description=_("live version"), ordering="live__number")
    def shown_live(self, record: FlowRecord) -> SafeString | str:
        if record.live is None:
            return "–"
        url = reverse("admin:flows_flowversion_change", args=[record.live.version_id])
        return _link(url, f"{record.live.number} · {record.live.version_id[:8]}")

    @admin.display(description=_("triggers"))
    def shown_triggers(self, record: FlowRecord) -> SafeString | str:
        live = registry.current().flows.get(record.flow_id)
        words = [pages.trigger_text(trigger) for trigger in live.flow.triggers] if live else []
        return ", ".join(words) or "–"

    @admin.display(description=_("problems"))
    def shown_problems(self, record: FlowRecord) -> SafeString | str:
        faults = [fault for file in _files(record) for fault in file.faults]
        errors = sum(fault["severity"] == "error" for fault in faults)
        if not faults:
            return "–"
        first = min(faults, key=lambda fault: (fault["severity"] != "error", fault["line"]))
        count = text("%(errors)d errors, %(warnings)d warnings") % {
            "errors": errors,
            "warnings": len(faults) - errors,
        }
        tone = "danger" if errors else "warning"
        place = f"{first['file']}:{first['line']}:{first['column']}"
        return format_html(
            "{} <code>{}</code>", pages.badge(tone, "error" if errors else "warning", count), place
        )

    @admin.display(description=_("problems"))
    def shown_faults(self, record: FlowRecord) -> SafeString:
        files = _files(record)
        note = ""
        if any(file.is_broken for file in files) and record.live:
            note = text("The file was not loaded; version %d stays live.") % record.live.number
        faults = [fault for file in files for fault in file.faults]
        return format_html("{}{}", note and format_html("<p>{}</p>", note), pages.findings(faults))

    @admin.display(description=_("publications"))
    def shown_history(self, record: FlowRecord) -> SafeString:
        rows = (
            Publication.objects.filter(flow_id=record.flow_id).select_related("by").order_by("-number")[:20]
        )
        return format_html(
            '<ol class="wf-history">{}</ol>',
            format_html_join(
                "",
                "<li>{} · {} · {} · {}</li>",
                (
                    (
                        row.number,
                        date_format(localtime(row.at), "DATETIME_FORMAT"),
                        _link(
                            reverse("admin:flows_flowversion_change", args=[row.version_id]),
                            row.version_id[:8],
                        ),
                        row.by or row.note or row.source,
                    )
                    for row in rows
                ),
            ),
        )

    @admin.display(description=_("file"))
    def shown_source(self, record: FlowRecord) -> SafeString | str:
        return _source(record.live.version.source) if record.live else "–"

    def registry_page(self, request: HttpRequest) -> TemplateResponse:
        """Every trigger in the order in which they take a message, processors, and each process' generation."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        registry.refresh_if_changed()
        snapshot = registry.current()
        processors, problems = pages.processor_rows()
        context = {
            **self.admin_site.each_context(request),
            "title": text("Registry"),
            "opts": self.opts,
            "snapshot": snapshot,
            "triggers": pages.trigger_rows(snapshot),
            "processes": pages.process_rows(snapshot.generation),
            "processors": processors,
            "problems": problems,
            "folder": loader.dataset().root / "flows",
        }
        return TemplateResponse(request, "admin/flows/registry.html", context)


@admin.register(FlowVersion)
class FlowVersionAdmin(ReadOnlyAdmin):
    list_display = ["flow_id", "shown_hash", "created_at"]
    search_fields = ["flow_id", "hash"]
    ordering = ["-created_at"]
    fields = ["flow_id", "hash", "created_at", "shown_source"]
    readonly_fields = fields
    empty_sentence = _("No version was ever published.")
    empty_todo = _("A version is kept for ever; the first comes with the first good file.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlowVersion]:
        """Versions of data files are kept in the same table, without a flow."""
        found: QuerySet[FlowVersion] = super().get_queryset(request).exclude(flow_id="")
        return found

    @admin.display(description=_("hash"), ordering="hash")
    def shown_hash(self, version: FlowVersion) -> SafeString:
        return format_html("<code>{}</code>", version.hash[:12])

    @admin.display(description=_("content"))
    def shown_source(self, version: FlowVersion) -> SafeString:
        return _source(version.source)


@admin.register(FlowFile)
class FlowFileAdmin(ReadOnlyAdmin):
    list_display = ["path", "flow_id", "shown_state", "shown_count", "seen_at"]
    list_filter = ["is_broken"]
    search_fields = ["path", "flow_id"]
    ordering = ["-is_broken", "path"]
    fields = ["path", "flow_id", "shown_state", "sha256", "seen_at", "shown_faults"]
    readonly_fields = fields
    empty_sentence = _("No file was seen yet.")
    empty_todo = _("Flow files lie in datasets/flows, their tests in datasets/flows/tests.")

    @admin.display(description=_("state"), ordering="is_broken")
    def shown_state(self, file: FlowFile) -> SafeString:
        if file.is_broken:
            return pages.badge("danger", "error", text("Broken"))
        return pages.badge("good", "check_circle", text("Good"))

    @admin.display(description=_("problems"))
    def shown_count(self, file: FlowFile) -> int:
        return len(file.faults)

    @admin.display(description=_("problems"))
    def shown_faults(self, file: FlowFile) -> SafeString:
        return pages.findings(file.faults)


def _files(record: FlowRecord) -> list[FlowFile]:
    """The files of a flow; a page asks for each of them several times."""
    kept: list[FlowFile] | None = getattr(record, "_files", None)
    if kept is None:
        kept = list(FlowFile.objects.filter(flow_id=record.flow_id).order_by("path"))
        record._files = kept  # type: ignore[attr-defined]  # noqa: SLF001 - a note on the row for this request
    return kept


def _link(url: str, words: str) -> SafeString:
    return format_html('<a class="wf-link" href="{}">{}</a>', url, words)


def _source(source: str) -> SafeString:
    numbered = format_html_join(
        "",
        '<span id="L{}">{}</span>\n',
        ((number, line) for number, line in enumerate(source.splitlines(), 1)),
    )
    return format_html('<pre class="wf-json wf-source">{}</pre>', numbered)

"""API calls and the health of APIs in the back office; all texts of calls were redacted before they were kept."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as text
from django.utils.translation import gettext_lazy as _

from flows import pages
from flows.apis import log
from flows.apis.log import ApiCall, ApiHealth
from flows.read_only import ReadOnlyAdmin

STATES = {
    "started": ("busy", "hourglass_top", _("Under way, or lost")),
    "ok": ("good", "check_circle", _("Answered")),
    "failed": ("danger", "error", _("Failed")),
    "unknown": ("warning", "help", _("Unknown")),
}


@admin.register(ApiCall)
class ApiCallAdmin(ReadOnlyAdmin):
    list_display = ["at", "api", "shown_state", "status", "shown_why", "tries", "shown_seconds"]
    list_filter = ["state", "api"]
    search_fields = ["api", "key", "code"]
    ordering = ["-at"]
    fields = [
        *("api", "environment", "shown_state", "method", "url", "status", "code", "reason", "tries"),
        *("shown_seconds", "auth_seconds", "key", "flow_id", "at", "shown_request", "shown_answer"),
    ]
    readonly_fields = fields
    empty_sentence = _("No API was called yet.")
    empty_todo = _("Describe one in datasets/apis and name it in a step of type api.")

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, call: ApiCall) -> SafeString:
        tone, icon, word = STATES[call.state]
        return pages.badge(tone, icon, str(word))

    @admin.display(description=_("why"))
    def shown_why(self, call: ApiCall) -> str:
        return call.code or "–"

    @admin.display(description=_("seconds"), ordering="seconds")
    def shown_seconds(self, call: ApiCall) -> str:
        return "–" if call.seconds is None else f"{call.seconds:.3f}"

    @admin.display(description=_("request"))
    def shown_request(self, call: ApiCall) -> SafeString:
        return format_html('<pre class="wf-json">{}</pre>', call.request)

    @admin.display(description=_("answer"))
    def shown_answer(self, call: ApiCall) -> SafeString:
        return format_html('<pre class="wf-json">{}</pre>', call.answer)


@admin.register(ApiHealth)
class ApiHealthAdmin(ReadOnlyAdmin):
    list_display = ["api", "shown_state", "failures", "last_error", "open_until"]
    ordering = ["api"]
    fields = ["api", "shown_state", "failures", "last_error", "open_until", "next_at"]
    readonly_fields = fields
    actions = ["reset"]
    empty_sentence = _("Every API answered so far.")
    empty_todo = _("One that fails five times in a row rests for half a minute, and stands here.")

    @admin.display(description=_("state"))
    def shown_state(self, health: ApiHealth) -> SafeString:
        if health.open_until and health.open_until > timezone.now():
            return pages.badge("danger", "power_off", text("Rests"))
        if health.failures:
            return pages.badge("warning", "warning", text("Fails"))
        return pages.badge("good", "check_circle", text("Answers"))

    @admin.action(description=_("Call again at once"), permissions=["reset"])
    def reset(self, request: HttpRequest, rows: QuerySet[ApiHealth]) -> None:
        for health in rows:
            log.reset(health.api)
        messages.success(request, text("They are called again from now on."))

    def has_reset_permission(self, request: HttpRequest, *_: Any) -> bool:
        return request.user.has_perm("flows.change_apihealth")

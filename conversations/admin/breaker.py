"""Breakers: what stands open, why, and the button for those who mended the cause."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from conversations import breakers, clock
from conversations.admin import badges
from conversations.admin.base import MachineAdmin, time_column
from conversations.admin.choices import state_filter
from conversations.admin.moves import Move
from conversations.models import Breaker
from conversations.queries import failure_words
from flows import database, facts


def _reset(request: HttpRequest, breaker: Breaker) -> Any:
    with database.write() as cursor:
        # A person vouches for what a probe would prove: only half-open breakers are closed.
        Breaker.objects.filter(pk=breaker.pk, state="open").update(state="half_open")
        breakers.close(cursor, [breaker.scope])
        fact = facts.Fact(
            at=clock.now(cursor),
            name="breaker_reset",
            data={"scope": breaker.scope, "by": request.user.get_username()},
        )
        facts.record(cursor, [fact])
    return _("Closed. What waits is sent now; if the cause is still there, it opens again.")


@admin.register(Breaker)
class BreakerAdmin(MachineAdmin):
    list_display = [
        "scope",
        "state_badge",
        "why",
        "failures",
        time_column("opened_at", _("opened")),
        time_column("probe_at", _("probe")),
    ]
    list_filter = [state_filter("state", _("state"), badges.BREAKER)]
    ordering = ["scope"]
    fields = ["scope", "state_badge", "why", "reason", "failures", "opened_at", "probe_at"]
    readonly_fields = fields
    empty_sentence = _("No breaker has ever opened.")
    empty_todo = _("One opens by itself when Meta refuses a token, an account or a number.")
    moves = (
        Move(
            name="reset",
            label=_("Close it now"),
            icon="power",
            permission="conversations.change_breaker",
            perform=_reset,
            applies=lambda breaker: breaker.state != "closed",
            confirm=_("Did you mend the cause? Sending starts again at once."),
            tone="primary",
        ),
    )

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, breaker: Breaker) -> SafeString:
        return badges.state(badges.BREAKER, breaker.state)

    @admin.display(description=_("why"))
    def why(self, breaker: Breaker) -> str:
        return failure_words(breaker.code, breaker.reason) or "–"

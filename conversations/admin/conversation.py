"""Conversations: the list, and the page on which staff read along, take over, answer and hand back."""

import hashlib
import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from conversations import clock, handoffs, outbox, queries
from conversations.admin import badges
from conversations.admin.base import MachineAdmin, may_see_numbers, shown_phone, time_column
from conversations.admin.bubbles import MARKERS, draw
from conversations.admin.choices import state_filter
from conversations.admin.moves import Move, MoveRefused, log
from conversations.masking import redact
from conversations.models import Conversation, Handoff, Number, Session

TAKEOVER = "conversations.takeover_conversation"
# Each rendering has its own; it says nothing of what is shown.
_token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')


def _take_over(request: HttpRequest, conversation: Conversation) -> str:
    try:
        handoffs.take_over(conversation, request.user)
    except handoffs.OwnerChanged:
        raise MoveRefused(_("A person has this conversation already.")) from None
    return str(_("The bot is silent here now. You have the conversation."))


def _hand_back(request: HttpRequest, conversation: Conversation) -> str:
    try:
        handoffs.hand_back(conversation, request.user)
    except handoffs.OwnerChanged:
        raise MoveRefused(_("The bot has this conversation already.")) from None
    return str(_("The bot has the conversation again."))


def _close(request: HttpRequest, conversation: Conversation) -> str:
    try:
        handoffs.close(conversation, request.user)
    except handoffs.OwnerChanged:
        raise MoveRefused(_("Somebody changed this conversation meanwhile. Look again.")) from None
    return str(_("Closed. The next message of the customer opens it again."))


class Composer(forms.Form):
    text = forms.CharField(
        label=_("Message"),
        max_length=4096,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": _("Write a message"), "class": "wf-input"}),
    )


@admin.register(Conversation)
class ConversationAdmin(MachineAdmin):
    list_display = [
        "contact_name",
        "phone",
        "number",
        "owner_badge",
        "last_words",
        time_column("last_message_at", _("last message")),
        "unread",
        "flow",
    ]
    list_display_links = ["contact_name"]
    list_filter = [state_filter("owner", _("owner"), badges.OWNER)]
    list_select_related = ["contact", "owner_user"]
    ordering = ["-last_message_at", "-id"]
    date_hierarchy = None
    empty_sentence = _("Nobody has written yet.")
    empty_todo = _("Open the Simulator and say hi, or write to your number from WhatsApp.")
    moves = (
        Move(
            name="take_over",
            label=_("Take over"),
            icon="support_agent",
            permission=TAKEOVER,
            perform=_take_over,
            applies=lambda c: c.owner != "person",
            tone="primary",
        ),
        Move(
            name="hand_back",
            label=_("Hand back to the bot"),
            icon="smart_toy",
            permission=TAKEOVER,
            perform=_hand_back,
            applies=lambda c: c.owner in {"person", "waiting"},
        ),
        Move(
            name="close",
            label=_("Close"),
            icon="check_circle",
            permission=TAKEOVER,
            perform=_close,
            applies=lambda c: c.owner != "closed",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        live = Session.objects.filter(
            contact_id=OuterRef("contact_id"), phone_number_id=OuterRef("phone_number_id")
        ).exclude(state="ended")
        number = Number.objects.filter(phone_number_id=OuterRef("phone_number_id"))
        rows: QuerySet[Conversation] = super().get_queryset(request)
        return rows.annotate(
            number_name=Subquery(number.values("name")[:1]),
            live_flow=Subquery(live.values("flow_id")[:1]),
            live_state=Subquery(live.values("state")[:1]),
        )

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        twins = (
            {} if may_see_numbers(request) else {"phone": "masked_phone", "last_words": "masked_last_words"}
        )
        return [twins.get(c, c) if isinstance(c, str) else c for c in self.list_display]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return ["contact__name", "contact__phone"] if may_see_numbers(request) else ["contact__name"]

    @admin.display(description=_("contact"), ordering="contact__name")
    def contact_name(self, conversation: Conversation) -> str:
        return str(conversation.contact)

    @admin.display(description=_("phone"))
    def phone(self, conversation: Conversation) -> str:
        return shown_phone(conversation.contact, masked=False)

    @admin.display(description=_("phone"))
    def masked_phone(self, conversation: Conversation) -> str:
        return shown_phone(conversation.contact, masked=True)

    @admin.display(description=_("number"))
    def number(self, conversation: Any) -> str:
        return str(conversation.number_name or conversation.phone_number_id)

    @admin.display(description=_("owner"), ordering="owner")
    def owner_badge(self, conversation: Conversation) -> SafeString:
        return _owner_badge(conversation)

    @admin.display(description=_("last words"))
    def last_words(self, conversation: Conversation) -> str:
        return Truncator(conversation.last_text).chars(48)

    @admin.display(description=_("last words"))
    def masked_last_words(self, conversation: Conversation) -> str:
        return Truncator(redact(conversation.last_text)).chars(48)

    @admin.display(description=_("unread"), ordering="unread_count")
    def unread(self, conversation: Conversation) -> SafeString | str:
        if not conversation.unread_count:
            return "–"
        return badges.badge(badges.Look("busy", "mark_chat_unread", str(conversation.unread_count)))

    @admin.display(description=_("in flow"))
    def flow(self, conversation: Any) -> SafeString | str:
        if not conversation.live_flow:
            return "–"
        look = badges.SESSION.get(conversation.live_state, badges.SESSION["running"])
        return badges.badge(badges.Look(look.tone, look.icon, conversation.live_flow), look.word)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/thread/", view(self.thread_view), name="conversations_conversation_thread"),
            path("<int:pk>/send/", view(self.send_view), name="conversations_conversation_send"),
            path("<int:pk>/read/", view(self.read_view), name="conversations_conversation_read"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        conversation = self._find(request, unquote(object_id))
        context = {
            **self.admin_site.each_context(request),
            "title": str(conversation),
            "opts": self.opts,
            "original": conversation,
            "is_fullwidth": "1",
            "thread": self._thread(request, conversation),
            "composer": Composer(),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/conversations/conversation.html", context)

    def thread_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Give the thread anew where it differs from what the page shows."""
        html = self._thread(request, self._find(request, str(pk)))
        version = hashlib.sha256(_token.sub("", html).encode()).hexdigest()[:16]
        if request.GET.get("version") == version:
            return JsonResponse({"version": version})
        return JsonResponse({"version": version, "html": html})

    def send_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        conversation = self._for_agent(request, pk)
        form = Composer(request.POST)
        if not form.is_valid():
            messages.error(request, " ".join(str(e) for errors in form.errors.values() for e in errors))
        elif refusal := self._refusal(conversation):
            messages.error(request, str(refusal))
        else:
            outbox.enqueue_manual(
                conversation.contact_id,
                conversation.phone_number_id,
                {"type": "text", "body": form.cleaned_data["text"]},
                by=request.user.get_username(),
            )
            log(request, conversation, "Sent a message")
        return redirect("admin:conversations_conversation_change", conversation.pk)

    def read_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        conversation = self._for_agent(request, pk)
        Conversation.objects.filter(pk=conversation.pk).exclude(unread_count=0).update(unread_count=0)
        return HttpResponse(status=204)

    def _find(self, request: HttpRequest, object_id: str) -> Conversation:
        if not self.has_view_permission(request):
            raise PermissionDenied
        conversation: Conversation | None = self.get_object(request, object_id)
        if conversation is None:
            raise Http404
        return conversation

    def _for_agent(self, request: HttpRequest, pk: int) -> Conversation:
        if request.method != "POST":
            raise Http404
        user: Any = request.user
        if not user.has_perm(TAKEOVER):
            raise PermissionDenied
        return self._find(request, str(pk))

    def _refusal(self, conversation: Conversation) -> Any:
        """Why nothing may be written here now; None where it may."""
        if conversation.owner != "person":
            return _("Take the conversation over before you write: the bot has it.")
        if conversation.contact.is_opted_out:
            return _("This customer opted out.")
        if conversation.contact.is_blocked:
            return _("This contact is blocked.")
        if not queries.window_is_open(conversation, clock.now()):
            return _("The 24-hour window is closed. Only an approved template may be sent.")
        return None

    def _thread(self, request: HttpRequest, conversation: Conversation) -> str:
        user: Any = request.user
        before = request.GET.get("before", "")
        thread = queries.thread(
            conversation,
            list(MARKERS),
            before=int(before) if before.isdecimal() and len(before) < 18 else None,
        )
        now = clock.now()
        masked = not may_see_numbers(request)
        context = {
            "conversation": conversation,
            "phone": shown_phone(conversation.contact, masked=masked),
            "owner": _owner_badge(conversation),
            "moves": self.offered(request, conversation),
            "entries": [draw(entry, masked=masked) for entry in thread.entries],
            "earlier": thread.earlier,
            "is_past": bool(before),
            "window_open": queries.window_is_open(conversation, now),
            "closes_at": queries.window_closes_at(conversation),
            "now": now,
            "may_send": user.has_perm(TAKEOVER),
            "refusal": self._refusal(conversation),
            "outbound_stopped": queries.kill_switch().is_on,
        }
        return render_to_string("admin/conversations/thread.html", context, request)


def _owner_badge(conversation: Conversation) -> SafeString:
    look = badges.OWNER.get(conversation.owner, badges.OWNER["bot"])
    if conversation.owner == "person" and conversation.owner_user is not None:
        look = badges.Look(look.tone, look.icon, conversation.owner_user.get_username())
    return badges.badge(look)


@admin.register(Handoff)
class HandoffAdmin(MachineAdmin):
    list_display = [
        "contact",
        "team",
        "state_badge",
        "note",
        "by",
        time_column("opened_at", _("opened")),
        time_column("closed_at", _("closed")),
    ]
    list_filter = [state_filter("state", _("state"), badges.HANDOFF)]
    list_select_related = ["contact", "by"]
    ordering = ["-id"]
    fields = ["conversation_link", "team", "state_badge", "note", "by", "opened_at", "closed_at"]
    readonly_fields = fields
    empty_sentence = _("No conversation was given to a person yet.")
    empty_todo = _("A flow does it with a handoff step; an agent with “Take over” on a conversation.")

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, handoff: Handoff) -> SafeString:
        return badges.state(badges.HANDOFF, handoff.state)

    @admin.display(description=_("conversation"))
    def conversation_link(self, handoff: Handoff) -> SafeString | str:
        return link_to_conversation(handoff.contact_id, handoff.phone_number_id, str(handoff.contact))


def link_to_conversation(contact_id: int, phone_number_id: str, text: str) -> SafeString | str:
    found = Conversation.objects.filter(contact_id=contact_id, phone_number_id=phone_number_id)
    pk = found.values_list("pk", flat=True).first()
    if pk is None:
        return text
    return badges.link(reverse("admin:conversations_conversation_change", args=[pk]), text)

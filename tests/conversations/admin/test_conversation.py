"""The conversation page: who may see and do what, and how it draws messages."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from conversations.models import Conversation, Handoff, Inbox, KillSwitch, Lane, Message, Outbox
from flows.models import Event
from tests.factories import (
    ContactFactory,
    ConversationFactory,
    EventFactory,
    HandoffFactory,
    MessageFactory,
    OutboxFactory,
    PublicationFactory,
    SessionFactory,
    UserFactory,
    now,
)

AsGroup = Callable[[str], Client]
LIST = "/admin/conversations/conversation/"
PHONE = "919607742010"


def page(conversation: Conversation) -> str:
    return reverse("admin:conversations_conversation_change", args=[conversation.pk])


def move(conversation: Conversation, name: str) -> str:
    return reverse("admin:conversations_conversation_move", args=[conversation.pk, name])


@pytest.fixture
def conversation(db: None) -> Conversation:
    return ConversationFactory.create(contact=ContactFactory.create(name="Ravi", phone=PHONE))


@pytest.mark.parametrize("group", ["Viewer", "Analyst", "Campaigner", "Approver", "Developer"])
def test_numbers_are_masked_for_those_without_the_right(
    as_group: AsGroup, conversation: Conversation, group: str
) -> None:
    client = as_group(group)
    for url in (
        LIST,
        page(conversation),
        reverse("admin:conversations_conversation_thread", args=[conversation.pk]),
    ):
        text = client.get(url).content.decode()
        assert PHONE not in text, url
        assert "+9196****2010" in text.replace("\\u002B", "+"), url


def test_agents_see_numbers_in_full(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Agent")
    assert f"+{PHONE}" in client.get(LIST).content.decode()
    assert f"+{PHONE}" in client.get(page(conversation)).content.decode()


def test_searching_by_phone_needs_the_right(as_group: AsGroup, conversation: Conversation) -> None:
    assert "Ravi" not in as_group("Viewer").get(LIST, {"q": PHONE}).content.decode()
    assert "Ravi" in as_group("Agent").get(LIST, {"q": PHONE}).content.decode()


def test_taking_over_silences_the_bot_and_says_who(as_group: AsGroup, conversation: Conversation) -> None:
    handoff = HandoffFactory.create(contact=conversation.contact)
    response = as_group("Agent").post(move(conversation, "take_over"), follow=True)
    conversation.refresh_from_db()
    assert (conversation.owner, conversation.owner_user.username) == ("person", "agent")
    handoff.refresh_from_db()
    assert (handoff.state, handoff.by.username) == ("taken", "agent")
    assert Event.objects.get(name="conversation_taken_over").data["by"] == "agent"
    assert LogEntry.objects.filter(object_id=str(conversation.pk), change_message="Take over").exists()
    assert "agent took over" in response.content.decode()


def test_taking_over_without_a_handoff_records_one(as_group: AsGroup, conversation: Conversation) -> None:
    as_group("Agent").post(move(conversation, "take_over"))
    assert Handoff.objects.get(contact=conversation.contact).state == "taken"


def test_of_two_who_take_over_the_first_has_it(as_group: AsGroup, conversation: Conversation) -> None:
    first = UserFactory.create(username="first")
    client = as_group("Agent")
    Conversation.objects.filter(pk=conversation.pk).update(owner="person", owner_user=first)
    response = client.post(move(conversation, "take_over"), follow=True)
    conversation.refresh_from_db()
    assert conversation.owner_user == first
    assert "A person has this conversation already." in response.content.decode()
    assert not Event.objects.filter(name="conversation_taken_over").exists()


def test_handing_back_gives_the_lane_one_input(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Agent")
    client.post(move(conversation, "take_over"))
    client.post(move(conversation, "hand_back"))
    conversation.refresh_from_db()
    assert (conversation.owner, conversation.owner_user) == ("bot", None)
    row = Inbox.objects.get(contact_id=conversation.contact_id)
    assert (row.kind, row.state, row.phone_number_id) == ("hand_back", "new", conversation.phone_number_id)
    assert Lane.objects.get(contact_id=conversation.contact_id).pending == 1
    assert Handoff.objects.get(contact=conversation.contact).state == "returned"
    assert Event.objects.filter(name="conversation_handed_back").count() == 1


def test_handing_back_twice_tells_the_lane_once(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Agent")
    client.post(move(conversation, "take_over"))
    for _ in range(2):
        client.post(move(conversation, "hand_back"))
    assert Inbox.objects.filter(contact_id=conversation.contact_id, kind="hand_back").count() == 1


def test_closing_lets_a_session_with_people_go_on(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Agent")
    client.post(move(conversation, "take_over"))
    client.post(move(conversation, "close"))
    conversation.refresh_from_db()
    assert conversation.owner == "closed"
    assert Inbox.objects.filter(contact_id=conversation.contact_id, kind="hand_back").count() == 1
    assert Handoff.objects.get(contact=conversation.contact).state == "closed"


@pytest.mark.parametrize("name", ["take_over", "hand_back", "close"])
@pytest.mark.parametrize("group", ["Viewer", "Analyst", "Campaigner", "Approver", "Developer"])
def test_only_agents_and_admins_move_conversations(
    as_group: AsGroup, conversation: Conversation, group: str, name: str
) -> None:
    client = as_group(group)
    assert client.post(move(conversation, name)).status_code == 403
    assert move(conversation, name) not in client.get(page(conversation)).content.decode()
    conversation.refresh_from_db()
    assert conversation.owner == "bot"


def test_a_move_is_a_post_with_a_csrf_token(as_group: AsGroup, conversation: Conversation) -> None:
    assert as_group("Agent").get(move(conversation, "take_over")).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(UserFactory.create(is_superuser=True))
    assert strict.post(move(conversation, "take_over")).status_code == 403
    conversation.refresh_from_db()
    assert conversation.owner == "bot"


def send(client: Client, conversation: Conversation, text: str = "Saturday at 10?") -> str:
    url = reverse("admin:conversations_conversation_send", args=[conversation.pk])
    return client.post(url, {"text": text}, follow=True).content.decode()


def test_the_owner_writes_inside_the_window(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Agent")
    client.post(move(conversation, "take_over"))
    text = send(client, conversation)
    row = Outbox.objects.get(contact=conversation.contact)
    assert (row.content, row.by, row.state) == (
        {"type": "text", "body": "Saturday at 10?"},
        "agent",
        "queued",
    )
    assert Message.objects.get(outbox_id=row.pk).sender == "agent"
    assert "Saturday at 10?" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"owner": "bot"}, "the bot has it"),
        ({"last_inbound_at": now() - timedelta(hours=25)}, "The 24-hour window is closed"),
        ({"last_inbound_at": None}, "The 24-hour window is closed"),
    ],
)
def test_nothing_is_written_where_it_may_not_be(
    as_group: AsGroup, conversation: Conversation, change: dict[str, object], words: str
) -> None:
    client = as_group("Agent")
    client.post(move(conversation, "take_over"))
    Conversation.objects.filter(pk=conversation.pk).update(**change)
    assert words in send(client, conversation)
    assert not Outbox.objects.exists()


@pytest.mark.parametrize("field", ["is_opted_out", "is_blocked"])
def test_nothing_is_written_to_those_who_do_not_want_it(
    as_group: AsGroup, conversation: Conversation, field: str
) -> None:
    client = as_group("Agent")
    client.post(move(conversation, "take_over"))
    setattr(conversation.contact, field, True)
    conversation.contact.save()
    send(client, conversation)
    assert not Outbox.objects.exists()


def test_an_empty_or_too_long_text_is_refused(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Agent")
    client.post(move(conversation, "take_over"))
    send(client, conversation, "  ")
    send(client, conversation, "x" * 4097)
    assert not Outbox.objects.exists()


def test_reading_clears_what_is_unread(as_group: AsGroup, conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(unread_count=3)
    url = reverse("admin:conversations_conversation_read", args=[conversation.pk])
    assert as_group("Viewer").post(url).status_code == 403
    assert as_group("Agent").post(url).status_code == 204
    conversation.refresh_from_db()
    assert conversation.unread_count == 0


def test_customers_texts_are_shown_as_texts(as_group: AsGroup, conversation: Conversation) -> None:
    MessageFactory.create(conversation=conversation, text="<script>alert(1)</script> {{ x }}")
    text = as_group("Agent").get(page(conversation)).content.decode()
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ x }}" in text


def test_a_failure_is_said_in_words_with_metas_code(as_group: AsGroup, conversation: Conversation) -> None:
    MessageFactory.create(conversation=conversation, is_inbound=False, status="failed", error_code=131026)
    text = as_group("Viewer").get(page(conversation)).content.decode()
    assert "Not on WhatsApp, old app, or terms not accepted (131026)" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("queued", "Queued"),
        ("sending", "Being sent"),
        ("accepted", "Accepted by Meta"),
        ("ambiguous", "Meta did not confirm yet"),
        ("parked", "Maybe sent: decide in the outbox"),
        ("expired", "Not sent: too late"),
        ("cancelled", "Not sent: cancelled"),
        ("refused", "Failed"),
    ],
)
def test_a_message_on_its_way_shows_where_it_is(
    as_group: AsGroup, conversation: Conversation, state: str, words: str
) -> None:
    row = OutboxFactory.create(
        contact=conversation.contact, state=state, error_code=131047 if state == "refused" else None
    )
    MessageFactory.create(
        conversation=conversation, is_inbound=False, outbox_id=row.pk, wamid=None, status=""
    )
    assert words in as_group("Viewer").get(page(conversation)).content.decode()


@pytest.mark.parametrize(
    ("status", "words"), [("sent", "Sent"), ("delivered", "Delivered"), ("read", "Read")]
)
def test_ticks_say_metas_word(as_group: AsGroup, conversation: Conversation, status: str, words: str) -> None:
    MessageFactory.create(conversation=conversation, is_inbound=False, status=status)
    assert (
        f'<span class="wf-sr">{words}</span>' in as_group("Viewer").get(page(conversation)).content.decode()
    )


def test_buttons_and_lists_are_drawn(as_group: AsGroup, conversation: Conversation) -> None:
    rows = [{"id": "s", "title": "Scrambler"}, {"id": "p", "title": "Panigale", "description": "V4"}]
    MessageFactory.create(
        conversation=conversation,
        is_inbound=False,
        kind="list",
        content={
            "type": "list",
            "body": "Which?",
            "button": "Choose",
            "sections": [{"title": "Bikes", "rows": rows}],
        },
    )
    MessageFactory.create(
        conversation=conversation,
        is_inbound=False,
        kind="buttons",
        content={
            "type": "buttons",
            "header": {"type": "image", "link": "https://x"},
            "body": "Sure?",
            "buttons": [{"id": "y", "title": "Yes"}],
        },
    )
    text = as_group("Viewer").get(page(conversation)).content.decode()
    for words in ("Which?", "Choose", "Scrambler", "Panigale", "V4", "Sure?", "Yes", "Image"):
        assert words in text


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"buttons": 7},
        {"buttons": [None, {"title": 3}]},
        {"sections": [{"rows": "x"}]},
        {"interactive": []},
        {"header": 5},
    ],
)
@pytest.mark.parametrize(
    "kind", ["text", "buttons", "list", "interactive", "image", "cta_url", "no such kind"]
)
def test_no_content_breaks_the_page(
    as_group: AsGroup, conversation: Conversation, kind: str, content: dict[str, object]
) -> None:
    MessageFactory.create(conversation=conversation, kind=kind, content=content)
    assert as_group("Viewer").get(page(conversation)).status_code == 200


def test_flow_markers_stand_among_the_messages(as_group: AsGroup, conversation: Conversation) -> None:
    PublicationFactory.create()
    session = SessionFactory.create(contact=conversation.contact)
    shared = {"contact_id": conversation.contact_id, "session_id": session.pk}
    EventFactory.create(name="session_started", data={"hash": "f" * 64}, **shared)
    EventFactory.create(name="step_entered", **shared)
    EventFactory.create(name="reply_accepted", data={"value": "not shown"}, **shared)
    text = as_group("Viewer").get(page(conversation)).content.decode()
    assert "entered test_ride v3" in text
    assert "test_ride v3, step pick" in text
    assert "not shown" not in text


def test_the_window_says_when_it_closes(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Viewer")
    assert "Window closes in" in client.get(page(conversation)).content.decode()
    Conversation.objects.filter(pk=conversation.pk).update(
        last_inbound_at=now() - timedelta(hours=24, seconds=1)
    )
    assert "Window closed" in client.get(page(conversation)).content.decode()


def test_the_page_says_that_all_outbound_is_stopped(as_group: AsGroup, conversation: Conversation) -> None:
    KillSwitch.objects.create(pk=1, is_on=True)
    assert "All outbound is stopped" in as_group("Viewer").get(page(conversation)).content.decode()


def test_an_unchanged_thread_is_not_sent_again(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Agent")
    url = reverse("admin:conversations_conversation_thread", args=[conversation.pk])
    first = client.get(url).json()
    assert "html" in first
    assert client.get(url, {"version": first["version"]}).json() == {"version": first["version"]}
    MessageFactory.create(conversation=conversation, text="and then")
    assert "and then" in client.get(url, {"version": first["version"]}).json()["html"]


def test_long_threads_are_read_in_pages(as_group: AsGroup, conversation: Conversation) -> None:
    client = as_group("Viewer")
    for n in range(103):
        MessageFactory.create(conversation=conversation, text=f"number {n}.", at=now() + timedelta(seconds=n))
    newest = client.get(page(conversation)).content.decode()
    assert "number 102." in newest
    assert "number 2." not in newest
    before = conversation.messages.order_by("id")[3].pk
    assert f"?before={before}" in newest
    earlier = client.get(page(conversation), {"before": before}).content.decode()
    assert "number 2." in earlier
    assert "number 102." not in earlier


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "1 OR 1=1"])
def test_a_wrong_page_is_the_newest(as_group: AsGroup, conversation: Conversation, before: str) -> None:
    assert as_group("Viewer").get(page(conversation), {"before": before}).status_code == 200


def test_an_unknown_conversation_is_not_found(as_group: AsGroup) -> None:
    client = as_group("Agent")
    assert client.get("/admin/conversations/conversation/99/change/").status_code == 404
    assert client.get("/admin/conversations/conversation/x/change/").status_code == 404
    assert client.post("/admin/conversations/conversation/99/move/take_over/").status_code == 404


def test_strangers_are_sent_to_the_login(conversation: Conversation, client: Client) -> None:
    assert client.get(page(conversation)).status_code == 302
    client.force_login(UserFactory.create(is_staff=False))
    assert client.get(page(conversation)).status_code == 302
    client.force_login(UserFactory.create())
    assert client.get(page(conversation)).status_code == 403

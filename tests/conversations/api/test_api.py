"""``/api/v1/``: what each noun gives, what it refuses and how, and that a repeat has no further effect."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from conversations.models import Contact, Conversation, Inbox, Lane, Outbox, Session
from tests.factories import (
    PHONE_NUMBER_ID,
    ContactFactory,
    ConversationFactory,
    FlowRecordFactory,
    MessageFactory,
    OutboxFactory,
    SessionFactory,
    UserFactory,
    now,
)

Api = Callable[..., APIClient]
PHONE = "919607742010"


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


@pytest.fixture
def conversation(db: None) -> Conversation:
    return ConversationFactory.create(contact=ContactFactory.create(name="Ravi", phone=PHONE))


# --- Doors ---------------------------------------------------------------------------------------------------
NOUNS = ["messages", "contacts", "conversations", "sessions", "flows"]


@pytest.mark.django_db
@pytest.mark.parametrize("noun", NOUNS)
def test_strangers_are_refused(noun: str) -> None:
    response = APIClient().get(f"/api/v1/{noun}/")
    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Token"


@pytest.mark.django_db
@pytest.mark.parametrize("noun", NOUNS)
def test_users_without_rights_are_refused(noun: str) -> None:
    client = APIClient()
    client.force_authenticate(UserFactory.create())
    problem(client.get(f"/api/v1/{noun}/"), 403, "permission_denied")


@pytest.mark.parametrize("noun", NOUNS)
def test_readers_read(api: Api, noun: str) -> None:
    body = api("Viewer").get(f"/api/v1/{noun}/").json()
    assert body == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize("noun", NOUNS)
def test_what_is_not_there_is_a_problem(api: Api, noun: str) -> None:
    problem(api("Viewer").get(f"/api/v1/{noun}/{'no_such' if noun == 'flows' else '99'}/"), 404, "not_found")


@pytest.mark.django_db
def test_a_token_opens_the_door() -> None:
    token = Token.objects.create(user=UserFactory.create(group="Viewer"))
    client = APIClient()
    assert client.get("/api/v1/contacts/", HTTP_AUTHORIZATION=f"Token {token.key}").status_code == 200
    problem(client.get("/api/v1/contacts/", HTTP_AUTHORIZATION="Token wrong"), 401, "authentication_failed")


@pytest.mark.django_db
def test_a_session_needs_the_csrf_token() -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(UserFactory.create(group="Agent"))
    problem(client.post("/api/v1/messages/", {}), 403, "permission_denied")


def test_pages_follow_a_cursor(api: Api) -> None:
    ContactFactory.create_batch(5)
    client = api("Viewer")
    first = client.get("/api/v1/contacts/?page_size=2").json()
    seen = [row["id"] for row in first["results"]]
    following = first["next"]
    while following:
        body = client.get(following).json()
        seen += [row["id"] for row in body["results"]]
        following = body["next"]
    assert sorted(seen, reverse=True) == seen
    assert len(set(seen)) == 5


def test_a_page_asks_few_questions(api: Api, django_assert_max_num_queries: Callable[..., Any]) -> None:
    for _ in range(20):
        ConversationFactory.create(owner="person", owner_user=UserFactory.create())
    client = api("Viewer")
    with django_assert_max_num_queries(6):
        assert len(client.get("/api/v1/conversations/").json()["results"]) == 20


def test_too_many_requests_are_told_when_to_come_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rest_framework.throttling.ScopedRateThrottle.THROTTLE_RATES", {"api": "2/min"})
    client = api("Viewer")
    for _ in range(2):
        client.get("/api/v1/contacts/")
    response = client.get("/api/v1/contacts/")
    problem(response, 429, "throttled")
    assert int(response["Retry-After"]) > 0
    cache.clear()


@pytest.mark.parametrize("query", ["contact=x", "contact=1;drop", "conversation=-1", "contact=" + "9" * 40])
def test_a_wrong_filter_is_a_problem(api: Api, query: str) -> None:
    problem(api("Viewer").get(f"/api/v1/messages/?{query}"), 400, "invalid")


def test_a_body_that_is_no_json_is_a_problem(api: Api) -> None:
    problem(api().post("/api/v1/messages/", "{", content_type="application/json"), 400, "parse_error")


@pytest.mark.django_db
def test_the_schema_and_the_docs_are_for_users(client: Client) -> None:
    assert client.get("/api/docs/").status_code in {401, 403}
    client.force_login(UserFactory.create())
    assert b"swagger-ui" in client.get("/api/docs/").content
    schema = client.get("/api/schema/").content
    assert b"/api/v1/messages/" in schema
    assert b"/webhooks/" not in schema


# --- Messages ------------------------------------------------------------------------------------------------
def test_messages_are_filtered(api: Api, conversation: Conversation) -> None:
    mine = MessageFactory.create(conversation=conversation, is_inbound=False, status="failed")
    MessageFactory.create(conversation=conversation)
    MessageFactory.create()
    client = api("Viewer")
    ids = [m["id"] for m in client.get(f"/api/v1/messages/?conversation={conversation.pk}").json()["results"]]
    assert len(ids) == 2
    found = client.get(f"/api/v1/messages/?contact={conversation.contact_id}&status=failed").json()["results"]
    assert [m["id"] for m in found] == [mine.pk]
    assert found[0]["direction"] == "out"
    assert client.get(f"/api/v1/messages/{mine.pk}/").json()["conversation"] == conversation.pk


def test_a_message_is_queued_inside_the_window(api: Api, conversation: Conversation) -> None:
    response = api().post(
        "/api/v1/messages/", {"conversation": conversation.pk, "text": "Hello"}, format="json"
    )
    assert response.status_code == 202
    row = Outbox.objects.get(pk=response.json()["outbox"])
    assert (row.content, row.kind, row.by) == ({"type": "text", "body": "Hello"}, "api", "agent")


def test_content_is_sent_as_in_a_flow(api: Api, conversation: Conversation) -> None:
    content = {"type": "buttons", "body": "Sure?", "buttons": [{"id": "y", "title": "Yes"}]}
    body = {"conversation": conversation.pk, "content": content}
    response = api().post("/api/v1/messages/", body, format="json")
    assert Outbox.objects.get(pk=response.json()["outbox"]).content == content


@pytest.mark.parametrize("last", [None, now() - timedelta(hours=24, minutes=1)])
def test_outside_the_window_the_reason_is_told(api: Api, conversation: Conversation, last: Any) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(last_inbound_at=last)
    response = api().post("/api/v1/messages/", {"conversation": conversation.pk, "text": "Hi"}, format="json")
    assert "template" in problem(response, 422, "window_closed")["detail"]
    assert not Outbox.objects.exists()


@pytest.mark.parametrize(("field", "code"), [("is_opted_out", "opted_out"), ("is_blocked", "blocked")])
def test_who_does_not_want_messages_gets_none(
    api: Api, conversation: Conversation, field: str, code: str
) -> None:
    Contact.objects.filter(pk=conversation.contact_id).update(**{field: True})
    response = api().post("/api/v1/messages/", {"conversation": conversation.pk, "text": "Hi"}, format="json")
    problem(response, 422, code)
    assert not Outbox.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "x"},
        {"conversation": "x", "text": "x"},
        {"conversation": 1},
        {"conversation": 1, "text": ""},
        {"conversation": 1, "text": "x" * 4097},
        {"conversation": 1, "text": "x", "content": {"type": "text", "body": "x"}},
        {"conversation": 1, "txet": "x"},
        {"conversation": 1, "content": {}},
        {"conversation": 1, "content": {"type": "nonsense"}},
        {"conversation": 1, "content": {"type": "buttons", "body": "x", "buttons": []}},
        {"conversation": 1, "content": {"type": "text", "body": "x" * 4097}},
        [],
        "text",
    ],
)
def test_a_wrong_message_is_refused_with_its_faults(api: Api, conversation: Conversation, body: Any) -> None:
    body_here = (
        body | {"conversation": conversation.pk}
        if isinstance(body, dict) and body.get("conversation") == 1
        else body
    )
    response = api().post("/api/v1/messages/", body_here, format="json")
    assert problem(response, 400, "invalid")["errors"]
    assert not Outbox.objects.exists()


def test_an_unknown_conversation_is_told(api: Api) -> None:
    problem(
        api().post("/api/v1/messages/", {"conversation": 99, "text": "x"}, format="json"),
        422,
        "no_conversation",
    )


@pytest.mark.parametrize("group", ["Viewer", "Analyst", "Campaigner", "Approver"])
def test_readers_send_nothing(api: Api, conversation: Conversation, group: str) -> None:
    response = api(group).post(
        "/api/v1/messages/", {"conversation": conversation.pk, "text": "x"}, format="json"
    )
    problem(response, 403, "permission_denied")


def test_a_repeat_with_its_key_sends_once(api: Api, conversation: Conversation) -> None:
    client = api()
    body = {"conversation": conversation.pk, "text": "Hi"}
    answers = [
        client.post("/api/v1/messages/", body, format="json", HTTP_IDEMPOTENCY_KEY="order-7").json()
        for _ in range(3)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert Outbox.objects.count() == 1
    Conversation.objects.filter(pk=conversation.pk).update(last_inbound_at=None)
    late = client.post("/api/v1/messages/", body, format="json", HTTP_IDEMPOTENCY_KEY="order-7")
    assert late.json() == answers[0]


def test_a_key_stands_for_one_request_of_one_user(api: Api, conversation: Conversation) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "order-7"}
    client, body = api(), {"conversation": conversation.pk, "text": "Hi"}
    client.post("/api/v1/messages/", body, format="json", **key)
    problem(
        client.post("/api/v1/messages/", body | {"text": "Ho"}, format="json", **key),
        422,
        "idempotency_key_reused",
    )
    assert api("Admin").post("/api/v1/messages/", body, format="json", **key).status_code == 202
    assert Outbox.objects.count() == 2


def test_a_wrong_key_is_refused(api: Api, conversation: Conversation) -> None:
    body = {"conversation": conversation.pk, "text": "Hi"}
    response = api().post("/api/v1/messages/", body, format="json", HTTP_IDEMPOTENCY_KEY="x" * 101)
    problem(response, 400, "invalid_idempotency_key")


# --- Contacts ------------------------------------------------------------------------------------------------
def test_a_contact_is_made_once(api: Api) -> None:
    client = api()
    body = {"phone": "+91 96077 42010", "name": "Ravi", "fields": {"city": "Pune"}, "groups": ["vip", "vip"]}
    first = client.post("/api/v1/contacts/", body, format="json")
    assert first.status_code == 201, first.content
    made = first.json()
    assert (made["phone"], made["groups"], made["fields"]) == (f"+{PHONE}", ["vip"], {"city": "Pune"})
    again = client.post("/api/v1/contacts/", {"phone": PHONE, "name": "Someone else"}, format="json")
    assert (again.status_code, again.json()["id"], again.json()["name"]) == (200, made["id"], "Ravi")
    assert Contact.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"phone": "98765"},
        {"phone": "nonsense"},
        {"phone": PHONE, "fields": []},
        {"phone": PHONE, "groups": "vip"},
        {"phone": PHONE, "groups": [5]},
        {"phone": PHONE, "name": "x" * 201},
    ],
)
def test_a_wrong_contact_is_refused(api: Api, body: dict[str, Any]) -> None:
    problem(api().post("/api/v1/contacts/", body, format="json"), 400, "invalid")
    assert not Contact.objects.exists()


def test_a_change_writes_what_it_names(api: Api, conversation: Conversation) -> None:
    client = api()
    url = f"/api/v1/contacts/{conversation.contact_id}/"
    assert client.patch(url, {"language": "hi", "is_opted_out": True}, format="json").status_code == 200
    contact = Contact.objects.get(pk=conversation.contact_id)
    assert (contact.language, contact.name, contact.is_opted_out) == ("hi", "Ravi", False)
    problem(client.patch(url, {"phone": "+15550100"}, format="json"), 400, "invalid")
    assert client.put(url, {}, format="json").status_code == 405
    assert client.delete(url).status_code in {403, 405}
    assert Contact.objects.filter(pk=contact.pk).exists()


def test_numbers_are_masked_without_the_right(api: Api, conversation: Conversation) -> None:
    MessageFactory.create(conversation=conversation, text=f"call {PHONE}", content={"body": PHONE})
    SessionFactory.create(contact=conversation.contact, data={"frames": [{"variables": {"phone": PHONE}}]})
    client = api("Viewer")
    for noun in NOUNS:
        assert PHONE not in client.get(f"/api/v1/{noun}/").content.decode()
    assert client.get(f"/api/v1/contacts/{conversation.contact_id}/").json()["phone"] == "+9196****2010"
    problem(client.get(f"/api/v1/contacts/?phone={PHONE}"), 403, "permission_denied")


def test_agents_find_a_contact_by_phone(api: Api, conversation: Conversation) -> None:
    found = api().get("/api/v1/contacts/", {"phone": f"+{PHONE}"}).json()["results"]
    assert [(c["id"], c["phone"]) for c in found] == [(conversation.contact_id, f"+{PHONE}")]


# --- Conversations -------------------------------------------------------------------------------------------
def test_a_conversation_is_taken_over_and_handed_back(api: Api, conversation: Conversation) -> None:
    client = api()
    url = f"/api/v1/conversations/{conversation.pk}/"
    for _ in range(2):
        taken = client.post(f"{url}take-over/")
        assert (taken.status_code, taken.json()["owner"], taken.json()["owner_user"]) == (
            200,
            "person",
            "agent",
        )
    for _ in range(2):
        assert client.post(f"{url}hand-back/").json()["owner"] == "bot"
    assert Inbox.objects.filter(kind="hand_back").count() == 1


def test_what_another_person_has_is_not_taken(api: Api, conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(owner="person", owner_user=UserFactory.create())
    problem(api().post(f"/api/v1/conversations/{conversation.pk}/take-over/"), 409, "owned")


@pytest.mark.parametrize("name", ["take-over", "hand-back"])
def test_readers_take_nothing(api: Api, conversation: Conversation, name: str) -> None:
    problem(api("Viewer").post(f"/api/v1/conversations/{conversation.pk}/{name}/"), 403, "permission_denied")


# --- Sessions ------------------------------------------------------------------------------------------------
def test_a_session_shows_its_variables_and_hides_the_sensitive(api: Api) -> None:
    frame = {"flow_id": "test_ride", "variables": {"bike": "scrambler", "pin": "1234"}, "sensitive": ["pin"]}
    session = SessionFactory.create(data={"frames": [frame]})
    body = api("Viewer").get(f"/api/v1/sessions/{session.pk}/").json()
    assert body["variables"] == {"bike": "scrambler", "pin": "•••"}
    assert (body["flow"], body["step"], body["state"]) == ("test_ride", "pick", "waiting")


def test_a_session_is_ended_once(api: Api) -> None:
    session = SessionFactory.create()
    client = api("Developer")
    for _ in range(2):
        body = client.post(f"/api/v1/sessions/{session.pk}/end/").json()
        assert (body["state"], body["outcome"]) == ("ended", "abandoned")
    assert Lane.objects.get(pk=session.contact_id).epoch == 1


def test_agents_end_no_session(api: Api) -> None:
    session = SessionFactory.create()
    problem(api().post(f"/api/v1/sessions/{session.pk}/end/"), 403, "permission_denied")
    assert Session.objects.get().state == "waiting"


# --- Flows ---------------------------------------------------------------------------------------------------
START = "/api/v1/flows/test_ride/start/"


@pytest.fixture
def flow(db: None) -> Any:
    return FlowRecordFactory.create()


def test_a_flow_says_which_version_is_live(api: Api, flow: Any) -> None:
    body = api("Viewer").get("/api/v1/flows/test_ride/").json()
    assert (body["version"], body["hash"], body["state"]) == (3, "f" * 64, "active")


def test_a_flow_is_started_for_a_phone(api: Api, flow: Any) -> None:
    response = api().post(START, {"phone": "+91 96077 42010", "number": PHONE_NUMBER_ID}, format="json")
    assert response.status_code == 202, response.content
    row = Inbox.objects.get()
    contact = Contact.objects.get(phone=PHONE)
    assert (row.kind, row.contact_id, row.payload) == (
        "start",
        contact.pk,
        {"flow_id": "test_ride", "by": "agent"},
    )
    assert row.correlation == response.json()["correlation"]
    assert Lane.objects.get(pk=contact.pk).pending == 1
    assert Conversation.objects.filter(contact=contact).exists()


def test_a_repeated_start_with_its_key_starts_once(api: Api, flow: Any, conversation: Conversation) -> None:
    client = api()
    body = {"contact": conversation.contact_id, "number": PHONE_NUMBER_ID}
    key = {"HTTP_IDEMPOTENCY_KEY": "k"}
    answers = {client.post(START, body, format="json", **key).json()["correlation"] for _ in range(2)}
    assert len(answers) == 1
    assert Inbox.objects.count() == 1
    other = body | {"contact": ContactFactory.create().pk}
    problem(client.post(START, other, format="json", **key), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_opted_out": True}, "opted_out"),
        ({"is_blocked": True}, "blocked"),
        ({"merged_into_id": 0}, "no_contact"),
    ],
)
def test_no_flow_is_started_for_who_must_not_be_written_to(
    api: Api, flow: Any, conversation: Conversation, change: dict[str, Any], code: str
) -> None:
    if "merged_into_id" in change:
        change = {"merged_into_id": ContactFactory.create().pk}
    Contact.objects.filter(pk=conversation.contact_id).update(**change)
    body = {"contact": conversation.contact_id, "number": PHONE_NUMBER_ID}
    problem(api().post(START, body, format="json"), 422, code)
    assert not Inbox.objects.exists()


@pytest.mark.parametrize("owner", ["person", "waiting"])
def test_no_flow_breaks_into_a_persons_conversation(
    api: Api, flow: Any, conversation: Conversation, owner: str
) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(owner=owner)
    body = {"contact": conversation.contact_id, "number": PHONE_NUMBER_ID}
    problem(api().post(START, body, format="json"), 409, "owned")
    assert not Inbox.objects.exists()


def test_a_refused_start_leaves_no_contact_behind(api: Api, flow: Any) -> None:
    problem(api().post(START, {"phone": f"+{PHONE}", "number": "nope"}, format="json"), 422, "no_number")
    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"number": PHONE_NUMBER_ID},
        {"contact": 1},
        {"contact": 1, "phone": f"+{PHONE}", "number": PHONE_NUMBER_ID},
        {"phone": "12", "number": PHONE_NUMBER_ID},
        {"contact": 1, "number": PHONE_NUMBER_ID, "step": "pick"},
    ],
)
def test_a_wrong_start_is_refused(api: Api, flow: Any, body: dict[str, Any]) -> None:
    problem(api().post(START, body, format="json"), 400, "invalid")


def test_a_retired_flow_is_not_started(api: Api, flow: Any, conversation: Conversation) -> None:
    flow.state = "retired"
    flow.save()
    body = {"contact": conversation.contact_id, "number": PHONE_NUMBER_ID}
    problem(api().post(START, body, format="json"), 422, "not_live")


def test_readers_start_nothing(api: Api, flow: Any) -> None:
    problem(api("Viewer").post(START, {"contact": 1, "number": "1"}, format="json"), 403, "permission_denied")


def test_an_outbox_id_leads_to_its_message(api: Api, conversation: Conversation) -> None:
    row = OutboxFactory.create(contact=conversation.contact)
    MessageFactory.create(conversation=conversation, outbox_id=row.pk, is_inbound=False, wamid=None)
    found = api("Viewer").get(f"/api/v1/messages/?outbox={row.pk}").json()["results"]
    assert [m["outbox"] for m in found] == [row.pk]

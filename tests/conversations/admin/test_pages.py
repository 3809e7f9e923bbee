"""Every page of the back office: it opens for its groups, asks few questions, and shows no secret."""

from collections.abc import Callable
from html import unescape

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from conversations import numbers
from tests import factories
from tests.factories import UserFactory

AsGroup = Callable[[str], Client]
CANARY = "EAAG-canary-token-of-a-number"
PHONE = "919607742010"
# Model → factory; each page is opened with rows of its own.
NOUNS: dict[str, Callable[[], object]] = {
    "conversations.conversation": factories.ConversationFactory.create,
    "conversations.handoff": factories.HandoffFactory.create,
    "conversations.contact": factories.ContactFactory.create,
    "conversations.consententry": factories.ConsentEntryFactory.create,
    "conversations.number": factories.NumberFactory.create,
    "conversations.session": factories.SessionFactory.create,
    "conversations.call": factories.CallFactory.create,
    "conversations.timer": factories.TimerFactory.create,
    "conversations.outbox": factories.OutboxFactory.create,
    "conversations.inbox": factories.InboxFactory.create,
    "conversations.webhookdelivery": factories.WebhookDeliveryFactory.create,
    "conversations.breaker": factories.BreakerFactory.create,
    "flows.event": factories.EventFactory.create,
    "flows.incident": factories.IncidentFactory.create,
    "flows.deadletter": factories.DeadLetterFactory.create,
}
nouns = pytest.mark.parametrize("noun", NOUNS)


def url_of(noun: str, page: str, *args: object) -> str:
    return reverse(f"admin:{noun.replace('.', '_')}_{page}", args=args)


@pytest.fixture
def boss(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="boss", group="Admin"))
    return client


@nouns
def test_list_and_row_open_for_admins(boss: Client, noun: str) -> None:
    row = NOUNS[noun]()
    assert boss.get(url_of(noun, "changelist")).status_code == 200
    assert boss.get(url_of(noun, "change", row.pk)).status_code == 200


@nouns
def test_an_empty_list_says_one_sentence(boss: Client, noun: str) -> None:
    text = unescape(boss.get(url_of(noun, "changelist")).content.decode())
    model_admin = admin.site.get_model_admin(apps.get_model(noun))
    assert str(model_admin.empty_sentence) in text
    assert str(model_admin.empty_todo) in text


@nouns
def test_a_filter_that_finds_nothing_says_so(boss: Client, noun: str) -> None:
    NOUNS[noun]()
    model_admin = admin.site.get_model_admin(apps.get_model(noun))
    if not model_admin.search_fields:
        return
    text = boss.get(url_of(noun, "changelist"), {"q": "zzz-nothing"}).content.decode()
    assert "Nothing matches." in text


@nouns
def test_a_list_asks_as_much_for_twenty_rows_as_for_two(
    boss: Client, noun: str, django_assert_max_num_queries: Callable[..., object]
) -> None:
    if noun == "conversations.number":
        return
    for _ in range(2):
        NOUNS[noun]()
    url = url_of(noun, "changelist")
    boss.get(url)
    with django_assert_max_num_queries(60) as few:
        boss.get(url)
    for _ in range(18):
        NOUNS[noun]()
    with django_assert_max_num_queries(len(few)):
        boss.get(url)
    assert len(few) <= 20


@nouns
@pytest.mark.parametrize("page", ["changelist", "change", "add", "delete"])
def test_users_without_rights_are_refused(db: None, noun: str, page: str) -> None:
    row = NOUNS[noun]()
    client = Client()
    client.force_login(UserFactory.create())
    args = [] if page in {"changelist", "add"} else [row.pk]
    assert client.get(url_of(noun, page, *args)).status_code == 403


MACHINE = [n for n in NOUNS if n not in {"conversations.number", "conversations.contact"}]


@pytest.mark.parametrize("noun", MACHINE)
def test_the_machines_rows_cannot_be_typed_into(boss: Client, noun: str) -> None:
    row = NOUNS[noun]()
    assert boss.get(url_of(noun, "add")).status_code == 403
    assert boss.get(url_of(noun, "delete", row.pk)).status_code == 403
    if noun == "conversations.conversation":
        return
    before = type(row).objects.filter(pk=row.pk).values().get()
    assert boss.post(url_of(noun, "change", row.pk), {"state": "done", "reason": "x"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).values().get() == before


@nouns
def test_no_page_shows_a_secret(boss: Client, noun: str, settings: object) -> None:
    number = factories.NumberFactory.create()
    numbers.set_token(number, CANARY)
    number.save()
    row = NOUNS[noun]()
    secrets = [
        CANARY,
        number.token,
        settings.SECRET_KEY,
        settings.SIMULATOR_TOKEN,
        settings.SIMULATOR_APP_SECRET,
    ]
    secrets += settings.WHATSFLOW_ENCRYPTION_KEYS
    for url in (url_of(noun, "changelist"), url_of(noun, "change", row.pk), url_of(noun, "history", row.pk)):
        text = boss.get(url).content.decode()
        for secret in secrets:
            assert secret not in text, url


def rows_with_a_phone() -> list[tuple[str, object]]:
    contact = factories.ContactFactory.create(name="", phone=PHONE)
    return [
        ("conversations.contact", contact),
        ("conversations.conversation", factories.ConversationFactory.create(contact=contact)),
        ("conversations.handoff", factories.HandoffFactory.create(contact=contact)),
        ("conversations.consententry", factories.ConsentEntryFactory.create(contact=contact)),
        (
            "conversations.session",
            factories.SessionFactory.create(
                contact=contact, data={"frames": [{"variables": {"phone": "+" + PHONE}}]}
            ),
        ),
        (
            "conversations.outbox",
            factories.OutboxFactory.create(
                contact=contact, content={"type": "text", "body": f"call {PHONE}"}
            ),
        ),
        (
            "conversations.inbox",
            factories.InboxFactory.create(payload={"from": PHONE}, dedup_key=f"message:{PHONE}"),
        ),
        (
            "conversations.webhookdelivery",
            factories.WebhookDeliveryFactory.create(body=b'{"from": "%s"}' % PHONE.encode()),
        ),
        (
            "conversations.webhookdelivery",
            factories.WebhookDeliveryFactory.create(body=b"junk %s" % PHONE.encode()),
        ),
        (
            "conversations.call",
            factories.CallFactory.create(request={"phone": PHONE}, result={"x": [PHONE]}, trace=PHONE),
        ),
        ("flows.event", factories.EventFactory.create(data={"phone": PHONE})),
        ("flows.incident", factories.IncidentFactory.create(data={"phone": PHONE})),
        ("flows.deadletter", factories.DeadLetterFactory.create(trace=f"KeyError: {PHONE}")),
    ]


@pytest.mark.parametrize("group", ["Viewer", "Analyst", "Developer"])
def test_no_page_shows_a_phone_to_those_without_the_right(as_group: AsGroup, group: str) -> None:
    client = as_group(group)
    opened = 0
    for noun, row in rows_with_a_phone():
        for url in (
            url_of(noun, "changelist"),
            url_of(noun, "change", row.pk),
            url_of(noun, "history", row.pk),
        ):
            response = client.get(url)
            if response.status_code == 403:
                continue
            opened += 1
            assert PHONE not in response.content.decode(), url
    assert opened >= 9


def test_the_home_page_counts_and_ticks_truthfully(boss: Client) -> None:
    text = boss.get("/admin/").content.decode()
    assert "0 of 4" in text
    factories.SessionFactory.create()
    factories.ConversationFactory.create(owner="waiting")
    factories.WebhookDeliveryFactory.create(is_simulated=True)
    assert "1 of 4" in boss.get("/admin/").content.decode()
    factories.WebhookDeliveryFactory.create(is_simulated=False)
    number = factories.NumberFactory.create(phone_number_id="55", is_simulated=False)
    numbers.set_token(number, CANARY)
    number.save()
    UserFactory.create()
    text = boss.get("/admin/").content.decode()
    assert "4 of 4" in text
    assert "?owner=waiting" in text


def test_a_viewer_sees_on_the_home_page_only_what_they_may_open(as_group: AsGroup) -> None:
    text = as_group("Viewer").get("/admin/").content.decode()
    assert "Waiting for a person" in text
    assert "In quarantine" not in text

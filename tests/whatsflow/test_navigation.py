"""The sidebar shows each user the jobs that they may do, and nothing that is not there."""

import pytest
from django.test import Client, RequestFactory

from tests.factories import ConversationFactory, IncidentFactory, UserFactory
from whatsflow.navigation import sidebar


def titles(**user: object) -> dict[str, list[str]]:
    request = RequestFactory().get("/admin/")
    request.user = UserFactory.create(**user)
    return {
        str(group["title"]): [str(item["title"]) for item in group["items"]] for group in sidebar(request)
    }


@pytest.mark.django_db
def test_an_agent_sees_conversations_and_no_machine() -> None:
    shown = titles(group="Agent")
    assert "Conversations" in shown["Inbox"]
    assert "Contacts" in shown["Contacts"]
    assert "Quarantine" not in shown.get("System", [])
    assert "Insights" not in shown


@pytest.mark.django_db
def test_an_admin_sees_every_job_that_has_pages() -> None:
    shown = titles(group="Admin")
    assert list(shown)[:2] == ["Inbox", "Contacts"]
    assert {"Flows", "Insights", "System"} <= set(shown)
    assert "Campaigns" not in shown
    assert "Stop all outbound" in shown["System"]


@pytest.mark.django_db
def test_counts_stand_behind_what_waits() -> None:
    ConversationFactory.create(owner="waiting")
    IncidentFactory.create()
    client = Client()
    client.force_login(UserFactory.create(group="Admin"))
    request = RequestFactory().get("/admin/")
    request.user = UserFactory.create(group="Admin")
    items = {str(item["title"]): item for group in sidebar(request) for item in group["items"]}
    assert items["Conversations"]["badge"] == "1"
    assert items["Incidents"]["badge"] == "1"
    assert "badge" not in items["Quarantine"]


@pytest.mark.django_db
def test_every_link_opens() -> None:
    client = Client()
    user = UserFactory.create(group="Admin")
    client.force_login(user)
    request = RequestFactory().get("/admin/")
    request.user = user
    links = [item["link"] for group in sidebar(request) for item in group["items"]]
    assert len(links) > 15
    for link in links:
        assert client.get(link, follow=True).status_code == 200, link

"""The pages of flows in the back office: state, problems with their place, versions, the registry."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from flows import loader, registry
from flows.dataset import Dataset
from flows.models import FlowRecord, FlowVersion, ProcessView

pytestmark = pytest.mark.django_db
PROCESSOR = (
    "from flows.processing import processor\n\n\n@processor\ndef greet(name: str) -> str:\n    return name\n"
)


@pytest.fixture
def dataset(tmp_path, settings):
    (tmp_path / "flows").mkdir()
    (tmp_path / "processors").mkdir()
    (tmp_path / "processors" / "words.py").write_text(PROCESSOR)
    settings.WHATSFLOW_DATASETS = tmp_path
    settings.WHATSFLOW_PROCESSORS = tmp_path / "processors"
    registry.forget()
    yield Dataset(tmp_path)
    registry.forget()


@pytest.fixture
def staff(client):
    user = get_user_model().objects.create_user("dev", password="x", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(content_type__app_label="flows", codename__startswith="view_")
    )
    client.force_login(user)
    return client


def drop(dataset, flow_id, trigger, text=None):
    step = {"id": "say", "content": {"type": "text", "body": "<b>Hi</b>"}}
    document = {"id": flow_id, "name": flow_id.title(), "trigger": trigger, "steps": [step]}
    (dataset.root / "flows" / f"{flow_id}.json").write_text(text or json.dumps(document, indent=1))


def get(client, name, *args):
    response = client.get(reverse(f"admin:{name}", args=args))
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(
    "page", ["flows_flowrecord_changelist", "flows_flowversion_changelist", "flows_flowfile_changelist"]
)
def test_an_empty_list_says_what_to_do(page, dataset, staff):
    assert "datasets/flows" in get(staff, page) or "first good file" in get(staff, page)


def test_an_empty_registry_says_what_to_do(dataset, staff):
    page = get(staff, "flows_registry")
    assert "No trigger listens." in page
    assert "No process has reported yet." in page


def test_the_list_shows_state_version_triggers_and_the_place_of_a_problem(dataset, staff):
    drop(dataset, "hours", ["opening hours", {"type": "button", "id": "hours"}])
    loader.load(dataset)
    drop(dataset, "hours", "", text='{"id": "hours",\n "stepz": []}')
    loader.load(dataset)
    page = get(staff, "flows_flowrecord_changelist")
    for words in (
        "Hours",
        "File broken",
        "“opening hours”",
        "button hours",
        "flows/hours.json:1:1",
        "2 errors",
    ):
        assert words in page


def test_the_page_of_a_flow_shows_every_fault_and_that_the_old_version_stays(dataset, staff):
    drop(dataset, "hours", "opening hours")
    loader.load(dataset)
    drop(dataset, "hours", "", text='{"id": "hours",\n "stepz": [], "name": "<script>"}')
    loader.load(dataset)
    page = get(staff, "flows_flowrecord_change", "hours")
    assert "version 1 stays live" in page
    assert "<li>1 · " in page
    assert "flows/hours.json:2:2" in page
    assert "WF101" in page
    assert "&lt;b&gt;Hi&lt;/b&gt;" in page
    assert "<b>Hi</b>" not in page


def test_the_registry_lists_triggers_in_the_order_in_which_they_take_a_message(dataset, staff):
    drop(dataset, "last", {"type": "catch_all"})
    drop(dataset, "word", {"type": "keyword", "text": "ride", "match": "contains"})
    drop(dataset, "exact", "test ride")
    drop(dataset, "tap", {"type": "button", "id": "ride", "number": "123"})
    loader.load(dataset)
    ProcessView.objects.create(
        name="host:1", role="worker", generation=0, started_at=timezone.now(), seen_at=timezone.now()
    )
    page = get(staff, "flows_registry")
    order = [page.index(f"flowrecord/{name}/change/") for name in ("exact", "word", "tap", "last")]
    assert order == sorted(order)
    for words in ("“test ride”", "anything else", "number: 123", "host:1", "behind", "greet", "words.py:5"):
        assert words in page


def test_nothing_can_be_typed_into_these_pages(dataset, staff):
    drop(dataset, "hours", "hi")
    loader.load(dataset)
    url = reverse("admin:flows_flowversion_change", args=[FlowVersion.objects.get().pk])
    assert staff.post(url, {"source": "x"}).status_code == 403
    assert staff.post(reverse("admin:flows_flowrecord_delete", args=["hours"])).status_code == 403
    assert FlowRecord.objects.count() == 1


def test_the_registry_needs_permission(dataset, client):
    user = get_user_model().objects.create_user("nobody", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(reverse("admin:flows_registry")).status_code == 403


def test_the_filter_of_states_finds_broken_flows(dataset, staff):
    drop(dataset, "good", "good")
    drop(dataset, "bad", "bad")
    loader.load(dataset)
    drop(dataset, "bad", "", text="{")
    loader.load(dataset)
    page = staff.get(reverse("admin:flows_flowrecord_changelist"), {"state": "broken"}).content.decode()
    assert "Bad" in page
    assert "“good”" not in page

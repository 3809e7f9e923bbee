"""The trace and the jump: for staff, for simulated numbers, where the simulator is on."""

from typing import Any

import pytest
from django.test import Client

from conversations import clock
from tests.factories import (
    CallFactory,
    ContactFactory,
    EventFactory,
    NumberFactory,
    PublicationFactory,
    SessionFactory,
    UserFactory,
)

TRACE = "/conversations/trace/"
JUMP = "/conversations/clock/jump"
PHONE = "15550100001"


@pytest.fixture
def staff(db: None) -> Client:
    NumberFactory.create()
    client = Client()
    client.force_login(UserFactory.create(group="Developer"))
    return client


@pytest.fixture
def walk(db: None) -> dict[str, Any]:
    contact = ContactFactory.create(phone=PHONE)
    session = SessionFactory.create(contact=contact)
    PublicationFactory.create()
    return {"contact_id": contact.pk, "session_id": session.pk}


def events(client: Client, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get(TRACE, query).json()["events"]
    return rows


def test_variables_stand_before_and_after_each_fact(staff: Client, walk: dict[str, Any]) -> None:
    CallFactory.create(id="c1", seconds=0.25)
    EventFactory.create(name="session_started", data={"hash": "f" * 64}, **walk)
    EventFactory.create(
        name="reply_accepted", data={"variables": {"bike": "scrambler"}, "value": "x"}, **walk
    )
    EventFactory.create(name="call_succeeded", data={"variables": {"bike": "panigale"}, "id": "c1"}, **walk)
    first, second, third = events(staff, phone=PHONE)
    assert (first["name"], first["flow"], first["version"], first["step"]) == (
        "session_started",
        "test_ride",
        3,
        "pick",
    )
    assert (first["variables_before"], first["variables_after"]) == ({}, {})
    assert (second["variables_before"], second["variables_after"]) == ({}, {"bike": "scrambler"})
    assert second["detail"] == {"value": "x"}
    assert (third["variables_before"], third["variables_after"]) == (
        {"bike": "scrambler"},
        {"bike": "panigale"},
    )
    assert (second["seconds"], third["seconds"]) == (None, 0.25)


def test_only_what_came_later_is_told_with_what_was_before(staff: Client, walk: dict[str, Any]) -> None:
    known = EventFactory.create(name="values_set", data={"variables": {"n": 1}}, **walk)
    EventFactory.create(name="values_set", data={"variables": {"n": 2}}, **walk)
    (row,) = events(staff, phone="+1 555 010 0001", after=known.pk)
    assert (row["variables_before"], row["variables_after"]) == ({"n": 1}, {"n": 2})


def test_sessions_do_not_mix(staff: Client, walk: dict[str, Any]) -> None:
    EventFactory.create(name="values_set", data={"variables": {"n": 1}}, **walk)
    EventFactory.create(name="values_set", data={"variables": {"m": 2}}, **walk | {"session_id": "other"})
    assert [e["variables_after"] for e in events(staff, phone=PHONE)] == [{"n": 1}, {"m": 2}]


def test_real_numbers_have_no_trace(staff: Client, walk: dict[str, Any]) -> None:
    NumberFactory.create(phone_number_id="777", is_simulated=False)
    EventFactory.create(phone_number_id="777", **walk)
    assert events(staff, phone=PHONE) == []


@pytest.mark.parametrize("query", [{}, {"phone": "x"}, {"phone": "1"}, {"user_id": "IN.none"}])
def test_who_is_not_known_has_no_events(staff: Client, query: dict[str, str]) -> None:
    assert events(staff, **query) == []


def test_a_wrong_id_is_told(staff: Client) -> None:
    assert staff.get(TRACE, {"phone": PHONE, "after": "x"}).status_code == 400


@pytest.mark.django_db
def test_strangers_and_customers_are_refused(client: Client) -> None:
    assert client.get(TRACE).status_code == 403
    assert client.post(JUMP, {"seconds": 5}, content_type="application/json").status_code == 403
    client.force_login(UserFactory.create(is_staff=False))
    assert client.get(TRACE).status_code == 403


def test_without_the_simulator_there_is_nothing(staff: Client, settings: Any) -> None:
    settings.SIMULATOR_ENABLED = False
    assert staff.get(TRACE).status_code == 404
    assert staff.post(JUMP, {"seconds": 5}, content_type="application/json").status_code == 404


def test_the_clock_jumps_ahead(staff: Client) -> None:
    before = clock.now()
    assert staff.post(JUMP, {"seconds": 86_400}, content_type="application/json").status_code == 200
    assert (clock.now() - before).total_seconds() >= 86_400


@pytest.mark.parametrize(
    "body",
    [{}, {"seconds": 0}, {"seconds": -5}, {"seconds": "5"}, {"seconds": True}, [], "x", {"seconds": 1e12}],
)
def test_a_wrong_jump_is_told(staff: Client, body: Any) -> None:
    response = staff.post(JUMP, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["error"]


def test_a_jump_needs_the_csrf_token(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory.create(group="Developer"))
    assert client.post(JUMP, {"seconds": 5}, content_type="application/json").status_code == 403

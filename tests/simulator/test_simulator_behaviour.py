import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour import (
    FAULTS,
    STATUSES,
    Behaviour,
    BehaviourFault,
    change_behaviour,
    check_fault,
    copies,
    plan_statuses,
    retry_after_ms,
)


def plan(
    behaviour: Behaviour, kind: str = "text", fails_with: int | None = None, seed: int = 1
) -> list[tuple[str, int]]:
    planned = plan_statuses(behaviour, message_type=kind, fails_with=fails_with, dice=random.Random(seed))
    return [(each.status, each.after_ms) for each in planned]


def test_a_message_is_sent_then_delivered_then_read_after_the_set_delays() -> None:
    still = Behaviour(sent_ms=10, delivered_ms=20, read_ms=30, jitter_ms=0)
    assert plan(still) == [("sent", 10), ("delivered", 20), ("read", 30)]


def test_a_voice_message_is_also_played() -> None:
    behaviour = Behaviour(statuses=STATUSES)
    assert [name for name, _ in plan(behaviour, "audio")] == list(STATUSES)
    assert [name for name, _ in plan(behaviour, "text")] == ["sent", "delivered", "read"]


def test_a_reaction_is_only_ever_sent() -> None:
    assert [name for name, _ in plan(Behaviour(), "reaction")] == ["sent"]


def test_a_message_that_fails_has_one_status_with_the_code() -> None:
    planned = plan_statuses(Behaviour(), message_type="text", fails_with=131026, dice=random.Random(1))
    assert [(each.status, each.code) for each in planned] == [("failed", 131026)]


def test_reordering_deals_the_same_statuses_in_another_order() -> None:
    orders = {tuple(name for name, _ in plan(Behaviour(reorder=True), seed=seed)) for seed in range(30)}
    assert len(orders) > 1
    assert all(sorted(order) == ["delivered", "read", "sent"] for order in orders)


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000), st.booleans(), st.integers(0, 99))
def test_planned_statuses_always_fall_due_in_rising_order(
    sent: int, delivered: int, read: int, reorder: bool, seed: int
) -> None:
    planned = plan(Behaviour(sent_ms=sent, delivered_ms=delivered, read_ms=read, reorder=reorder), seed=seed)
    assert [after for _, after in planned] == sorted(after for _, after in planned)


def test_duplicates_are_copies_that_come_no_earlier_than_the_first() -> None:
    delays = copies(Behaviour(duplicates=3, reorder=True), random.Random(2))
    assert len(delays) == 4
    assert min(delays) == delays[0]


@pytest.mark.parametrize(
    ("tries", "expected"), [(1, 1000), (2, 2000), (5, 16_000), (9, 60_000), (60, 60_000), (61, None)]
)
def test_a_webhook_that_is_not_taken_comes_again_later_and_later(tries: int, expected: int | None) -> None:
    assert retry_after_ms(Behaviour(), tries) == expected


def test_no_retry_means_giving_up_at_once() -> None:
    assert retry_after_ms(Behaviour(retry_tries=0), 1) is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"duplicate": 1}, "duplicate: no such switch"),
        ({"duplicates": -1}, "duplicates: expected a whole number from 0 to 100"),
        ({"duplicates": True}, "duplicates: expected a whole number"),
        ({"reorder": 1}, "reorder: expected true or false"),
        ({"statuses": ["seen"]}, "statuses: expected a list of sent"),
        ({"statuses": "sent"}, "statuses: expected a list"),
        ({"window": "closed"}, "window: expected one of off"),
        ({"sent_ms": 1.5}, "sent_ms: expected a whole number"),
        ({"batch": 0}, "batch: expected a whole number from 1"),
    ],
)
def test_a_wrong_switch_is_named_with_what_was_expected(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BehaviourFault, match=problem):
        change_behaviour(Behaviour(), changes)


def test_all_wrong_switches_are_named_at_once() -> None:
    with pytest.raises(BehaviourFault) as caught:
        change_behaviour(Behaviour(), {"a": 1, "batch": 0})
    assert len(caught.value.problems) == 2


def test_switches_go_to_json_and_back() -> None:
    changed = change_behaviour(Behaviour(), {"duplicates": 2, "statuses": ["sent"]})
    assert change_behaviour(Behaviour(), changed.to_json()) == changed


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_fault_can_be_armed_and_strikes_once_by_default(kind: str) -> None:
    code = {"code": 131026} if FAULTS[kind].needs_code else {}
    fault = check_fault({"kind": kind, **code})
    assert (fault["remaining"], fault["accepts"]) == (1, FAULTS[kind].accepts)


def test_zero_times_means_always() -> None:
    assert check_fault({"kind": "drop", "times": 0})["remaining"] is None


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "explode"},
        {"kind": "refuse"},
        {"kind": "fail", "code": "131026"},
        {"kind": "slow", "milliseconds": "2"},
        {"kind": "drop", "time": 3},
    ],
)
def test_a_fault_that_cannot_be_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(BehaviourFault):
        check_fault(fault)

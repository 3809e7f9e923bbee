"""The processors that the demo flows use, called as a flow calls them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.processing.children import ROOT
from flows.processing.discovery import Discovery
from flows.processing.runner import Outcome, Runner

NOW = "2026-11-22T10:00:00+00:00"


@pytest.fixture(scope="module")
def examples() -> Discovery:
    found = Discovery(ROOT / "processors")
    found.ensure()
    return found


@pytest.fixture
def call(examples: Discovery, shared_runner: Runner) -> Callable[..., Outcome]:
    def call(name: str, **args: object) -> Outcome:
        info = examples.catalog.find(name)
        assert info is not None
        return shared_runner.run(info, args, {"now": NOW})

    return call


def test_all_example_files_import(examples):
    assert examples.catalog.problems == ()
    assert examples.catalog.names == {"emi_status", "describe_bike", "score_quiz", "summarize_feedback"}
    assert {Path(one.path).stem for one in examples.catalog.processors} == {
        "loans",
        "bikes",
        "quiz",
        "feedback",
    }


def test_a_running_loan_is_summed_up(call):
    value = call("emi_status", loan_number=" am1001").value
    assert value == {
        "found": True,
        "number": "AM1001",
        "paid": 3,
        "of": 24,
        "next_due": "2026-12-05",
        "summary": "*AM1001* · Two-wheeler loan\n3 of 24 EMIs are paid.\nNext: ₹4,250 on 5 December 2026.",
    }


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        ("AM1003", "⚠️ Overdue: 1 EMI, ₹5,600."),
        ("AM1004", "Nothing is left to pay. Congratulations! 🎉"),
        ("KL2001", "Next: ₹6,900 on 28 November 2026."),
    ],
)
def test_other_loans(call, number, ending):
    assert call("emi_status", loan_number=number).value["summary"].endswith(ending)


def test_an_unknown_loan_is_no_failure(call):
    assert call("emi_status", loan_number="ZZ9999").value == {"found": False, "number": "ZZ9999"}


def test_a_bike_is_described(call):
    assert call("describe_bike", bike="panigale").value.startswith("Panigale: V4")
    assert call("describe_bike", bike="new_one").value.startswith("New one: ")


@pytest.mark.parametrize(
    ("answers", "score"),
    [
        ({"q1": "q1_lock", "q2": "q2_weeks", "q3": "q3_more"}, 3),
        ({"q1": "q1_lock", "q2": "q2_never", "q3": None}, 1),
        ({}, 0),
    ],
)
def test_the_quiz_is_scored(call, answers, score):
    value = call("score_quiz", answers=answers).value
    assert (value["score"], value["of"]) == (score, 3)
    assert value["remark"]


@pytest.mark.parametrize(
    ("rating", "comment", "line"),
    [
        (5, "Lovely\n people", "★★★★★ very happy: Lovely people"),
        (1, "No", "★☆☆☆☆ very unhappy"),
        (3, "x" * 500, "★★★☆☆ so-so: " + "x" * 119 + "…"),
    ],
)
def test_feedback_is_summed_up(call, rating, comment, line):
    assert call("summarize_feedback", rating=rating, comment=comment).value == line


def test_a_rating_beyond_the_stars_fails(call):
    outcome = call("summarize_feedback", rating=6)
    assert (outcome.state, outcome.reason) == ("failed", "a rating is 1 to 5, not 6")

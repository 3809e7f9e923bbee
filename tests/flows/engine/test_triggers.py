"""Section 6 of the flow language: which flow takes a message."""

from datetime import UTC, datetime

import pytest

from flows.engine.definition import parse_triggers
from flows.engine.hours import BadHours, is_open, parse_hours
from flows.engine.triggers import is_exact_class, match
from tests.flows.engine.walks import NOON, message, tapped, text

CONTACT = {"groups": ["vip"], "timezone": "Asia/Kolkata", "is_new": False}
NUMBER = {"phone_number_id": "111", "display_phone_number": "+91 98765 43210"}


def matched(given, *documents, contact=CONTACT, number=NUMBER, now=NOON):
    triggers = tuple(
        trigger
        for place, raw in enumerate(documents)
        for trigger in parse_triggers(
            raw if isinstance(raw, dict) and "trigger" in raw else {"id": f"f{place}", "trigger": raw}, "h"
        )
    )
    given = text(given) if isinstance(given, str) else given
    return [
        candidate.flow_id for candidate in match(triggers, given, contact=contact, number=number, now=now)
    ]


def keyword(words, how="exact", **more):
    return {"type": "keyword", "text": words, "match": how, **more}


@pytest.mark.parametrize(
    ("trigger", "given", "takes"),
    [
        ("test ride", "Test  RIDE ", True),
        ("test ride", "test rides", False),
        ("straße", "STRASSE", True),
        ("ｈｉ", "hi", True),
        ("café", "cafe", False),
        (keyword("café", accents=False), "CAFE", True),
        (keyword("cafe", accents=False), "café", True),
        ("", "", False),
        ("book", tapped("book", "Something"), True),
        ("Something", tapped("book", "Something"), False),
        (keyword("réserver", accents=False), tapped("reserver"), True),
        (keyword("book", "first_word"), "book a ride", True),
        (keyword("book a", "first_word"), "book a ride", True),
        (keyword("book", "first_word"), "book", True),
        (keyword("book", "first_word"), "booking", False),
        (keyword("", "first_word"), "x", False),
        (keyword("ride", "contains"), "I want a Ride now", True),
        (keyword("ride", "contains"), "no", False),
        (keyword("", "contains"), "x", False),
        (keyword("café", "contains", accents=False), "un CAFE", True),
        (keyword(r"^Order \d+$", "regex"), "order 12", True),
        (keyword(r"^order \d+$", "regex"), "orders", False),
        (keyword("(", "regex"), "(", False),
        (keyword("x", "regex"), tapped("x"), False),
        (keyword("x", "contains"), message("image", text="x"), False),
        ({"type": "button", "id": "go"}, tapped("go"), True),
        ({"type": "button", "id": "go"}, tapped("stop"), False),
        ({"type": "button", "id": "go"}, "go", False),
        ({"type": "button", "id": "go"}, message("tap"), False),
        ({"type": "referral"}, message("text", text="hi", referral={"source_id": "7"}), True),
        (
            {"type": "referral", "source_id": "7"},
            message("text", text="hi", referral={"source_id": "7"}),
            True,
        ),
        (
            {"type": "referral", "source_id": "8"},
            message("text", text="hi", referral={"source_id": "7"}),
            False,
        ),
        ({"type": "referral"}, "hi", False),
        ({"type": "media"}, message("image"), True),
        ({"type": "media", "kind": "image"}, message("image"), True),
        ({"type": "media", "kind": "video"}, message("image"), False),
        ({"type": "media"}, "image", False),
        ({"type": "order"}, message("order"), True),
        ({"type": "location"}, message("location"), True),
        ({"type": "location"}, message("order"), False),
        ({"type": "new_contact"}, "anything", False),
        ({"type": "catch_all"}, message("other"), True),
        ({"type": "catch_all"}, message("reaction"), False),
    ],
)
def test_a_trigger_takes_what_it_names(trigger, given, takes):
    assert bool(matched(given, trigger)) is takes


def test_a_new_contact_is_taken_by_its_trigger():
    assert matched("x", {"type": "new_contact"}, contact={"is_new": True}) == ["f0"]


def test_candidates_come_in_the_order_of_precedence():
    kinds = [
        {"type": "catch_all"},
        {"type": "new_contact"},
        {"type": "referral"},
        keyword("book", "regex"),
        keyword("book", "contains"),
        keyword("book", "first_word"),
        keyword("book now"),
    ]
    given = message("text", text="book now", referral={"source_id": "1"})
    found = matched(given, *kinds, contact={"is_new": True})
    assert found == ["f6", "f5", "f4", "f3", "f2", "f1", "f0"]
    taps = [{"type": "catch_all"}, {"type": "button", "id": "x"}, "x"]
    assert matched(tapped("x"), *taps) == ["f2", "f1", "f0"]
    media = [{"type": "catch_all"}, {"type": "new_contact"}, {"type": "media"}]
    assert matched(message("image"), *media, contact={"is_new": True}) == ["f2", "f1", "f0"]


def test_among_equals_filters_come_first_then_the_longer_text_then_the_flow_id():
    entries = [
        {"id": "z", "trigger": keyword("ride", "contains")},
        {"id": "a", "trigger": keyword("ride", "contains")},
        {"id": "b", "trigger": keyword("a ride", "contains")},
        {"id": "c", "trigger": keyword("ride", "contains", groups="vip")},
        {"id": "d", "trigger": keyword("ride", "contains", number="111")},
    ]
    assert matched("a ride", *entries) == ["d", "c", "b", "a", "z"]


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({"number": "111"}, True),
        ({"number": ["222", "+919876543210"]}, True),
        ({"number": "222"}, False),
        ({"groups": ["gold", "vip"]}, True),
        ({"groups": "gold"}, False),
        ({"not_groups": "vip"}, False),
        ({"not_groups": "gold"}, True),
        ({"hours": "sun 09:00-13:00"}, True),
        ({"hours": ["mon 09:00-13:00", "12:00-12:01"]}, True),
        ({"hours": "mon-sat 00:00-24:00"}, False),
        ({"hours": "whenever"}, False),
    ],
)
def test_filters_let_pass_only_what_they_name(filters, passes):
    assert bool(matched("hi", keyword("hi", **filters))) is passes


def test_a_number_without_names_passes_no_number_filter():
    assert matched("hi", keyword("hi", number="111"), number={}) == []


def test_hours_are_those_of_the_number_if_it_has_a_zone():
    assert matched("hi", keyword("hi", hours="06:00-07:00"), number={"timezone": "UTC"}) == ["f0"]


def test_an_inactive_flow_is_no_match():
    assert matched("hi", {"id": "a", "trigger": "hi", "is_active": False}) == []


def test_a_flow_without_a_trigger_takes_nothing():
    assert matched("hi", {"id": "a", "trigger": None}) == []


def test_a_list_of_triggers_and_any_iterable_of_them_will_do():
    triggers = parse_triggers({"id": "a", "trigger": ["hi", {"type": "button", "id": "b"}]}, "h")
    given = {"contact": CONTACT, "number": NUMBER, "now": NOON}
    assert [c.kind for c in match(list(triggers), text("hi"), **given)] == ["exact"]
    assert match(triggers, text("hi"), **given) == match(triggers, text("hi"), **given)


@pytest.mark.parametrize(
    ("trigger", "given", "exact"),
    [
        ("hi", text("hi"), True),
        ({"type": "button", "id": "x"}, tapped("x"), True),
        ({"type": "referral"}, message("text", text="x", referral={"source_id": "1"}), True),
        (keyword("hi", "contains"), text("hi"), False),
        ({"type": "catch_all"}, text("hi"), False),
    ],
)
def test_only_exact_keywords_buttons_and_referrals_break_in(trigger, given, exact):
    triggers = parse_triggers({"id": "a", "trigger": trigger}, "h")
    found = match(triggers, given, contact=CONTACT, number=NUMBER, now=NOON)
    assert is_exact_class(found[0]) is exact


SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entry", "hour", "is_in"),
    [
        ("09:00-18:00", 9, True),
        ("09:00-18:00", 18, False),
        ("22:00-02:00", 23, True),
        ("22:00-02:00", 1, True),
        ("sat 22:00-02:00", 1, True),
        ("sun 22:00-02:00", 1, False),
        ("fri-mon 00:00-23:00", 5, True),
        ("Mon,Tue 00:00-23:00", 5, False),
    ],
)
def test_hours_are_open_on_their_days(entry, hour, is_in):
    assert is_open([entry], SUNDAY.replace(hour=hour)) is is_in


@pytest.mark.parametrize(
    "entry", ["", "9-18", "09:00-09:00", "29:00-30:00", "foo 09:00-10:00", "mon-foo 09:00-10:00"]
)
def test_hours_that_cannot_be_read_are_named(entry):
    with pytest.raises(BadHours):
        parse_hours(entry)

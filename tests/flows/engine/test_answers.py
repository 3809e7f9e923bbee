"""What each type of wait accepts, and what it saves."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.engine.answers import Terms, judge, read_number, region_of
from flows.engine.dates import NoDate, date_bound, moment_after, parse_date, parse_time
from flows.engine.keys import WAIT_KEYS
from flows.engine.replies import IncomingMessage
from flows.engine.texts import NO_WORDS, REASKS, YES_WORDS
from tests.flows.engine.walks import Walk, ask, flow, message, tapped, text

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=ZoneInfo("Asia/Kolkata"))
PHOTO = {"id": "1", "kind": "image", "mime_type": "image/jpeg; x=1", "size": 2_000_000}


def terms(language="en", **keys):
    return Terms(keys=keys, options=(), synonyms={}, now=NOW, language=language, phone="+919876543210")


def judged(kind, given, **keys):
    heard = text(given) if isinstance(given, str) else given
    answer = judge(kind, heard, terms(**keys))
    return None if answer is None else answer.value


@pytest.mark.parametrize(
    ("kind", "given", "keys", "value"),
    [
        ("any", "x ", {}, "x "),
        ("any", tapped("a", "Title"), {}, "Title"),
        ("any", message("image", media=PHOTO, text="caption"), {}, PHOTO),
        ("any", message("sticker", media=PHOTO), {}, PHOTO),
        ("any", message("location", location={"latitude": 1}), {}, {"latitude": 1}),
        ("any", message("contact", contacts=[{"name": "A"}, {"name": "B"}]), {}, {"name": "A"}),
        ("any", message("contact"), {}, None),
        ("any", message("form", form={"a": 1}), {}, {"a": 1}),
        ("any", message("other"), {}, None),
        ("text", "  hello ", {}, "hello"),
        ("text", "x" * 5000, {}, None),
        ("text", "   ", {}, None),
        ("text", message("image", text="caption"), {}, None),
        ("text", "abc", {"min_length": 3, "max_length": 3}, "abc"),
        ("text", "ab", {"min_length": 3}, None),
        ("text", "abcd", {"max_length": 3}, None),
        ("text", "411001", {"pattern": r"\d{6}"}, "411001"),
        ("text", "4110011", {"pattern": r"\d{6}"}, None),
        ("text", "x", {"pattern": "("}, None),
        ("number", "12", {}, 12),
        ("number", "12.5", {}, 12.5),
        ("number", "12.0", {"integer": True}, 12),
        ("number", "12.5", {"integer": True}, None),
        ("number", "5", {"min": 5, "max": 5}, 5),
        ("number", "4", {"min": 5}, None),
        ("number", "6", {"max": "5"}, None),
        ("number", "five", {}, None),
        ("number", message("image"), {}, None),
        ("yes_no", "Yes!", {}, True),
        ("yes_no", "हाँ", {}, True),
        ("yes_no", "नहीं", {}, False),
        ("yes_no", tapped("no", "Rather not"), {}, False),
        ("yes_no", "maybe", {}, None),
        ("yes_no", message("image"), {}, None),
        ("date", "24 May", {}, "2027-05-24"),
        ("date", "tomorrow", {"min": "today", "max": "30 days"}, "2026-11-23"),
        ("date", "yesterday", {"min": "today"}, None),
        ("date", "2027-01-01", {"max": "30 days"}, None),
        ("date", "soon", {}, None),
        ("date", message("image"), {}, None),
        ("time", "7:30 pm", {}, "19:30"),
        ("time", "09:00", {"min": "10:00"}, None),
        ("time", "09:00", {"min": "09:00", "max": "18:00"}, "09:00"),
        ("time", "never", {}, None),
        ("time", message("image"), {}, None),
        ("email", " a.b+c@example.co.in ", {}, "a.b+c@example.co.in"),
        ("email", "a@b", {}, None),
        ("email", "a b@example.com", {}, None),
        ("email", "a@example..com", {}, None),
        ("email", message("image"), {}, None),
        ("phone", "98765 43210", {}, "+919876543210"),
        ("phone", "+44 20 7946 0958", {}, "+442079460958"),
        ("phone", "020 7946 0958", {"region": "GB"}, "+442079460958"),
        ("phone", "12", {}, None),
        ("phone", "call me", {}, None),
        ("phone", message("image"), {}, None),
        ("image", message("image", media=PHOTO), {}, PHOTO),
        ("image", message("image", media=PHOTO), {"max_size": "2MB", "mime": "image/jpeg"}, PHOTO),
        ("image", message("image", media=PHOTO), {"max_size": "1 mb"}, None),
        ("image", message("image", media=PHOTO), {"max_size": 2_000_000}, PHOTO),
        ("image", message("image", media=PHOTO), {"mime": ["image/png", "image/*"]}, PHOTO),
        ("image", message("image", media=PHOTO), {"mime": "image/png"}, None),
        ("image", message("image", media={"id": "1"}), {"max_size": 5, "mime": "image/png"}, None),
        ("image", message("image", media={"id": "1"}), {"max_size": 5}, {"id": "1"}),
        ("image", message("image"), {}, None),
        ("image", "photo", {}, None),
        ("document", message("image", media=PHOTO), {}, None),
        ("media", message("video", media=PHOTO), {}, PHOTO),
        (
            "location",
            message("location", location={"latitude": 1.0, "longitude": 2.0, "url": "x"}),
            {},
            {"latitude": 1.0, "longitude": 2.0, "name": None, "address": None},
        ),
        ("location", "Pune", {}, None),
        ("contact", message("contact", contacts=[{"name": "A"}]), {}, {"name": "A"}),
        ("contact", message("contact", contacts=[]), {}, None),
        ("contact", "A", {}, None),
        ("form", message("form", form={"a": 1}), {}, {"a": 1}),
        ("order", message("order", order={"catalog_id": "1"}), {}, {"catalog_id": "1"}),
        ("order", message("order"), {}, None),
    ],
)
def test_an_answer_is_accepted_with_its_value_or_refused(kind, given, keys, value):
    assert judged(kind, given, **keys) == value


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("7", 7),
        ("-7", -7),
        ("\u22127", -7),
        ("+7", 7),
        ("1,200", 1200),
        ("1,00,000.5", 100000.5),
        ("1.234,5", 1234.5),
        ("3,5", 3.5),
        ("१२", 12),
        ("１２", 12),
        ("1 200", 1200),
        ("", None),
        ("1e5", None),
        ("1.2.3", None),
        ("nan", None),
        ("9" * 41, None),
        ("9" * 20, None),
    ],
)
def test_numbers_are_read_as_people_write_them(written, number):
    assert read_number(written) == number


@pytest.mark.parametrize(
    ("phone", "region"), [("+919876543210", "IN"), ("+1", None), (None, None), ("junk", None)]
)
def test_the_region_of_a_phone_is_known(phone, region):
    assert region_of(phone) == region


@pytest.mark.parametrize(
    ("written", "language", "found"),
    [
        ("24 May", "en", date(2027, 5, 24)),
        ("24 मई", "hi", date(2027, 5, 24)),
        ("24 May", "xx", date(2027, 5, 24)),
        ("tomorrow", "en", date(2026, 11, 23)),
        ("next friday", "en", date(2026, 11, 27)),
        ("12/11/2027", "en", date(2027, 11, 12)),
        ("12/11/2027", "en_US", date(2027, 12, 11)),
        ("२४/१२/२०२६", "hi", date(2026, 12, 24)),
        ("2026-12-24", "en", date(2026, 12, 24)),
        ("25", "en", date(2026, 11, 25)),
        ("5", "en", date(2026, 12, 5)),
        ("31", "en", date(2026, 12, 31)),
        ("32", "en", None),
        ("0", "en", None),
        ("2026-13-01", "en", None),
        ("31/02/2027", "en", None),
        ("May", "en", None),
        ("10:30", "en", None),
        ("5 pm", "en", None),
        ("hello", "en", None),
        ("x" * 70, "en", None),
    ],
)
def test_dates_are_read_in_their_natural_forms(written, language, found):
    assert parse_date(written, now=NOW, language=language) == found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("10:30", time(10, 30)),
        ("7.05pm", time(19, 5)),
        ("12 am", time(0)),
        ("12 p.m.", time(12)),
        ("10h30", time(10, 30)),
        ("9", time(9)),
        ("at 5pm", time(17)),
        ("24:00", None),
        ("10:75", None),
        ("13 pm", None),
        ("noon", None),
        ("x" * 70, None),
        ("room 5a", None),
    ],
)
def test_times_are_read_in_their_natural_forms(written, found):
    assert parse_time(written, now=NOW, language="en") == found


@pytest.mark.parametrize(
    ("bound", "found"),
    [
        ("today", date(2026, 11, 22)),
        ("tomorrow", date(2026, 11, 23)),
        ("-1 day", date(2026, 11, 21)),
        ("2 weeks", date(2026, 12, 6)),
        ("3 months", date(2027, 2, 22)),
        ("1 year", date(2027, 11, 22)),
        ("2026-05-24", date(2026, 5, 24)),
        ("9999 years", None),
        ("junk", None),
        ("", None),
    ],
)
def test_bounds_of_dates_are_read(bound, found):
    assert date_bound(bound, NOW.date()) == found


def test_a_month_later_is_never_after_its_last_day():
    assert date_bound("1 month", date(2027, 1, 31)) == date(2027, 2, 28)


def test_the_next_thirty_first_skips_short_months():
    february = NOW.replace(year=2027, month=2, day=10)
    assert parse_date("31", now=february, language="en") == date(2027, 3, 31)


def test_bounds_may_be_variables():
    document = flow(ask("a", "number", min="{{ low }}"), variables={"low": 5})
    assert Walk(document).start().say("4").events[0] == "reply_refused"
    assert Walk(document).start().say("5").variables["a"] == 5


def test_a_bound_that_cannot_be_rendered_fails_the_step():
    assert Walk(flow(ask("a", "number", min="{{ low }}"))).start().say("4").failures == ["render_failed"]


def test_a_moment_that_cannot_be_read_is_named():
    with pytest.raises(NoDate):
        moment_after("later", NOW)


def test_every_type_of_wait_has_a_judge_and_a_text_to_ask_again_in_every_language():
    for kind in WAIT_KEYS:
        assert judge(kind, message("other"), terms()) is None or kind == "any"
        assert all(kind in texts for texts in REASKS.values())


def test_no_word_means_both_yes_and_no():
    assert not YES_WORDS & NO_WORDS


TYPES = [
    "text",
    "tap",
    "image",
    "audio",
    "video",
    "document",
    "sticker",
    "location",
    "contact",
    "order",
    "form",
    "other",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.builds(
    IncomingMessage,
    type=st.sampled_from(TYPES),
    text=st.none() | st.text(max_size=30),
    id=st.none() | st.text(max_size=10),
    title=st.none() | st.text(max_size=10),
    media=st.none() | st.dictionaries(st.sampled_from(["size", "mime_type", "id"]), JSON, max_size=3),
    location=st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    contacts=st.none() | st.lists(JSON, max_size=2),
    order=st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=2),
    form=st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=2),
    at=st.just(NOW.isoformat()),
)


@given(st.sampled_from(sorted(WAIT_KEYS)), MESSAGES)
def test_judging_never_raises(kind, given):
    judge(kind, given, terms(min="today", max="30 days", max_size="5MB", mime="image/*", pattern="[a-z]+"))

"""Documents as frozen definitions, and the small readers they need."""

import dataclasses
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from flows.engine.dateformat import NoDate, format_moment, locale_of, read_moment, zone_of
from flows.engine.definition import flow_hash, parse_flow
from flows.engine.durations import parse_duration
from flows.engine.faults import error, warning
from flows.engine.matching import folded
from flows.engine.translations import text_places, translated
from flows.engine.values import UnstorableValue, as_json, printed, size_of
from tests.flows.engine.walks import ask, buttons, flow, say


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("23h", 82800), ("7d", 604800), ("1w", 604800), (" 2 h ", 7200)],
)
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "0s", "-1h", "400d", "1.5h", "h", 5, None, True, "٣h", "9999999999s"]
)
def test_what_is_no_duration_is_named(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


def test_a_flow_has_the_defaults_of_the_language():
    parsed = parse_flow(flow(say("a")), "h")
    assert (parsed.name, parsed.description, parsed.is_active, parsed.is_older) == ("main", "", True, False)
    assert (parsed.start, parsed.end, parsed.next_flow, parsed.on_error) == ("a", None, None, None)
    assert (parsed.expire_after, parsed.on_expire, parsed.is_interruptible, parsed.reentry) == (
        82800,
        None,
        True,
        "always",
    )
    assert parsed.triggers == ()
    step = parsed.steps["a"]
    assert (step.type, step.name, step.shown_as, step.is_active, step.next_step) == (
        "message",
        "a",
        "a",
        True,
        None,
    )


def test_a_flow_keeps_what_it_says():
    document = flow(
        ask("a", retry={"max": 1}, sensitive=True, choices=[{"id": "x", "title": "X", "synonyms": ["y"]}]),
        {"id": "b", "type": "processor", "name": "run"},
        settings={"interrupt": "never", "reentry": {"every": "7d"}, "expire_after": "1h", "on_expire": "a"},
        trigger=["hi", {"type": "media", "kind": "image", "groups": "vip"}],
        name="N",
        description="D",
    )
    parsed = parse_flow(document, "h")
    assert (parsed.is_interruptible, parsed.reentry, parsed.expire_after, parsed.on_expire) == (
        False,
        {"every": "7d"},
        3600,
        "a",
    )
    assert [(t.type, t.text, t.id, t.groups, t.flow_hash) for t in parsed.triggers] == [
        ("keyword", "hi", None, (), "h"),
        ("media", "", "image", ("vip",), "h"),
    ]
    assert parsed.steps["a"].wait.retry.max == 1
    assert parsed.steps["a"].wait.choices[0].synonyms == ("y",)
    assert parsed.steps["b"].name == "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        parsed.id = "x"


def test_the_hash_of_a_flow_does_not_count_the_order_of_keys():
    assert flow_hash({"a": 1, "b": [2]}) == flow_hash({"b": [2], "a": 1})
    assert flow_hash({"a": 1}) != flow_hash({"a": 2})
    assert len(flow_hash({})) == 64


def test_faults_are_errors_or_warnings():
    assert error("WF101", ("a",), "m").severity == "error"
    assert warning("WF101", ("a",), "m", "r").remedy == "r"


@pytest.mark.parametrize(
    ("text", "accents", "result"),
    [
        ("  A  b\tC ", True, "a b c"),
        ("Straße", True, "strasse"),
        ("ＣＡＦÉ", False, "cafe"),
        ("É", True, "é"),
        ("\u00a0x", True, "x"),
    ],
)
def test_texts_are_folded_for_comparing(text, accents, result):
    assert folded(text, accents=accents) == result


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (Decimal("1.5"), 1.5),
        ((1, 2), [1, 2]),
        ({1: {2}}, {"1": [2]}),
        ("a\x00b\ud800", "a\ufffdb\ufffd"),
        (range(2), [0, 1]),
        (True, True),
        (None, None),
    ],
)
def test_values_become_plain_json(value, result):
    assert as_json(value) == result


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, object(), b"x"])
def test_values_that_json_cannot_hold_are_refused(value):
    with pytest.raises(UnstorableValue):
        as_json(value)


def test_values_nested_too_deep_are_refused():
    deep = []
    for _ in range(40):
        deep = [deep]
    with pytest.raises(UnstorableValue, match="deeper"):
        as_json(deep)


def test_sizes_count_bytes():
    assert size_of({"a": "é"}) == len('{"a":"é"}'.encode())
    assert size_of("\ud800") == 3


def test_printing_keeps_letters_as_they_are():
    assert printed({"a": "é"}) == '{"a": "é"}'
    assert printed("{{ é") == "{{ é"


# --- dates ---------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 2, 9, 5, 7, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("value", "printed_as"),
    [
        ("now", "2026-11-02 09:05"),
        ("2026-05-24", "2026-05-24 00:00"),
        ("2026-05-24T10:00:00Z", "2026-05-24 12:00"),
        ("2026-05-24 10:00", "2026-05-24 10:00"),
        ("18:30", "2026-11-02 18:30"),
        (0, "1970-01-01 02:00"),
        ("1767225600", "2026-01-01 02:00"),
    ],
)
def test_moments_are_read_in_the_contacts_zone(value, printed_as):
    assert format_moment(read_moment(value, NOW), "%Y-%m-%d %H:%M", "en") == printed_as


@pytest.mark.parametrize("value", ["soon", "", None, True, [], 1e20, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment_is_named(value):
    with pytest.raises(NoDate):
        read_moment(value, NOW)


@pytest.mark.parametrize(
    ("pattern", "language", "printed_as"),
    [
        ("%A %a %B %b %h", "en", "Monday Mon November Nov Nov"),
        ("%A %-d %B", "de", "Montag 2 November"),
        ("%A", "xx-none", "Monday"),
        ("%A", "bad tag!", "Monday"),
        ("%d %e %-d %_d %^a", "en", "02  2 2  2 MON"),
        ("%H %k %I %l %M %S %p %P", "en", "09  9 09  9 05 07 AM am"),
        ("%D %F %T %R %r", "en", "11/02/26 2026-11-02 09:05:07 09:05 09:05:07 AM"),
        ("%c|%x|%X", "en", "Mon  2 Nov 2026 09:05:07|02/11/2026|09:05:07"),
        ("%n%t%%", "en", "\n\t%"),
        ("%Q %E", "en", "%Q %E"),
        ("100%", "en", "100%"),
        ("%1000000d", "en", "%1000000d"),
    ],
)
def test_moments_are_printed_by_strftime_letters(pattern, language, printed_as):
    assert format_moment(NOW, pattern, language) == printed_as


def test_afternoons_and_midnights_are_told():
    assert format_moment(NOW.replace(hour=0), "%l%p %-H", "en") == "12AM 0"
    assert format_moment(NOW.replace(hour=15), "%l%p", "en") == " 3PM"


def test_unknown_zones_and_languages_have_a_fallback():
    assert zone_of(None) is zone_of("No/Where") is zone_of("../etc") is UTC
    assert str(zone_of("Asia/Kolkata")) == "Asia/Kolkata"
    assert locale_of("zz").language == "en"


# --- translations --------------------------------------------------------------------------------


def test_the_texts_of_a_content_have_keys_by_option_id():
    content = {
        **buttons("a"),
        "header": "H",
        "footer": {"no": "text"},
        "sections": [{"title": "S", "rows": [{"id": "r", "title": "R", "description": "D"}]}, {"rows": 5}, 5],
        "cards": [{"body": "C", "buttons": [{"id": "b", "title": "B"}]}],
    }
    assert dict(text_places(content)) == {
        "body": ("body",),
        "header": ("header",),
        "buttons.a.title": ("buttons", 0, "title"),
        "sections.1.title": ("sections", 0, "title"),
        "rows.r.title": ("sections", 0, "rows", 0, "title"),
        "rows.r.description": ("sections", 0, "rows", 0, "description"),
        "cards.1.body": ("cards", 0, "body"),
        "cards.1.buttons.b.title": ("cards", 0, "buttons", 0, "title"),
    }


def test_the_name_of_a_template_is_no_text():
    assert dict(text_places({"type": "template", "name": "x"})) == {}
    assert dict(text_places({"type": "location", "name": "x"})) == {"name": ("name",)}


def test_a_content_is_copied_only_when_a_text_of_it_is_translated():
    content = buttons("a")
    assert translated(content, "s", {}) is content
    assert translated(content, "s", {"other.body": "x"}) is content
    changed = translated(content, "s", {"s.buttons.a.title": "X"})
    assert changed["buttons"] == [{"id": "a", "title": "X"}]
    assert content["buttons"] == [{"id": "a", "title": "A"}]

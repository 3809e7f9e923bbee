"""Section 7 of the flow language: texts, typed values, conditions, and what names mean."""

import contextlib
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.engine.expressions import (
    ExpressionError,
    Name,
    check_condition,
    check_text,
    compile_condition,
    compile_text,
    is_true,
    names_in_condition,
    names_in_text,
    print_text,
    value_of,
)
from flows.engine.scopes import Scope
from tests.flows.engine.walks import Walk, ask, flow, say

NOW = datetime(2026, 11, 22, 14, 5, 9, tzinfo=ZoneInfo("Asia/Kolkata"))
VALUES = {
    "one": 1,
    "ten": "10",
    "half": 0.5,
    "yes": True,
    "no": False,
    "nothing": None,
    "hollow": "",
    "zero": 0,
    "list": [1, "two", {"a": None}],
    "object": {"a": {"b": "c"}, "size": 3},
    "markup": "{{ one }}{% if %}",
    "day": "2026-05-24",
}


def scope(language="en"):
    return Scope(VALUES.__getitem__, now=NOW, language=language)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain } text %", "plain } text %"),
        ("{{ one }}-{{ half }}-{{ yes }}-{{ zero }}{{ hollow }}", "1-0.5-true-0"),
        ("{{ list }}", '[1, "two", {"a": null}]'),
        ("{{ object.a }}", '{"a": {"b": "c"}}'[6:-1]),
        ("{{ object.a.b }} {{ object.size }} {{ list.size }} {{ list.last.size }}", "c 3 3 1"),
        ("{{ markup }}", "{{ one }}{% if %}"),
        ("{{ missing | default: 'x' }}", "x"),
        ("{{ nothing | default: one }}", "1"),
        ("{{ hollow | default: 'x' }}", "x"),
        ("{{ zero | default: 'x' }}", "0"),
        ("{{ missing.deep.er | default: 'x' | upcase }}", "X"),
        ("{% if missing %}a{% else %}b{% endif %}", "b"),
        ("{% if hollow and zero %}true{% endif %}", "true"),
        ("{% if one < 'x' or ten == 10 %}same{% endif %}", "same"),
        ("{% unless ten > 9 %}a{% else %}b{% endunless %}", "b"),
        ("{% if no %}a{% elsif ten >= 10 %}b{% endif %}", "b"),
        ("{% case ten %}{% when 9 %}a{% when 10, 11 %}b{% else %}c{% endcase %}", "b"),
        ("{% for i in (1..3) %}{{ i }}{% endfor %}", "123"),
        ("{{ (1..3) }}", "[1, 2, 3]"),
        ("{% assign x = one | plus: 1 %}{% capture y %}{{ x }}!{% endcapture %}{{ y }}", "2!"),
        ("{% echo one %}{% liquid echo ten %}", "110"),
        ("{{ 'now' | date: '%d %B %Y %H:%M' }}", "22 November 2026 14:05"),
        ("{{ 'today' | date: '%A' }}", "Sunday"),
        ("{{ day | date: '%-d %b' }}", "24 May"),
    ],
)
def test_a_text_is_printed(text, printed):
    assert print_text(text, scope()) == printed


@pytest.mark.parametrize(
    "text",
    [
        "{{ missing }}",
        "{{ nothing }}",
        "{{ object.x }}",
        "{{ list[9] }}",
        "{{ list['x'] }}",
        "{{ object[missing] }}",
        "{{ nothing | upcase }}",
        "{{ missing | plus: 1 }}",
        "{{ one | plus: missing }}",
        "{{ ten | append: nothing }}",
        "{{ one | divided_by: 0 }}",
        "{{ one | no_such_filter }}",
        "{{ 'soon' | date: '%d' }}",
        "{{ one",
        "{{}}",
        "{% if %}",
        "{% nope %}",
        "{% include 'secret' %}",
        "{% render 'secret' %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ object.__class__ }}",
        "{{ one | safe }}",
        "{% for i in (1..100000) %}x{% endfor %}",
        "{% for i in (1..900) %}{{ long }}{% endfor %}",
        "{{ (1..100000000) | join: ',' }}",
        "{{ (1..100000000) }}",
        "{% assign x = (1..100000000) %}{{ x | join: ',' }}",
        "{% for i in (1..100000000) reversed limit: 1 %}{{ i }}{% endfor %}",
        "{% if (1..100000000) contains 0 %}{% endif %}",
        "{% case 1 %}{% when (1..100000000) %}{% endcase %}",
        "{{ 'x' | append: (1..100000000) }}",
        "{{ today }}",
        "{% for i in missing %}{% endfor %}",
        "x" * 9000 + "{{ one }}",
        "{{ one | times: 1e400 }}",
    ],
)
def test_what_cannot_be_printed_is_an_error_and_never_a_hole(text):
    with pytest.raises(ExpressionError):
        print_text(text, scope())


def test_oversized_operands_of_filters_are_refused():
    big = Scope({"big": "x" * 40_000, "some": "x" * 5_000}.__getitem__, now=NOW, language="en")
    for text in ("{{ big | upcase }}", "{{ some | append: some }}"):
        with pytest.raises(ExpressionError, match="characters"):
            print_text(text, big)


def test_output_is_bounded():
    with pytest.raises(ExpressionError, match="output stream limit"):
        print_text("{{ big }}{{ big }}", Scope({"big": "x" * 30_000}.__getitem__, now=NOW, language="en"))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("{{ one }}", 1),
        ("{{ list }}", VALUES["list"]),
        ("{{ nothing }}", None),
        ("{{ score | default: 0 | plus: 1 }}", 1),
        ("{{ one }} ", "1 "),
        ("n{{ one }}", "n1"),
        ("plain", "plain"),
        ({"a": ["{{ yes }}", 5], "b": {"c": "{{ half }}"}}, {"a": [True, 5], "b": {"c": 0.5}}),
        ("{% if yes %}{{ one }}{% endif %}", "1"),
        (None, None),
    ],
)
def test_a_text_that_is_one_expression_yields_the_typed_value(data, value):
    assert value_of(data, scope()) == value


@pytest.mark.parametrize(
    "data", ["{{ missing }}", "{{ object.x.y }}", ["{{ missing }}"], "{{ one | times: big }}"]
)
def test_a_typed_value_that_is_undefined_or_cannot_be_kept_is_an_error(data):
    values = {**VALUES, "big": 10**400}
    with pytest.raises(ExpressionError):
        value_of(data, Scope(values.__getitem__, now=NOW, language="en"))


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("one == 1", True),
        ("one == '1'", True),
        ("one == '1.0'", True),
        ("one == ' 1 '", True),
        ("one == '1x'", False),
        ("one != '1'", False),
        ("one != 'x'", True),
        ("one <> 2", True),
        ("ten > 9", True),
        ("9 < ten", True),
        ("ten > '9'", False),
        ("ten >= 10", True),
        ("ten <= 10", True),
        ("one < 'abc'", False),
        ("one >= 'abc'", False),
        ("yes == 1", False),
        ("yes == true", True),
        ("yes > 0", False),
        ("list > 1", False),
        ("list == list", True),
        ("object == list", False),
        ("missing", False),
        ("not missing", True),
        ("missing == nil", True),
        ("missing == nothing", True),
        ("missing == 1", False),
        ("missing < 1", False),
        ("missing contains 'a'", False),
        ("'a' contains missing", False),
        ("missing.x.y == 'a'", False),
        ("nothing", False),
        ("hollow", True),
        ("hollow == ''", True),
        ("hollow == empty", True),
        ("''", True),
        ("zero", True),
        ("no", False),
        ("'' == blank", True),
        ("'' == empty", True),
        ("list contains 'two'", True),
        ("list contains '1'", True),
        ("list contains 'x'", False),
        ("ten contains '1'", True),
        ("ten contains 1", True),
        ("ten contains yes", False),
        ("object contains 'a'", True),
        ("object contains 1", False),
        ("one contains 1", False),
        ("(1..3) contains 2", True),
        ("(one == 1 and no) or yes", True),
        ("one == 1 and (no or yes)", True),
        ("not (one == 2)", True),
        ("list[1] == 'two' and object.a.b == 'c'", True),
    ],
)
def test_a_condition_is_total(condition, truth):
    assert check_condition(condition) == []
    assert is_true(condition, scope()) is truth


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("one ==", "WF501"),
        ("one == $", "WF501"),
        ("", "WF501"),
        ("one | plus: 1 == 2", "WF513"),
        ("one and no or yes", "WF512"),
        ("(one and no or yes)", "WF512"),
        ("one and (no) or yes", "WF512"),
        ("one )", "WF501"),
        ("(one", "WF501"),
        ("x == '" + "y" * 9000 + "'", "WF503"),
    ],
)
def test_a_bad_condition_is_named(condition, code):
    assert [found for found, _ in check_condition(condition)] == [code]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("plain", []),
        ("{{ a }}", []),
        ("{{ a", ["WF501"]),
        ("{% include 'x' %}", ["WF501"]),
        ("{{ a | nope | safe }}", ["WF502", "WF502"]),
        ("{% if a %}{{ a | nope }}{% endif %}", ["WF502"]),
        ("{% if a %}" * 25 + "{% endif %}" * 25, ["WF503"]),
    ],
)
def test_a_bad_text_is_named(text, codes):
    assert [code for code, _ in check_text(text)] == codes


def named(text, *, guarded):
    return {".".join(map(str, name.path)) for name in names_in_text(text) if name.is_guarded is guarded}


def test_the_names_that_a_text_reads_are_known():
    text = "{{ a.b }}{{ c | default: d }}{{ e | upcase | default: 'x' }}{% if f > g %}{{ h[i] }}{% endif %}{{ 'x' | append: j }}"
    assert named(text, guarded=False) == {"a.b", "d", "e", "h.[]", "i", "j"}
    assert named(text, guarded=True) == {"c", "f", "g"}
    assert names_in_text("plain") == []


def test_names_that_a_text_sets_itself_are_left_out():
    text = (
        "{% assign x = a %}{% capture y %}{{ b }}{% endcapture %}{{ x }}{{ y }}"
        "{% for i in list %}{{ i.c }}{{ forloop.index }}{% assign z = i %}{% endfor %}{{ i }}{{ z }}"
        "{% case k %}{% when w %}{{ v }}{% endcase %}"
    )
    assert {name.path[0] for name in names_in_text(text)} == {"a", "b", "list", "i", "k", "w", "v"}


def test_names_in_conditions_may_be_undefined():
    assert names_in_condition("a.b == 1 and not c") == [
        Name(path=("a", "b"), is_guarded=True),
        Name(path=("c",), is_guarded=True),
    ]


def test_parsed_conditions_print_as_they_were_written():
    assert str(compile_condition("a == 1 and not b")) == "a == 1 and not b"
    text = "{% case a %}{% when 1, 2 %}x{% endcase %}"
    assert "when 1, 2" in str(compile_text(text).template)


def test_a_scope_knows_what_was_asked_of_it():
    names = scope()
    assert (list(names), len(names), bool(names)) == ([], 0, True)
    assert names["one"] == 1
    assert (list(names), len(names)) == (["one"], 1)


@pytest.mark.parametrize("text", ["{{ 2 | modulo: 0.0 }}", "{{ (1..inf) }}", "{{ 'nan' | plus: 1 }}"])
def test_whatever_a_filter_raises_is_an_expression_error(text):
    with pytest.raises(ExpressionError):
        print_text(text, Scope({"inf": float("inf")}.__getitem__, now=NOW, language="en"))


@given(st.text(max_size=60))
def test_any_text_prints_or_is_an_expression_error(text):
    for function in (print_text, value_of, is_true):
        with contextlib.suppress(ExpressionError):
            function(text, scope())


@given(st.text(alphabet="{}%| .'\"abon=<>()[]1", max_size=40))
def test_any_markup_prints_or_is_an_expression_error(text):
    for wrapped in (text, "{{ " + text + " }}", "{% if " + text + " %}x{% endif %}"):
        try:
            print_text(wrapped, scope())
        except ExpressionError:
            assert check_text(wrapped) or "{{" in wrapped or "{%" in wrapped
        check_condition(text)


# --- roots -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ("{{ contact.name }} {{ contact.phone }} {{ contact.fields.city }}", "Ravi +919876543210 Pune"),
        ("{{ flow.id }} {{ flow.name }} {{ flow.language }}", "main The flow en"),
        ("{{ data.price }}", "5"),
        ("{{ global.shop }}", "Pune Motors"),
        ("{{ campaign.bike_name }}", "V4"),
        ("{{ now }}", "2026-11-22T12:00:00+05:30"),
        ("{{ now | date: '%H:%M' }}", "12:00"),
        ("{{ reply.type }} {{ reply.id | default: 'none' }}", "text none"),
        ("{{ x }}", "variable"),
    ],
)
def test_the_roots_are_readable(body, printed):
    document = flow(say("a", body), name="The flow", dataset="prices", variables={"x": "variable"})
    walk = Walk(
        document,
        data=lambda name: {"price": 5} if name == "prices" else None,
        globals={"shop": "Pune Motors"},
        campaign={"bike_name": "V4"},
    )
    assert walk.start().texts == [printed]


@pytest.mark.parametrize(
    "body", ["{{ data }}", "{{ parent }}", "{{ campaign.x }}", "{{ nobody }}", "{{ reply.id }}"]
)
def test_what_is_not_there_fails_the_step(body):
    assert Walk(flow(say("a", body))).start().failures == ["render_failed"]


def test_a_customers_text_is_never_parsed():
    walk = Walk(
        flow(ask("name", "text"), say("b", "Hi {{ name }} {{ contact.name }}")), contact={"name": "{{ now }}"}
    )
    assert walk.start().say("{{ contact.phone }}{% raw %}").texts == [
        "Hi {{ contact.phone }}{% raw %} {{ now }}"
    ]


def test_a_contact_without_a_known_zone_is_in_utc():
    assert Walk(flow(say("a", "{{ now }}")), contact={"timezone": "Mars/Base"}).start().texts == [
        "2026-11-22T06:30:00+00:00"
    ]


def test_month_names_are_in_the_flows_language():
    document = flow(say("a", "{{ 'now' | date: '%B' }}"), language="es")
    assert Walk(document).start().texts == ["noviembre"]


def test_a_flow_without_a_language_speaks_the_numbers():
    document = flow(say("a", "{{ flow.language }}"))
    assert Walk(document, number={"default_language": "hi"}).start().texts == ["hi"]
    assert Walk(document, number={}).start().texts == ["en"]

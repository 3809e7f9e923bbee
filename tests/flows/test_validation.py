"""Lint, code by code: one faulty document for each, with the exact place; and what is rightly let through."""

import json
from pathlib import Path

import pytest

from flows.dataset import Source
from flows.engine import keys
from flows.engine.catalog import Catalog, TemplateFact
from flows.engine.codes import CODES
from flows.engine.content import KINDS
from flows.engine.content_shapes import CONTENT
from flows.engine.validation import check, check_data
from flows.engine.vocabulary import FLOW, SETTINGS, STEP, TRIGGER_OBJECT, WAIT
from flows.lint import lint

CORPUS = Path(__file__).parent / "broken" / "expected.txt"


class Processor:
    def __init__(self, *names):
        self.names = set(names)

    def name_faults(self, names):
        return [f'there is no argument "{name}"' for name in sorted(names - self.names)]


def known(**more):
    return Catalog(
        processor=lambda name, _: Processor("bike") if name == "describe_bike" else None,
        processor_names=["describe_bike"],
        apis=frozenset({"book_ride"}),
        data=frozenset({"bikes"}),
        consent_words=frozenset({"stop"}),
        **more,
    )


def places(*texts, catalog=None):
    """Lint files given as texts; the findings of the first as (code, line, column, path)."""
    sources = [Source(name=f"{number}.json", data=text.encode()) for number, text in enumerate(texts)]
    [first, *_] = lint(sources, catalog=catalog or known())
    return [(found.code, found.line, found.column, found.path) for found in first.findings]


def flow(*steps, **more):
    """A flow as text: its head on the first line, each step on a line of its own from line 2."""
    head = json.dumps({"id": "tested", **more}, ensure_ascii=False)[:-1]
    lines = ",\n".join(steps) or '{"id": "say", "content": {"type": "text", "body": "Hi"}}'
    return f'{head}, "steps": [\n{lines}\n]}}'


SAY = '{"id": "say", "content": {"type": "text", "body": "Hi"}}'
BYE = '{"id": "bye", "content": {"type": "text", "body": "Bye {{ x }}"}}'


def ask(**wait):
    wait = {"type": "text", "save_as": "x", **wait}
    return '{"id": "ask", "content": {"type": "text", "body": "Well?"}, "wait_for": ' + json.dumps(wait) + "}"


def say(**content):
    return '{"id": "say", "content": ' + json.dumps(content) + "}"


ROWS = [{"id": f"r{n}", "title": str(n)} for n in range(11)]

ONE_FAULT = {
    "WF101": (flow('{"id": "say", "contents": []}'), 2, 15, "steps[0].contents"),
    "WF102": (flow(SAY, is_active="yes"), 1, 31, "is_active"),
    "WF103": (flow('{"id": "Say", "content": {"type": "text", "body": "Hi"}}'), 2, 8, "steps[0].id"),
    "WF104": (flow(say(type="text")), 2, 26, "steps[0].content"),
    "WF105": (flow(say(type="texts", body="Hi")), 2, 35, "steps[0].content.type"),
    "WF106": (flow(ask(min=5, max=2), BYE), 2, 113, "steps[0].wait_for.min"),
    "WF107": (
        flow('{"id": "p", "type": "pause", "for": "1h", "until": "10:00"}', SAY),
        2,
        43,
        "steps[0].until",
    ),
    "WF113": (flow(SAY, variables={"reply": 1}), 1, 41, "variables.reply"),
    "WF120": (flow(SAY, description="Bearer EAAGm0PX4ZCpsBAKZCx"), 1, 33, "description"),
    "WF202": (flow(SAY, SAY.replace("Hi", "Ho")), 3, 8, "steps[1].id"),
    "WF203": (flow(SAY, start="sya"), 1, 27, "start"),
    "WF205": (flow(SAY[:-1] + ', "next_step": null}', BYE.replace("{{ x }}", "")), 3, 8, "steps[1].id"),
    "WF206": (
        flow('{"id": "b", "type": "branch", "next_step": [{"when": "now", "step": null}]}'),
        2,
        44,
        "steps[0].next_step",
    ),
    "WF207": (flow('{"id": "b", "type": "branch", "next_step": "b"}'), 2, 44, "steps[0].next_step"),
    "WF210": (flow(SAY, trigger=" "), 1, 29, "trigger"),
    "WF211": (
        flow(SAY, trigger={"type": "keyword", "match": "regex", "text": "(?=x)"}),
        1,
        75,
        "trigger.text",
    ),
    "WF212": (flow(SAY, trigger="STOP "), 1, 29, "trigger"),
    "WF213": (flow(ask(), BYE, settings={"on_expire": "ask"}), 1, 44, "settings.on_expire"),
    "WF214": (flow(SAY[:-1] + ', "on_success": null, "next_step": null}'), 2, 78, "steps[0].next_step"),
    "WF215": (
        flow(SAY, '{"id": "oh", "content": {"type": "text", "body": "Oh"}}', on_error="oh"),
        3,
        8,
        "steps[1].id",
    ),
    "WF216": (flow(SAY, next_flow="nowhere"), 1, 31, "next_flow"),
    "WF217": (
        flow('{"id": "b", "type": "branch", "next_step": [{"step": null}, {"step": null}]}'),
        2,
        61,
        "steps[0].next_step[1]",
    ),
    "WF218": (flow(ask()), 2, 73, "steps[0].wait_for"),
    "WF219": (flow(ask(type="choice"), BYE), 2, 73, "steps[0].wait_for"),
    "WF221": (flow(ask(timeout={"after": "0h"}), BYE), 2, 127, "steps[0].wait_for.timeout.after"),
    "WF222": (flow(SAY, translations={"hi": {}}), 1, 41, "translations.hi"),
    "WF223": (
        flow(SAY, translations={"hi": {"say.body": "x", "sy.body": "y"}}),
        1,
        59,
        'translations.hi["sy.body"]',
    ),
    "WF224": (
        flow(
            ask(
                remind=[
                    {"after": "2h", "content": {"type": "text", "body": "?"}},
                    {"after": "1h", "content": {"type": "text", "body": "?"}},
                ]
            ),
            BYE,
        ),
        2,
        186,
        "steps[0].wait_for.remind[1].after",
    ),
    "WF301": (flow(say(type="text", body="x" * 4097)), 2, 51, "steps[0].content.body"),
    "WF302": (
        flow(
            say(
                type="list",
                body="b",
                button="c",
                sections=[{"title": "a", "rows": ROWS[:5]}, {"title": "b", "rows": ROWS[5:]}],
            )
        ),
        2,
        83,
        "steps[0].content.sections",
    ),
    "WF303": (
        flow(say(type="buttons", body="b", buttons=[{"id": "a", "title": "A"}, {"id": "a", "title": "B"}])),
        2,
        105,
        "steps[0].content.buttons[1].id",
    ),
    "WF304": (flow(say(type="text", body=" ")), 2, 51, "steps[0].content.body"),
    "WF305": (
        flow(say(type="list", body="x" * 1025, button="c", sections=[{"rows": ROWS[:2]}])),
        2,
        51,
        "steps[0].content.body",
    ),
    "WF310": (
        flow(ask(remind=[{"after": "24h", "content": {"type": "text", "body": "?"}}]), BYE),
        2,
        127,
        "steps[0].wait_for.remind[0].after",
    ),
    "WF311": (flow(say(type="image", link="http://example.com/a.jpg")), 2, 52, "steps[0].content.link"),
    "WF501": (flow(say(type="text", body="{{ contact.name")), 2, 51, "steps[0].content.body"),
    "WF502": (flow(say(type="text", body="{{ contact.name | system }}")), 2, 51, "steps[0].content.body"),
    "WF503": (flow(say(type="text", body="{{ contact.name * 10**9 }}")), 2, 51, "steps[0].content.body"),
    "WF505": (
        flow(say(type="template", name="offer", variables=["a\nb"])),
        2,
        78,
        "steps[0].content.variables[0]",
    ),
    "WF507": (flow(say(type="text", body="a\u0000b")), 2, 51, "steps[0].content.body"),
    "WF509": (flow(say(type="template", name="offer")), 2, 55, "steps[0].content.name"),
    "WF510": (flow(say(type="text", body="{{ nmae }}")), 2, 51, "steps[0].content.body"),
    "WF512": (
        flow(
            '{"id": "b", "type": "branch", "next_step": [{"when": "now and now or now", "step": null}, {"step": null}]}'
        ),
        2,
        54,
        "steps[0].next_step[0].when",
    ),
    "WF513": (
        flow(
            '{"id": "b", "type": "branch", "next_step": [{"when": "now | upcase", "step": null}, {"step": null}]}'
        ),
        2,
        54,
        "steps[0].next_step[0].when",
    ),
    "WF030": (flow(SAY, dataset="a\u0000b"), 1, 29, "dataset"),
    "WF031": (flow(SAY, dataset="biks"), 1, 29, "dataset"),
    "WF610": (flow('{"id": "a", "type": "api", "api": "bok_ride"}'), 2, 35, "steps[0].api"),
    "WF701": (flow('{"id": "p", "type": "processor", "name": "describe_bik"}'), 2, 42, "steps[0].name"),
    "WF703": (
        flow('{"id": "p", "type": "processor", "name": "describe_bike", "args": {"bik": 1}}'),
        2,
        67,
        "steps[0].args",
    ),
}


@pytest.mark.parametrize("code", ONE_FAULT)
def test_one_fault_is_found_at_its_place_and_nothing_else(code):
    text, line, column, path = ONE_FAULT[code]
    found = [place for place in places(text) if place[0] not in BESIDES.get(code, set())]
    assert found == [(code, line, column, path)]


BESIDES = {"WF505": {"WF509"}, "WF030": {"WF507"}}


def test_every_code_has_a_document_that_earns_it():
    tested_elsewhere = {"WF001", "WF008", "WF040", "WF521", "WF702", "WF131", "WF133"}
    by_hand = {"WF204", "WF208", "WF209", "WF504", "WF506", "WF508", "WF006"}
    in_corpus = {code for code in CODES if f": {code} " in CORPUS.read_text(encoding="utf-8")}
    of_records = {code for code in CODES if code.startswith("WF6")} - {"WF610"}
    assert set(CODES) - in_corpus - set(ONE_FAULT) - tested_elsewhere - by_hand - of_records == set()


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("nxt", "next_step"),
        ("nextstep", "next_step"),
        ("contnt", "content"),
        ("waitfor", "wait_for"),
        ("on_sucess", "on_success"),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(word, meant):
    [fault] = check(
        {"id": "f", "steps": [{"id": "s", "content": {"type": "text", "body": "x"}, word: None}]},
        catalog=Catalog(),
    )
    assert (fault.code, fault.remedy) == ("WF101", f'did you mean "{meant}"?')


@pytest.mark.parametrize("value", [[], "text", None, 1, True])
def test_a_file_holds_an_object(value):
    assert [fault.code for fault in check(value, catalog=Catalog())] == ["WF007"]


def test_five_hundred_steps_are_allowed_and_no_more():
    def steps(count):
        return [{"id": f"s{n}", "content": {"type": "text", "body": "x"}} for n in range(count)]

    assert check({"id": "long", "steps": steps(500)}, catalog=Catalog()) == []
    assert [(f.code, f.path) for f in check({"id": "long", "steps": steps(501)}, catalog=Catalog())] == [
        ("WF006", ("steps",))
    ]
    assert [f.code for f in check({"id": "long", "steps": steps(200_000)}, catalog=Catalog())] == ["WF006"]


def test_a_step_of_another_flow_is_told_from_a_missing_one():
    other = flow('{"id": "elsewhere", "content": {"type": "text", "body": "Hi"}}', id="other")
    mine = flow(SAY[:-1] + ', "next_step": "elsewhere"}')
    assert places(mine, other) == [("WF204", 2, 71, "steps[0].next_step")]


def calls(flow_id, target, mode="call"):
    return flow(json.dumps({"id": "go", "type": "flow", "flow": target, "mode": mode}), id=flow_id)


def test_flows_that_call_each_other_in_a_circle_are_refused():
    assert places(calls("one", "two"), calls("two", "three"), calls("three", "one")) == [
        ("WF208", 2, 38, "steps[0].flow")
    ]
    assert places(calls("one", "one")) == [("WF208", 2, 38, "steps[0].flow")]


def test_flows_may_lead_in_a_circle_by_goto_when_something_waits():
    waits = flow(
        ask(),
        '{"id": "go", "type": "flow", "flow": "one", "mode": "goto", "args": {"x": "{{ x }}"}}',
        id="two",
    )
    assert places(calls("one", "two", "goto"), waits) == []
    assert places(calls("one", "two", "goto"), calls("two", "one", "goto")) == [
        ("WF207", 2, 38, "steps[0].flow")
    ]


def test_a_loop_around_a_call_is_judged_by_whether_the_called_flow_waits():
    loop = flow('{"id": "go", "type": "flow", "flow": "two", "next_step": "go"}')
    assert places(loop, flow(ask(), BYE, id="two")) == []
    assert [place[0] for place in places(loop, flow(SAY, id="two"))] == ["WF207"]


@pytest.mark.parametrize(("deep", "codes"), [(8, []), (9, ["WF208"])])
def test_eight_flows_may_lie_upon_each_other(deep, codes):
    chain = [calls(f"f{n}", f"f{n + 1}") for n in range(deep - 1)] + [flow(SAY, id=f"f{deep - 1}")]
    assert [place[0] for place in places(*chain)] == codes


def test_on_fail_counts_for_loops_although_the_step_waits():
    text = flow(
        ask()[:-1] + ', "on_fail": "oh"}',
        BYE[:-1] + ', "next_step": null}',
        '{"id": "oh", "content": {"type": "text", "body": "Oh"}, "next_step": "ask"}',
    )
    assert places(text) == [("WF207", 2, 118, "steps[0].on_fail")]


@pytest.mark.parametrize(
    ("one", "other", "clashes"),
    [
        ("hi", "HI ", True),
        ("hi", {"type": "keyword", "text": "hi", "match": "contains"}, False),
        ("café", {"type": "keyword", "text": "cafe"}, False),
        ({"type": "button", "id": "go"}, {"type": "button", "id": "go"}, True),
        ({"type": "catch_all"}, {"type": "catch_all"}, True),
        ({"type": "new_contact"}, {"type": "catch_all"}, False),
        ({"type": "catch_all", "number": "1"}, {"type": "catch_all", "number": "2"}, False),
        ({"type": "catch_all", "number": ["1", "2"]}, {"type": "catch_all", "number": "2"}, True),
        ({"type": "catch_all", "number": "1"}, {"type": "catch_all"}, False),
        ({"type": "catch_all", "groups": "a"}, {"type": "catch_all", "groups": "b"}, False),
        ({"type": "catch_all", "hours": "09:00-12:00"}, {"type": "catch_all", "hours": "12:00-18:00"}, False),
        (
            {"type": "catch_all", "hours": "09:00-13:00"},
            {"type": "catch_all", "hours": "mon 12:00-18:00"},
            True,
        ),
        ({"type": "catch_all", "hours": "22:00-06:00"}, {"type": "catch_all", "hours": "05:00-07:00"}, True),
        ({"type": "catch_all", "hours": "09:00-13:00"}, {"type": "catch_all"}, True),
        ({"type": "media"}, {"type": "media", "kind": "image"}, False),
    ],
)
def test_two_flows_clash_when_nothing_tells_their_triggers_apart(one, other, clashes):
    codes = [place[0] for place in places(flow(SAY, trigger=one), flow(SAY, id="other", trigger=other))]
    assert codes == (["WF209"] if clashes else [])


def test_an_inactive_flow_clashes_with_nobody():
    assert places(flow(SAY, trigger="hi"), flow(SAY, id="other", trigger="hi", is_active=False)) == []


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        ({"name": "offer", "language": "en", "variables": ["a", "b"]}, []),
        ({"name": "offer", "language": "en", "variables": {"x": 1, "y": 2}}, []),
        ({"name": "ofer"}, ["WF508"]),
        ({"name": "offer", "language": "fr"}, ["WF506"]),
        ({"name": "paused", "language": "en"}, ["WF506"]),
        ({"name": "offer", "language": "en", "variables": ["a"]}, ["WF504"]),
        ({"name": "{{ contact.fields.template }}"}, []),
    ],
)
def test_templates_are_compared_with_those_of_meta(content, codes):
    templates = (
        TemplateFact(name="offer", language="en", parameters=2),
        TemplateFact(name="paused", language="en", status="PAUSED"),
    )
    found = places(flow(say(type="template", **content)), catalog=known(templates=templates))
    assert [place[0] for place in found if place[0] != "WF106"] == codes


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "CON",
        "con.json",
        "x" * 300,
        "",
        ".hidden",
        "a\u0000b",
        "bikes.json.exe",
    ],
)
def test_a_data_file_has_a_plain_name(name):
    [code, *_] = [
        fault.code
        for fault in check({"id": "f", "dataset": name, "steps": [{"id": "s"}]}, catalog=known())
        if fault.path == ("dataset",)
    ]
    assert code in {"WF030", "WF106"}


@pytest.mark.parametrize("name", ["bikes", "bikes.json"])
def test_a_data_file_is_named_with_or_without_its_ending(name):
    assert places(flow(SAY, dataset=name)) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ x | default: 'there' }}",
        "{% if x %}{{ x | default: '' }}{% endif %}",
        "{% for g in contact.groups %}{{ g }}{% endfor %}",
        "{{ contact.fields.anything }}",
        "{{ global.currency }} {{ campaign.first_name }} {{ parent.bike }} {{ now | date: '%H' }}",
    ],
)
def test_names_that_may_be_undefined_or_are_always_there_are_let_through(text):
    assert places(flow(say(type="text", body=text))) == []


def test_what_a_caller_passes_is_known_in_the_called_flow():
    child = flow(say(type="text", body="{{ bike }}"))
    caller = flow('{"id": "go", "type": "flow", "flow": "tested", "args": {"bike": "panigale"}}', id="caller")
    assert places(child, caller) == []
    assert [place[0] for place in places(child)] == ["WF510"]


@pytest.mark.parametrize(
    "text", ["My password: see below", "secret sauce", "Bearer of news", "https://example.com/a@b"]
)
def test_ordinary_words_are_no_secrets(text):
    assert places(flow(SAY, description=text)) == []


def test_the_tables_of_keys_agree():
    def named(record):
        return set(record.keys) - {"$schema"}

    assert named(FLOW) == keys.FLOW_KEYS
    assert named(SETTINGS) == keys.SETTINGS_KEYS
    assert set(STEP.cases) == set(keys.STEP_KEYS)
    for kind, record in STEP.cases.items():
        assert named(record) == keys.STEP_KEYS[kind] | keys.COMMON_STEP_KEYS, kind
    for kind, record in WAIT.cases.items():
        assert named(record) == keys.WAIT_KEYS[kind] | keys.COMMON_WAIT_KEYS, kind
    for kind, record in TRIGGER_OBJECT.cases.items():
        assert named(record) == keys.TRIGGER_KEYS[kind] | keys.TRIGGER_FILTERS | {"type"}, kind
    assert set(CONTENT.cases) == set(KINDS)
    for kind, record in CONTENT.cases.items():
        assert set(record.keys) == KINDS[kind].required | KINDS[kind].optional | {"type"}, kind


def found(*steps, **more):
    """(code, path) of every fault of a flow whose steps are given as JSON values."""
    document = {"id": "tested", "steps": list(steps), **more}
    return [(fault.code, fault.path) for fault in check(document, catalog=known())]


def text(step_id, body="Hi", **more):
    return {"id": step_id, "content": {"type": "text", "body": body}, **more}


def asked(**wait):
    return text("ask", wait_for={"type": "text", "save_as": "x", **wait})


USED = text("used", "{{ x }}")
AT = ("steps", 0, "wait_for")


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        ({"type": "number", "min": "1"}, ("WF102", (*AT, "min"))),
        ({"type": "text", "min": -1}, ("WF106", (*AT, "min"))),
        ({"type": "text", "max": 5000}, ("WF106", (*AT, "max"))),
        ({"type": "text", "max": 1.5}, ("WF102", (*AT, "max"))),
        ({"type": "text", "pattern": ""}, ("WF106", (*AT, "pattern"))),
        ({"type": "phone", "region": "in"}, ("WF106", (*AT, "region"))),
        ({"type": "date", "min": 1}, ("WF102", (*AT, "min"))),
        ({"type": "time", "min": 1}, ("WF102", (*AT, "min"))),
        ({"type": "time", "max": "25:00"}, ("WF106", (*AT, "max"))),
        (
            {"type": "choice", "choices": [{"id": "a", "title": "A"}, {"id": "a", "title": "B"}]},
            ("WF303", (*AT, "choices", 1, "id")),
        ),
        ({"type": "choice", "choices": []}, ("WF106", (*AT, "choices"))),
        (
            {"remind": [{"after": "soon", "content": {"type": "text", "body": "?"}}]},
            ("WF221", (*AT, "remind", 0, "after")),
        ),
    ],
)
def test_a_wait_is_checked_in_all_its_parts(wait, expected):
    assert expected in found(asked(**wait), USED)


@pytest.mark.parametrize(
    "wait",
    [
        {"type": "date", "min": "{{ now }}", "max": "2 weeks"},
        {"type": "time", "min": "9:30", "max": "{{ contact.fields.latest }}"},
        {"type": "choice", "choices": [{"id": "a", "title": "A", "synonyms": ["x"]}], "synonyms": {"a": "y"}},
        {
            "type": "any",
            "remind": [{"after": "1h", "content": {"type": "template", "name": "{{ contact.name }}"}}],
        },
        {"type": "document", "max_size": "5 MB", "mime": "application/pdf"},
    ],
)
def test_a_good_wait_is_let_through(wait):
    assert found(asked(**wait), USED) == []


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ({"type": "button", "id": " "}, ("WF210", ("trigger", "id"))),
        ({"type": "catch_all", "hours": 9}, ("WF102", ("trigger", "hours"))),
        ({"type": "catch_all", "hours": [9]}, ("WF102", ("trigger", "hours", 0))),
        ("x" * 301, ("WF106", ("trigger",))),
        (7, ("WF102", ("trigger",))),
        ({}, ("WF104", ("trigger",))),
        ({"type": 7}, ("WF102", ("trigger", "type"))),
    ],
)
def test_a_trigger_is_checked_in_all_its_parts(trigger, expected):
    assert found(USED, variables={"x": 1}, trigger=trigger) == [expected]


def test_hours_that_cannot_be_read_clash_with_nothing():
    odd = {"type": "catch_all", "hours": "whenever"}
    codes = [place[0] for place in places(flow(SAY, trigger=odd), flow(SAY, id="other", trigger=odd))]
    assert codes == ["WF106"]


@pytest.mark.parametrize("step_id", ["", "x" * 65, "has-dash", "1st", "_x"])
def test_an_id_says_what_is_wrong_with_it(step_id):
    assert ("WF103", ("steps", 0, "id")) in found(text(step_id))


def test_a_split_leads_to_its_arms_and_nowhere_else():
    arms = [{"name": "a", "weight": 1, "step": "one"}, {"name": "b", "weight": 1, "step": "two"}]
    split = {"id": "split", "type": "split", "arms": arms}
    assert found(split, text("one", next_step=None), text("two", next_step=None), text("three")) == [
        ("WF205", ("steps", 3, "id"))
    ]
    assert found({**split, "arms": [{"step": "split"}]}) == [("WF207", ("steps", 0, "arms", 0, "step"))]


def test_a_handoff_goes_on_only_when_it_says_where():
    handoff = {"id": "person", "type": "handoff", "team": "sales"}
    assert found(handoff, text("after")) == [("WF205", ("steps", 1, "id"))]
    assert found({**handoff, "timeout": {"after": "1h"}}, text("after")) == []
    assert found({**handoff, "step": "after"}, text("between", next_step=None), text("after")) == [
        ("WF205", ("steps", 1, "id"))
    ]


def test_after_the_end_step_the_flow_is_complete():
    last = text("last", next_step="first")
    assert found(text("first"), last) == [("WF207", ("steps", 0))]
    assert found(text("first"), last, end="last") == []


def test_an_inactive_step_is_passed_over_by_its_else():
    asleep = {**asked(), "is_active": False, "next_step": [{"when": "now", "step": "ask"}, {"step": "used"}]}
    assert found(asleep, USED) == []
    assert found({**asleep, "next_step": "ask"}, USED) == [
        ("WF205", ("steps", 1, "id")),
        ("WF207", ("steps", 0, "next_step")),
    ]


def test_a_pause_that_may_be_over_at_once_is_no_wait():
    pause = {"id": "pause", "type": "pause", "until": "{{ contact.fields.due }}", "next_step": "pause"}
    assert found(pause) == [("WF207", ("steps", 0, "next_step"))]
    assert found({"id": "pause", "type": "pause", "for": "1h", "next_step": "pause"}) == []


def test_a_branch_needs_rules():
    assert found({"id": "b", "type": "branch"}) == [("WF104", ("steps", 0))]


def test_a_flow_that_may_end_at_once_is_no_wait_for_its_caller():
    loop = flow('{"id": "go", "type": "flow", "flow": "two", "next_step": "go"}')
    ends = flow('{"id": "end", "type": "end", "outcome": "completed"}', id="two")
    fails = flow('{"id": "end", "type": "end", "outcome": "failed"}', id="two")
    assert [place[0] for place in places(loop, ends)] == ["WF207"]
    assert places(loop, fails) == []


def test_translations_know_the_texts_of_reminders():
    reminder = {"after": "1h", "content": {"type": "text", "body": "?"}}
    texts = {"ask.body": "a", "ask.remind.1.body": "b", "used.body": "c"}
    assert found(asked(remind=[reminder]), USED, translations={"hi": texts}) == []


def test_a_data_file_has_a_plain_name_too():
    assert [fault.code for fault in check_data([], file="my bikes.json")] == ["WF030"]
    assert [fault.code for fault in check_data("Bearer abcdefgh12345678", file="bikes.json")] == ["WF120"]
    assert check_data([1], file="bikes.json") == []


def test_a_known_key_of_an_unknown_root_is_not_judged():
    assert found(text("say", "{{ reply.text | default: '' }} {{ flow.name }} {{ contact.groups[0] }}")) == []
    assert found(text("say", "{{ flow.title }}")) == [("WF510", ("steps", 0, "content", "body"))]

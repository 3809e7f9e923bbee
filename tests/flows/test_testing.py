"""Flow tests: what a script can say and expect, and that each way of being wrong fails with its transcript."""

import json
from dataclasses import replace

import pytest

from flows import loader, testing
from flows.dataset import Dataset, Source
from flows.engine.catalog import Catalog
from flows.lint import lint
from flows.models import FlowFile, FlowRecord

ASK = {
    "id": "ask",
    "content": {
        "type": "buttons",
        "body": "Shall we go on?",
        "buttons": [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}],
    },
    "wait_for": {
        "type": "choice",
        "save_as": "answer",
        "remind": [{"after": "30m", "content": {"type": "text", "body": "Still there?"}}],
        "timeout": {"after": "2h", "step": "late"},
    },
    "post_processors": [{"name": "judge", "args": {"answer": "{{ answer.id }}"}, "save_as": "verdict"}],
    "next_step": [{"when": "answer.id == 'yes'", "step": "done"}, {"step": "person"}],
}
DONE = {"id": "done", "content": {"type": "text", "body": "Verdict: {{ verdict }}"}, "next_step": "keep"}
KEEP = {
    "id": "keep",
    "type": "set",
    "set": {"score": 7},
    "contact": {"mood": "good", "language": "hi"},
    "groups": {"add": ["fans"]},
    "next_step": None,
}
LATE = {"id": "late", "content": {"type": "text", "body": "Too late."}, "next_step": None}
PERSON = {"id": "person", "type": "handoff", "team": "sales", "step": "back"}
BACK = {"id": "back", "content": {"type": "text", "body": "Here is the bot again."}, "next_step": None}
FLOW = {"id": "talk", "trigger": "go", "steps": [ASK, DONE, KEEP, LATE, PERSON, BACK]}
API = {
    "id": "caller",
    "trigger": "call",
    "steps": [
        {
            "id": "call",
            "type": "api",
            "api": "status",
            "args": {"n": 1},
            "save_as": "got",
            "on_fail": "sorry",
        },
        {"id": "tell", "content": {"type": "text", "body": "It is {{ got.state }}."}, "next_step": None},
        {"id": "sorry", "content": {"type": "text", "body": "Sorry."}, "next_step": None},
    ],
}
STUB = {"judge": {"result": "fine"}}
GO = [{"user": "go"}, {"bot": {"type": "buttons"}}]


@pytest.fixture(scope="module")
def library():
    sources = [Source(name=f"{flow['id']}.json", data=json.dumps(flow).encode()) for flow in (FLOW, API)]
    files = lint(sources, catalog=Catalog(apis=frozenset({"status"})))
    assert [finding.text() for file in files for finding in file.findings] == []
    return loader.library(files, [], {})


def play(library, *script, flow="talk", **case):
    [result] = testing.run_cases(
        {"flow": flow, "cases": [{"name": "case", "script": list(script), **case}]}, library
    )
    return result


def passes(library, *script, **case):
    result = play(library, *script, **case)
    assert result.has_passed, "\n".join([result.failure, *result.transcript])
    return result


PASSING = {
    "a tap by its id": [
        *GO,
        {"tap": "yes"},
        {"bot": {"body": "Verdict: fine"}},
        {"expect": {"outcome": "completed", "state": "ended"}},
    ],
    "a tap of a numbered message": [*GO, {"tap": {"id": "yes", "of": 1}}, {"bot": {"contains": "VERDICT"}}],
    "a tap of the last message": [*GO, {"tap": {"id": "yes", "of": -1}}, {"bot": {}}],
    "a typed answer": [*GO, {"user": "1"}, {"bot": {"contains": ["Verdict", "fine"]}}],
    "options in order": [
        {"user": "go"},
        {"bot": {"options": ["yes", "no"], "content": {"body": "Shall we go on?"}}},
        {"expect": {"step": "ask", "state": "waiting"}},
    ],
    "a reminder and a timeout": [
        *GO,
        {"advance": "30m"},
        {"bot": {"contains": "Still there"}},
        {"advance": "90m"},
        {"bot": {"body": "Too late."}},
        {"expect": {"step": "late"}},
    ],
    "both at once, in order": [
        *GO,
        {"advance": "1d"},
        {"bot": {"contains": "Still"}},
        {"bot": {"contains": "late"}},
    ],
    "a hand-back": [
        *GO,
        {"tap": "no"},
        {"expect": {"state": "with_person"}},
        {"user": "hello?"},
        {"hand_back": True},
        {"bot": {"contains": "again"}},
    ],
    "what was set": [
        *GO,
        {"tap": "yes"},
        {"bot": {}},
        {
            "expect": {
                "variables": {"answer.id": "yes", "score": 7, "verdict": "fine"},
                "contact": {"fields.mood": "good", "language": "hi", "groups.0": "fans"},
            }
        },
    ],
    "events and calls": [
        *GO,
        {"tap": "yes"},
        {"bot": {}},
        {
            "expect": {
                "events": ["session_started", "question_asked", "reply_accepted", "session_ended"],
                "calls": [{"name": "judge", "args": {"answer": "yes"}}],
            }
        },
        {"expect": {"calls": []}},
    ],
    "a start by us": [
        {"start": {"campaign": {"bike": "Panigale"}}},
        {"bot": {}},
        {"expect": {"state": "waiting"}},
    ],
    "a message that no trigger takes": [
        {"user": "nonsense"},
        {"user": "go"},
        {"bot": {}},
        {"expect": {"events": ["unmatched", "session_started"]}},
    ],
    "another kind of message": [
        *GO,
        {"user": {"type": "image", "media": {"id": "1", "kind": "image"}}},
        {"bot": {"contains": "pick one"}},
    ],
}


@pytest.mark.parametrize("what", PASSING)
def test_a_script_can_say(what, library):
    passes(library, *PASSING[what], processors=STUB)


FAILING = {
    "a message that no line asserts": (
        [{"user": "go"}, {"user": "1"}],
        1,
        "the bot said what no line asserts: Shall we go on?",
    ),
    "a message left at the end": ([{"user": "go"}], 0, "the bot said what no line asserts"),
    "a message that does not come": ([*GO, {"bot": {}}], 2, "the bot said nothing more"),
    "another type": (
        [{"user": "go"}, {"bot": {"type": "list"}}],
        1,
        "the type is 'buttons', expected 'list'",
    ),
    "another text": (
        [{"user": "go"}, {"bot": {"contains": "stay"}}],
        1,
        '"stay" is not in what the bot said',
    ),
    "another body": ([{"user": "go"}, {"bot": {"body": "Shall we"}}], 1, "the body is"),
    "other options": ([{"user": "go"}, {"bot": {"options": ["yes"]}}], 1, "the options is"),
    "other content": ([{"user": "go"}, {"bot": {"content": {"footer": "x"}}}], 1, "expected {'footer': 'x'}"),
    "another step": ([*GO, {"expect": {"step": "done"}}], 2, "the step is 'ask', expected 'done'"),
    "another state": ([*GO, {"expect": {"state": "ended"}}], 2, "the state is 'waiting'"),
    "another outcome": ([*GO, {"expect": {"outcome": "completed"}}], 2, "the outcome is None"),
    "another variable": ([*GO, {"expect": {"variables": {"score": 1}}}], 2, "the variable score is None"),
    "another contact": ([*GO, {"expect": {"contact": {"name": "Ravi"}}}], 2, "contact.name is 'Asha'"),
    "another event": (
        [*GO, {"expect": {"events": ["session_ended"]}}],
        2,
        'the event "session_ended" is not among',
    ),
    "other calls": ([*GO, {"expect": {"calls": ["judge"]}}], 2, "the list of calls is []"),
    "an option that nobody offered": ([*GO, {"tap": "maybe"}], 2, 'offers the option "maybe"'),
    "a message that was not said": ([*GO, {"tap": {"id": "yes", "of": 9}}], 2, "there is no 9"),
    "no flow": ([{"user": "nonsense"}, {"expect": {"state": "waiting"}}], 1, "no flow was started"),
    "a missing stub": (
        [*GO, {"tap": "yes"}],
        2,
        'processor "judge" is called, but has no stub in "processors"',
    ),
}


@pytest.mark.parametrize("what", FAILING)
def test_a_case_fails_by(what, library):
    script, line, reason = FAILING[what]
    everywhere = {"judge": {"result": "fine"}} if "stub" not in what else {"other": {"result": 1}}
    library = replace(library, processors=lambda *_: True)
    result = play(library, *script, processors=everywhere)
    assert reason in result.failure
    assert result.path == ("cases", 0, "script", line)


def test_the_transcript_tells_the_whole_conversation(library):
    result = play(library, *GO, {"tap": "yes"}, {"bot": {"body": "no"}}, processors=STUB)
    assert result.transcript == (
        "user: go",
        "bot: [buttons] Shall we go on? / Yes / No <yes, no>",
        "user taps: Yes <yes>",
        "   (processor judge: ok)",
        "bot: [text] Verdict: fine",
    )


def test_a_list_of_stubs_is_used_up(library):
    stubs = {"judge": [{"result": "first"}, {"outcome": "failed", "reason": "down"}]}
    again = [{"user": "go"}, {"bot": {}}, {"tap": "yes"}]
    result = play(library, *again, {"bot": {"contains": "first"}}, *again, *again, processors=stubs)
    assert '"judge" is called 3 times, it has 2 stubs' in result.failure


@pytest.mark.parametrize(
    ("stub", "body"),
    [
        ({"status": 200, "json": {"state": "open"}}, "It is open."),
        ({"status": 503, "json": {}}, "Sorry."),
        ({"outcome": "unknown"}, "Sorry."),
    ],
)
def test_an_api_is_answered_by_its_stub(stub, body, library):
    passes(library, {"user": "call"}, {"bot": {"body": body}}, flow="caller", api={"status": stub})


def test_a_fault_of_the_engine_fails_the_case(library, monkeypatch):
    monkeypatch.setattr(testing.Stage, "hear", lambda *_: 1 / 0)
    assert "the engine raised ZeroDivisionError" in play(library, {"user": "go"}).failure


@pytest.mark.parametrize(
    ("document", "codes"),
    [
        ({"flow": "talk", "cases": [{"name": "a", "script": [{"user": "go"}]}]}, []),
        ({"flow": "tlak", "cases": [{"name": "a", "script": [{"user": "go"}]}]}, ["WF216"]),
        ({"flow": "talk", "cases": []}, ["WF106"]),
        ({"flow": "talk", "cases": [{"script": [{"usr": "go"}]}]}, ["WF104", "WF101", "WF104"]),
        ({"flow": "talk", "cases": [{"name": "a", "script": [{"user": "go", "tap": "x"}]}]}, ["WF107"]),
        ({"flow": "talk", "cases": [{"name": "a", "script": [{"advance": "soon"}]}]}, ["WF221"]),
        ({"flow": "talk", "cases": [{"name": "a", "script": [{"expect": {"state": "asleep"}}]}]}, ["WF105"]),
        ([], ["WF102", "WF007"]),
    ],
)
def test_a_test_file_is_examined_like_a_flow(document, codes):
    found = testing.check_test(document, ["talk"])
    assert sorted(fault.code for fault in found) == sorted(codes)
    assert all(fault.remedy for fault in found)


@pytest.fixture
def dataset(tmp_path, settings):
    (tmp_path / "flows" / "tests").mkdir(parents=True)
    (tmp_path / "processors").mkdir()
    settings.WHATSFLOW_PROCESSORS = tmp_path / "processors"
    return Dataset(tmp_path)


def drop(dataset, name, value):
    (dataset.root / "flows" / name).write_text(json.dumps(value, indent=1))


def hours(body="We are open."):
    return {
        "id": "hours",
        "trigger": "hours",
        "steps": [{"id": "say", "content": {"type": "text", "body": body}}],
    }


def script(*lines):
    return {"flow": "hours", "cases": [{"name": "says the hours", "script": list(lines)}]}


@pytest.mark.django_db
def test_a_failing_test_blocks_the_new_version_and_names_its_line(dataset):
    drop(dataset, "hours.json", hours())
    drop(dataset, "tests/hours.json", script({"user": "hours"}, {"bot": {"contains": "open"}}))
    assert loader.load(dataset).is_clean
    drop(dataset, "hours.json", hours("Closed."))
    report = loader.load(dataset)
    assert report.published == ()
    assert FlowRecord.objects.get().live.number == 1
    flow, test = (
        FlowFile.objects.get(path="flows/hours.json"),
        FlowFile.objects.get(path="flows/tests/hours.json"),
    )
    assert flow.is_broken
    assert [fault["code"] for fault in flow.faults] == ["WF040"]
    assert [(fault["line"], fault["path"]) for fault in test.faults] == [(10, "cases[0].script[1]")]
    drop(dataset, "tests/hours.json", script({"user": "hours"}, {"bot": {"contains": "closed"}}))
    assert loader.load(dataset).published == ("hours",)
    assert not FlowFile.objects.filter(is_broken=True).exists()


@pytest.mark.django_db
def test_a_broken_test_file_blocks_too(dataset):
    drop(dataset, "hours.json", hours())
    drop(dataset, "tests/hours.json", script({"usr": "hours"}))
    report = loader.load(dataset)
    assert report.published == ()
    assert not report.is_clean


@pytest.mark.django_db
def test_tests_are_played_with_the_data_of_the_dataset(dataset):
    (dataset.root / "data").mkdir()
    (dataset.root / "data" / "places.json").write_text('{"city": "Pune"}')
    (dataset.root / "data" / "global.json").write_text('{"brand": "Aster"}')
    drop(dataset, "hours.json", {**hours("{{ global.brand }} in {{ data.city }}"), "dataset": "places"})
    drop(dataset, "tests/hours.json", script({"user": "hours"}, {"bot": {"body": "Aster in Pune"}}))
    assert loader.load(dataset).published == ("hours",)

"""The commands of flows as a shell sees them: what they print and their exit codes."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from flows import database, registry
from flows.models import FlowRecord, Lease


@pytest.fixture
def dataset(tmp_path, settings, monkeypatch):
    (tmp_path / "flows" / "tests").mkdir(parents=True)
    (tmp_path / "processors").mkdir()
    settings.WHATSFLOW_DATASETS = tmp_path
    settings.WHATSFLOW_PROCESSORS = tmp_path / "processors"
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flow(flow_id="hours", **more):
    return {
        "id": flow_id,
        "trigger": flow_id,
        "steps": [{"id": "say", "content": {"type": "text", "body": "Hi"}}],
        **more,
    }


def drop(dataset, name, value):
    (dataset / "flows" / name).write_text(value if isinstance(value, str) else json.dumps(value, indent=1))


def run(*args, **options):
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command(*args, stdout=out, stderr=err, **options)
    except SystemExit as left:
        code = left.code
    return code, out.getvalue(), err.getvalue()


def test_a_clean_dataset_leaves_with_zero(dataset):
    drop(dataset, "hours.json", flow())
    assert run("check_flows") == (0, "1 file, 0 errors, 0 warnings\n", "")


def test_an_empty_dataset_is_clean(dataset):
    assert run("check_flows") == (0, "0 files, 0 errors, 0 warnings\n", "")


def test_faults_leave_with_one_and_stand_in_the_exact_form(dataset):
    drop(dataset, "emi.json", '{\n "id": "emi",\n "steps": [\n  {"id": "step3", "next_step": "step9"}\n ]\n}')
    code, out, _ = run("check_flows")
    assert code == 1
    assert out == (
        'flows/emi.json:4:32 steps[0].next_step: WF203 no step "step9"; did you mean "step3"?\n'
        "1 file, 1 error, 0 warnings\n"
    )


def test_warnings_alone_leave_with_zero_unless_asked_to_be_strict(dataset):
    drop(dataset, "hours.json", flow(translations={"hi": {}}))
    assert run("check_flows")[0] == 0
    assert run("check_flows", "--strict")[0] == 1


def test_a_path_is_named_as_it_was_given(dataset):
    drop(dataset, "bad.json", "{")
    assert run("check_flows", "flows/bad.json")[1].startswith("flows/bad.json:1:2 ")
    assert run("check_flows", "./flows/bad.json")[1].startswith("./flows/bad.json:1:2 ")
    assert run("check_flows", str(dataset / "flows"))[1].startswith(f"{dataset}/flows/bad.json:1:2 ")


def test_a_file_may_refer_to_its_neighbours_which_are_not_judged(dataset):
    drop(dataset, "one.json", flow("one", next_flow="two"))
    drop(dataset, "two.json", flow("two", oops=1))
    assert run("check_flows", "flows/one.json") == (0, "1 file, 0 errors, 0 warnings\n", "")


def test_the_json_form_holds_everything(dataset):
    drop(dataset, "bad.json", '{"id": "a", "id": "b"}')
    code, out, _ = run("check_flows", "--format", "json")
    document = json.loads(out)
    assert code == 1
    assert (document["files"], document["errors"], document["warnings"]) == (1, 2, 0)
    assert document["faults"][1] == {
        "file": "flows/bad.json",
        "line": 1,
        "column": 13,
        "path": "id",
        "code": "WF004",
        "message": 'the key "id" stands twice in one object',
        "remedy": "keep one of them",
        "severity": "error",
        "also": [{"file": "flows/bad.json", "line": 1, "column": 2}],
    }


def test_the_github_form_is_a_workflow_command(dataset):
    drop(dataset, "bad.json", flow(nxt="100%"))
    _, out, _ = run("check_flows", "--format", "github")
    assert out == (
        "::error file=flows/bad.json,line=13,col=2,title=WF101::nxt: "
        'the flow has no key "nxt"; did you mean "next_flow"?\n'
    )


def test_a_missing_path_leaves_with_two(dataset):
    assert run("check_flows", "nowhere.json") == (2, "", "nowhere.json: there is no such file or folder\n")


def test_an_unknown_format_is_a_wrong_use(dataset):
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("check_flows", "--format", "xml")


def test_test_files_and_data_files_are_examined_too(dataset):
    (dataset / "data").mkdir()
    (dataset / "data" / "bikes.json").write_text("[1,]")
    drop(dataset, "hours.json", flow())
    drop(dataset, "tests/hours.json", {"flow": "ours", "cases": [{"name": "x", "script": [{"user": "hi"}]}]})
    _, out, _ = run("check_flows")
    assert "data/bikes.json:1:3 $: WF003" in out
    assert 'flows/tests/hours.json:2:10 flow: WF216 no flow "ours"; did you mean "hours"?' in out


@pytest.mark.django_db
def test_load_flows_publishes_and_says_so(dataset):
    drop(dataset, "hours.json", flow())
    assert run("load_flows") == (
        0,
        "hours is live\n1 file: 1 published, 0 retired, 0 broken\n",
        "",
    )
    assert FlowRecord.objects.get().flow_id == "hours"
    assert not Lease.objects.exists()


@pytest.mark.django_db
def test_load_flows_names_the_faults_and_leaves_with_one(dataset):
    drop(dataset, "hours.json", "{")
    code, out, err = run("load_flows")
    assert code == 1
    assert "flows/hours.json:1:2 $: WF003" in err
    assert "flows/hours.json was not loaded" in err
    assert out == "1 file: 0 published, 0 retired, 1 broken\n"


@pytest.mark.django_db
def test_load_flows_works_beside_a_running_loader(dataset):
    assert database.take_lease(registry.LEASE, "a worker", 60)
    drop(dataset, "hours.json", flow())
    assert run("load_flows")[0] == 0
    assert Lease.objects.get().holder == "a worker"


@pytest.mark.django_db
def test_load_flows_without_a_folder_is_an_error(dataset):
    (dataset / "flows" / "tests").rmdir()
    (dataset / "flows").rmdir()
    with pytest.raises(CommandError, match="is no folder"):
        call_command("load_flows")


def test_test_flows_plays_the_tests(dataset):
    drop(dataset, "hours.json", flow())
    drop(
        dataset,
        "tests/hours.json",
        {
            "flow": "hours",
            "cases": [{"name": "greets", "script": [{"user": "hours"}, {"bot": {"body": "Hi"}}]}],
        },
    )
    code, out, _ = run("test_flows")
    assert (code, out) == (
        0,
        "ok   flows/tests/hours.json: greets\n  1 of 1 steps entered\n1 test file passes\n",
    )


def test_test_flows_prints_the_conversation_of_a_failing_case(dataset):
    drop(dataset, "hours.json", flow())
    drop(
        dataset,
        "tests/hours.json",
        {
            "flow": "hours",
            "cases": [{"name": "greets", "script": [{"user": "hours"}, {"bot": {"body": "Ho"}}]}],
        },
    )
    code, out, _ = run("test_flows")
    assert code == 1
    assert "FAIL flows/tests/hours.json: greets" in out
    assert "flows/tests/hours.json:10:5: the body is 'Hi', expected 'Ho'" in out
    assert "     | user: hours\n     | bot: [text] Hi\n" in out


def test_test_flows_of_a_faulty_flow_fails(dataset):
    drop(dataset, "hours.json", flow(oops=1))
    drop(
        dataset,
        "tests/hours.json",
        {"flow": "hours", "cases": [{"name": "greets", "script": [{"user": "hours"}]}]},
    )
    code, out, _ = run("test_flows")
    assert code == 1
    assert 'the flow "hours" has faults; see check_flows' in out


def test_test_flows_takes_other_folders(dataset):
    assert run("test_flows", "nowhere")[0] == 2
    drop(
        dataset,
        "tests/hours.json",
        {"flow": "hours", "cases": [{"name": "greets", "script": [{"user": "hours"}, {"bot": {}}]}]},
    )
    elsewhere = dataset / "more"
    elsewhere.mkdir()
    (elsewhere / "hours.json").write_text(json.dumps(flow()))
    assert run("test_flows", "flows/tests", "--flows", "more")[0] == 0

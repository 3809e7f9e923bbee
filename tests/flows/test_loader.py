"""The loader: what is dropped, changed, broken, moved and deleted in the directory, and what the database says then."""

import json
import os

import pytest

from flows import loader, registry
from flows.dataset import Dataset
from flows.facts import Event, Incident
from flows.models import FlowFile, FlowRecord, FlowVersion, Publication, RegistryGeneration

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "flows" / "tests").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    return Dataset(tmp_path)


def flow(flow_id="hours", body="We are open.", **more):
    step = {"id": "say", "content": {"type": "text", "body": body}}
    return {"id": flow_id, "trigger": flow_id.replace("_", " "), "steps": [step], **more}


def drop(dataset, name, value):
    text = value if isinstance(value, str) else json.dumps(value, indent=1)
    (dataset.root / name).write_text(text, encoding="utf-8")


def generation():
    return RegistryGeneration.objects.get().number


def test_a_dropped_file_becomes_publication_one(dataset):
    drop(dataset, "flows/hours.json", flow())
    report = loader.load(dataset)
    record = FlowRecord.objects.get()
    assert report.published == ("hours",)
    assert (record.flow_id, record.state, record.live.number) == ("hours", "active", 1)
    assert json.loads(record.live.version.source) == flow()
    assert Event.objects.get().name == "flow_published"
    assert generation() == 1


def test_a_second_pass_over_the_same_files_changes_nothing(dataset):
    drop(dataset, "flows/hours.json", flow())
    drop(dataset, "data/bikes.json", [1])
    loader.load(dataset)
    report = loader.load(dataset)
    assert report.published == ()
    assert (Publication.objects.count(), generation()) == (1, 1)


def test_only_what_changes_the_content_is_published_again(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    drop(dataset, "flows/hours.json", "\n" + json.dumps(flow()) + "\n")
    loader.load(dataset)
    assert (Publication.objects.count(), generation()) == (1, 1)
    drop(dataset, "flows/hours.json", flow(body="Closed."))
    loader.load(dataset)
    assert (FlowRecord.objects.get().live.number, generation()) == (2, 2)


def test_a_broken_file_leaves_the_live_version_and_says_where_it_is_broken(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    drop(dataset, "flows/hours.json", '{"id": "hours",\n "stepz": []}')
    report = loader.load(dataset)
    file, record = FlowFile.objects.get(), FlowRecord.objects.get()
    assert not report.is_clean
    assert (record.state, record.live.number, generation()) == ("active", 1, 1)
    assert file.is_broken
    assert [(fault["code"], fault["line"], fault["column"]) for fault in file.faults] == [
        ("WF104", 1, 1),
        ("WF101", 2, 2),
    ]
    assert Incident.objects.get(kind="flow_file_broken", closed_at=None).scope == "flows/hours.json"


def test_a_mended_file_closes_its_incident(dataset):
    drop(dataset, "flows/hours.json", "{")
    loader.load(dataset)
    assert FlowRecord.objects.count() == 0
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    assert Incident.objects.get().closed_at is not None
    assert not FlowFile.objects.get().is_broken


def test_a_file_put_back_to_its_old_content_is_no_new_publication(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    drop(dataset, "flows/hours.json", "{")
    loader.load(dataset)
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    assert Publication.objects.count() == 1
    assert not FlowFile.objects.get().is_broken


def test_a_deleted_file_retires_its_flow_and_keeps_its_versions(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    (dataset.root / "flows/hours.json").unlink()
    report = loader.load(dataset)
    assert report.retired == ("hours",)
    assert FlowRecord.objects.get().state == "retired"
    assert FlowVersion.objects.count() == 1
    assert FlowFile.objects.count() == 0
    assert generation() == 2


def test_a_flow_that_comes_back_is_active_with_a_new_publication(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    (dataset.root / "flows/hours.json").unlink()
    loader.load(dataset)
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    record = FlowRecord.objects.get()
    assert (record.state, record.live.number, FlowVersion.objects.count()) == ("active", 2, 1)


def test_deleting_a_broken_file_retires_what_it_had_published(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    drop(dataset, "flows/hours.json", "{")
    loader.load(dataset)
    (dataset.root / "flows/hours.json").unlink()
    assert loader.load(dataset).retired == ("hours",)
    assert not Incident.objects.filter(closed_at=None).exists()


def test_a_renamed_file_is_the_same_flow(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    (dataset.root / "flows/hours.json").rename(dataset.root / "flows/opening.json")
    report = loader.load(dataset)
    assert (report.retired, report.published) == ((), ())
    assert FlowRecord.objects.get().state == "active"
    assert FlowFile.objects.get().path == "flows/opening.json"


def test_a_file_that_takes_another_id_retires_the_old_flow(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    drop(dataset, "flows/hours.json", flow("opening"))
    report = loader.load(dataset)
    assert (report.retired, report.published) == (("hours",), ("opening",))


def test_a_flow_published_by_another_way_is_not_retired_by_its_missing_file(dataset):
    version = FlowVersion.objects.create(hash="a" * 64, flow_id="admins", source=json.dumps(flow("admins")))
    live = Publication.objects.create(flow_id="admins", number=1, version=version, source="admin")
    FlowRecord.objects.create(flow_id="admins", name="Admins", live=live)
    loader.load(dataset)
    assert FlowRecord.objects.get().state == "active"


def test_a_rollback_stays_until_the_file_changes(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    first = Publication.objects.get().version
    drop(dataset, "flows/hours.json", flow(body="Closed."))
    loader.load(dataset)
    rollback = Publication.objects.create(flow_id="hours", number=3, version=first, source="admin")
    FlowRecord.objects.update(live=rollback)
    loader.load(dataset)
    assert FlowRecord.objects.get().live == rollback
    drop(dataset, "flows/hours.json", flow(body="Open again."))
    loader.load(dataset)
    assert FlowRecord.objects.get().live.number == 4


def test_two_files_with_one_id_are_both_refused_and_name_each_other(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    drop(dataset, "flows/hours_too.json", flow(trigger="too"))
    loader.load(dataset)
    faults = {file.path: file.faults for file in FlowFile.objects.all()}
    assert {path: [f["code"] for f in found] for path, found in faults.items()} == {
        "flows/hours.json": ["WF209"],
        "flows/hours_too.json": ["WF209"],
    }
    assert "flows/hours.json" in faults["flows/hours_too.json"][0]["message"]
    assert FlowRecord.objects.get().live.number == 1


def test_a_missing_folder_retires_nothing(dataset):
    drop(dataset, "flows/hours.json", flow())
    loader.load(dataset)
    (dataset.root / "flows").rename(dataset.root / "elsewhere")
    with pytest.raises(loader.NoDatasetError, match="is no folder"):
        loader.load(dataset)
    assert FlowRecord.objects.get().state == "active"


def test_an_empty_folder_is_an_empty_dataset(dataset):
    assert loader.load(dataset).files == ()


def test_a_link_that_leads_out_of_the_dataset_is_not_read(dataset, tmp_path_factory):
    secret = tmp_path_factory.mktemp("outside") / "secret.json"
    secret.write_text(json.dumps(flow("secret")))
    (dataset.root / "flows/secret.json").symlink_to(secret)
    report = loader.load(dataset)
    assert [finding.code for finding in report.findings] == ["WF030"]
    assert FlowRecord.objects.count() == 0


def test_hidden_files_of_editors_are_left_alone(dataset):
    drop(dataset, "flows/.#hours.json", "{")
    drop(dataset, "flows/hours.json~", "{")
    (dataset.root / "flows/folder.json").mkdir()
    assert loader.load(dataset).files == ()


def test_a_named_pipe_does_not_hold_up_the_loader(dataset):
    os.mkfifo(dataset.root / "flows/pipe.json")
    assert [finding.code for finding in loader.load(dataset).findings] == ["WF008"]


def test_data_files_are_kept_and_a_broken_one_keeps_its_last_content(dataset):
    registry.forget()
    drop(dataset, "data/bikes.json", [{"id": "panigale"}])
    drop(dataset, "data/global.json", {"currency": "INR"})
    loader.load(dataset)
    registry.refresh_if_changed()
    assert registry.current().data("bikes") == [{"id": "panigale"}]
    assert registry.current().data("bikes.json") == [{"id": "panigale"}]
    assert registry.current().globals == {"currency": "INR"}
    drop(dataset, "data/bikes.json", '[{"id": ]')
    loader.load(dataset)
    registry.refresh_if_changed()
    assert registry.current().data("bikes") == [{"id": "panigale"}]
    drop(dataset, "data/bikes.json", [])
    loader.load(dataset)
    registry.refresh_if_changed()
    assert registry.current().data("bikes") == []


def test_global_data_that_is_no_object_is_refused(dataset):
    drop(dataset, "data/global.json", [1])
    assert [finding.code for finding in loader.load(dataset).findings] == ["WF007"]


def test_flows_that_refer_to_each_other_are_published_in_one_pass(dataset):
    drop(dataset, "flows/a.json", flow("alpha", next_flow="beta"))
    drop(dataset, "flows/b.json", flow("beta"))
    report = loader.load(dataset)
    assert report.is_clean
    assert set(report.published) == {"alpha", "beta"}
    assert generation() == 1

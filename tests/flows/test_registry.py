"""The registry: one immutable snapshot a process, swapped whole within two seconds of a change of files."""

import dataclasses
import json
import threading
import time

import pytest
from django.db import connections

from flows import database, definitions, loader, registry
from flows.dataset import Dataset
from flows.models import FlowVersion, Lease


@pytest.fixture
def dataset(tmp_path, settings):
    (tmp_path / "flows").mkdir()
    (tmp_path / "processors").mkdir()
    settings.WHATSFLOW_DATASETS = tmp_path
    settings.WHATSFLOW_PROCESSORS = tmp_path / "processors"
    registry.forget()
    yield Dataset(tmp_path)
    registry.forget()


def flow(flow_id="hours", body="We are open.", **more):
    step = {"id": "say", "content": {"type": "text", "body": body}}
    return {"id": flow_id, "trigger": flow_id, "steps": [step], **more}


def drop(dataset, name, value):
    text = value if isinstance(value, str) else json.dumps(value)
    (dataset.root / "flows" / name).write_text(text)


def wait_until(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def body_of(snapshot, flow_id="hours"):
    found = snapshot.flow(snapshot.latest(flow_id))
    return found.steps["say"].content[0]["body"]


@pytest.mark.django_db
def test_an_empty_registry_has_a_snapshot_of_nothing(dataset):
    snapshot = registry.current()
    assert (snapshot.generation, dict(snapshot.flows), snapshot.triggers) == (0, {}, ())
    assert snapshot.latest("hours") is None
    assert snapshot.flow("0" * 64) is None
    assert snapshot.data("bikes") is None


@pytest.mark.django_db
def test_a_snapshot_is_swapped_whole_and_the_old_one_stays_as_it_was(dataset):
    drop(dataset, "hours.json", flow())
    loader.load(dataset)
    before = registry.current()
    drop(dataset, "hours.json", flow(body="Closed."))
    drop(dataset, "more.json", flow("more"))
    loader.load(dataset)
    assert registry.current() is before
    assert registry.refresh_if_changed()
    after = registry.current()
    assert (body_of(before), body_of(after)) == ("We are open.", "Closed.")
    assert (set(before.flows), set(after.flows)) == ({"hours"}, {"hours", "more"})
    assert [trigger.flow_id for trigger in after.triggers] == ["hours", "more"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.generation = 9


@pytest.mark.django_db
def test_nothing_is_read_again_while_the_generation_stands(dataset, monkeypatch):
    drop(dataset, "hours.json", flow())
    loader.load(dataset)
    registry.current()
    statements = []
    real = database.Cursor.run
    monkeypatch.setattr(
        database.Cursor, "run", lambda self, sql, params=(): statements.append(sql) or real(self, sql, params)
    )
    monkeypatch.setattr(registry, "_read", lambda _: pytest.fail("the registry was read again"))
    assert not registry.refresh_if_changed()
    assert len(statements) == 1
    assert not registry.refresh_if_changed(at_most_every=60)
    assert len(statements) == 1


@pytest.mark.django_db
def test_an_old_version_is_found_by_its_hash_after_its_flow_was_changed_and_retired(dataset):
    drop(dataset, "hours.json", flow())
    loader.load(dataset)
    old = registry.current().latest("hours")
    (dataset.root / "flows/hours.json").unlink()
    loader.load(dataset)
    registry.forget()
    snapshot = registry.current()
    assert snapshot.latest("hours") is None
    assert snapshot.flow(old).id == "hours"


@pytest.mark.django_db
def test_a_version_that_cannot_be_read_is_left_out_and_the_rest_is_served(dataset, caplog):
    drop(dataset, "hours.json", flow())
    drop(dataset, "more.json", flow("more"))
    loader.load(dataset)
    FlowVersion.objects.filter(flow_id="more").update(source='{"id": "more"}')
    definitions.forget()
    registry.forget()
    assert set(registry.current().flows) == {"hours"}
    assert "cannot be read; it is left out" in caplog.text


@pytest.fixture
def watcher(dataset, transactional_db):
    stops = []

    def start():
        made = registry.Watcher()
        made.start()
        stops.append(made.stop)
        return made

    yield start
    for stop in stops:
        stop()
    connections.close_all()


def live_within_two_seconds(condition):
    started = time.monotonic()
    assert wait_until(condition)
    took = time.monotonic() - started
    assert took < 2.0
    return took


def test_a_file_dropped_changed_broken_and_deleted_is_followed_within_two_seconds(dataset, watcher):
    started = watcher()
    assert wait_until(lambda: started.is_loader)
    drop(dataset, "hours.json", flow())
    live_within_two_seconds(lambda: registry.current().latest("hours"))
    first = registry.current().latest("hours")
    drop(dataset, "hours.json", flow(body="Closed."))
    live_within_two_seconds(lambda: registry.current().latest("hours") not in {None, first})
    second = registry.current().latest("hours")
    drop(dataset, "hours.json", '{"id": "hours", ')
    live_within_two_seconds(lambda: loader.FlowFile.objects.filter(is_broken=True).exists())
    assert registry.current().latest("hours") == second
    (dataset.root / "flows/hours.json").unlink()
    live_within_two_seconds(lambda: registry.current().latest("hours") is None)
    assert registry.current().flow(second) is not None


def test_the_poll_alone_is_enough_where_the_file_system_is_not_watched(dataset, watcher, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no inotify here")
        yield

    monkeypatch.setattr(registry.watchfiles, "watch", refuse)
    started = watcher()
    assert wait_until(lambda: started.is_loader)
    drop(dataset, "hours.json", flow())
    live_within_two_seconds(lambda: registry.current().latest("hours"))


def test_one_watcher_at_a_time_holds_the_lease_and_another_takes_over(dataset, watcher):
    first = watcher()
    assert wait_until(lambda: first.is_loader)
    second = watcher()
    assert not wait_until(lambda: second.is_loader, seconds=2.5)
    first.stop()
    assert wait_until(lambda: second.is_loader)
    drop(dataset, "hours.json", flow())
    assert wait_until(lambda: registry.current().latest("hours"))


def test_a_holder_that_died_is_followed_when_its_lease_runs_out(dataset, watcher):
    assert database.take_lease(registry.LEASE, "a process that was killed", 2)
    started = watcher()
    assert wait_until(lambda: started.is_loader, seconds=8)
    assert Lease.objects.get().holder == started.holder


def test_stopping_ends_both_threads_and_gives_the_lease_back(dataset, watcher):
    before = threading.active_count()
    started = watcher()
    assert wait_until(lambda: started.is_loader)
    started.stop()
    assert wait_until(lambda: threading.active_count() <= before)
    assert not Lease.objects.exists()

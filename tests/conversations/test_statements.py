"""The hot path is set-based: as many statements for fifty lanes as for one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conversations import release, sender, splitter, turns, verdicts
from conversations.models import Outbox, Session
from flows import database
from tests.conversations import bodies
from tests.conversations.way import ask, flow, say

MANY = 50


@contextmanager
def counted(monkeypatch) -> Iterator[list[str]]:
    """The statements that run inside the block."""
    statements: list[str] = []
    real = database.Cursor.run

    def run(self, sql, params=()):
        statements.append(sql)
        return real(self, sql, params)

    with monkeypatch.context() as patched:
        patched.setattr(database.Cursor, "run", run)
        yield statements


def phones(count: int) -> list[str]:
    return [f"91960780{n:04d}" for n in range(count)]


@pytest.fixture
def busy(way, settings):
    settings.WHATSFLOW_LANES_PER_BATCH = 64
    way.publish(flow("names", ask("ask", "Name?"), say("end", "Hello {{ answer }}")))
    return way


def statements_of(monkeypatch, work) -> int:
    with counted(monkeypatch) as statements:
        work()
    assert statements
    return len(statements)


def test_the_splitter_runs_as_many_statements_for_fifty_senders_as_for_one(busy, monkeypatch):
    counts = []
    for number in (1, MANY):
        for phone in phones(number):
            busy.say("names", phone=phone)
        counts.append(statements_of(monkeypatch, splitter.split))
        assert splitter.split() == 0
    assert counts[0] == counts[1]


def test_a_turn_runs_as_many_statements_for_fifty_lanes_as_for_one(busy, monkeypatch):
    monkeypatch.setattr(turns, "ENGINE_SECONDS", 60.0)
    counts = {"starts": [], "answers": []}
    for text, name in (("names", "starts"), ("Ada", "answers")):
        for number in (1, MANY):
            for phone in phones(MANY)[:1] if number == 1 else phones(MANY)[1:]:
                busy.say(text, phone=phone)
            splitter.split()
            counts[name].append(statements_of(monkeypatch, turns.work))
    assert Session.objects.filter(outcome="completed").count() == MANY
    assert counts["starts"][0] == counts["starts"][1]
    assert counts["answers"][0] == counts["answers"][1]


def release_and_judge(monkeypatch, limit: int) -> tuple[int, int]:
    released: list[release.Released] = []
    first = statements_of(
        monkeypatch, lambda: released.extend(release.release(bodies.NUMBER, bodies.WABA, 100, limit))
    )
    assert len(released) == limit
    judged = [
        verdicts.Judged(
            message=message,
            verdict=sender.Verdict(state="accepted", wamid=f"wamid.{message.id}"),
            http_status=200,
            wrote_bytes=True,
        )
        for message in released
    ]
    return first, statements_of(monkeypatch, lambda: verdicts.record(judged))


def test_release_and_verdicts_run_as_many_statements_for_thirty_messages_as_for_one(busy, monkeypatch):
    for phone in phones(32):
        busy.say("names", phone=phone)
    busy.drain()
    release_and_judge(monkeypatch, 1)
    one = release_and_judge(monkeypatch, 1)
    many = release_and_judge(monkeypatch, 30)
    assert one == many
    assert set(Outbox.objects.values_list("state", flat=True)) == {"accepted"}


def test_statuses_run_as_many_statements_for_fifty_as_for_one(busy, monkeypatch):
    for phone in phones(MANY):
        busy.say("names", phone=phone)
    busy.drain()
    contact_ids = list(Outbox.objects.values_list("id", flat=True))
    for n, key in enumerate(contact_ids):
        Outbox.objects.filter(pk=key).update(state="accepted", wamid=f"w{n}", attempt=1)
    counts = []
    for batch in (range(1), range(1, MANY)):
        busy.deliver(bodies.statuses(*(bodies.status(f"w{n}") for n in batch)))
        counts.append(statements_of(monkeypatch, splitter.split))
    assert counts[0] == counts[1]

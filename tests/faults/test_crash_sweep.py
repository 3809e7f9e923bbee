"""Kill -9 at the first, middle and last hit of every failpoint: nothing lost, nothing doubled, on both databases."""

import os
from pathlib import Path

import psycopg
import psycopg.sql
import pytest

from tests.faults.plan import first_middle_last
from tests.faults.sweep import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

# The points that a conversation with a processor passes; a new one must be reached, or stand in another test.
POINTS = {
    "web.before_commit",
    "web.after_commit",
    "split.mid",
    "split.before_commit",
    "split.after_commit",
    "turn.claimed",
    "turn.mid",
    "turn.before_commit",
    "turn.after_commit",
    "timer.before_commit",
    "step.started",
    "step.called",
    "send.t1",
    "send.guarded",
    "send.posted",
    "send.t2",
}


def environment(database: str, broker: str, home: Path) -> dict[str, str]:
    """The product's database and broker; on PostgreSQL a database of its own."""
    chosen = {"DATABASE_URL": f"sqlite:///{home / 'product.sqlite3'}", "REDIS_URL": ""}
    if database == "postgres":
        chosen["DATABASE_URL"] = fresh_database(f"crash_{broker}_{os.getpid()}")
    if broker == "redis":
        chosen["REDIS_URL"] = os.environ["REDIS_URL"]
    return chosen


def fresh_database(name: str) -> str:
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return f"{server.rpartition('/')[0]}/{name}"


_needs_services = pytest.mark.postgres


@pytest.mark.parametrize(
    ("database", "broker"),
    [
        ("sqlite", "alone"),
        pytest.param("sqlite", "redis", marks=_needs_services),
        pytest.param("postgres", "alone", marks=_needs_services),
        pytest.param("postgres", "redis", marks=_needs_services),
    ],
)
def test_a_killed_product_loses_nothing_and_says_nothing_twice(
    tmp_path: Path, database: str, broker: str
) -> None:
    rig = Rig(tmp_path, environment(database, broker, tmp_path))
    try:
        calm = rig.run()
        assert calm.faults == ()
        assert (calm.sent, calm.parked, calm.deaths) == (40, 0, 0)
        hits = rig.hits()
        assert set(hits) == POINTS
        verdicts = [rig.run(*crashes) for crashes in first_middle_last(hits)]
    finally:
        rig.close()
    assert [(v.crashes, v.faults) for v in verdicts if v.faults] == []
    missed = [v.crashes for v in verdicts if not v.deaths]
    # The last hit of a point may not come in every run, for batches differ; the first always does.
    assert not [c for c in missed if c[0].hit == 1]
    assert len(missed) <= len(verdicts) // 3

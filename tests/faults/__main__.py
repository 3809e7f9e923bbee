"""Every hit of every failpoint, on each database, with and without a broker; the result is docs/faults.md."""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.plan import every_hit
from tests.faults.sweep import ROOT, Crash, Rig
from tests.faults.test_crash_sweep import environment

SETUPS = [(d, b) for d in ("sqlite", "postgres") for b in ("alone", "redis")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/faults", description=__doc__)
    parser.add_argument("--shard", default="1/1", help="i/n: each n-th run, beginning with the i-th")
    parser.add_argument(
        "--setup", choices=[f"{d}-{b}" for d, b in SETUPS], help="one database and broker alone"
    )
    options = parser.parse_args()
    shard, shards = (int(part) for part in options.shard.split("/"))
    record = Record(options.shard)
    for database, broker in SETUPS:
        if options.setup in {None, f"{database}-{broker}"}:
            sweep(record, database, broker, shard, shards)
    record.write()
    return 1 if record.broken else 0


class Record:
    """What was killed and what came of it, kept beside the page so that shards add up."""

    path = ROOT / "docs" / "faults.json"
    page = ROOT / "docs" / "faults.md"

    def __init__(self, shard: str) -> None:
        self.shard = shard
        self.setups: dict[str, dict[str, Any]] = {}
        self.broken: list[str] = []

    def write(self) -> None:
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        kept.update(self.setups)
        self.path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        self.page.write_text(as_page(kept))


def sweep(record: Record, database: str, broker: str, shard: int, shards: int) -> None:
    name = f"{database}-{broker}"
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="whatsflow-faults.") as folder:
        home = Path(folder)
        rig = Rig(home, environment(database, broker, home))
        try:
            calm = rig.run()
            assert not calm.faults, calm.faults
            hits = rig.hits()
            tally, parked, broken = walk(rig, hits, shard, shards, name)
        finally:
            rig.close()
    record.broken += broken
    record.setups[f"{name} {record.shard}"] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "hits": dict(sorted(hits.items())),
        "killed": dict(sorted(tally.items())),
        "parked": parked,
        "broken": broken,
    }


def walk(
    rig: Rig, hits: Counter[str], shard: int, shards: int, name: str
) -> tuple[Counter[str], int, list[str]]:
    tally: Counter[str] = Counter()
    parked = 0
    broken: list[str] = []
    runs = list(every_hit(hits, shard, shards))
    for done, crashes in enumerate(runs, 1):
        verdict = rig.run(*crashes)
        tally.update(rig.killed)
        parked += verdict.parked
        if verdict.faults:
            broken.append(f"{name} {_words(crashes)}: {'; '.join(verdict.faults)}")
            sys.stdout.write(f"BROKEN {broken[-1]}\n")
        if done % 20 == 0 or done == len(runs):
            sys.stdout.write(f"{name}: {done} of {len(runs)} runs, {len(broken)} broken\n")
            sys.stdout.flush()
    return tally, parked, broken


def _words(crashes: tuple[Crash, ...]) -> str:
    return ", ".join(f"{c.point} at hit {c.hit}" for c in crashes)


def as_page(kept: dict[str, dict[str, Any]]) -> str:
    lines = [
        "# Faults",
        "",
        "Written by `bin/faults`: one scenario (20 contacts, two messages each, every webhook more than once, a",
        "processor, statuses), killed with -9 at every hit of every failpoint and started again. After each run the",
        "audit had to be clean and the far end's ledger had to show each message once, or the message had to be parked.",
        "A run whose hit did not come, because batches differ from run to run, counts as not killed.",
        "",
    ]
    for name, one in sorted(kept.items()):
        killed = one["killed"]
        assert isinstance(killed, dict)
        lines += [
            f"## {name}",
            "",
            _sum(one, sum(killed.values())),
            "",
            "| failpoint | hits in a calm run | kills |",
            "|---|---|---|",
        ]
        hits = one["hits"]
        assert isinstance(hits, dict)
        lines += [
            f"| `{point}` | {count} | {killed.get(point, 0)} |" for point, count in sorted(hits.items())
        ]
        lines += ["", *(f"- {text}" for text in one["broken"]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _sum(one: dict[str, Any], kills: int) -> str:
    return (
        f"{one['date']} UTC, {one['minutes']} minutes: {kills} kills, {one['parked']} messages parked,"
        f" {len(one['broken'])} broken runs."
    )


if __name__ == "__main__":
    sys.exit(main())

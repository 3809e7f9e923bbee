"""100 flows of 50 steps: the time to lint them, to load them into an empty database, and to see that nothing changed.

Run: python benchmarks/load_flows.py [--flows 100] [--steps 50]. Uses a database of its own in a temporary folder.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def document(number: int, steps: int) -> dict[str, Any]:
    """A flow that asks, branches, sets and prints, as real ones do."""
    made: list[dict[str, Any]] = []
    for index in range(steps - 1):
        following = f"s{index + 1}"
        kinds: list[dict[str, Any]] = [
            {
                "content": {
                    "type": "text",
                    "body": f"Step {index}, {{{{ contact.name | default: 'friend' }}}}.",
                }
            },
            {
                "content": {
                    "type": "buttons",
                    "body": f"Which way at {index}?",
                    "buttons": [{"id": "left", "title": "Left"}, {"id": "right", "title": "Right"}],
                },
                "wait_for": {"type": "choice", "save_as": "way", "timeout": {"after": "2h", "step": "last"}},
                "next_step": [
                    {"when": "way.id == 'left' and score > 3", "step": following},
                    {"step": following},
                ],
            },
            {"type": "set", "set": {"score": "{{ score | default: 0 | plus: 1 }}"}, "next_step": following},
            {
                "content": {"type": "text", "body": "How many?"},
                "wait_for": {"type": "number", "save_as": "count", "min": 1, "max": 9},
                "next_step": following,
            },
        ]
        made.append({"id": f"s{index}", **kinds[index % len(kinds)]})
    made[-1]["next_step"] = "last"
    made.append(
        {
            "id": "last",
            "content": {"type": "text", "body": "Score {{ score }}, count {{ count | default: 0 }}."},
        }
    )
    return {"id": f"flow_{number}", "trigger": f"words of {number}", "variables": {"score": 0}, "steps": made}


def timed(what: str, work: Callable[[], Any]) -> tuple[float, Any]:
    started, cpu = time.perf_counter(), time.process_time()
    value = work()
    took = time.perf_counter() - started
    print(f"{what:<44} {took:7.3f} s   {time.process_time() - cpu:7.3f} s CPU")
    return took, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=100)
    parser.add_argument("--steps", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "whatsflow.settings"
        os.environ["DATABASE_URL"] = f"sqlite:///{root}/bench.sqlite3"
        os.environ["WHATSFLOW_DATASETS"] = str(root)
        os.environ["WHATSFLOW_PROCESSORS"] = str(root / "processors")
        os.environ["LOG_LEVEL"] = "ERROR"
        (root / "flows").mkdir()
        (root / "processors").mkdir()
        size = 0
        for number in range(asked.flows):
            text = json.dumps(document(number, asked.steps), indent=1)
            size += len(text)
            (root / "flows" / f"flow_{number}.json").write_text(text)
        measure(root, f"{asked.flows} flows x {asked.steps} steps, {size / 1e6:.1f} MB")


def measure(root: Path, title: str) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from flows import loader, registry
    from flows.dataset import Dataset
    from flows.lint import lint

    call_command("migrate", verbosity=0)
    print(title)
    dataset = Dataset(root)
    sources = [dataset.read(name) for name in dataset.flow_files()]
    timed("lint", lambda: lint(sources, catalog=loader.catalog(dataset)))
    took, report = timed("load into an empty database (lint again)", lambda: loader.load(dataset))
    assert report.is_clean, [finding.text() for finding in report.findings[:5]]
    assert len(report.published) == len(sources)
    timed("snapshot of the registry", registry.current)
    timed("load again, nothing changed", lambda: loader.load(dataset))
    changed = root / "flows" / "flow_0.json"
    changed.write_text(changed.read_text().replace("Step 0", "Step zero"))
    timed("load again, one file changed", lambda: loader.load(dataset))
    timed("swap of the snapshot", registry.refresh_if_changed)
    print(f"target: load under 2 s: {'met' if took < 2 else 'MISSED'}")


if __name__ == "__main__":
    main()

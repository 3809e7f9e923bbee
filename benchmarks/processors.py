"""What a processor's call costs: warm no-op calls beside a bare echo over a pipe, in one run.

.venv/bin/python benchmarks/processors.py [--calls 5000] [--size 2]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flows.processing.discovery import Discovery  # noqa: E402 - run as a file, the root comes first
from flows.processing.limits import capabilities  # noqa: E402
from flows.processing.runner import Runner  # noqa: E402

PROCESSORS = """
from flows.processing import Context, Result, processor

def noop(payload): return None
def echo(payload): return payload

@processor(idempotent=True)
def typed(loan: str, count: int, context: Context) -> Result:
    return Result(save={"loan": loan, "count": count, "name": context.contact["name"]})

async def waiting(): return None
"""
ECHO = "import os, sys\nfor line in sys.stdin.buffer: os.write(1, line)"
SMALL = {"user_id": "919876543210", "user_response": "hi"}
LARGE = {"user_id": "919876543210", "text": "x" * 64 * 1024}
CONTEXT = {
    "contact": {"name": "Ravi", "phone": "+919876543210"},
    "variables": {"a": 1},
    "flow": {},
    "step": "s",
}


@dataclass
class Row:
    name: str
    p50: float
    p99: float
    rate: float
    parent_cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--size", type=int, default=2)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    (folder / "bench.py").write_text(PROCESSORS)
    found = Discovery(folder)
    began = time.perf_counter()
    found.refresh()
    discovery_ms = (time.perf_counter() - began) * 1000
    find = found.catalog.find
    rows = [echo_row(given.calls)]
    with Runner(given.size) as runner:
        runner.warm()
        rows += [
            measure("no-op", given.calls, lambda: runner.run(find("noop"), SMALL)),
            measure("typed, with context and Result", given.calls, typed_call(runner, find("typed"))),
            measure("async", given.calls, lambda: runner.run(find("waiting"), {})),
            measure("64 KB there and back", given.calls // 10, lambda: runner.run(find("echo"), LARGE)),
        ]
        rows.append(threads_row(given, lambda: runner.run(find("noop"), SMALL)))
    report(rows)
    print(f"\ndiscovery of one file, child started for it: {discovery_ms:.0f} ms")
    print(f"a look at the folder when nothing changed: {look_us(found):.0f} µs")
    print(f"a child started, ready to serve: {start_ms():.0f} ms")
    print(capabilities())


def typed_call(runner: Runner, info) -> Callable[[], object]:
    return lambda: runner.run(info, {"loan": "L1", "count": 3}, CONTEXT, idem_key="wf-1-1")


def echo_row(calls: int) -> Row:
    """The floor: a line to a subprocess and back, nothing read, nothing limited, nothing recorded."""
    process = subprocess.Popen(
        [sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    to, back = process.stdin.fileno(), process.stdout.fileno()

    def once() -> None:
        os.write(to, b'{"user_id":"919876543210","user_response":"hi"}\n')
        os.read(back, 65536)

    row = measure("bare echo over a pipe", calls, once)
    process.stdin.close()
    process.wait()
    return row


def measure(name: str, calls: int, once: Callable[[], object]) -> Row:
    for _ in range(50):
        once()
    times, cpu, began = [], time.process_time(), time.perf_counter()
    for _ in range(calls):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    quantiles = statistics.quantiles(times, n=100)
    return Row(name, quantiles[49] * 1e6, quantiles[98] * 1e6, calls / seconds, cpu / calls * 1e6)


def threads_row(given: argparse.Namespace, once: Callable[[], object]) -> Row:
    """As many threads as children: what one worker process can call a second."""

    def many(_: int) -> list[float]:
        times = []
        for _ in range(given.calls):
            start = time.perf_counter()
            once()
            times.append(time.perf_counter() - start)
        return times

    with ThreadPoolExecutor(given.size) as threads:
        cpu, began = time.process_time(), time.perf_counter()
        times = [one for batch in threads.map(many, range(given.size)) for one in batch]
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    quantiles = statistics.quantiles(times, n=100)
    name = f"no-op, {given.size} threads on {given.size} children"
    return Row(name, quantiles[49] * 1e6, quantiles[98] * 1e6, len(times) / seconds, cpu / len(times) * 1e6)


def look_us(found: Discovery) -> float:
    time.sleep(0.2)  # until the file is no longer fresh, which is looked at more closely
    found.refresh()
    began = time.perf_counter()
    for _ in range(1000):
        found.refresh()
    return (time.perf_counter() - began) * 1000


def start_ms() -> float:
    times = []
    for _ in range(5):
        with Runner(1) as runner:
            began = time.perf_counter()
            runner.warm()
            next(iter(runner._children)).wait_ready()  # noqa: SLF001 - measured from inside
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def report(rows: list[Row]) -> None:
    floor = rows[0]
    print(f"{'':34}{'p50 µs':>9}{'p99 µs':>9}{'calls/s':>10}{'parent CPU µs':>15}{'× echo':>8}")
    for row in rows:
        ratio = row.p50 / floor.p50
        print(f"{row.name:34}{row.p50:9.0f}{row.p99:9.0f}{row.rate:10.0f}{row.parent_cpu:15.0f}{ratio:8.1f}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"\nCPU seconds of ended children: {used.ru_utime + used.ru_stime:.1f}; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()

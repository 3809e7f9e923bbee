"""Full turns: a signed webhook in, the reply at the Graph stub; PostgreSQL, Redis, everything on this machine.

Open loop at fixed rates with a stub that answers at once and one that takes 80 ms, then latency at 20/s, then
overload by 32 connections that post as fast as they can. Judged at the stub: each message answered once.
"""

import sys
import time
from collections import Counter

from benchmarks.rig.load import Told, closed_loop, open_loop
from benchmarks.rig.product import SECRET, Product, cpu_of_postgres, percentile, product

SENDERS = 1000
BACKLOG = 1000
ROLES = ("web", "worker", "graph")


def settle(made: Product, wanted: int, seconds: float = 30.0) -> list[tuple[str, str, float]]:
    """Wait until the stub has as many messages as were accepted, or nothing comes any more."""
    limit = time.monotonic() + seconds
    seen, quiet_at = -1, time.monotonic()
    while time.monotonic() < limit:
        ledger = made.ledger()
        if len(ledger) >= wanted:
            return ledger
        if len(ledger) != seen:
            seen, quiet_at = len(ledger), time.monotonic()
        elif time.monotonic() - quiet_at > 8:
            return ledger
        time.sleep(0.1)
    return made.ledger()


def run(made: Product, name: str, *, rate: float, seconds: float, delay_ms: float, first: int) -> int:
    made.reset_graph(delay_ms)
    before = {role: made.cpu(role) for role in ROLES} | {"PG": cpu_of_postgres()}
    told = open_loop(made.url, SECRET, rate=rate, seconds=seconds, senders=SENDERS, first=first)
    accepted = told.statuses[200]
    ledger = settle(made, accepted)
    took = (ledger[-1][2] - min(told.sent_at.values())) if ledger else seconds
    cpu = {role: made.cpu(role) - before[role] for role in ROLES} | {"PG": cpu_of_postgres() - before["PG"]}
    thousands = max(len(ledger), 1) / 1000
    waits = latencies(told, ledger)
    doubles = len(ledger) - accepted
    print(
        f"{name:<26}{rate:>8.0f}{len(ledger) / took:>9.0f}{percentile(waits, 0.5) * 1000:>9.1f}"
        f"{percentile(waits, 0.99) * 1000:>9.1f}{cpu['web'] / thousands:>8.2f}{cpu['worker'] / thousands:>8.2f}"
        f"{cpu['PG'] / thousands:>8.2f}{sum(cpu.values()) / thousands:>8.2f}{doubles:>6}",
        flush=True,
    )
    return first + int(rate * seconds)


def latencies(told: Told, ledger: list[tuple[str, str, float]]) -> list[float]:
    """From each post to its answer at the stub; a sender's n-th answer belongs to its n-th message."""
    posts: dict[str, list[float]] = {}
    for (sender, _), at in sorted(told.sent_at.items(), key=lambda kv: kv[1]):
        posts.setdefault(f"+9198{sender:08d}", []).append(at)
    seen: Counter[str] = Counter()
    waits = []
    for to, _, at in ledger:
        mine = posts.get(to, [])
        if seen[to] < len(mine):
            waits.append(at - mine[seen[to]])
        seen[to] += 1
    return waits


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    print(
        f"{'':<26}{'offered':>8}{'turns/s':>9}{'p50 ms':>9}{'p99 ms':>9}"
        f"{'web':>8}{'worker':>8}{'PG':>8}{'all':>8}{'more':>6}"
    )
    with product({"WHATSFLOW_BACKLOG_LIMIT": "1000000"}) as made:
        made.start_graph()
        made.start_web()
        made.start_worker()
        first = run(made, "warm-up", rate=50, seconds=4, delay_ms=0, first=0)
        for rate in (200, 400, 600):
            for delay in (0, 80):
                first = run(made, f"stub {delay} ms", rate=rate, seconds=seconds, delay_ms=delay, first=first)
        first = run(made, "latency, stub 0 ms", rate=20, seconds=seconds, delay_ms=0, first=first)
        overload(made, seconds)
        print(
            made.script(
                "from django.core.management import call_command; call_command('audit', at_rest=True)"
            )
        )


def overload(made: Product, seconds: float) -> None:
    made.stop("web")
    made.environment["WHATSFLOW_BACKLOG_LIMIT"] = str(BACKLOG)
    made.start_web()
    made.reset_graph(0)
    told = closed_loop(made.url, SECRET, connections=32, seconds=seconds, senders=SENDERS * 10)
    ledger = settle(made, told.statuses[200], 60)
    print(
        f"overload, 32 connections, backlog {BACKLOG}: door took {told.statuses[200] / told.seconds:.0f}/s and refused"
        f" {told.statuses[503] / told.seconds:.0f}/s with 503; answered {len(ledger)} of {told.statuses[200]}"
    )


if __name__ == "__main__":
    main()

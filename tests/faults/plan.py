"""Which hits of which failpoints a sweep kills at."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.sweep import Crash

# The first hits are taken a few to a run: after each death the next process dies at the next point.
CHAIN = 4


def first_middle_last(hits: Counter[str]) -> list[tuple[Crash, ...]]:
    """The runs that kill at the first, middle and last hit of every point that the scenario reaches."""
    firsts = [Crash(point, 1) for point in sorted(hits)]
    chains = [tuple(firsts[n : n + CHAIN]) for n in range(0, len(firsts), CHAIN)]
    alone = [
        (Crash(point, hit),)
        for point, count in sorted(hits.items())
        for hit in sorted({count // 2, count})
        if hit > 1
    ]
    return chains + alone


def every_hit(hits: Counter[str], shard: int, shards: int) -> Iterator[tuple[Crash, ...]]:
    """Every hit of every point, one to a run; shard 1 of 3 is each third run."""
    everything = [
        (Crash(point, hit),) for point, count in sorted(hits.items()) for hit in range(1, count + 1)
    ]
    yield from everything[shard - 1 :: shards]

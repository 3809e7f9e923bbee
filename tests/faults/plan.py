"""Which hits of which failpoints a sweep kills at."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.sweep import Crash

# Some crashes go into one run: after each death the next process dies at the next point.
CHAIN_OF_FIRSTS = 4
CHAIN_OF_LATER_ONES = 2

Run = tuple[Crash, ...]


def first_middle_last(hits: Counter[str]) -> list[Run]:
    """The runs that kill at the first, middle and last hit of every point that the scenario reaches."""
    firsts = [Crash(point, 1) for point in sorted(hits)]
    later = [
        Crash(point, hit)
        for point, count in sorted(hits.items())
        for hit in sorted({count // 2, count} - {1})
    ]
    return [*_chained(firsts, CHAIN_OF_FIRSTS), *_chained(later, CHAIN_OF_LATER_ONES)]


def _chained(crashes: list[Crash], length: int) -> list[Run]:
    """Neighbors in the list are hits of one point: a stride keeps those of a chain apart."""
    runs = -(-len(crashes) // length)
    return [tuple(crashes[n::runs]) for n in range(runs)]


def every_hit(hits: Counter[str], shard: int, shards: int) -> Iterator[Run]:
    """Every hit of every point, one to a run; shard 1 of 3 is each third run."""
    everything = [
        (Crash(point, hit),) for point, count in sorted(hits.items()) for hit in range(1, count + 1)
    ]
    yield from everything[shard - 1 :: shards]

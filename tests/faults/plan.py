"""Which hits of which failpoints a sweep kills at."""

from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from tests.faults.sweep import Crash

# Some crashes go into one run: after each death the next process dies at the next point. Not more than two, and a
# web's beside them: an input whose worker died three times under it is set aside, as it should be.
CHAIN = 2

Run = tuple[Crash, ...]


def first_middle_last(hits: Counter[str]) -> list[Run]:
    """The runs that kill at the first, middle and last hit of every point that the scenario reaches."""
    crashes = [
        Crash(point, hit)
        for point, count in sorted(hits.items())
        for hit in sorted({1, count // 2, count} - {0})
    ]
    workers = [c for c in crashes if not c.is_web]
    webs = [c for c in crashes if c.is_web]
    # Neighbors in the list are hits of one point: a stride keeps those of a chain apart. First hits go first.
    workers.sort(key=lambda c: c.hit > 1)
    count = -(-len(workers) // CHAIN)
    return [(*workers[n::count], *webs[n : n + 1]) for n in range(count)]


def every_hit(hits: Counter[str], shard: int, shards: int) -> Iterator[Run]:
    """Every hit of every point, one of the worker to a run and one of the web beside it; shard 1 of 3: each third."""
    everything = [Crash(point, hit) for point, count in sorted(hits.items()) for hit in range(1, count + 1)]
    workers = [c for c in everything if not c.is_web]
    webs = [c for c in everything if c.is_web]
    runs = [tuple(c for c in pair if c) for pair in zip_longest(workers, webs)]
    yield from runs[shard - 1 :: shards]

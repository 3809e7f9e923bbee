"""Cycles in a graph of names: one shortest cycle for each knot."""

from collections import deque
from collections.abc import Mapping, Sequence

Follow = Mapping[str, Sequence[str]]


def circles(follow: Follow) -> list[list[str]]:
    """Give one shortest cycle, both ends named, for each set of names that all reach each other."""
    follow = _pruned(follow)
    found: list[list[str]] = []
    done: set[str] = set()
    for name in follow:
        if name not in done:
            cycle = shortest_circle(name, follow)
            done |= {name} | _knot(name, follow)
            found += [cycle] if cycle else []
    return found


def shortest_circle(start: str, follow: Follow) -> list[str]:
    """The shortest way from ``start`` back to itself, both ends included; [] where there is none."""
    came_from: dict[str, str] = {}
    todo = deque([start])
    while todo:
        here = todo.popleft()
        for name in follow.get(here, ()):
            if name == start:
                return [start, *_way_to(here, start, came_from), start]
            if name not in came_from:
                came_from[name] = here
                todo.append(name)
    return []


def reached(start: str, follow: Follow) -> set[str]:
    """All names that lie ahead of ``start``; itself only where it lies on a cycle."""
    seen: set[str] = set()
    todo = list(follow.get(start, ()))
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            todo += follow.get(here, ())
    return seen


def _way_to(here: str, start: str, came_from: Mapping[str, str]) -> list[str]:
    way: list[str] = []
    while here != start:
        way.append(here)
        here = came_from[here]
    return way[::-1]


def _pruned(follow: Follow) -> dict[str, list[str]]:
    """Leave out, again and again, what leads nowhere: only cycles and ways into them stay."""
    left = {name: list(ahead) for name, ahead in follow.items()}
    while True:
        kept = {name: [n for n in ahead if n in left] for name, ahead in left.items()}
        kept = {name: ahead for name, ahead in kept.items() if ahead}
        if len(kept) == len(left):
            return kept
        left = kept


def _knot(name: str, follow: Follow) -> set[str]:
    return {other for other in reached(name, follow) if name in reached(other, follow)}

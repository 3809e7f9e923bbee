"""Parsed versions by their hash: a version never changes, so each is parsed once in a process."""

import threading
from collections import OrderedDict

from flows import database
from flows.engine import validation
from flows.engine.definition import Flow, parse_flow
from flows.models import FlowVersion

MOST_KEPT = 5_000

_kept: OrderedDict[str, Flow] = OrderedDict()
_lock = threading.Lock()


def get(flow_hash: str) -> Flow | None:
    """The definition of any version that was ever published; None for an unknown hash."""
    with _lock:
        if flow_hash in _kept:
            _kept.move_to_end(flow_hash)
            return _kept[flow_hash]
    source = FlowVersion.objects.filter(hash=flow_hash).values_list("source", flat=True).first()
    return put(flow_hash, source) if source is not None else None


def put(flow_hash: str, source: str) -> Flow:
    """Parse a version unless it is known; the one least lately used is forgotten.

    Raises: KeyError, TypeError or ValueError for a version that is no valid flow.
    """
    with _lock:
        flow = _kept.get(flow_hash)
        if flow is None:
            document = validation.canonical(database.as_json(source)).document
            flow = _kept[flow_hash] = parse_flow(document, flow_hash)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        return flow


def forget() -> None:
    with _lock:
        _kept.clear()

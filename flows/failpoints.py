"""Named places at which a test may kill, stop or fail this process; nothing at all unless ``WF_FAIL`` is set.

``WF_FAIL=name:action[:hit]`` with action kill9, stop, raise or sleep; ``hit`` counts from 1 in this process.
``WF_FAIL_LOG=path`` appends one line for each place reached, so that a sweep knows what there is to hit.
"""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

_order = os.environ.get("WF_FAIL", "")
_log = os.environ.get("WF_FAIL_LOG", "")
_hits: Counter[str] = Counter()
_lock = threading.Lock()


class Injected(Exception):
    """Raised at a failpoint that was told to raise."""


def _act(action: str) -> None:
    if action == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "raise":
        raise Injected(_order)
    elif action.startswith("sleep"):
        time.sleep(float(action.removeprefix("sleep") or 1))


def _reach(name: str) -> None:
    with _lock:
        _hits[name] += 1
        hit = _hits[name]
        if _log:
            with Path(_log).open("a", encoding="ascii") as file:
                file.write(f"{name} {os.getpid()}\n")
    wanted, _, rest = _order.partition(":")
    action, _, number = rest.partition(":")
    if wanted == name and hit == int(number or 1):
        _act(action)


def order(text: str) -> None:
    """Give this process another order; only where failpoints are compiled in, as in a forked child of a sweep."""
    global _order  # noqa: PLW0603 - one order a process
    _order = text
    _hits.clear()


def _pass(name: str) -> None:
    """Stand in where no fault is ordered."""


reach = _reach if _order or _log else _pass

"""The crash sweep: one scenario, killed at a failpoint, started again, and judged by tables and far end.

Twenty contacts write twice, every webhook comes more than once, a flow pauses, a processor is called, statuses come
back. The
product is killed with -9 when it reaches a chosen hit of a failpoint; it is started again, time passes for what the
dead process held, and when all is quiet: the audit is clean, the far end's ledger shows each message once, and what
it does not show is parked and visible.
"""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.simulator.alone import ROOT, SECRET, TOKEN, StandAlone, free_port

CONTACTS = 20
WATCH_SECONDS = 0.6
HERE = Path(__file__).parent
NUMBER = "1000000001"
PROCESSORS = """
from flows.processing import processor

@processor(idempotent={idempotent})
def paint(color: str) -> str:
    return color.upper()
"""


@dataclass(frozen=True)
class Crash:
    """Kill at the ``hit``-th time that ``point`` is reached."""

    point: str
    hit: int

    @property
    def is_web(self) -> bool:
        return self.point.startswith("web.")

    def __str__(self) -> str:
        return f"{self.point}:kill9:{self.hit}"


class Rig:
    """The far end, the warm parent and one database, for any number of runs."""

    def __init__(self, home: Path, environment: dict[str, str], *, idempotent: bool = True) -> None:
        self.home = home
        self.port = free_port()
        self.far = StandAlone(self._made(home / "far"), f"http://127.0.0.1:{self.port}/webhooks/whatsapp")
        self.log = home / "hits"
        (home / "datasets" / "flows").mkdir(parents=True)
        (home / "datasets" / "flows" / "crash.json").write_bytes((HERE / "crash.json").read_bytes())
        (home / "processors").mkdir()
        (home / "processors" / "paint.py").write_text(PROCESSORS.format(idempotent=idempotent))
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.product"],
            cwd=ROOT,
            env={**os.environ, **self._environment(), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(home / "product.log").open("wb"),
            text=True,
        )
        self._answer()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)
        self.pids: dict[str, int] = {}

    @staticmethod
    def _made(path: Path) -> Path:
        path.mkdir(parents=True)
        return path

    def _environment(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "whatsflow.settings",
            "WHATSFLOW_SIMULATOR": "on",
            "DEBUG": "true",
            "WHATSFLOW_VAR": str(self.home / "var"),
            "WHATSFLOW_DATASETS": str(self.home / "datasets"),
            "WHATSFLOW_PROCESSORS": str(self.home / "processors"),
            "SIMULATOR_APP_SECRET": SECRET,
            "SIMULATOR_TOKEN": TOKEN,
            "SIMULATOR_BASE_URL": self.far.url,
            "WHATSFLOW_PROCESSOR_CHILDREN": "1",
            "WF_FAIL_LOG": str(self.log),
            "LOG_LEVEL": "WARNING",
        }

    def close(self) -> None:
        self.stop()
        self.parent.stdin.close()
        self.parent.wait(10)
        self.http.close()
        self.far.stop()

    def _log(self) -> str:
        return (self.home / "product.log").read_text()[-2000:]

    # --- commands -------------------------------------------------------------------------------------------
    def _answer(self) -> Any:
        line = self.parent.stdout.readline()
        assert line, (self.home / "product.log").read_text()[-3000:]
        return json.loads(line)

    def tell(self, do: str, **more: Any) -> Any:
        self.parent.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.parent.stdin.flush()
        return self._answer()

    def errand(self, do: str, *args: Any) -> Any:
        answer = self.tell(do, args=list(args))
        assert "failed" not in answer, (do, (self.home / "product.log").read_text()[-3000:])
        return answer["result"]

    def start(self, role: str, fail: str = "") -> None:
        self.pids[role] = self.tell(role, port=self.port, fail=fail)["pid"]

    def is_alive(self, role: str) -> bool:
        return role in self.pids and self.tell("reap", pid=self.pids[role])["alive"]

    def stop(self) -> None:
        for role in list(self.pids):
            if self.is_alive(role):
                os.killpg(self.pids[role], 9)
                while self.is_alive(role):
                    time.sleep(0.005)
            del self.pids[role]

    # --- one run --------------------------------------------------------------------------------------------
    def run(self, *crashes: Crash) -> "Verdict":
        """Walk the scenario through; each process that dies is started again with the next crash of its role."""
        self.stop()
        self.errand("empty")
        self.far.api("POST", "reset/")
        self.far.api("PATCH", "behaviour/", **SWITCHES)
        self.log.write_text("")
        self.deaths = 0
        self.killed: Counter[str] = Counter()
        self.orders = {
            "web": [str(c) for c in crashes if c.is_web],
            "worker": [str(c) for c in crashes if not c.is_web],
        }
        self.running: dict[str, str] = {}
        for role in self.orders:
            self._start_next(role)
        self._wait_for_door()
        self._feed()
        self._quiet()
        return Verdict.of(self, crashes)

    def _start_next(self, role: str) -> None:
        """Start a process with the next crash that it is to die by, if one is left."""
        self.running[role] = self.orders[role].pop(0) if self.orders[role] else ""
        self.start(role, self.running[role])

    def _wait_for_door(self) -> None:
        limit = time.monotonic() + 20
        last: Exception | None = None
        while time.monotonic() < limit:
            try:
                self.http.get("/healthz")
            except httpx.TransportError as error:
                last = error
                if not self.is_alive("web"):
                    return  # a status that came meanwhile reached its crash; the next look starts it again
                time.sleep(0.01)
            else:
                return
        # Where it hangs, and what it said.
        os.kill(self.pids["web"], signal.SIGUSR1)
        time.sleep(0.5)
        raise AssertionError(f"{last!r}: {(self.home / 'product.log').read_text()[-6000:]}")

    def _revive(self) -> bool:
        """Start what died again, and let the time pass that its leases would take."""
        dead = [role for role in ("web", "worker") if not self.is_alive(role)]
        for role in dead:
            self.killed[self.running[role].partition(":")[0]] += 1
            if role == "worker":
                self.errand("bury")
            self._start_next(role)
            self.deaths += 1
        if dead:
            self._wait_for_door()
        return bool(dead)

    def _feed(self) -> None:
        """Post as Meta does: again and again until the answer is 200, some twice, some in another batch."""
        with ThreadPoolExecutor(4) as pool:
            for load in inbound_bodies():
                self._post_all(pool, load)

    def _post_all(self, pool: ThreadPoolExecutor, waiting: list[bytes]) -> None:
        limit = time.monotonic() + 30
        while waiting:
            assert time.monotonic() < limit, f"{len(waiting)} webhooks were never accepted: {self._log()}"
            answers = list(pool.map(self._post, waiting))
            waiting = [body for body, ok in zip(waiting, answers, strict=True) if not ok]
            if waiting:
                self._revive()

    def _post(self, body: bytes) -> bool:
        mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        try:
            answer = self.http.post(
                "/webhooks/whatsapp",
                content=body,
                headers={"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={mac}"},
            )
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def _quiet(self) -> None:
        """Wait until nothing is under way; unknown messages get the time after which they are parked."""
        limit = time.monotonic() + 60
        looks = 0
        # Twice in a row: a message that lands between a look at the far end and one at the tables brings statuses.
        while looks < 2:
            far = self.far.api("GET", "webhooks/")
            state = self.errand("watch", list(self.pids.values()), WATCH_SECONDS)
            under_way = {k for k, v in state.items() if v}
            looks = 0 if under_way or far["waiting"] else looks + 1
            # What is unknown holds back the contact's later messages; when nothing else moves, time passes.
            if not far["waiting"] and "unknown" in under_way <= {"unknown", "queued"}:
                self.errand("age", 700)
            if time.monotonic() > limit:
                raise AssertionError(
                    f"the run never came to rest: {state} {far} {self.errand('stuck')} {self._log()}"
                )
            self._revive()
            time.sleep(0.05)

    def hits(self) -> Counter[str]:
        """How often each failpoint was reached in the last run."""
        return Counter(line.split()[0] for line in self.log.read_text().splitlines())


SWITCHES = {
    "statuses": ["delivered"],
    "delivered_ms": 150,
    "jitter_ms": 0,
    "batch": 20,
    "retry_first_ms": 100,
    "retry_most_ms": 300,
}


def inbound_bodies() -> tuple[list[bytes], list[bytes]]:
    """Two messages of each contact: some alone and posted twice, some in batches, all once more in other batches.

    A customer writes the second after the first was taken, so they come as two loads.
    """
    firsts = [_message(n, 1, "hi") for n in range(CONTACTS)]
    seconds = [_message(n, 2, f"color {n}") for n in range(CONTACTS)]
    again = [_body(firsts[n : n + 5] + seconds[n : n + 5]) for n in range(0, CONTACTS, 5)]
    return _load(firsts), [*_load(seconds), *again]


def _load(messages: list[dict[str, Any]]) -> list[bytes]:
    alone = [_body([message]) for message in messages[:3]]
    batched = [_body(messages[n : n + 4]) for n in range(3, CONTACTS, 4)]
    return [*alone, *alone, *batched]


def _message(contact: int, number: int, text: str) -> dict[str, Any]:
    return {
        "from": phone_of(contact),
        "id": f"wamid.crash.{contact}.{number}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": text},
    }


def phone_of(contact: int) -> str:
    return f"9198765{contact:05d}"


def _body(messages: list[dict[str, Any]]) -> bytes:
    changes = [
        {
            "field": "messages",
            "value": {
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "15550100001", "phone_number_id": NUMBER},
                "contacts": [{"profile": {"name": "Asha"}, "wa_id": message["from"]}],
                "messages": [message],
            },
        }
        for message in messages
    ]
    entry = {"id": "2000000001", "changes": changes}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


@dataclass(frozen=True)
class Verdict:
    """What a run came to: ``faults`` is empty when every promise was kept."""

    crashes: tuple[Crash, ...]
    deaths: int
    faults: tuple[str, ...]
    parked: int
    sent: int

    @classmethod
    def of(cls, rig: Rig, crashes: tuple[Crash, ...]) -> "Verdict":
        outcome = rig.errand("outcome")
        ledger = [m for m in _ledger(rig) if m["direction"] == "from_business"]
        faults = [*outcome["breaches"], *_doubles(ledger), *_missing(outcome, ledger), *_inbound(outcome)]
        faults += [f"dead input {id_}" for id_ in outcome["dead"]]
        parked = sum(row["state"] == "parked" for row in outcome["outbox"])
        return cls(crashes, rig.deaths, tuple(faults), parked, len(ledger))


def _ledger(rig: Rig) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after = 0
    while after is not None:
        page = rig.far.api("GET", f"ledger/?after={after}" if after else "ledger/")
        rows += page["messages"]
        after = page["next_after"]
    return rows


def _row_of(token: str) -> str:
    return token.split(".")[1] if token.count(".") == 3 else token


def _doubles(ledger: list[dict[str, Any]]) -> list[str]:
    counts = Counter(_row_of(m["token"]) for m in ledger)
    return [f"{row} reached the far end {n} times" for row, n in counts.items() if n > 1]


def _missing(outcome: dict[str, Any], ledger: list[dict[str, Any]]) -> list[str]:
    """Each contact's two messages are in the ledger, or their rows are parked; accepted means in the ledger."""
    there = {_row_of(m["token"]) for m in ledger}
    faults = [
        f"{row['id']} is {row['state']} and {'not ' if row['id'] not in there else ''}in the ledger"
        for row in outcome["outbox"]
        if (row["state"] == "accepted") != (row["id"] in there) or row["state"] not in {"accepted", "parked"}
    ]
    said: dict[str, list[str]] = {}
    for row in sorted(outcome["outbox"], key=lambda r: r["seq"]):
        said.setdefault(row["contact__phone"], []).append(row["content"]["body"])
    for n in range(CONTACTS):
        wanted = [["Which color?", f"Painted COLOR {n}"], ["Which color?", f"Perhaps color {n}"]]
        if said.get(phone_of(n)) not in wanted:
            faults.append(f"{phone_of(n)} was told {said.get(phone_of(n))}")
    return faults


def _inbound(outcome: dict[str, Any]) -> list[str]:
    counts = Counter(tuple(pair) for pair in outcome["inbound"])
    wanted = {(phone_of(n), text) for n in range(CONTACTS) for text in ("hi", f"color {n}")}
    return [f"inbound {pair}: {counts[pair]} times" for pair in wanted | set(counts) if counts[pair] != 1]

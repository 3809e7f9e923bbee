"""The engine alone: turns a second and core, and the size of a session; plain Python, nothing else runs.

The reference of the same run is the JSON round trip of the session, which every turn pays in any case.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from flows.engine import run
from flows.engine.definition import Flow, flow_hash, parse_flow
from flows.engine.replies import IncomingMessage
from flows.engine.session import Reply, Session
from flows.engine.world import World

FLOW = {
    "id": "ride",
    "trigger": "ride",
    "steps": [
        {
            "id": "pick",
            "content": {
                "type": "buttons",
                "body": "Hi {{ contact.name | default: 'there' }}, which bike?",
                "buttons": [
                    {"id": "scrambler", "title": "Scrambler"},
                    {"id": "panigale", "title": "Panigale"},
                ],
            },
            "wait_for": {"type": "choice", "save_as": "bike"},
            "next_step": [{"when": "bike.id == 'panigale'", "step": "note"}, {"step": "tell"}],
        },
        {"id": "note", "type": "set", "set": {"score": "{{ score | default: 0 | plus: 1 }}"}},
        {
            "id": "check",
            "type": "branch",
            "next_step": [{"when": "score > 0", "step": "tell"}, {"step": "pick"}],
        },
        {"id": "tell", "content": {"type": "text", "body": "The {{ bike.title }}: a fine choice."}},
        {"id": "again", "content": {"type": "text", "body": "Anything else?"}, "wait_for": {"type": "text"}},
    ],
}
NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
ROUNDS = 9


def main() -> None:
    digest = flow_hash(FLOW)
    flow: Flow = parse_flow(FLOW, digest)
    world = World(
        flow={digest: flow}.get,
        latest=lambda _: digest,
        contact={
            "name": "Asha",
            "phone": "9198",
            "language": "en",
            "timezone": "UTC",
            "groups": [],
            "fields": {},
        },
        last_inbound_at=NOW,
    )
    text = IncomingMessage(type="text", text="ride", at=NOW.isoformat())
    tap = IncomingMessage(type="tap", text="Panigale", id="panigale", title="Panigale", at=NOW.isoformat())
    asked = run.start(world, digest, session_id="s", trigger=text, now=NOW).session
    session = run.resume(world, asked, Reply(message=tap), now=NOW).session
    record = json.dumps(session.to_json())
    rows = {
        "session JSON there and back": lambda: Session.from_json(json.loads(json.dumps(session.to_json()))),
        "start: trigger to question": lambda: run.start(world, digest, session_id="s", trigger=text, now=NOW),
        "turn of five steps": lambda: run.resume(world, asked, Reply(message=tap), now=NOW),
    }
    reference = 0.0
    print(f"{'':<30}{'us':>9}{'per s and core':>16}{'ratio':>8}")
    for name, work in rows.items():
        spent = cpu_of(work)
        reference = reference or spent
        print(f"{name:<30}{spent * 1e6:>9.0f}{1 / spent:>16,.0f}{spent / reference:>8.2f}")
    print(f"a session of this flow: {len(record)} bytes")


def cpu_of(work: Callable[[], object], calls: int = 400) -> float:
    """CPU seconds of one call: the median of several rounds."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(calls):
            work()
        rounds.append((time.process_time() - began) / calls)
    return sorted(rounds)[ROUNDS // 2]


if __name__ == "__main__":
    main()

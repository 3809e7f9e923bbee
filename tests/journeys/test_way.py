"""The conversation way through real processes and sockets, without a browser."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Running

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
NUMBER = "1000000001"
LIVE_SECONDS = 2
ASK = {
    "id": "colors",
    "trigger": "colors",
    "steps": [
        {
            "id": "ask",
            "content": {"type": "text", "body": "Which color?"},
            "wait_for": {"type": "text", "save_as": "color"},
        },
        {"id": "tell", "content": {"type": "text", "body": "You like {{ color }}."}, "next_step": None},
    ],
}


class Shop:
    """A running WhatsFlow with a dataset of its own, and its simulator's control API."""

    def __init__(self, home: Path) -> None:
        self.flows = home / "datasets" / "flows"
        self.flows.mkdir(parents=True)
        (home / "processors").mkdir()
        places = {
            "WHATSFLOW_DATASETS": str(home / "datasets"),
            "WHATSFLOW_PROCESSORS": str(home / "processors"),
        }
        self.up = Running(home, **places)
        self.up.wait_ready()
        keys = home / "var" / "keys"
        self.secret = (keys / "simulator_app_secret").read_text().strip()
        token = (keys / "simulator_token").read_text().strip()
        base = f"http://127.0.0.1:{self.up.port}"
        self.http = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def drop(self, flow: dict[str, Any]) -> None:
        """Put a flow's file in its place, whole at once, and wait as long as a person was promised."""
        path = self.flows / f"{flow['id']}.json"
        path.with_suffix(".part").write_text(json.dumps(flow))
        path.with_suffix(".part").rename(path)
        time.sleep(LIVE_SECONDS)

    def say(self, phone: str, text: str) -> None:
        answer = self.http.post("/simulator/api/send/", json={"from": phone, "text": text})
        assert answer.status_code in {200, 201}, answer.text

    def heard(self, phone: str, count: int, seconds: float = 15) -> list[str]:
        """What the customer heard, once it is ``count`` messages."""
        limit = time.monotonic() + seconds
        while True:
            rows = self.http.get("/simulator/api/ledger/", params={"contact": phone}).json()["messages"]
            texts = [r["body"]["text"]["body"] for r in rows if r["direction"] == "from_business"]
            if len(texts) >= count or time.monotonic() > limit:
                assert len(texts) == count, texts
                return texts
            time.sleep(0.1)

    def settled(self) -> None:
        """Nothing is under way at the far end, and for a moment nothing more comes."""
        limit = time.monotonic() + 20
        while self.http.get("/simulator/api/webhooks/").json()["waiting"]:
            assert time.monotonic() < limit
            time.sleep(0.1)
        time.sleep(0.5)

    def post(self, raw: bytes) -> int:
        mac = hmac.new(self.secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={mac}", "Content-Type": "application/json"}
        return self.http.post("/webhooks/whatsapp", content=raw, headers=headers).status_code


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop"))
    try:
        made.drop(ASK)
        yield made
    finally:
        made.http.close()
        made.up.stop()


def message(phone: str, wamid: str, text: str) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100001", "phone_number_id": NUMBER},
        "contacts": [{"profile": {"name": "Asha"}, "wa_id": phone}],
        "messages": [
            {
                "from": phone,
                "id": wamid,
                "timestamp": str(int(time.time())),
                "type": "text",
                "text": {"body": text},
            }
        ],
    }
    entry = {"id": "2000000001", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def post_at_once(shop: Shop, bodies: list[bytes], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        assert set(pool.map(shop.post, bodies)) == {200}


def test_fifty_copies_of_a_webhook_at_once_have_one_effect(shop: Shop) -> None:
    phone = "919000000001"
    shop.say(phone, "nobody waits for this")
    assert len(shop.heard(phone, 1)) == 1
    post_at_once(shop, [message(phone, "wamid.journey.50", "colors")] * 50, 16)
    assert shop.heard(phone, 2)[1] == "Which color?"
    shop.settled()
    assert shop.heard(phone, 2)[1] == "Which color?"


def test_two_messages_on_eight_concurrent_posts_are_one_session_in_order(shop: Shop) -> None:
    phone = "919000000002"
    shop.say(phone, "colors")
    shop.heard(phone, 1)
    first, second = message(phone, "wamid.journey.a", "green"), message(phone, "wamid.journey.b", "colors")
    assert shop.post(first) == 200
    post_at_once(shop, [first, second] * 4, 8)
    assert shop.heard(phone, 3) == ["Which color?", "You like green.", "Which color?"]
    shop.settled()
    assert len(shop.heard(phone, 3)) == 3


def test_an_unmatched_text_gets_the_numbers_reply_once_an_hour(shop: Shop) -> None:
    phone = "919000000003"
    shop.say(phone, "what is this")
    assert "did not understand" in shop.heard(phone, 1)[0]
    shop.say(phone, "and this")
    shop.settled()
    assert len(shop.heard(phone, 1)) == 1


def test_a_deleted_flow_is_retired_and_its_running_session_finishes(shop: Shop) -> None:
    phone, late = "919000000004", "919000000005"
    shop.drop({**ASK, "id": "fading", "trigger": "fade"})
    shop.say(phone, "fade")
    assert shop.heard(phone, 1) == ["Which color?"]
    (shop.flows / "fading.json").unlink()
    time.sleep(LIVE_SECONDS)
    shop.say(phone, "blue")
    assert shop.heard(phone, 2)[1] == "You like blue."
    shop.say(late, "fade")
    assert "did not understand" in shop.heard(late, 1)[0]


def test_an_edit_counts_for_new_sessions_and_the_old_one_ends_as_it_began(shop: Shop) -> None:
    old, new = "919000000006", "919000000007"
    flow = {**ASK, "id": "edited", "trigger": "edit"}
    shop.drop(flow)
    shop.say(old, "edit")
    shop.heard(old, 1)
    steps = [
        flow["steps"][0],
        {**flow["steps"][1], "content": {"type": "text", "body": "{{ color }}: noted."}},
    ]
    shop.drop({**flow, "steps": steps})
    shop.say(new, "edit")
    shop.heard(new, 1)
    shop.say(old, "red")
    shop.say(new, "red")
    assert shop.heard(old, 2)[1] == "You like red."
    assert shop.heard(new, 2)[1] == "red: noted."

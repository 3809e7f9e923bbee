"""The simulator as a process of its own: real sockets, spoiled answers, kill -9."""

import signal
import threading
from typing import Any

import httpx
import pytest

from tests.simulator.alone import TOKEN, StandAlone, wait_until
from tests.simulator.receiver import Receiver

ADA = "14155550142"


@pytest.fixture(autouse=True)
def _clean(alone: StandAlone, receiver: Receiver) -> None:
    receiver.clear()
    alone.api("POST", "reset/", everything=True)
    alone.api("POST", "send/", **{"from": ADA, "text": "hi"})
    wait_until(lambda: quiet(alone))
    receiver.clear()


def quiet(alone: StandAlone) -> bool:
    return alone.api("GET", "webhooks/")["waiting"] == 0


def post(alone: StandAlone, token: str = "t", timeout: float = 10) -> httpx.Response:
    number = alone.api("GET", "numbers/")["numbers"][0]["phone_number_id"]
    return httpx.post(
        f"{alone.url}/simulator/graph/v23.0/{number}/messages",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={
            "messaging_product": "whatsapp",
            "to": ADA,
            "type": "text",
            "text": {"body": "x"},
            "biz_opaque_callback_data": token,
        },
        timeout=timeout,
    )


def ledger(alone: StandAlone, token: str = "t") -> list[dict[str, Any]]:
    return alone.api("GET", f"ledger/?token={token}")["messages"]


def test_a_dropped_post_has_no_answer_but_the_message_was_taken(alone, receiver) -> None:
    alone.api("POST", "faults/", kind="drop")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(alone)
    assert [row["status"] != "refused" for row in ledger(alone)] == [True]
    wait_until(lambda: len(receiver.statuses()) == 3)
    assert {status["biz_opaque_callback_data"] for status in receiver.statuses()} == {"t"}
    assert post(alone, "after").status_code == 200


def test_a_drop_may_also_lose_the_message(alone) -> None:
    alone.api("POST", "faults/", kind="drop", accepts=False)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(alone)
    assert [row["status"] for row in ledger(alone)] == ["refused"]


def test_a_truncated_answer_breaks_in_its_body(alone) -> None:
    alone.api("POST", "faults/", kind="truncate")
    with pytest.raises(httpx.RemoteProtocolError):
        post(alone)
    assert len(ledger(alone)) == 1


def test_a_hang_outlasts_the_client(alone) -> None:
    alone.api("POST", "faults/", kind="hang", milliseconds=1500)
    with pytest.raises(httpx.ReadTimeout):
        post(alone, timeout=0.5)
    assert len(ledger(alone)) == 1


def test_a_slow_answer_does_not_hold_up_the_others(alone) -> None:
    alone.api("POST", "faults/", kind="slow", milliseconds=2000)
    answers: list[str] = []
    slow = threading.Thread(target=lambda: (post(alone, "slow"), answers.append("slow")))
    slow.start()
    wait_until(lambda: ledger(alone, "slow"))
    post(alone, "quick")
    answers.append("quick")
    slow.join(10)
    assert answers == ["quick", "slow"]


@pytest.mark.parametrize(
    ("kind", "status", "start", "rows"),
    [
        ("html", 502, "<!DOCTYPE", ["refused"]),
        ("unavailable", 503, "", ["refused"]),
        ("junk", 200, "OK", None),
        ("empty", 200, "", None),
    ],
)
def test_answers_that_are_not_metas(
    alone, kind: str, status: int, start: str, rows: list[str] | None
) -> None:
    alone.api("POST", "faults/", kind=kind)
    answer = post(alone)
    assert (answer.status_code, answer.text.startswith(start)) == (status, True)
    assert (rows is None) == (ledger(alone)[0]["status"] != "refused")


def test_a_status_can_come_before_the_answer(alone, receiver) -> None:
    alone.api("PATCH", "behaviour/", status_before_answer=True, sent_ms=1)
    post(alone)
    assert [status["status"] for status in receiver.statuses()][:1] == ["sent"]


def test_kill_9_loses_no_message_and_no_webhook(alone, receiver) -> None:
    release = threading.Event()
    receiver.answer = lambda _count: 200 if release.wait(20) else 500
    alone.api("PATCH", "behaviour/", statuses=[])
    for count in range(3):
        alone.api("POST", "send/", **{"from": f"4915100000{count}", "text": "hi"})
    assert post(alone, "kept").status_code == 200
    wait_until(lambda: len(receiver.posts) == 3)
    alone.process.send_signal(signal.SIGKILL)
    alone.process.wait(10)
    release.set()
    alone.start()
    wait_until(lambda: quiet(alone))
    assert len(ledger(alone, "kept")) == 1
    assert {value["messages"][0]["from"] for value in receiver.values("messages")} == {
        f"4915100000{count}" for count in range(3)
    }

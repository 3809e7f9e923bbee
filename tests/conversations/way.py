"""The conversation way in the hands of a test: signed bodies in, outbox rows out."""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client

from conversations import calls, tasks
from conversations.models import Inbox, Outbox, Session
from conversations.whatsapp import signature
from flows import loader, registry
from tests.conversations import bodies

URL = "/webhooks/whatsapp"


class Way:
    def __init__(self, folder: Path) -> None:
        self.client = Client()
        self.folder = folder

    # --- in ---
    def post(self, raw: bytes, *, secret: str | None = None, **headers: Any) -> Any:
        """POST bytes as Meta does; ``secret`` is the simulator's unless given."""
        signed = signature.sign(secret or settings.SIMULATOR_APP_SECRET, raw)
        given = {"HTTP_X_HUB_SIGNATURE_256": signed, **headers}
        return self.client.post(URL, data=raw, content_type="application/json", **given)

    def deliver(self, body: Mapping[str, Any], *, secret: str | None = None) -> None:
        response = self.post(json.dumps(body).encode(), secret=secret)
        assert response.status_code == 200, response.content

    def say(self, *texts: str, phone: str = bodies.PHONE, number: str = bodies.NUMBER) -> None:
        """One delivery with these texts of one customer."""
        self.deliver(bodies.messages(*(bodies.text(t, phone=phone) for t in texts), number=number))

    def drain(self, dispatcher: calls.Dispatcher | None = None) -> int:
        """Work until nothing is left to do; gives how much was done."""
        done = 0
        for _ in range(200):
            now = tasks.drain_once(dispatcher)
            if not now:
                return done
            done += now
        raise AssertionError("the drain does not come to an end")

    def talk(self, *texts: str, phone: str = bodies.PHONE) -> list[str]:
        """Say each text and wait for its turn; gives what was said since the first."""
        before = Outbox.objects.count()
        for one in texts:
            self.say(one, phone=phone)
            self.drain()
        return self.said()[before:]

    # --- flows ---
    def publish(self, *flows: dict[str, Any], processors: str = "", data: Mapping[str, Any] | None = None):
        for name in ("flows", "data", "processors"):
            (self.folder / name).mkdir(exist_ok=True)
        for flow in flows:
            (self.folder / "flows" / f"{flow['id']}.json").write_text(json.dumps(flow), encoding="utf-8")
        for name, content in (data or {}).items():
            (self.folder / "data" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        if processors:
            (self.folder / "processors" / "things.py").write_text(textwrap.dedent(processors))
        report = loader.load()
        assert report.is_clean, report.findings
        registry.refresh_if_changed()

    # --- out ---
    @staticmethod
    def said() -> list[str]:
        """The texts of all outgoing messages, in the order of their making."""
        return [row.content.get("body", "") for row in Outbox.objects.order_by("contact_id", "seq")]

    @staticmethod
    def session(**given: Any) -> Session:
        return Session.objects.get(**(given or {"state": "waiting"}))

    @staticmethod
    def inputs(*states: str) -> list[tuple[str, str]]:
        rows = Inbox.objects.order_by("contact_id", "seq")
        return [(i.kind, i.state) for i in rows if not states or i.state in states]


def say(step_id: str, body: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "content": {"type": "text", "body": body}, **more}


def flow(flow_id: str, *steps: dict[str, Any], trigger: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": flow_id, "trigger": trigger or flow_id.replace("_", " "), "steps": list(steps), **more}


def choice(step_id: str, body: str, *options: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A step that asks with buttons."""
    buttons = [{"id": i, "title": t} for i, t in options]
    wait = {"type": "choice", "save_as": "picked", **more.pop("wait", {})}
    return {
        "id": step_id,
        "content": {"type": "buttons", "body": body, "buttons": buttons},
        "wait_for": wait,
        **more,
    }


def ask(step_id: str, body: str, **more: Any) -> dict[str, Any]:
    """A step that asks for any answer."""
    wait = {"type": "any", "save_as": "answer", **more.pop("wait", {})}
    return say(step_id, body, wait_for=wait, **more)

"""The phone in a page: `/simulator/`, and the socket that carries what is said on it.

The consumer looks at the database four times a second, so that it works without Redis and whatever process took
the product's POST.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie

from simulator import chat, customers, delivery, numbers, records
from simulator.behaviour import FAULTS
from simulator.chat import SayingFault
from simulator.door import is_staff
from simulator.models import (
    SimulatedChat,
    SimulatedCustomer,
    SimulatedMessage,
    SimulatedNumber,
    SimulatedWebhook,
)
from simulator.phone_texts import texts
from simulator.refusals import WORDING

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.25
HISTORY = 100
# Rows are looked for a little into the past: a commit may come after its own time stamp.
OVERLAP = timedelta(seconds=5)
CLOSE_FORBIDDEN = 4403


@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponseBase:
    if not settings.SIMULATOR_ENABLED:
        raise Http404
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if not is_staff(request.user):
        raise PermissionDenied
    numbers.demo()
    if not SimulatedCustomer.objects.exists():
        customers.create(who="+1 415 555 0142", name="Ada Park")
    return render(request, "simulator/phone.html", {"config": _config()})


def _config() -> dict[str, Any]:
    found = SimulatedNumber.objects.select_related("app").order_by("pk")
    people = SimulatedCustomer.objects.order_by("pk")[:200]
    return {
        "numbers": [records.number(number) for number in found],
        "customers": [records.customer(customer) for customer in people],
        "faults": [{"kind": kind.name, "needs_code": kind.needs_code} for kind in FAULTS.values()],
        "codes": [{"code": code, "title": title} for code, (_, title) in sorted(WORDING.items())],
        "texts": texts(),
    }


class PhoneConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc] # channels carries no types
    """One open page. From it: `open` (number, customers), `say` (customer, saying, ref). To it: `messages`,
    `typing`, `queue`, `said`, `problem`.
    """

    async def connect(self) -> None:
        self.watch = Watch()
        self.ticker: asyncio.Task[None] | None = None
        if not settings.SIMULATOR_ENABLED or not is_staff(self.scope.get("user")):
            await self.close(CLOSE_FORBIDDEN)
            return
        await self.accept()
        self.ticker = asyncio.create_task(self._tick())

    async def disconnect(self, _code: int) -> None:
        if self.ticker is not None:
            self.ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self.ticker

    async def receive_json(self, content: Any, **_: Any) -> None:
        kind = content.get("type") if isinstance(content, Mapping) else None
        try:
            if kind == "open":
                await database_sync_to_async(self.watch.open)(content)
                await self._look()
            elif kind == "say":
                await self._say(content)
            else:
                raise SayingFault(f"type: expected open or say, got {kind!r}")
        except SayingFault as fault:
            await self.send_json({"type": "problem", "ref": _ref(content), "text": str(fault)})

    async def _say(self, content: Mapping[str, Any]) -> None:
        message = await database_sync_to_async(_say)(self.watch.number_id, content)
        await self.send_json({"type": "said", "ref": content.get("ref"), "message": message})

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self._look()
            except DatabaseError as error:
                logger.warning("simulator: the page's look at the database failed: %s", error)

    async def _look(self) -> None:
        for news in await database_sync_to_async(self.watch.news)():
            await self.send_json(news)


def _ref(content: Any) -> Any:
    return content.get("ref") if isinstance(content, Mapping) else None


def _say(number_id: int | None, content: Mapping[str, Any]) -> dict[str, Any]:
    number = SimulatedNumber.objects.select_related("app").filter(pk=number_id or 0).first()
    customer = SimulatedCustomer.objects.filter(pk=_whole(content.get("customer"))).first()
    saying = content.get("saying")
    if number is None or customer is None or not isinstance(saying, Mapping):
        raise SayingFault("expected customer and saying, after open")
    return records.message(chat.say(number, customer, saying))


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


class Watch:
    """What one page shows, and what of it the page has been told already."""

    def __init__(self) -> None:
        self.number_id: int | None = None
        self.customer_ids: list[int] = []
        self._told: dict[int, datetime] = {}
        self._since: datetime | None = None
        self._typing: dict[int, bool] = {}
        self._queue: dict[str, Any] = {}

    def open(self, content: Mapping[str, Any]) -> None:
        """Show these customers of this number from now on; all is told anew.

        Raises: SayingFault.
        """
        number = numbers.find(str(content.get("number")))
        wanted = content.get("customers")
        if number is None or not isinstance(wanted, list):
            raise SayingFault("open: expected a number that exists and a list of customers")
        ids = [pk for pk in wanted if isinstance(pk, int)]
        self.__init__()  # type: ignore[misc] # a new look begins with nothing told
        self.number_id = number.pk
        self.customer_ids = list(SimulatedCustomer.objects.filter(pk__in=ids).values_list("pk", flat=True))
        transaction.on_commit(delivery.wake)

    def news(self) -> list[dict[str, Any]]:
        if self.number_id is None:
            return []
        found = [self._messages(), self._typists(), self._queue_state()]
        return [news for news in found if news]

    def _messages(self) -> dict[str, Any] | None:
        rows = SimulatedMessage.objects.select_related("number", "customer").filter(
            number_id=self.number_id, customer_id__in=self.customer_ids
        )
        if self._since is None:
            changed = [
                row
                for pk in self.customer_ids
                for row in rows.filter(customer_id=pk).order_by("-pk")[:HISTORY]
            ]
        else:
            changed = list(rows.filter(changed_at__gt=self._since).order_by("pk")[:500])
        self._since = timezone.now() - OVERLAP
        fresh = sorted(
            (row for row in changed if self._told.get(row.pk) != row.changed_at), key=lambda row: row.pk
        )
        self._told |= {row.pk: row.changed_at for row in fresh}
        if not fresh:
            return None
        return {"type": "messages", "messages": [records.message(row) for row in fresh]}

    def _typists(self) -> dict[str, Any] | None:
        rows = SimulatedChat.objects.filter(number_id=self.number_id, customer_id__in=self.customer_ids)
        now = timezone.now()
        typing = {
            pk: until is not None and until > now
            for pk, until in rows.values_list("customer_id", "typing_until")
        }
        if typing == self._typing:
            return None
        self._typing = typing
        return {"type": "typing", "customers": [pk for pk, is_typing in typing.items() if is_typing]}

    def _queue_state(self) -> dict[str, Any] | None:
        rows = SimulatedWebhook.objects.filter(number_id=self.number_id)
        waiting = rows.filter(state=SimulatedWebhook.State.WAITING)
        failed = waiting.filter(tries__gt=0).exclude(last_answer="").order_by("-pk")
        told = {
            "waiting": waiting.count(),
            "given_up": rows.filter(state=SimulatedWebhook.State.GIVEN_UP).count(),
            "failure": failed.values_list("last_answer", flat=True).first() or "",
        }
        if told == self._queue:
            return None
        self._queue = told
        return {"type": "queue", **told}

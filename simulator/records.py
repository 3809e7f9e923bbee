"""The simulator's rows as JSON, for the control API and the phone page."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from simulator import chat, numbers
from simulator.models import SimulatedCustomer, SimulatedMessage, SimulatedNumber, SimulatedWebhook


def number(row: SimulatedNumber) -> dict[str, Any]:
    return {
        "phone_number_id": row.phone_number_id,
        "display_phone_number": row.display_phone_number,
        "verified_name": row.verified_name,
        "waba_id": row.waba_id,
        "app_id": row.app.app_id,
        "callback_url": numbers.callback_url(row),
        "behaviour": numbers.behaviour(row).to_json(),
    }


def customer(row: SimulatedCustomer) -> dict[str, Any]:
    return {
        "id": row.pk,
        "phone": row.wa_id,
        "user_id": row.user_id,
        "name": row.name,
        "username": row.username,
        "hides_phone": row.hides_phone,
        "on_whatsapp": row.on_whatsapp,
    }


def message(row: SimulatedMessage) -> dict[str, Any]:
    return {
        "id": row.pk,
        "number": row.number.phone_number_id,
        "contact": (row.customer.wa_id or row.customer.user_id) if row.customer else None,
        "customer_id": row.customer_id,
        "direction": row.direction,
        "wamid": row.wamid,
        "type": row.type,
        "body": row.body,
        "token": row.token,
        "context": row.context_wamid,
        "status": row.status,
        "error": row.error,
        "answer": row.answer,
        "reactions": row.reactions,
        "options": [option.id for option in chat.options(row)] if row.direction == "from_business" else [],
        "at": row.at.isoformat(),
    }


def queue(rows: QuerySet[SimulatedWebhook], *, listed: bool) -> dict[str, Any]:
    counts = dict(rows.values_list("state").annotate(count=Count("pk")).order_by())
    waiting = rows.filter(state=SimulatedWebhook.State.WAITING)
    answer: dict[str, Any] = {state: counts.get(state, 0) for state in SimulatedWebhook.State.values}
    answer["failing"] = waiting.filter(tries__gt=0, leased_until=None).count()
    answer["next_due_in_ms"] = _from_now(waiting.aggregate(at=Min("due_at"))["at"])
    if listed:
        answer["webhooks"] = [webhook(row) for row in rows.select_related("number").order_by("-pk")[:1000]]
    return answer


def _from_now(moment: datetime | None) -> int | None:
    return None if moment is None else round((moment - timezone.now()).total_seconds() * 1000)


def webhook(row: SimulatedWebhook) -> dict[str, Any]:
    return {
        "id": row.pk,
        "number": row.number.phone_number_id,
        "field": row.field,
        "value": row.value,
        "raw_body": row.raw_body,
        "status": row.status,
        "state": row.state,
        "tries": row.tries,
        "last_answer": row.last_answer,
        "due_at": row.due_at.isoformat(),
        "delivered_at": row.delivered_at.isoformat() if row.delivered_at else None,
    }

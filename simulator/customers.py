"""The people with WhatsApp whom the simulator plays."""

import re
import secrets
from typing import Any

import phonenumbers

from simulator.models import SimulatedChat, SimulatedCustomer, SimulatedNumber
from simulator.payloads import contact, new_user_id

_BSUID = re.compile(r"[A-Z]{2}\..+")
# Of each area code the numbers 555-0100 to 555-0199 are set aside for fiction.
_AREAS = (202, 206, 212, 303, 312, 404, 415, 512, 602, 617, 702, 808, 917)


def find(who: str) -> SimulatedCustomer | None:
    """Return the customer with this phone (any writing of it) or business-scoped user id."""
    if _BSUID.fullmatch(who):
        return SimulatedCustomer.objects.filter(user_id=who).first()
    return SimulatedCustomer.objects.filter(wa_id=re.sub(r"\D", "", who)).first()


def create(*, who: str = "", name: str = "", **more: Any) -> SimulatedCustomer:
    """Return the customer with this id, made now if there is none; without an id a new person is made up."""
    if who and (known := find(who)):
        return known
    if who and _BSUID.fullmatch(who):
        keys: dict[str, Any] = {"user_id": who, "wa_id": None}
    else:
        wa_id = re.sub(r"\D", "", who) or _new_phone()
        keys = {"wa_id": wa_id, "user_id": new_user_id(country_of(wa_id))}
    customer, _ = SimulatedCustomer.objects.get_or_create(
        **({"wa_id": keys["wa_id"]} if keys["wa_id"] else {"user_id": keys["user_id"]}),
        defaults={**keys, "name": name or keys["wa_id"] or "Customer", **more},
    )
    return customer


def _new_phone() -> str:
    """Make up a phone that no customer has; nobody plays with more than a thousand made-up people."""
    taken = set(SimulatedCustomer.objects.filter(wa_id__contains="55501").values_list("wa_id", flat=True))
    free = {f"1{area}55501{last:02d}" for area in _AREAS for last in range(100)} - taken
    return secrets.choice(sorted(free))


def country_of(wa_id: str) -> str:
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse("+" + wa_id))
    except phonenumbers.NumberParseException:
        region = None
    return region if region and region.isalpha() else "US"


def chat_of(number: SimulatedNumber, customer: SimulatedCustomer) -> SimulatedChat:
    return SimulatedChat.objects.get_or_create(number=number, customer=customer)[0]


def person(customer: SimulatedCustomer) -> dict[str, Any]:
    """The customer as `contacts[]` of a webhook shows them."""
    return contact(
        name=customer.name,
        wa_id=None if customer.hides_phone else customer.wa_id,
        user_id=customer.user_id,
        username=customer.username,
    )

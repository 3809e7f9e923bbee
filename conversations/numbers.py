"""Our WhatsApp numbers: the ones that exist from the start, their encrypted tokens, and where each is served."""

from django.conf import settings
from django.db import transaction

from conversations.models import Number
from flows import secrets
from flows.apis import tokens
from flows.encryption import TokenUnreadable, decrypt, encrypt, rotate

__all__ = [
    "TokenUnreadable",
    "decrypt",
    "encrypt",
    "ensure_numbers",
    "graph_for",
    "has_token",
    "rotate",
    "rotate_tokens",
    "set_token",
]


def rotate_tokens() -> int:
    """Put every stored token and secret under the first key; returns how many. Either all move or none."""
    with transaction.atomic():
        numbers = list(Number.objects.select_for_update().exclude(token=""))
        for number in numbers:
            number.token = rotate(number.token)
        Number.objects.bulk_update(numbers, ["token"])
        return len(numbers) + secrets.rotate_all() + tokens.rotate_all()


def set_token(number: Number, token: str) -> None:
    """Keep ``token`` encrypted on ``number``; the caller saves it. An empty one forgets what was kept."""
    number.token = encrypt(token) if token else ""


def has_token(number: Number) -> bool:
    """Whether messages of ``number`` can be authorized at Meta, whatever way the token comes."""
    if number.is_simulated:
        return True
    return bool(number.token or (number.is_from_environment and settings.WHATSAPP_TOKEN))


def graph_for(number: Number) -> tuple[str, str]:
    """Say where ``number`` is served and the token for it: ``(base URL without version, token)``.

    The environment's token wins for the environment's number, so that a rotation there takes effect.

    Raises: TokenUnreadable.
    """
    if number.is_simulated:
        return f"{settings.SIMULATOR_BASE_URL}/simulator/graph", settings.SIMULATOR_TOKEN
    if number.is_from_environment and settings.WHATSAPP_TOKEN:
        return settings.WHATSAPP_GRAPH_URL, settings.WHATSAPP_TOKEN
    return settings.WHATSAPP_GRAPH_URL, decrypt(number.token) if number.token else ""


def ensure_numbers() -> list[Number]:
    """Create the numbers that settings name, at every start; what staff changed on them stays."""
    numbers = []
    if settings.WHATSAPP_PHONE_ID:
        numbers.append(_environment_number())
    if settings.SIMULATOR_ENABLED:
        numbers.append(_simulated_number())
    else:
        Number.objects.filter(is_simulated=True, is_active=True).update(is_active=False)
    return numbers


def _environment_number() -> Number:
    number, _created = Number.objects.update_or_create(
        phone_number_id=settings.WHATSAPP_PHONE_ID,
        defaults={"is_from_environment": True, "waba_id": settings.WHATSAPP_BUSINESS_ACCOUNT_ID},
        create_defaults={
            "name": "WhatsApp",
            "is_from_environment": True,
            "waba_id": settings.WHATSAPP_BUSINESS_ACCOUNT_ID,
        },
    )
    Number.objects.filter(is_from_environment=True).exclude(pk=number.pk).update(is_from_environment=False)
    return number


def _simulated_number() -> Number:
    number, _created = Number.objects.update_or_create(
        phone_number_id=settings.SIMULATOR_PHONE_NUMBER_ID,
        defaults={"is_simulated": True, "is_active": True},
        create_defaults={
            "name": "Demo number",
            "waba_id": settings.SIMULATOR_WABA_ID,
            "display_phone_number": "+1 555 010 0001",
            "is_simulated": True,
        },
    )
    return number

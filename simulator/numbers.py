"""The businesses' numbers that the simulated Meta serves, and what each inherits from its app and the settings."""

from typing import Any

from django.conf import settings

from simulator.behaviour import Behaviour, change_behaviour
from simulator.models import SimulatedApp, SimulatedNumber

DEMO_APP_ID = "1000000000000001"
DEMO_DISPLAY = "+1 555 010 0001"


def demo_phone_number_id() -> str:
    return str(settings.SIMULATOR_PHONE_NUMBER_ID)


def find(phone_number_id: str) -> SimulatedNumber | None:
    """Return the number; the demo's own comes into being when it is first asked for."""
    if phone_number_id == demo_phone_number_id():
        return demo()
    return SimulatedNumber.objects.select_related("app").filter(phone_number_id=phone_number_id).first()


def demo() -> SimulatedNumber:
    number = (
        SimulatedNumber.objects.select_related("app").filter(phone_number_id=demo_phone_number_id()).first()
    )
    return number or create(
        phone_number_id=demo_phone_number_id(), display_phone_number=DEMO_DISPLAY, verified_name="Demo"
    )


def create(
    *,
    phone_number_id: str,
    display_phone_number: str,
    verified_name: str,
    waba_id: str = "",
    app_id: str = DEMO_APP_ID,
    **more: Any,
) -> SimulatedNumber:
    """Create the number, or return the one that has the id already."""
    app, _ = SimulatedApp.objects.get_or_create(app_id=app_id)
    number, _ = SimulatedNumber.objects.select_related("app").get_or_create(
        phone_number_id=phone_number_id,
        defaults={
            "display_phone_number": display_phone_number,
            "verified_name": verified_name,
            "waba_id": waba_id or str(settings.SIMULATOR_WABA_ID),
            "app": app,
            **more,
        },
    )
    return number


def access_token(number: SimulatedNumber) -> str:
    return number.access_token or str(settings.SIMULATOR_TOKEN)


def secret(app: SimulatedApp) -> str:
    return app.secret or str(settings.SIMULATOR_APP_SECRET)


def callback_url(number: SimulatedNumber) -> str:
    """The alternate callback of the number wins over the app's, and that over the setting."""
    return number.callback_url or number.app.callback_url or str(settings.SIMULATOR_WEBHOOK_URL)


def behaviour(number: SimulatedNumber) -> Behaviour:
    return change_behaviour(Behaviour(), number.behaviour)

"""Our numbers: those of the settings exist, tokens are kept encrypted, each is served where it belongs."""

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from django.urls import reverse

from conversations import numbers
from conversations.models import Number
from tests.factories import NumberFactory, UserFactory

TOKEN = "EAAG-a-real-looking-token"


@pytest.fixture
def real(db: None) -> Number:
    return NumberFactory.create(phone_number_id="777", is_simulated=False, name="Showroom")


def test_what_is_encrypted_reads_back_and_shows_nothing() -> None:
    secret = numbers.encrypt(TOKEN)
    assert TOKEN not in secret
    assert numbers.decrypt(secret) == TOKEN


def test_an_old_key_reads_until_tokens_are_rotated(settings: object, real: Number) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.WHATSFLOW_ENCRYPTION_KEYS = [old]
    numbers.set_token(real, TOKEN)
    real.save()
    settings.WHATSFLOW_ENCRYPTION_KEYS = [new, old]
    assert numbers.graph_for(real)[1] == TOKEN
    assert numbers.rotate_tokens() == 1
    settings.WHATSFLOW_ENCRYPTION_KEYS = [new]
    assert numbers.graph_for(Number.objects.get(pk=real.pk))[1] == TOKEN


def test_a_lost_key_is_named_and_the_token_is_not(settings: object, real: Number) -> None:
    numbers.set_token(real, TOKEN)
    settings.WHATSFLOW_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(numbers.TokenUnreadable, match="WHATSFLOW_ENCRYPTION_KEYS") as caught:
        numbers.graph_for(real)
    assert TOKEN not in str(caught.value)
    assert real.token not in str(caught.value)


def test_a_real_number_is_served_by_meta(settings: object, real: Number) -> None:
    numbers.set_token(real, TOKEN)
    assert numbers.graph_for(real) == (settings.WHATSAPP_GRAPH_URL, TOKEN)


def test_a_simulated_number_never_gets_a_real_token(settings: object, db: None) -> None:
    settings.WHATSAPP_TOKEN = TOKEN
    number = NumberFactory.create()
    numbers.set_token(number, TOKEN)
    base_url, token = numbers.graph_for(number)
    assert base_url.startswith(settings.SIMULATOR_BASE_URL)
    assert token == settings.SIMULATOR_TOKEN


def test_the_environments_token_wins_for_its_number(settings: object, real: Number) -> None:
    numbers.set_token(real, "an older one")
    real.is_from_environment = True
    settings.WHATSAPP_TOKEN = TOKEN
    assert numbers.graph_for(real)[1] == TOKEN
    settings.WHATSAPP_TOKEN = ""
    assert numbers.graph_for(real)[1] == "an older one"


@pytest.mark.django_db
def test_the_numbers_of_the_settings_exist_once_and_keep_what_staff_changed(settings: object) -> None:
    settings.WHATSAPP_PHONE_ID, settings.WHATSAPP_BUSINESS_ACCOUNT_ID = "4711", "99"
    numbers.ensure_numbers()
    Number.objects.filter(phone_number_id="4711").update(name="Renamed")
    numbers.ensure_numbers()
    found = {n.phone_number_id: n for n in Number.objects.all()}
    assert set(found) == {"4711", settings.SIMULATOR_PHONE_NUMBER_ID}
    assert (found["4711"].name, found["4711"].waba_id, found["4711"].is_from_environment) == (
        "Renamed",
        "99",
        True,
    )
    assert found[settings.SIMULATOR_PHONE_NUMBER_ID].is_simulated


@pytest.mark.django_db
def test_without_the_simulator_its_number_rests(settings: object) -> None:
    numbers.ensure_numbers()
    settings.SIMULATOR_ENABLED = False
    numbers.ensure_numbers()
    assert not Number.objects.get().is_active


@pytest.fixture
def boss(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory.create(group="Admin"))
    return client


def fields(number: Number, **more: str) -> dict[str, str]:
    return {
        "name": number.name,
        "phone_number_id": number.phone_number_id,
        "display_phone_number": "+1 555",
        "is_active": "on",
        "default_language": "en",
        "default_timezone": "UTC",
        "default_region": "IN",
        "rate": "60",
        "unmatched_reply": "{}",
        "failure_reply": "{}",
        **more,
    }


def test_a_token_goes_in_by_the_page_and_never_comes_out(boss: Client, real: Number) -> None:
    url = reverse("admin:conversations_number_change", args=[real.pk])
    response = boss.post(url, fields(real, new_token=TOKEN), follow=True)
    real.refresh_from_db()
    assert numbers.decrypt(real.token) == TOKEN
    for text in (response.content.decode(), boss.get(url).content.decode()):
        assert TOKEN not in text
        assert real.token not in text
    history = boss.get(reverse("admin:conversations_number_history", args=[real.pk])).content.decode()
    assert TOKEN not in history


def test_an_empty_field_keeps_the_token(boss: Client, real: Number) -> None:
    numbers.set_token(real, TOKEN)
    real.save()
    boss.post(reverse("admin:conversations_number_change", args=[real.pk]), fields(real, name="New name"))
    real.refresh_from_db()
    assert real.name == "New name"
    assert numbers.decrypt(real.token) == TOKEN


def test_a_refused_form_does_not_echo_the_token(boss: Client, real: Number) -> None:
    url = reverse("admin:conversations_number_change", args=[real.pk])
    response = boss.post(url, fields(real, new_token=TOKEN, rate="0"))
    assert response.status_code == 200
    assert TOKEN not in response.content.decode()


def test_a_token_can_be_forgotten(boss: Client, real: Number) -> None:
    numbers.set_token(real, TOKEN)
    real.save()
    boss.post(reverse("admin:conversations_number_move", args=[real.pk, "forget_token"]))
    real.refresh_from_db()
    assert real.token == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "-1"),
        ("rate", "nan"),
        ("rate", "1e9"),
        ("phone_number_id", "+1 555"),
        ("unmatched_reply", "[]"),
        ("unmatched_reply", '{"en": 5}'),
        ("failure_reply", '"text"'),
    ],
)
def test_a_wrong_value_is_refused(boss: Client, name: str, value: str) -> None:
    number = Number(phone_number_id="888", name="New")
    response = boss.post(reverse("admin:conversations_number_add"), fields(number, **{name: value}))
    assert response.status_code == 200
    assert not Number.objects.filter(name="New").exists()


def test_a_new_number_is_added(boss: Client) -> None:
    number = Number(phone_number_id="888", name="New")
    assert (
        boss.post(reverse("admin:conversations_number_add"), fields(number, new_token=TOKEN)).status_code
        == 302
    )
    made = Number.objects.get(phone_number_id="888")
    assert (made.is_simulated, numbers.decrypt(made.token)) == (False, TOKEN)

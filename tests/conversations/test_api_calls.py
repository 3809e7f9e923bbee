"""Steps that call an API, and processors that do: over a real socket, once, and never in anybody's way."""

import json
import time

import pytest

from conversations import calls, tasks
from conversations.models import Call, Session
from flows import loader, registry
from flows.apis import client
from flows.models import ApiCall, FlowFile
from tests.conversations.way import flow, say
from tests.flows.apis.web import serving

ENDS = [say("failed", "It failed", next_step=None), say("unknown", "Nobody knows", next_step=None)]
EDGES = {"on_fail": "failed", "on_unknown": "unknown"}
PROCESSORS = """
    from flows.processing import ApiError, Context, processor

    @processor(idempotent=True)
    def degrees(city: str, context: Context) -> str:
        try:
            return f"{context.api('weather', city=city)} degrees"
        except ApiError as error:
            return f"not today: {error}"
"""


@pytest.fixture
def web(settings, monkeypatch):
    with serving() as made:
        settings.WHATSFLOW_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        settings.WHATSFLOW_API_PORTS = [8080]
        client.door.cache_clear()
        # The file names a port that files may name; what listens is elsewhere.
        real = client._opened
        monkeypatch.setattr(
            client, "_opened", lambda address, _port, flight: real(address, made.port, flight)
        )
        yield made
    client.door.cache_clear()


@pytest.fixture
def weather(way, web):
    folder = way.folder / "apis"
    folder.mkdir()
    record = {
        "url": "http://127.0.0.1:8080/weather/{{ city }}",
        "allow_http": True,
        "args": {"city": {"type": "string", "required": True}},
        "result": "temp",
        "timeout_seconds": 5,
    }
    (folder / "weather.json").write_text(json.dumps(record))
    step = {
        "id": "look",
        "type": "api",
        "api": "weather",
        "args": {"city": "Pune"},
        "save_as": "degrees",
        **EDGES,
    }
    by_code = {
        "id": "look",
        "type": "processor",
        "name": "degrees",
        "args": {"city": "Goa"},
        "save_as": "told",
        **EDGES,
    }
    way.publish(
        flow(
            "weather",
            say("wait", "One moment"),
            step,
            say("done", "{{ degrees }} degrees", next_step=None),
            *ENDS,
        ),
        flow("coded", by_code, say("done", "It has {{ told }}", next_step=None), *ENDS),
        flow("hours", say("say", "We are open.")),
        processors=PROCESSORS,
    )
    web.usual = lambda call: call.answer(b'{"temp": 31}')
    return way


@pytest.fixture
def dispatcher():
    made = calls.Dispatcher(lambda: None, size=1)
    yield made
    made.close()


def until_ended(way, dispatcher, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not way.said() or Session.objects.exclude(state="ended").exists():
        assert time.monotonic() < deadline, list(Call.objects.values())
        way.drain(dispatcher)
        time.sleep(0.02)


def test_an_api_step_takes_the_answer_into_the_flow(weather, web, dispatcher):
    weather.say("weather")
    until_ended(weather, dispatcher)
    assert weather.said() == ["One moment", "31 degrees"]
    assert [came.path for came in web.came] == ["/weather/Pune"]
    assert ApiCall.objects.get().key == f"wf-{Call.objects.get().id}"


@pytest.mark.parametrize(("status", "said"), [(404, "It failed"), (500, "It failed")])
def test_a_refusal_takes_the_edge_of_failures(weather, web, dispatcher, status, said):
    web.usual = lambda call: call.answer(b"{}", status=status)
    weather.say("weather")
    until_ended(weather, dispatcher)
    assert weather.said() == ["One moment", said]
    assert f"http_{status}" in ApiCall.objects.get().code


def test_a_processor_calls_an_api_by_its_context(weather, web, dispatcher):
    weather.say("coded")
    until_ended(weather, dispatcher, 60)
    assert weather.said() == ["It has 31 degrees"]
    assert ApiCall.objects.get().key == f"wf-{Call.objects.get().id}.1"


def test_a_processor_that_runs_again_gets_the_recorded_answer(weather, web, dispatcher):
    weather.say("coded")
    until_ended(weather, dispatcher, 60)
    outcome, _ = dispatcher._outcome(calls.Started(**_started(Call.objects.get())))
    assert (outcome.value, len(web.came)) == ("31 degrees", 1)


def _started(call: Call) -> dict:
    names = ("id", "session_id", "contact_id", "phone_number_id", "kind", "name", "flow_id", "request")
    return {name: getattr(call, name) for name in names} | {
        "timeout_seconds": call.timeout_seconds,
        "attempt": call.attempts,
    }


def test_many_that_wait_for_a_slow_api_do_not_hold_up_an_answer(weather, web, dispatcher, settings):
    web.usual = lambda call: (web.stop.wait(2), call.answer(b'{"temp": 31}'))
    for n in range(60):
        weather.say("weather", phone=f"91960790{n:04d}")
    while tasks.drain_once(dispatcher):
        pass
    assert Call.objects.filter(state="started").count() == settings.WHATSFLOW_API_CALLS
    began = time.monotonic()
    weather.say("hours")
    tasks.drain_once(dispatcher)
    assert "We are open." in weather.said()
    assert time.monotonic() - began < 1.0
    web.stop.set()


def test_a_record_that_is_broken_leaves_the_last_good_one_live(weather, web, dispatcher):
    path = weather.folder / "apis" / "weather.json"
    path.write_text('{"url": "ftp://127.0.0.1/x"}')
    report = loader.load()
    assert [f.code for f in report.findings if f.is_error] == ["WF601"]
    assert FlowFile.objects.get(path="apis/weather.json").is_broken
    registry.refresh_if_changed()
    weather.say("weather")
    until_ended(weather, dispatcher)
    assert weather.said() == ["One moment", "31 degrees"]


def test_a_crash_between_the_call_and_its_record_is_unknown_for_a_write(weather, web):
    record = json.loads((weather.folder / "apis" / "weather.json").read_text())
    (weather.folder / "apis" / "weather.json").write_text(json.dumps({**record, "method": "POST"}))
    loader.load()
    registry.refresh_if_changed()
    weather.talk("weather")
    (call,) = calls.claim(10, "api")
    Call.objects.update(lease_until="2000-01-01 00:00Z")
    assert calls.recover() == 1
    weather.drain()
    assert weather.said() == ["One moment", "Nobody knows"]
    assert Call.objects.get(pk=call.id).state == "unknown"

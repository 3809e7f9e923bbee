"""What a processor asks of its context while it runs: APIs and secrets, by way of the parent."""

import pytest

from flows.processing import ApiError, Context

CALLS = """
    from flows.processing import ApiError, Context, processor

    @processor
    def work(context: Context, city: str = "Pune"):
        {body}
"""


def body(text: str) -> str:
    return CALLS.format(body=text)


def test_an_api_is_asked_for_by_name_and_its_answer_comes_back(workshop):
    asked = []

    def ask(what, name, args, seconds):
        asked.append((what, name, args, seconds > 0))
        return {"value": {"degrees": 31, "of": args["city"]}}

    outcome = workshop.outcome_of(body('return context.api("weather", city=city)["degrees"]'), ask=ask)
    assert (outcome.state, outcome.value) == ("ok", 31)
    assert asked == [("api", "weather", {"city": "Pune"}, True)]


def test_several_questions_of_one_call_are_answered_in_turn(workshop):
    numbers = iter(range(10))
    outcome = workshop.outcome_of(
        body('return [context.api("n"), context.secret("key"), context.api("n")]'),
        ask=lambda what, *_: {"value": next(numbers) if what == "api" else "s3cret"},
    )
    assert outcome.value == [0, "s3cret", 1]


def test_an_api_that_fails_raises_in_the_processor_with_its_outcome(workshop):
    text = """
        try:
            return context.api("weather")
        except ApiError as error:
            return [str(error), error.outcome]"""
    outcome = workshop.outcome_of(
        body(text.strip()),
        ask=lambda *_: {"error": "weather: no answer within 2 s", "outcome": "unknown"},
    )
    assert outcome.value == ["weather: no answer within 2 s", "unknown"]


def test_an_unknown_secret_is_a_failure_that_names_it(workshop):
    outcome = workshop.outcome_of(
        body('return context.secret("smtp")'),
        ask=lambda _what, name, *_: {"error": f"no secret {name!r} is set", "outcome": "failed"},
    )
    assert (outcome.state, outcome.reason) == ("failed", "LookupError: no secret 'smtp' is set")


def test_without_anyone_to_ask_the_reason_says_so(workshop):
    outcome = workshop.outcome_of(body('return context.api("weather")'))
    assert outcome.state == "failed"
    assert outcome.reason == "ApiError: no api can be asked for here"


def test_arguments_that_are_not_json_name_the_fault(workshop):
    outcome = workshop.outcome_of(
        body('return context.api("weather", city={1})'), ask=lambda *_: {"value": 1}
    )
    assert (outcome.state, outcome.reason) == (
        "failed",
        "api 'weather': asked with set at city, which is not JSON",
    )


def test_the_time_of_an_api_is_time_of_the_processor(workshop):
    def ask(*_):
        import time

        time.sleep(0.6)
        return {"value": 1}

    outcome = workshop.outcome_of(body('return context.api("slow")'), ask=ask, timeout=0.4)
    assert outcome.state == "unknown"
    assert outcome.reason == "took longer than its 0.4 s and was ended"


def test_a_child_that_asked_serves_the_next_call(workshop):
    text = body('return context.api("n") if city == "Pune" else city')
    assert workshop.outcome_of(text, ask=lambda *_: {"value": "asked"}).value == "asked"
    assert workshop.call("work", {"city": "Goa"}).value == "Goa"


def test_a_context_of_a_test_is_given_its_api_in_one_argument():
    context = Context(api=lambda name, **args: [name, args], secret=lambda name: f"<{name}>")
    assert context.api("weather", city="Pune") == ["weather", {"city": "Pune"}]
    assert context.secret("key") == "<key>"
    with pytest.raises(ApiError, match="in a test give one"):
        Context().api("weather")
    with pytest.raises(LookupError, match="in a test give one"):
        Context().secret("key")

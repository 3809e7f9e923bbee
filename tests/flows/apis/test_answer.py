"""Answers: what is good becomes a value, everything else a code with a reason that tells nothing secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.apis.answer import Mapped, Page, map_answer, map_mock, page_of, redacted
from flows.apis.definition import read

JSON = {"Content-Type": "application/json"}


def record(**more):
    made, faults = read("book_ride", {"url": "https://api.example.com/rides", **more})
    assert faults == []
    return made


def mapped(value=None, status=200, headers=JSON, **more):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return map_answer(record(**more), status, headers, body)


def failed(code, reason):
    return Mapped(outcome="failed", code=code, reason=reason)


def ok(value):
    return Mapped(outcome="ok", value=value)


RIDE = {"data": {"id": "R1", "slots": [{"at": 9}, {"at": 10}]}}


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (None, RIDE),
        ("data.id", "R1"),
        (
            {"reference": "data.id", "first": "data.slots[0].at", "none": "data.x"},
            {"reference": "R1", "first": 9, "none": None},
        ),
        ("data.slots[*].at", [9, 10]),
    ],
)
def test_the_flow_gets_what_the_record_picks(result, value):
    assert mapped(RIDE, **({} if result is None else {"result": result})) == ok(value)


HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("body", "headers", "code", "reason"),
    [
        (b"", JSON, "answer_empty", "the answer is empty, JSON was expected"),
        (b"<html>", HTML, "answer_not_json", "the API answered text/html, which holds no JSON"),
        (b'{"a": ', JSON, "answer_not_json", "the API answered application/json, which holds no JSON"),
        (b'{"a": NaN}', JSON, "answer_not_json", "the API answered application/json, which holds no JSON"),
        (
            b"[" * 100_000,
            {},
            "answer_not_json",
            "the API answered something without a type, which holds no JSON",
        ),
        (b'{"a": "\xff"}', JSON, "answer_charset", "the answer cannot be read as utf-8"),
        (
            b"{}",
            {"content-type": "a/json; charset=klingon"},
            "answer_charset",
            "the answer cannot be read as klingon",
        ),
        (
            b"{}",
            {"content-type": "a/json; charset=punycode"},
            "answer_charset",
            "the answer cannot be read as punycode",
        ),
    ],
)
def test_an_answer_that_cannot_be_read_fails_with_its_code(body, headers, code, reason):
    assert mapped(body, headers=headers, result="a") == failed(code, reason)


def test_an_empty_answer_is_good_where_nothing_is_expected():
    assert mapped(b"", status=204, method="DELETE") == ok(None)
    assert mapped(b"", status=204, result="a").code == "answer_empty"


def test_plain_text_is_good_where_nothing_is_expected_and_html_never():
    assert mapped(b"done", headers={"content-type": "text/plain"}) == ok("done")
    assert mapped(b"done", headers=HTML).code == "answer_not_json"


def test_other_charsets_are_read():
    headers = {"content-type": "application/json; charset=iso-8859-1"}
    assert mapped('{"a": "ü"}'.encode("latin-1"), headers=headers, result="a") == ok("ü")
    assert mapped('\ufeff{"a": 1}'.encode(), result="a") == ok(1)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, "the API answered 500"),
        (404, "the API answered 404"),
        (301, "the API answered 301, a redirect that is not followed"),
    ],
)
def test_a_status_that_is_no_success_fails(status, reason):
    assert mapped(RIDE, status=status) == failed(f"http_{status}", reason)


ERRORS = [
    {"status": [404, 410], "outcome": "gone", "reason": "No such bike."},
    {"when": "status == 409", "outcome": "taken"},
    {"when": "body.error.code == 'full'", "outcome": "full", "reason": "All slots are taken."},
    {"when": "headers.\"x-limit\" == '0'"},
    {"when": "body.n > 10 && length(body.list) == 2", "outcome": "many"},
]


@pytest.mark.parametrize(
    ("status", "value", "headers", "expected"),
    [
        (410, b"", {}, failed("gone", "No such bike.")),
        (409, {}, JSON, failed("taken", "the API answered 409: taken")),
        (200, {"error": {"code": "full"}}, JSON, failed("full", "All slots are taken.")),
        (200, {}, {"X-Limit": "0"}, failed("refused", "the API answered 200: refused")),
        (200, {"n": 11, "list": [1, 2]}, JSON, failed("many", "the API answered 200: many")),
        (200, {"n": 11, "list": 3}, JSON, ok({"n": 11, "list": 3})),
        (200, {"n": 1}, JSON, ok({"n": 1})),
    ],
)
def test_the_first_error_that_matches_wins(status, value, headers, expected):
    assert mapped(value, status=status, headers=headers, errors=ERRORS) == expected


def test_an_answer_must_fit_its_schema():
    schema = {
        "type": "object",
        "properties": {"data": {"type": "object", "required": ["id"]}},
        "required": ["data"],
    }
    assert mapped(RIDE, answer=schema, result="data.id") == ok("R1")
    assert mapped({"data": {"secret": "x"}}, answer=schema) == failed(
        "answer_invalid", 'data does not fit "required" of the record\'s schema'
    )
    assert mapped([], answer=schema).reason == 'the answer does not fit "type" of the record\'s schema'


def test_a_schema_without_an_end_ends():
    assert mapped({}, answer={"$ref": "#"}).code == "answer_invalid"


def test_a_large_pick_is_refused():
    assert mapped({"a": "x" * 70_000}, result="a") == failed(
        "result_too_large", "the result has 70,002 bytes, at most 65,536 are kept"
    )
    assert mapped({"a": "x" * 60_000}, result="length(a)") == ok(60_000)


def test_a_large_answer_is_refused():
    assert mapped({"a": "x" * 100}, max_bytes=50) == failed(
        "answer_too_large", "the answer has 109 bytes, at most 50 are read"
    )


def test_proto_is_never_kept():
    assert mapped(b'{"__proto__": {"a": 1}, "b": [{"__proto__": 1, "c": 2}]}') == ok({"b": [{"c": 2}]})


def test_what_cannot_be_kept_or_picked_is_an_error():
    assert mapped({"a": 1}, result="length(a)") == failed(
        "result_unusable", "length(a) cannot be read from the answer"
    )
    assert mapped(b'{"a": 1e999}').code == "result_unusable"
    assert mapped(b"[" * 40 + b"]" * 40).code == "result_unusable"


def test_a_document_gives_its_type_and_size():
    assert mapped(b"%PDF", headers={"content-type": "application/pdf; x=y"}, document=True) == ok(
        {"mime_type": "application/pdf", "size": 4}
    )


@given(st.binary(max_size=200), st.integers(100, 599), st.text(max_size=30))
def test_any_answer_is_mapped(body, status, content_type):
    known = record(result={"a": "b.c", "n": "sum(x)"}, errors=ERRORS)
    assert map_answer(known, status, {"content-type": content_type}, body).outcome in {"ok", "failed"}


def test_a_mock_answers_like_the_outside():
    assert map_mock(record(mock={"json": RIDE}, result="data.id")) == ok("R1")
    assert map_mock(record(mock={"status": 404})).code == "http_404"
    assert map_mock(record(mock={"text": "done"})) == ok("done")
    assert map_mock(record()) == ok(None)


def test_an_answer_in_pages_tells_what_follows():
    known = record(pagination={"next": "next", "items": "items"})

    def page(value):
        return page_of(known, JSON, json.dumps(value).encode())

    assert page({"items": [1, 2], "next": "c2"}) == Page(items=(1, 2), following="c2")
    assert page({"items": [3], "next": None}) == Page(items=(3,), following="")
    assert page({"items": [3], "next": 7}).following == "7"
    assert page("x") == Page(items=(), following="")
    assert page_of(record(), JSON, b"{}") == Page(items=(), following="")
    broken = record(pagination={"next": "length(next)", "items": "items"})
    assert page_of(broken, JSON, b'{"items": [1], "next": 1}') == Page(items=(), following="")


def test_an_echoed_secret_and_named_fields_are_cut():
    answer = {
        "token": "t",
        "card": {"Number": "4111", "name": "Ann"},
        "number": 1,
        "log": ["got s3cret!", "ok"],
    }
    assert redacted(answer, fields=["token", "card.number"], texts=["s3cret", ""]) == {
        "token": "[cut]",
        "card": {"Number": "[cut]", "name": "Ann"},
        "number": 1,
        "log": ["got [cut]!", "ok"],
    }

"""Requests: whatever an argument holds stays in its place, and secrets go into headers alone."""

import base64
import hashlib
import hmac
import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.apis.definition import read
from flows.apis.request import BadRequest, Part, authorized, build

URL = "https://api.example.com/rides"
SECRETS = {"token": "s3cret-token", "user": "ann"}


def record(**more):
    made, faults = read("book_ride", {"url": URL, **more})
    assert faults == []
    return made


def built(values=None, environment=None, /, **more):
    return build(record(**more), values or {}, environment, secrets=SECRETS)


IN_PATH = {
    "url": f"{URL}/{{{{ bike }}}}/slots?day={{{{ day }}}}",
    "args": {"bike": {}, "day": {"default": "x"}},
}


@pytest.mark.parametrize(
    ("bike", "segment"),
    [
        ("../admin?x#", "..%2Fadmin%3Fx%23"),
        ("a b/c", "a%20b%2Fc"),
        ("%2e%2e", "%252e%252e"),
        ("ü\r\n", "%C3%BC%0D%0A"),
        ("{{ day }}", "%7B%7B%20day%20%7D%7D"),
    ],
)
def test_a_path_variable_stays_one_segment(bike, segment):
    assert built({"bike": bike, "day": "1&x=2"}, **IN_PATH).url == f"{URL}/{segment}/slots?day=1%26x%3D2"


@given(st.text(min_size=1))
def test_no_value_leaves_its_segment(bike):
    try:
        url = built({"bike": bike}, **IN_PATH).url
    except BadRequest:
        assert bike in {".", ".."}
        return
    parts = urlsplit(url)
    assert (parts.netloc, parts.path.count("/"), parts.query) == ("api.example.com", 3, "day=x")


@pytest.mark.parametrize("bike", [".", ".."])
def test_dots_are_no_segment(bike):
    with pytest.raises(BadRequest, match=r"^url: a segment of the path may not be \. or \.\.$"):
        built({"bike": bike}, **IN_PATH)


def test_an_empty_segment_is_refused():
    with pytest.raises(BadRequest, match=r"^url: \{\{ bike \}\} is empty$"):
        built({"bike": ""}, **IN_PATH)


def test_an_address_has_an_end():
    with pytest.raises(BadRequest, match="at most 8,192 are allowed"):
        built({"bike": "x" * 9000}, **IN_PATH)


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\rb", "a\x1bb"])
def test_a_header_value_stays_one_line(value):
    with pytest.raises(
        BadRequest, match=r"^header X-Note: its value holds a line break or a control character$"
    ):
        built({"note": value}, headers={"X-Note": "{{ note }}"}, args={"note": {}})


def test_wrong_arguments_are_named_all_at_once():
    args = {"bike": {"required": True}, "seats": {"type": "integer"}, "day": {"type": "string"}}
    with pytest.raises(BadRequest) as problem:
        built({"seats": True, "day": 4, "bik": "x"}, args=args)
    assert str(problem.value) == (
        'book_ride: there is no argument "bik"; did you mean "bike"?; the argument "bike" is missing; '
        'the argument "seats": expected a whole number, got true or false; '
        'the argument "day": expected a text, got a number'
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [("string", ""), ("integer", 3), ("number", 2.5), ("boolean", False), ("object", {}), ("array", [1])],
)
def test_an_argument_of_its_type_is_taken(kind, value):
    prepared = built({"a": value}, method="POST", body={"json": {"a": "{{ a }}"}}, args={"a": {"type": kind}})
    assert json.loads(prepared.body) == {"a": value}


def test_query_leaves_out_null_and_repeats_lists():
    args = {"tags": {"type": "array"}, "day": {}, "seats": {"type": "integer"}}
    query = {"tag": "{{ tags }}", "day": "{{ day }}", "seats": "{{ seats }}"}
    prepared = built({"tags": ["a b", "c&d"], "seats": 2}, query=query, args=args)
    assert prepared.query == (("tag", "a b"), ("tag", "c&d"), ("seats", "2"))
    assert prepared.full_url == f"{URL}?tag=a%20b&tag=c%26d&seats=2"


BODIES = [
    ({"json": {"bike": "{{ bike }}", "n": 1}}, b'{"bike":"R&D <1>","n":1}', "application/json"),
    (
        {"form": {"bike": "{{ bike }}", "none": "{{ day }}"}},
        b"bike=R%26D+%3C1%3E",
        "application/x-www-form-urlencoded",
    ),
    ({"xml": "<b>{{ bike }}</b>"}, b"<b>R&amp;D &lt;1&gt;</b>", "application/xml; charset=utf-8"),
    ({"text": "b={{ bike }}"}, b"b=R&D <1>", "text/plain; charset=utf-8"),
]


@pytest.mark.parametrize(("body", "data", "content_type"), BODIES)
def test_a_body_is_rendered_in_its_own_form(body, data, content_type):
    prepared = built({"bike": "R&D <1>"}, method="POST", body=body, args={"bike": {}, "day": {}})
    assert prepared.body == data
    assert prepared.headers["Content-Type"] == content_type


def test_a_multipart_body_has_texts_and_files():
    body = {
        "multipart": {
            "bike": "{{ bike }}",
            "none": "{{ day }}",
            "photo": {"file": "{{ photo }}", "filename": "../x/{{ bike }}.jpg", "type": "image/jpeg"},
            "second": {"file": "{{ day }}"},
        }
    }
    args = {"bike": {}, "day": {}, "photo": {"type": "object"}}
    prepared = built({"bike": "b1", "photo": {"id": "9"}}, method="POST", body=body, args=args)
    assert prepared.body is None
    assert prepared.parts == (
        Part(name="bike", text="b1"),
        Part(name="photo", file={"id": "9"}, filename="b1.jpg", mime_type="image/jpeg"),
    )
    with pytest.raises(BadRequest, match=r"^body\.photo: the filename"):
        built({"bike": "b\r\n1", "photo": {}}, method="POST", body=body, args=args)


def test_an_environment_changes_the_address():
    environments = {"sandbox": {"url": "https://sandbox.example.com/"}}
    assert built(environments=environments).url == URL
    assert built({}, "sandbox", environments=environments).url == "https://sandbox.example.com/"
    only, _ = read("crm", {"environments": environments})
    with pytest.raises(BadRequest, match=r'^crm: there is no address for the environment "live"$'):
        build(only, {}, "live")


def test_the_key_of_a_call_goes_into_its_header():
    made = record(method="POST", idempotency_header="Idempotency-Key")
    assert build(made, {}, idempotency_key="wf-1-2").headers == {"Idempotency-Key": "wf-1-2"}
    assert build(made, {}).headers == {}


def test_secrets_are_rendered_into_headers_and_never_shown():
    prepared = built(headers={"X-Key": "{{ secrets.token }}"})
    assert prepared.headers == {"X-Key": "s3cret-token"}
    assert prepared.redactions == ("s3cret-token",)
    assert "s3cret" not in repr(prepared)
    with pytest.raises(BadRequest, match=r"^header X-Key: ") as problem:
        built(headers={"X-Key": "{{ secrets.other }}"})
    assert "s3cret" not in str(problem.value)


def proven(auth, **more):
    return authorized(built(auth=auth, **more), timestamp=1_700_000_000, token="oauth-token")


def test_proofs_of_who_calls():
    pair = base64.b64encode(b"ann:s3cret-token").decode()
    basic = proven({"type": "basic", "username": "ann", "password": "{{ secrets.token }}"})
    assert basic.headers == {"Authorization": f"Basic {pair}"}
    assert pair in basic.redactions
    assert proven({"type": "bearer", "token": "{{ secrets.token }}"}).headers == {
        "Authorization": "Bearer s3cret-token"
    }
    key = {"type": "api_key", "in": "query", "name": "key", "value": "{{ secrets.token }}"}
    assert proven(key).full_url == f"{URL}?key=s3cret-token"
    assert proven({**key, "in": "header", "name": "X-Key"}).headers == {"X-Key": "s3cret-token"}
    oauth = {
        "type": "oauth2",
        "grant": "client_credentials",
        "token_url": "https://id.example.com/token",
        "client_id": "c",
        "client_secret": "{{ secrets.token }}",
    }
    assert proven(oauth).headers == {"Authorization": "Bearer oauth-token"}
    assert proven({"type": "none"}).headers == {}


def test_a_body_is_signed():
    auth = {"type": "hmac", "secret": "{{ secrets.token }}", "header": "X-Signature"}
    made = proven(auth, method="POST", body={"text": "hi"})
    assert made.headers["X-Signature"] == hmac.new(b"s3cret-token", b"hi", hashlib.sha256).hexdigest()


def test_method_path_time_and_body_are_signed():
    auth = {
        "type": "hmac",
        "secret": "{{ secrets.token }}",
        "header": "X-Signature",
        "algorithm": "sha512",
        "of": "method+path+timestamp+body",
    }
    made = proven(auth, method="POST", body={"text": "hi"}, query={"a": "b"})
    signed = b"POST/rides?a=b1700000000hi"
    assert made.headers["X-Timestamp"] == "1700000000"
    assert made.headers["X-Signature"] == hmac.new(b"s3cret-token", signed, hashlib.sha512).hexdigest()
    with pytest.raises(BadRequest, match=r"^auth: a multipart body cannot be signed$"):
        proven(auth, method="POST", body={"multipart": {"a": "b"}})


def test_what_cannot_be_encoded_is_replaced_or_refused():
    assert built({"bike": "a\ud800"}, **IN_PATH).url == f"{URL}/a%EF%BF%BD/slots?day=x"
    with pytest.raises(BadRequest, match=r'^book_ride: the argument "n": the number is not finite$'):
        built({"n": float("inf")}, args={"n": {"type": "number"}})

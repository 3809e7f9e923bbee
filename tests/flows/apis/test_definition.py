"""API records: every fault is named with its place, and a good file becomes a record with its defaults."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flows.apis.addresses import parse_networks
from flows.apis.definition import Auth, ErrorRule, read
from flows.apis.vocabulary import RECORD
from flows.dataset import Source
from flows.findings import shown_path
from flows.lint import lint_api
from flows.schemas import api_schema

URL = "https://api.example.com/rides"
SECRETS = frozenset({"crm_token"})
FULL = {
    "$schema": "../../flows/schema/api.schema.json",
    "$comment": "all keys once",
    "description": "Books a test ride.",
    "method": "POST",
    "url": "https://api.example.com/rides/{{ bike }}",
    "environments": {
        "sandbox": {
            "url": "https://sandbox.example.com/rides/{{ bike }}",
            "headers": {"x-tenant": "test"},
            "auth": {"type": "bearer", "token": "{{ secrets.crm_token }}"},
        }
    },
    "query": {"day": "{{ day }}"},
    "headers": {"X-Tenant": "live", "X-Key": "{{ secrets.crm_token }}"},
    "body": {"json": {"bike": "{{ bike }}", "at": "{{ day }}"}},
    "args": {"bike": {"type": "string", "required": True}, "day": {"default": "today"}},
    "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key", "value": "{{ secrets.crm_token }}"},
    "timeout_seconds": 5,
    "retries": {"attempts": 2, "backoff_seconds": 0.2},
    "idempotency_header": "Idempotency-Key",
    "rate": {"per_second": 5},
    "cache_seconds": 0,
    "pagination": {"next": "next", "param": "cursor", "items": "items", "pages": 3},
    "result": {"reference": "data.id"},
    "answer": {"type": "object", "properties": {"data": {"$ref": "#/$defs/data"}}, "$defs": {"data": {}}},
    "errors": [
        {"status": [404, 410], "outcome": "gone", "reason": "No such bike."},
        {"status": 409, "outcome": "taken"},
        {"when": "status == 422 && body.code == 'full'", "outcome": "full"},
    ],
    "redact": ["token", "card.number"],
    "mock": {"status": 201, "json": {"data": {"id": "R1"}}},
    "max_bytes": 2048,
    "redirects": 1,
    "allow_http": False,
    "document": False,
}


def faults(**more):
    found = read("book_ride", {"url": URL, **more}, secrets=SECRETS)[1]
    return [f"{shown_path(fault.path)}: {fault.code} {fault.message}; {fault.remedy}" for fault in found]


def codes(**more):
    return [line.split(": ")[1].split()[0] for line in faults(**more)]


HTTPS = "write https://"
PORT = "is not one of 80, 443, 8000, 8080, 8443; use a port of HTTP"
VARIABLE = (
    "url: WF603 a variable stands in scheme, host or port; variables may stand in path, query and body only"
)
PUBLIC = "name a host of the public internet"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://a.example.com/x", f'expected an https address, got "ftp"; {HTTPS}'),
        ("file:///etc/passwd", f'expected an https address, got "file"; {HTTPS}'),
        ("gopher://a.example.com/", f'expected an https address, got "gopher"; {HTTPS}'),
        (
            "http://a.example.com/",
            f'expected an https address, got "http"; {HTTPS}, or add "allow_http": true',
        ),
        ("api.example.com/x", "expected an https address, got none; write https://host/path"),
        (
            "mailto:a@b",
            'expected an https address, got the scheme "mailto" without a host; write https://host/path',
        ),
        ("https://", "the address has no host; write https://host/path"),
        ("https:///x", "the address has no host; write https://host/path"),
        ("https://a@b.example.com/", 'the address holds a user name; give it in "auth"'),
        ("https://a.example.com\\@b/", "the address holds a backslash; write /"),
        (
            "https://a.example.com/\r\nX: y",
            'the address holds "\\u000d", white space or a control character; write it on one line, %20 for a space',
        ),
        ("https://a.example.com:6379/", f'the port "6379" {PORT}'),
        ("https://a.example.com:/", f'the port "" {PORT}'),
        ("https://a.example.com:4٤3/", f'the port "4٤3" {PORT}'),
        ("https://a.example.com/x#y", "the address holds a fragment, which is never sent; leave out #…"),
    ],
)
def test_an_address_that_cannot_be_called_is_refused(url, fault):
    assert faults(url=url) == [f"url: WF601 {fault}"]


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "168.63.129.16",
        "localhost.",
        "127.0.0.1.nip.io",
    ],
)
def test_a_private_or_disguised_host_is_refused(host):
    [fault] = faults(url=f"https://{host}/x")
    assert fault.startswith("url: WF602 ")
    assert fault.endswith(f"; {PUBLIC}")


def test_a_private_host_is_named_as_what_it_is():
    assert faults(url="https://169.254.169.254/") == [
        f"url: WF602 169.254.169.254 is a link-local or metadata address; {PUBLIC}"
    ]


def test_a_network_that_the_operator_opened_may_be_called():
    document = {"url": "https://10.20.0.7/x"}
    assert read("crm", document)[0] is None
    assert read("crm", document, allowed=parse_networks(["10.20.0.0/16"]))[1] == []


@pytest.mark.parametrize(
    "url",
    [
        "https://{{host}}/",
        "https://{{ host | downcase }}/x",
        "{{scheme}}://a.example.com/",
        "https://a.example.com:{{port}}/",
        "https://a.example.com{{path}}",
        "{{url}}",
    ],
)
def test_a_variable_outside_of_path_and_query_is_refused(url):
    args = {name: {} for name in ("host", "scheme", "port", "path", "url")}
    assert faults(url=url, args=args) == [VARIABLE]


def test_variables_in_path_and_query_are_allowed():
    assert faults(url=f"{URL}/{{{{ bike }}}}?day={{{{ day }}}}", args={"bike": {}, "day": {}}) == []


def test_tags_and_open_expressions_in_an_address_are_refused():
    assert faults(url=URL + "{% if 1 %}") == ["url: WF502 an address has no tags; write {{ … }} only"]
    assert faults(url=URL + "/{{ bike") == [
        "url: WF501 an expression in the address has no end; write {{ name }}"
    ]


SET_BY_CLIENT = "use letters, digits and -, and leave out what the client sets"


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"Host": "x"}, f"headers.Host: WF604 the header Host is set by the client alone; {SET_BY_CLIENT}"),
        (
            {"content-length": "1"},
            f"headers.content-length: WF604 the header content-length is set by the client alone; {SET_BY_CLIENT}",
        ),
        (
            {"Transfer-Encoding": "chunked"},
            "headers.Transfer-Encoding: WF604 the header Transfer-Encoding is set by the client alone; "
            + SET_BY_CLIENT,
        ),
        (
            {"X-A\r\nB": "1"},
            f'headers["X-A\\r\\nB"]: WF604 "X-A\\u000d\\u000aB" is no name of a header; {SET_BY_CLIENT}',
        ),
        ({"": "1"}, f'headers[""]: WF604 "" is no name of a header; {SET_BY_CLIENT}'),
        (
            {"X-B": "a\r\nHost: b"},
            "headers.X-B: WF604 a header's value is one line of text; remove the line break",
        ),
        (
            {"X-C": "1", "x-c": "2"},
            "headers.x-c: WF604 the header x-c is also given as X-C; keep one of them",
        ),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(headers, fault):
    assert faults(headers=headers) == [fault]


def test_headers_named_elsewhere_are_judged_too():
    key = {"type": "api_key", "in": "header", "name": "Host", "value": "{{ secrets.crm_token }}"}
    assert codes(auth=key) == ["WF604"]
    assert codes(idempotency_header="Content-Length") == ["WF604"]


@pytest.mark.parametrize(
    ("seconds", "fault"),
    [
        (0, "0 is too small; write more than 0"),
        (-1, "-1 is too small; write more than 0"),
        (600, "600 is too large; write at most 60"),
    ],
)
def test_a_timeout_out_of_its_range_is_refused(seconds, fault):
    assert faults(timeout_seconds=seconds) == [f"timeout_seconds: WF605 {fault}"]


def test_a_hundred_retries_are_refused():
    assert faults(retries={"attempts": 100}) == ["retries.attempts: WF605 100 is too large; write at most 5"]


REPEATED = (
    "retries: WF606 a POST that is not idempotent is tried again; "
    'add "idempotent": true or "idempotency_header", or leave out "retries"'
)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"method": "POST"}, [REPEATED]),
        ({"method": "PATCH"}, [REPEATED.replace("POST", "PATCH")]),
        ({"method": "PUT", "idempotent": False}, [REPEATED.replace("POST", "PUT")]),
        ({"method": "PUT"}, []),
        ({"method": "POST", "idempotent": True}, []),
        ({"method": "POST", "idempotency_header": "Idempotency-Key"}, []),
    ],
)
def test_only_an_idempotent_call_is_tried_again(more, expected):
    assert faults(retries={"attempts": 2}, **more) == expected


PATH_REMEDY = 'write it as data.items[0].id, without "$."'


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        ("$.a[", f'result: WF607 "$.a[" is no JMESPath: unknown token $; {PATH_REMEDY}'),
        ("", f'result: WF607 "" is no JMESPath: cannot be empty; {PATH_REMEDY}'),
        (
            {"__proto__": "a"},
            'result.__proto__: WF607 "__proto__" can be no name of the result; choose another name',
        ),
        (
            {"a": "b.__proto__"},
            f'result.a: WF607 "b.__proto__" is no JMESPath: __proto__ is never read; {PATH_REMEDY}',
        ),
        (
            "a" * 1001,
            f'result: WF607 "{"a" * 64}" is no JMESPath: it has 1,001 characters, at most 1,000 are allowed; '
            + PATH_REMEDY,
        ),
    ],
)
def test_a_path_into_the_answer_that_cannot_be_read_is_refused(result, fault):
    assert faults(result=result) == [fault]


def test_a_condition_may_hold_bare_numbers_but_must_be_readable():
    assert codes(errors=[{"when": "status == 409 && body.n >= -1.5"}, {"when": "body.a == '== 3'"}]) == []
    assert faults(errors=[{"when": "status = 4"}]) == [
        (
            "errors[0].when: WF607 \"status = 4\" is no JMESPath: unknown token '='; "
            "write it as status == 409 or body.code == 'taken'"
        )
    ]


def test_an_unknown_secret_is_refused_where_the_names_are_known():
    auth = {"type": "bearer", "token": "{{ secrets.crm_tokn }}"}
    assert faults(auth=auth) == ['auth.token: WF608 no secret "crm_tokn"; did you mean "crm_token"?']
    assert read("book_ride", {"url": URL, "auth": auth})[1] == []


def test_a_secret_is_named_plainly():
    assert faults(headers={"X-Key": "{{ secrets }}"}) == [
        "headers.X-Key: WF608 a secret is named plainly; write {{ secrets.NAME }}"
    ]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"url": URL + "?k={{ secrets.crm_token }}"}, "url"),
        ({"query": {"k": "{{ secrets.crm_token }}"}}, "query.k"),
        ({"method": "POST", "body": {"json": {"k": "{{ secrets.crm_token }}"}}}, "body.json.k"),
        (
            {"environments": {"live": {"query": {"k": "{{ secrets.crm_token }}"}}}},
            "environments.live.query.k",
        ),
    ],
)
def test_a_secret_stands_in_auth_and_headers_only(more, place):
    part = place.removeprefix("environments.live.").split(".")[0]
    assert faults(**more) == [
        f'{place}: WF609 a secret may not stand in "{part}"; move it to "auth" or "headers"'
    ]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"auth": {"type": "bearer", "token": "abc"}}, "auth.token"),
        ({"auth": {"type": "basic", "username": "u", "password": "p"}}, "auth.password"),
        ({"headers": {"Authorization": "Bearer abcdefghijk"}}, "headers.Authorization"),
        ({"headers": {"X-Api-Key": "abc"}}, "headers.X-Api-Key"),
        ({"environments": {"live": {"headers": {"Cookie": "a=b"}}}}, "environments.live.headers.Cookie"),
    ],
)
def test_a_secret_in_clear_is_refused(more, place):
    name = place.rsplit(".", 1)[-1]
    remedy = 'keep it in the environment and write "{{ secrets.NAME }}"'
    assert faults(**more) == [f'{place}: WF120 "{name}" holds a secret in clear; {remedy}']


def test_names_in_expressions_are_those_of_the_arguments():
    assert faults(query={"q": "{{ bik }}", "p": "{{ contact.phone }}"}, args={"bike": {}}) == [
        'query.q: WF510 the record has no argument "bik"; did you mean "bike"?',
        'query.p: WF510 the record has no argument "contact"; add "contact" to "args", and pass it from the flow',
    ]


def test_arguments_are_judged():
    assert faults(
        args={"now": {}, "secrets": {}, "n": {"type": "integer", "default": "x"}, "a": {"type": "text"}}
    ) == [
        'args.a.type: WF105 "text" is not known here; one of string, integer, number, boolean, object, array',
        'args.now: WF113 "now" is a reserved name; choose another name',
        'args.secrets: WF113 "secrets" is a reserved name; choose another name',
        "args.n.default: WF102 expected a whole number, got a text; give a default of the argument's type",
    ]


def test_a_body_is_one_and_not_of_a_get():
    assert codes(body={"json": 1}) == ["WF107"]
    assert codes(method="POST", body={"json": 1, "text": "x"}) == ["WF107"]
    assert codes(method="POST", body={}) == ["WF104"]


def test_the_schema_of_an_answer_is_a_schema_that_refers_to_nothing_outside():
    assert faults(answer={"$ref": "https://x.example.com/s.json"}) == [
        (
            'answer.$ref: WF611 the schema refers to "https://x.example.com/s.json", which does not stand in it; '
            'refer to "#/$defs/NAME"'
        )
    ]
    assert codes(answer={"type": "map"}) == ["WF611"]
    assert codes(answer={"$ref": "#/$defs/a"}) == ["WF611"]
    assert codes(answer={"properties": {"a": {"pattern": "("}}}) == ["WF611"]
    assert codes(answer={"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}) == []


def test_all_that_is_missing_is_named():
    assert faults(auth={"type": "api_key"}) == [
        'auth: WF104 the auth has no "in"; add "in": where the key is sent',
        'auth: WF104 the auth has no "name"; add "name": name of the header or parameter',
        'auth: WF104 the auth has no "value"; add "value": the key: {{ secrets.NAME }}',
    ]
    oauth = {"type": "oauth2", "grant": "jwt_bearer", "token_url": "https://127.0.0.1/"}
    assert codes(auth=oauth) == ["WF602", "WF104", "WF104"]


def test_a_record_without_an_address_needs_one_in_each_environment():
    assert [fault.code for fault in read("a", {})[1]] == ["WF104"]
    assert read("a", {"environments": {"live": {"url": URL}}})[1] == []
    assert [f.code for f in read("a", {"environments": {"live": {"url": URL}, "test": {}}})[1]] == ["WF104"]


def test_the_name_of_a_file_is_an_id_and_it_holds_an_object():
    assert [f.message for f in read("Book Ride", [])[1]] == [
        '"Book Ride" is no name of an API record: it has capital letters',
        "expected an object, got a list",
    ]


def test_a_good_file_becomes_a_record():
    record, found = read("book_ride", FULL, secrets=SECRETS)
    assert found == []
    assert record.auth == Auth(
        type="api_key", where="header", name="X-Api-Key", value="{{ secrets.crm_token }}"
    )
    assert record.errors[0] == ErrorRule(
        statuses=frozenset({404, 410}), outcome="gone", reason="No such bike."
    )
    assert (record.body.kind, record.retries.attempts, record.calls_per_second) == ("json", 2, 5)
    assert record.is_repeatable
    assert not record.idempotent
    sandbox = record.within("sandbox")
    assert sandbox.url == "https://sandbox.example.com/rides/{{ bike }}"
    assert sandbox.headers == {"X-Key": "{{ secrets.crm_token }}", "x-tenant": "test"}
    assert sandbox.auth.type == "bearer"
    assert record.within("elsewhere") == record


def test_defaults_are_careful():
    record, _ = read("crm", {"url": URL})
    assert (record.method, record.timeout_seconds, record.redirects, record.max_bytes) == (
        "GET",
        10,
        0,
        1_048_576,
    )
    assert record.idempotent
    post, _ = read("crm", {"url": URL, "method": "POST"})
    assert not post.is_repeatable


def test_the_published_schema_agrees():
    validator = Draft202012Validator(api_schema())
    assert list(validator.iter_errors(FULL)) == []
    for wrong in ({"timeout_seconds": 0}, {"retries": {"attempts": 100}}, {"auth": {"type": "x"}}, {"x": 1}):
        assert not validator.is_valid({"url": URL, **wrong})


def test_every_key_of_a_record_is_described():
    assert [name for name, known in RECORD.keys.items() if not known.about] == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([URL, "GET", "{{ a }}", "{{", "oauth2", "a.b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "json", "a", "url", "auth", "attempts", "grant"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*RECORD.keys, "x"]), JSON, max_size=6))
def test_whatever_stands_in_a_file_is_judged(document):
    record, found = read("any", document)
    assert (record is None) == bool(found)
    assert all(fault.message and fault.remedy for fault in found)


def test_a_fault_has_its_line_and_column():
    text = json.dumps({"url": "ftp://a", "headers": {"Host": "x"}}, indent=1)
    found = lint_api(Source(name="apis/crm.json", data=text.encode())).findings
    assert [finding.text() for finding in found] == [
        'apis/crm.json:2:9 url: WF601 expected an https address, got "ftp"; write https://',
        "apis/crm.json:4:3 headers.Host: WF604 the header Host is set by the client alone; " + SET_BY_CLIENT,
    ]


@pytest.fixture
def dataset(tmp_path, settings, monkeypatch):
    (tmp_path / "flows").mkdir()
    (tmp_path / "apis").mkdir()
    settings.WHATSFLOW_DATASETS = tmp_path
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apis" / "crm.json").write_text('{"url": "https://127.0.0.1/"}')
    return tmp_path


@pytest.mark.parametrize("paths", [[], ["apis/crm.json"], ["apis"], ["."]])
def test_check_flows_names_the_faults_of_records(dataset, paths):
    out = StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("check_flows", *paths, stdout=out)
    assert left.value.code == 1
    first, summary = out.getvalue().splitlines()
    assert first == f"apis/crm.json:1:9 url: WF602 127.0.0.1 is this machine itself; {PUBLIC}"
    assert summary == "1 file, 1 error, 0 warnings"

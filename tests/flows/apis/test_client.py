"""The guarded door, against a real server on loopback that is reached only because a test allows it."""

import gzip
import logging
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flows.apis import client
from flows.apis.client import (
    AddressForbidden,
    Answer,
    BadAnswer,
    BadRequest,
    ConnectionFailed,
    Door,
    DoorError,
    TimedOut,
    TooLarge,
    door,
)
from tests.flows.apis.web import serving

LOOPBACK = [ip_network("127.0.0.1/32")]
SECRET = "hunter2"


class Names:
    """A DNS that answers as a test says; the last answer is repeated."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, host, port):
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def web():
    with serving() as server:
        yield server


@pytest.fixture
def open_door(web):
    """A door to which loopback and the server's port are allowed, and every name is the server."""
    made = Door(allowed_networks=LOOPBACK, allowed_ports=(web.port,), resolve=Names(["127.0.0.1"]))
    yield made
    made.close()


@pytest.fixture
def no_connection(monkeypatch):
    """Record where the door would connect to; nothing is there."""
    tried = []

    def connect(_, address):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(client._Timed, "connect", connect)
    return tried


def get(a_door, url, **more):
    return a_door.request("GET", url, **{"allow_http": True, **more})


class TestWhatMayBeReached:
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "169.254.169.254",
            "168.63.129.16",
            "localhost",
            "localhost.",
            "127.0.0.1.nip.io",
            "metadata.google.internal",
            "１２７.0.0.1",
        ],
    )
    def test_an_address_inside_is_refused_as_it_is_written(self, host, no_connection):
        resolve = Names(["127.0.0.1"])
        with pytest.raises(AddressForbidden) as refused:
            get(Door(resolve=resolve), f"http://{host}/latest?token={SECRET}")
        assert not refused.value.wrote_bytes
        assert SECRET not in refused.value.reason
        assert resolve.asked == []
        assert no_connection == []

    @pytest.mark.parametrize(
        "answers",
        [
            ["127.0.0.1"],
            ["93.184.216.34", "127.0.0.1"],
            ["10.0.0.1", "93.184.216.34"],
            ["2606:4700::1111", "::1"],
            ["93.184.216.34", "64:ff9b::a00:1"],
            ["fe80::1%eth0"],
        ],
    )
    def test_one_inside_address_among_a_names_addresses_refuses_the_name(self, answers, no_connection):
        with pytest.raises(AddressForbidden, match=r"api\.example\.com leads to") as refused:
            get(Door(resolve=Names(answers)), "https://api.example.com/")
        assert not refused.value.wrote_bytes
        assert no_connection == []

    def test_a_name_that_changes_its_mind_is_asked_once_and_reached_where_it_was_judged(self, no_connection):
        resolve = Names(["93.184.216.34"], ["127.0.0.1"])
        with pytest.raises(ConnectionFailed):
            get(Door(resolve=resolve), "https://api.example.com/")
        assert resolve.asked == [("api.example.com", 443)]
        assert no_connection == [("93.184.216.34", 443)]

    def test_a_connection_that_is_kept_does_not_ask_again(self, web):
        resolve = Names(["127.0.0.1"], ["10.0.0.1"])
        a_door = Door(allowed_networks=LOOPBACK, allowed_ports=(web.port,), resolve=resolve)
        for _ in range(3):
            assert get(a_door, web.url(host="crm.example")).status == 200
        assert len(resolve.asked) == 1

    def test_a_second_connection_is_judged_anew(self, web):
        web.usual = lambda call: call.answer(b"", Connection="close")
        resolve = Names(["127.0.0.1"], ["127.0.0.2"])
        a_door = Door(allowed_networks=LOOPBACK, allowed_ports=(web.port,), resolve=resolve)
        assert get(a_door, web.url(host="crm.example")).status == 200
        with pytest.raises(AddressForbidden):
            get(a_door, web.url(host="crm.example"))
        assert len(web.came) == 1

    def test_the_next_address_is_tried_when_the_first_does_not_answer(self, web, monkeypatch):
        connect = client._Timed.connect

        def only_here(link, address):
            if address[0] != "127.0.0.1":
                raise ConnectionRefusedError
            connect(link, address)

        monkeypatch.setattr(client._Timed, "connect", only_here)
        resolve = Names(["93.184.216.34", "127.0.0.1"])
        a_door = Door(allowed_networks=LOOPBACK, allowed_ports=(web.port,), resolve=resolve)
        assert get(a_door, web.url(host="crm.example")).status == 200

    def test_a_network_that_the_operator_allowed_is_reached(self, web, open_door):
        answer = get(open_door, web.url("/a?b=c"))
        assert (answer.status, answer.json()) == (200, {"hello": "world"})
        assert answer.url == web.url("/a")
        assert 0 < answer.seconds < 10
        assert web.came[0].path == "/a?b=c"

    def test_a_host_that_the_operator_vouches_for_is_reached_wherever_it_is(self, web):
        a_door = Door(
            allowed_hosts=["Graph.Example"], allowed_ports=(web.port,), resolve=Names(["127.0.0.1"])
        )
        assert get(a_door, web.url(host="graph.example")).status == 200
        with pytest.raises(AddressForbidden):
            get(a_door, web.url(host="other.example"))

    @pytest.mark.parametrize("port", [6379, 22, 8080, 5432])
    def test_other_ports_than_the_webs_are_refused(self, port, no_connection):
        with pytest.raises(AddressForbidden, match=f"port {port} is not allowed"):
            get(Door(resolve=Names(["93.184.216.34"])), f"https://api.example.com:{port}/")
        assert no_connection == []

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "httpx://example.com/",
            "HTTP+unix://example.com/",
            "//example.com/",
            "example.com",
            "",
            "https://",
            "https:///path",
            "https://user@example.com/",
            f"https://user:{SECRET}@example.com/",
            "https://example.com@10.0.0.1/",
            "https://example.com\\@10.0.0.1/",
            "https://example.com/a\r\nHost: b",
            "https://example.com/a\nb",
            "https://example.com/a b",
            "https://example.com\t/",
            "https://example.com:99999/",
            "https://example.com:x/",
            "https://[::1/",
            "https://a..b/",
            "https://" + "a" * 300 + ".com/",
            "https://a\u2100b.com/",
        ],
    )
    def test_what_is_no_plain_web_address_is_refused(self, url, no_connection):
        with pytest.raises(AddressForbidden) as refused:
            get(Door(resolve=Names(["127.0.0.1"])), url)
        assert SECRET not in str(refused.value)
        assert not refused.value.wrote_bytes
        assert no_connection == []

    def test_http_is_refused_unless_it_is_allowed(self, web, open_door):
        with pytest.raises(AddressForbidden, match="https://"):
            open_door.request("GET", web.url())
        assert web.came == []

    def test_a_name_that_is_unknown_is_said_so(self):
        for answer in (socket.gaierror(-2, SECRET), UnicodeError(SECRET), []):
            with pytest.raises(ConnectionFailed, match=r"the name nowhere\.example was not found") as failed:
                get(Door(resolve=Names(answer)), "https://nowhere.example/")
            assert not failed.value.wrote_bytes


class TestWhatIsSent:
    def test_the_request_arrives_as_it_was_given(self, web, open_door):
        answer = open_door.request(
            "POST", web.url(), headers={"X-Key": "k"}, params={"a": "b c&d"}, json={"ü": [1]}, allow_http=True
        )
        came = web.came[0]
        assert answer.status == 200
        assert (came.method, came.path, came.body) == ("POST", "/?a=b+c%26d", b'{"\\u00fc": [1]}')
        assert came.headers["content-type"] == "application/json"
        assert came.headers["x-key"] == "k"
        assert came.headers["host"] == f"127.0.0.1:{web.port}"
        assert came.headers["user-agent"] == "WhatsFlow"

    def test_forms_texts_bytes_and_files_arrive(self, web, open_door):
        for more in (
            {"data": {"a": "ü"}},
            {"data": "grüße"},
            {"data": b"\x00"},
            {"files": {"f": ("n.txt", b"in")}},
        ):
            open_door.request("POST", web.url(), allow_http=True, **more)
        form, text, raw, files = web.came
        assert form.body == b"a=%C3%BC"
        assert text.body == "grüße".encode()
        assert raw.body == b"\x00"
        assert files.headers["content-type"].startswith("multipart/form-data")
        assert b'filename="n.txt"' in files.body

    @pytest.mark.parametrize(
        "headers",
        [
            {"X": "a\r\nInjected: 1"},
            {"X": "a\nb"},
            {"X": "a\0"},
            {"X": " a"},
            {"X": "ру"},
            {"X\r\nY": "1"},
            {"X Y": "1"},
            {"": "1"},
            {"Host": "other.example"},
            {"content-length": "3"},
            {"Transfer-Encoding": "chunked"},
        ],
    )
    def test_a_header_that_would_change_the_request_is_refused(self, web, open_door, headers):
        with pytest.raises(BadRequest) as refused:
            get(open_door, web.url(), headers=headers)
        assert not refused.value.wrote_bytes
        assert web.came == []

    @pytest.mark.parametrize(
        "body", [{"json": float("nan")}, {"json": object()}, {"json": {"a": 1}, "method": "GE T"}]
    )
    def test_what_cannot_be_written_is_refused(self, web, open_door, body):
        with pytest.raises(BadRequest):
            open_door.request(body.pop("method", "POST"), web.url(), allow_http=True, **body)
        assert web.came == []

    def test_the_environment_has_no_say(self, web, open_door, monkeypatch, tmp_path):
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert get(open_door, web.url()).status == 200
        assert "authorization" not in web.came[0].headers

    def test_cookies_of_one_call_are_not_sent_with_the_next(self, web, open_door):
        web.usual = lambda call: call.answer(Set_Cookie="session=1; Path=/")
        for _ in range(2):
            get(open_door, web.url())
        assert "cookie" not in web.came[1].headers

    def test_one_connection_serves_many_calls(self, web, open_door):
        web.routes["/empty"] = lambda call: call.answer(status=204)
        for path in ("/", "/empty", "/"):
            get(open_door, web.url(path))
        assert len({came.connection for came in web.came}) == 1

    def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(self, web, open_door):
        def leave(call):
            call.answer()
            call.close_connection = True

        web.usual = leave
        for _ in range(3):
            assert get(open_door, web.url()).status == 200
            assert wait_for(lambda: not web.open)
        assert len({came.connection for came in web.came}) == 3

    def test_many_threads_call_at_once(self, web, open_door):
        web.usual = lambda call: call.answer(call.path.encode())
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: get(open_door, web.url(f"/{n}")).body, range(80)))
        assert answers == [f"/{n}".encode() for n in range(80)]


class TestRedirects:
    def test_a_redirect_is_an_answer_unless_it_may_be_followed(self, web, open_door):
        web.routes["/old"] = lambda call: call.answer(status=301, Location="/new")
        assert get(open_door, web.url("/old")).status == 301
        assert get(open_door, web.url("/old"), redirects=1).url == web.url("/new")

    @pytest.mark.parametrize(
        "location",
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://10.0.0.1/",
            "http://2130706433/",
            "http://[::1]/",
            "http://127.0.0.1:6379/",
            "file:///etc/passwd",
            "//localhost/",
        ],
    )
    def test_a_redirect_to_the_inside_is_refused(self, web, location):
        web.usual = lambda call: call.answer(status=302, Location=location)
        a_door = Door(
            allowed_hosts=["api.example"], allowed_ports=(web.port, 80), resolve=Names(["127.0.0.1"])
        )
        with pytest.raises(AddressForbidden) as refused:
            get(a_door, web.url(host="api.example"), redirects=5)
        assert refused.value.wrote_bytes
        assert len(web.came) == 1

    def test_a_redirect_to_a_name_that_leads_inside_is_refused(self, web):
        web.usual = lambda call: call.answer(status=302, Location="http://inside.example/")
        a_door = Door(
            allowed_hosts=["api.example"], allowed_ports=(web.port, 80), resolve=Names(["127.0.0.1"])
        )
        with pytest.raises(AddressForbidden, match=r"inside\.example leads to 127\.0\.0\.1"):
            get(a_door, web.url(host="api.example"), redirects=5)

    @pytest.mark.parametrize("location", ["http://[", "http://a..b/", "http://\u2100/"])
    def test_a_redirect_to_no_address_is_a_bad_answer(self, web, open_door, location):
        web.usual = lambda call: call.say(f"HTTP/1.1 302 x\r\nLocation: {location}\r\n\r\n".encode())
        with pytest.raises(DoorError):
            get(open_door, web.url(), redirects=1)

    def test_a_thousand_redirects_end_after_those_that_were_allowed(self, web, open_door):
        web.usual = lambda call: call.answer(status=302, Location=f"/{len(web.came)}")
        with pytest.raises(BadAnswer, match="more than 3 redirects"):
            get(open_door, web.url(), redirects=3)
        assert len(web.came) == 4

    def test_secrets_do_not_go_to_another_server(self, web, open_door):
        web.routes["/old"] = lambda call: call.answer(
            status=302, Location=web.url("/new", host="other.example")
        )
        web.routes["/here"] = lambda call: call.answer(status=302, Location="/new")
        secrets = {
            "Authorization": f"Bearer {SECRET}",
            "X-Api-Key": SECRET,
            "Cookie": SECRET,
            "Accept": "a/b",
        }
        for path in ("/old", "/here"):
            assert get(open_door, web.url(path), headers=secrets, redirects=1).status == 200
        _, elsewhere, _, here = web.came
        assert elsewhere.headers["host"].startswith("other.example")
        assert elsewhere.headers["accept"] == "a/b"
        assert SECRET not in str(elsewhere.headers)
        assert here.headers["authorization"] == f"Bearer {SECRET}"

    def test_a_post_becomes_a_get_or_stays_a_post_as_the_status_says(self, web, open_door):
        for status in (302, 303, 307):
            web.routes["/old"] = lambda call, status=status: call.answer(status=status, Location="/new")
            open_door.request("POST", web.url("/old"), data=b"x", redirects=1, allow_http=True)
        followed = [(came.method, came.body) for came in web.came if came.path == "/new"]
        assert followed == [("GET", b""), ("GET", b""), ("POST", b"x")]

    def test_a_body_does_not_go_to_another_server(self, web, open_door):
        web.routes["/old"] = lambda call: call.answer(
            status=307, Location=web.url("/new", host="other.example")
        )
        with pytest.raises(BadAnswer, match="another server"):
            open_door.request("POST", web.url("/old"), data=b"x", redirects=1, allow_http=True)
        assert len(web.came) == 1


class TestAnswers:
    def test_html_is_an_answer_but_no_json(self, web, open_door):
        web.usual = lambda call: call.answer(f"<html>{SECRET}".encode(), content_type="text/html")
        answer = get(open_door, web.url())
        assert answer.text() == f"<html>{SECRET}"
        assert answer.headers["content-type"] == "text/html"
        with pytest.raises(BadAnswer, match="HTTP 200, expected JSON, got other text") as bad:
            answer.json()
        assert bad.value.wrote_bytes
        assert SECRET not in "".join(traceback.format_exception(bad.value))

    def test_204_is_an_answer_without_json(self, web, open_door):
        web.usual = lambda call: call.answer(status=204)
        answer = get(open_door, web.url())
        assert (answer.status, answer.body, answer.text()) == (204, b"", "")
        with pytest.raises(BadAnswer, match="HTTP 204, expected JSON, got an empty body"):
            answer.json()

    @pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
    def test_an_error_status_is_an_answer(self, web, open_door, status):
        web.usual = lambda call: call.answer(b'{"error": 1}', status=status)
        assert get(open_door, web.url()).status == status

    @pytest.mark.parametrize(
        "body",
        [b"{", b"{'a': 1}", b"NaN", b'{"a": Infinity}', b"1e999", b"9" * 5000, b"[" * 200_000, b"\xff\xff"],
    )
    def test_what_is_no_json_is_a_bad_answer(self, body):
        with pytest.raises(BadAnswer):
            answered(body).json()

    @pytest.mark.parametrize(
        ("body", "content_type", "text"),
        [
            ("grüß".encode(), "text/plain", "grüß"),
            ("grüß".encode("latin-1"), "text/plain; charset=ISO-8859-1", "grüß"),
            ("grüß".encode("latin-1"), "text/plain; charset=utf-8", "gr\ufffd\ufffd"),
            ("grüß".encode(), 'text/plain; charset="UTF-8"; x=y', "grüß"),
            ("grüß".encode("utf-8-sig"), "text/plain; charset=latin-1", "grüß"),
            ("grüß".encode("utf-16"), "text/plain", "grüß"),
            ("привет".encode("cp1251"), "text/html;charset=windows-1251", "привет"),
            ("你好".encode("gbk"), "text/html; charset=gbk", "你好"),
            (b"abc", "text/plain; charset=klingon", "abc"),
            (b"abc", "text/plain; charset=punycode", "abc"),
            (b"abc", "text/plain; charset=base64", "abc"),
            (b"abc", "text/plain; charset=", "abc"),
        ],
    )
    def test_a_wrong_charset_harms_letters_only(self, body, content_type, text):
        assert answered(body, content_type).text() == text

    def test_a_body_may_be_as_large_as_is_allowed_and_no_larger(self, web, open_door):
        web.usual = lambda call: call.answer(b"x" * 1000)
        assert len(get(open_door, web.url(), max_bytes=1000).body) == 1000
        with pytest.raises(TooLarge, match="more than 999 bytes") as large:
            get(open_door, web.url(), max_bytes=999)
        assert large.value.wrote_bytes

    def test_a_packed_body_is_unpacked(self, web, open_door):
        web.usual = lambda call: call.answer(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")
        assert get(open_door, web.url()).json() == {"a": 1}

    def test_a_bomb_is_not_unpacked_whole(self, web, open_door):
        bomb = gzip.compress(gzip.compress(bytes(200_000_000), 1), 1)
        web.usual = lambda call: call.answer(bomb, Content_Encoding="gzip, gzip")
        started = time.monotonic()
        with pytest.raises(TooLarge):
            get(open_door, web.url())
        assert time.monotonic() - started < 5

    def test_junk_that_is_said_to_be_packed_is_a_bad_answer(self, web, open_door):
        web.usual = lambda call: call.answer(b"junk", Content_Encoding="gzip")
        with pytest.raises(BadAnswer, match="unpacked"):
            get(open_door, web.url())

    def test_an_endless_body_ends_at_the_largest_size(self, web, open_door):
        def endless(call):
            call.say(b"HTTP/1.1 200 OK\r\n\r\n")
            while not web.stop.is_set():
                call.wfile.write(b"x" * 65536)

        web.usual = endless
        with pytest.raises(TooLarge):
            get(open_door, web.url())

    @pytest.mark.parametrize(
        "start",
        [
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: ",
            b"",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 200 ",
        ],
        ids=["body", "header", "nothing", "continue", "status"],
    )
    def test_an_answer_that_drips_forever_ends_in_time(self, web, open_door, start):
        def drip(call):
            call.say(start)
            while start and not web.stop.wait(0.05):
                call.say(b"x" if b"100" not in start else start)
            web.stop.wait(10)

        web.usual = drip
        started = time.monotonic()
        with pytest.raises(TimedOut, match=r"no whole answer within 0\.5 seconds") as late:
            get(open_door, web.url(), timeout_seconds=0.5)
        assert time.monotonic() - started < 3
        assert late.value.wrote_bytes

    def test_a_name_server_that_does_not_answer_ends_in_time(self):
        released = threading.Event()
        a_door = Door(resolve=lambda *_: [str(released.wait(10))])
        with pytest.raises(TimedOut) as late:
            get(a_door, "https://api.example.com/", timeout_seconds=0.3)
        released.set()
        assert not late.value.wrote_bytes

    def test_a_connection_that_ends_early_may_have_been_heard(self, web, open_door):
        for raw in (
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        ):
            web.usual = lambda call, raw=raw: call.say(raw)
            with pytest.raises(ConnectionFailed, match="before the answer was whole") as failed:
                get(open_door, web.url())
            assert failed.value.wrote_bytes

    def test_an_answer_that_is_not_http_is_a_bad_answer(self, web, open_door):
        web.usual = lambda call: call.say(b"-ERR unknown command\r\n")
        with pytest.raises(BadAnswer, match="not HTTP"):
            get(open_door, web.url())

    def test_a_closed_port_has_surely_heard_nothing(self, free_port):
        a_door = Door(allowed_networks=LOOPBACK, allowed_ports=(free_port,))
        with pytest.raises(ConnectionFailed, match="no connection") as failed:
            get(a_door, f"http://127.0.0.1:{free_port}/")
        assert not failed.value.wrote_bytes

    def test_errors_and_logs_hold_no_query_and_no_secret(self, web, open_door, caplog, free_port):
        caplog.set_level(logging.DEBUG)
        web.routes["/cut"] = lambda call: call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        web.routes["/odd"] = lambda call: call.say(b"HTTP/1.1 200 OK\r\nnot a header\r\n\r\n")
        web.routes["/late"] = lambda _: web.stop.wait(1)
        web.routes["/loop"] = lambda call: call.answer(status=302, Location=f"/loop?{SECRET}")
        closed = Door(allowed_networks=LOOPBACK, allowed_ports=(free_port,))
        calls = [(open_door, web.url(path)) for path in ("/cut", "/late", "/loop")]
        for a_door, url in [*calls, (closed, f"http://127.0.0.1:{free_port}/")]:
            with pytest.raises(DoorError) as failed:
                get(a_door, f"{url}?token={SECRET}", timeout_seconds=0.3, redirects=1)
            assert SECRET not in "".join(traceback.format_exception(failed.value))
            assert failed.value.reason == str(failed.value)
        assert get(open_door, web.url(f"/odd?token={SECRET}")).status == 200
        assert SECRET not in caplog.text


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a key and its self-made certificate for api.example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("api.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


class TestTLS:
    @pytest.fixture
    def safe(self, certificate):
        with serving(certificate=certificate) as server:
            yield server

    def door_to(self, safe, **more):
        return Door(
            allowed_networks=LOOPBACK, allowed_ports=(safe.port, 80), resolve=Names(["127.0.0.1"]), **more
        )

    def test_the_certificate_is_verified_by_name_though_the_connection_goes_to_an_ip(self, safe, certificate):
        a_door = self.door_to(safe, ca_file=str(certificate))
        answers = [a_door.request("GET", safe.url(host="api.example")) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert safe.came[0].headers["host"] == f"api.example:{safe.port}"
        assert len({came.connection for came in safe.came}) == 1

    @pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
    def test_the_right_certificate_for_another_name_is_refused(self, safe, certificate, host):
        with pytest.raises(ConnectionFailed, match="certificate") as failed:
            self.door_to(safe, ca_file=str(certificate)).request("POST", safe.url(host=host), data=b"x")
        assert not failed.value.wrote_bytes
        assert safe.came == []

    def test_a_self_made_certificate_is_refused(self, safe):
        with pytest.raises(ConnectionFailed, match="self-signed certificate"):
            self.door_to(safe).request("GET", safe.url(host="api.example"))

    def test_the_name_goes_with_the_handshake(self, certificate):
        with serving(certificate=certificate) as safe:
            named = []
            safe.tls.sni_callback = lambda _, name, __: named.append(name)
            self.door_to(safe, ca_file=str(certificate)).request("GET", safe.url(host="api.example"))
        assert named == ["api.example"]

    def test_a_redirect_never_leaves_tls(self, safe, certificate):
        safe.usual = lambda call: call.answer(status=302, Location="http://api.example/")
        a_door = self.door_to(safe, ca_file=str(certificate))
        with pytest.raises(BadAnswer, match="from https to http"):
            get(a_door, safe.url(host="api.example"), redirects=1)

    def test_a_slow_body_ends_in_time(self, safe, certificate):
        def drip(call):
            call.say(b"HTTP/1.1 200 OK\r\n\r\n")
            while not safe.stop.wait(0.05):
                call.say(b"x")

        safe.usual = drip
        started = time.monotonic()
        with pytest.raises(TimedOut) as late:
            self.door_to(safe, ca_file=str(certificate)).request(
                "GET", safe.url(host="api.example"), timeout_seconds=1
            )
        assert time.monotonic() - started < 4
        assert late.value.wrote_bytes

    def test_a_server_that_never_shakes_hands_ends_in_time_and_has_heard_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            a_door = Door(allowed_networks=LOOPBACK, allowed_ports=(port,), resolve=Names(["127.0.0.1"]))
            with pytest.raises(TimedOut) as late:
                a_door.request("POST", f"https://api.example:{port}/", data=b"x", timeout_seconds=0.5)
        assert not late.value.wrote_bytes


class TestProxy:
    def test_all_calls_go_through_the_proxy_of_the_settings(self, web):
        resolve = Names(["127.0.0.1"])
        a_door = Door(proxy=f"http://me:{SECRET}@127.0.0.1:{web.port}", resolve=resolve)
        assert get(a_door, "http://api.example/a").status == 200
        assert web.came[0].path == "http://api.example/a"
        assert "proxy-authorization" in web.came[0].headers
        assert resolve.asked == []

    def test_a_proxy_that_refuses_has_passed_nothing_on(self, web):
        web.usual = lambda call: call.answer(status=403)
        a_door = Door(proxy=f"http://me:{SECRET}@127.0.0.1:{web.port}")
        with pytest.raises(ConnectionFailed, match="egress proxy") as failed:
            a_door.request("POST", "https://api.example/", data=b"x")
        assert web.came[0].method == "CONNECT"
        assert not failed.value.wrote_bytes
        assert SECRET not in failed.value.reason

    def test_tls_reaches_through_the_proxy_with_the_name_verified(self, certificate):
        with serving(certificate=certificate) as safe, tunnel(safe.port) as port:
            a_door = Door(
                proxy=f"http://127.0.0.1:{port}", allowed_ports=(safe.port,), ca_file=str(certificate)
            )
            assert a_door.request("GET", safe.url(host="api.example")).status == 200

    def test_addresses_inside_are_refused_before_the_proxy(self, web):
        with pytest.raises(AddressForbidden):
            get(Door(proxy=f"http://127.0.0.1:{web.port}"), "http://169.254.169.254/")
        assert web.came == []

    @pytest.mark.parametrize(
        "proxy", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "127.0.0.1:1", "http://"]
    )
    def test_a_proxy_of_another_kind_is_refused(self, proxy):
        with pytest.raises(ValueError, match="http://host:port"):
            Door(proxy=proxy)


def wait_for(condition):
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def tunnel(to_port):
    """A proxy that takes one CONNECT and passes bytes on to this port."""
    return _Tunnel(to_port)


class _Tunnel:
    def __init__(self, to_port):
        self.to_port = to_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.links = [self.listener]

    def __enter__(self):
        threading.Thread(target=self.run, daemon=True).start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        for link in self.links:
            link.close()

    def run(self):
        near = self.listener.accept()[0]
        far = socket.create_connection(("127.0.0.1", self.to_port))
        self.links += [near, far]
        near.recv(65536)
        near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        threading.Thread(target=self.copy, args=(far, near), daemon=True).start()
        self.copy(near, far)

    def copy(self, source, target):
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
        except OSError:
            return


class TestTheProcesssDoor:
    @pytest.fixture(autouse=True)
    def fresh(self):
        door.cache_clear()
        yield
        door.cache_clear()

    def test_it_is_made_once_by_the_settings(self, settings, web, monkeypatch):
        settings.WHATSFLOW_PRIVATE_NETWORKS = ["127.0.0.0/8"]
        settings.WHATSFLOW_EGRESS_PROXY = ""
        assert door() is door()
        assert door()._reach.networks == (ip_network("127.0.0.0/8"),)
        assert door()._reach.ports == {80, 443}

    def test_it_reaches_nothing_private_when_no_setting_says_so(self, settings):
        settings.WHATSFLOW_PRIVATE_NETWORKS = []
        settings.WHATSFLOW_EGRESS_PROXY = ""
        with pytest.raises(AddressForbidden):
            get(door(), "http://127.0.0.1/")

    def test_it_goes_through_the_egress_proxy_of_the_settings(self, settings, web):
        settings.WHATSFLOW_EGRESS_PROXY = f"http://127.0.0.1:{web.port}"
        assert get(door(), "http://api.example/").status == 200


def answered(body, content_type="application/json"):
    return Answer(
        status=200, headers={"content-type": content_type}, body=body, seconds=0.1, url="https://a.example/"
    )

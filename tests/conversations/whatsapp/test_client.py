import asyncio
import contextlib
import datetime as dt
import hashlib
import hmac
import io
import ipaddress
import json
import socket
import ssl
import struct
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conversations.whatsapp.client import MAX_ANSWER_BYTES, GraphClient, Timeouts
from conversations.whatsapp.errors import judge_answer

TOKEN = "EAAG-secret-token"
NUMBER = "106540352242922"
BODY = {"messaging_product": "whatsapp", "to": "+16505551234", "type": "text", "text": {"body": "é"}}
ACCEPTED = {"messages": [{"id": "wamid.x"}], "contacts": [{"wa_id": "16505551234"}]}
SHORT = Timeouts(connect=0.5, read=0.4, total=0.6, media_total=0.8)


class Graph:
    """A far end on a real socket: answers as told and remembers what it was asked."""

    def __init__(self):
        self.requests = []
        self.answer = lambda request: web.json_response(ACCEPTED)
        self.base_url = ""

    async def handle(self, request):
        body = await request.read()
        self.requests.append((request.method, request.path, dict(request.query), dict(request.headers), body))
        answer = self.answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def served(graph, **site):
    app = web.Application(client_max_size=200 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", graph.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, **site).start()
    port = runner.addresses[0][1]
    graph.base_url = f"{'https' if site else 'http'}://127.0.0.1:{port}"
    try:
        yield graph
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(handle):
    """A far end that is no good HTTP server."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def graph():
    async with served(Graph()) as graph:
        yield graph


def client_of(base_url, **keys):
    return GraphClient(base_url=base_url, version="v23.0", timeouts=keys.pop("timeouts", SHORT), **keys)


async def post(base_url, **keys):
    async with client_of(base_url, **keys) as client:
        return await client.post_message(NUMBER, BODY, TOKEN)


def state_of(answer):
    return judge_answer(
        answer.http_status, answer.body, wrote_bytes=answer.wrote_bytes, error=answer.error
    ).state


async def test_a_message_is_posted_once_with_the_token_in_its_header(graph):
    answer = await post(graph.base_url)
    assert (answer.http_status, answer.body, answer.wrote_bytes, answer.error) == (200, ACCEPTED, True, None)
    assert 0 < answer.seconds < 5
    ((method, path, query, headers, body),) = graph.requests
    assert (method, path, query) == ("POST", f"/v23.0/{NUMBER}/messages", {})
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == BODY


async def test_a_base_with_a_path_keeps_it(graph):
    await post(graph.base_url + "/simulator/graph/")
    assert graph.requests[0][1] == f"/simulator/graph/v23.0/{NUMBER}/messages"


async def test_the_apps_secret_proves_the_token_and_does_not_travel(graph):
    await post(graph.base_url, app_secret="s3cret")
    ((_, _, query, headers, body),) = graph.requests
    proof = hmac.new(b"s3cret", TOKEN.encode(), hashlib.sha256).hexdigest()
    assert query == {"appsecret_proof": proof}
    assert "s3cret" not in f"{headers}{body}"


@pytest.mark.parametrize(
    ("make", "http_status", "state"),
    [
        (
            lambda r: web.json_response({"error": {"code": 131026, "message": "no"}}, status=400),
            400,
            "refused",
        ),
        (lambda r: web.json_response({"error": {"code": 190, "message": "no"}}, status=401), 401, "queued"),
        (
            lambda r: web.json_response({"error": {"code": 130429, "message": "no"}}, status=429),
            429,
            "queued",
        ),
        (lambda r: web.json_response({"error": {"code": 1, "message": "no"}}, status=500), 500, "ambiguous"),
        (
            lambda r: web.Response(text="<html>Bad gateway</html>", status=502, content_type="text/html"),
            502,
            "ambiguous",
        ),
        (lambda r: web.Response(text="junk"), 200, "ambiguous"),
        (lambda r: web.Response(body=b""), 200, "ambiguous"),
        (lambda r: web.Response(body=b'{"messages":[{"id":"\xff"}]}'), 200, "ambiguous"),
        (lambda r: web.Response(body=b"[" * 500), 200, "ambiguous"),
        (lambda r: web.Response(body=b" " * (MAX_ANSWER_BYTES + 1)), 200, "ambiguous"),
        (lambda r: web.Response(status=204), 204, "ambiguous"),
    ],
)
async def test_each_answer_is_handed_on_to_be_judged(graph, make, http_status, state):
    graph.answer = make
    answer = await post(graph.base_url)
    assert (answer.http_status, answer.wrote_bytes) == (http_status, True)
    assert state_of(answer) == state
    assert len(graph.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(graph, status):
    graph.answer = lambda request: web.Response(status=status, headers={"Location": "/elsewhere"})
    answer = await post(graph.base_url)
    assert (answer.http_status, answer.body) == (status, None)
    assert [request[1] for request in graph.requests] == [f"/v23.0/{NUMBER}/messages"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_refused_connection_wrote_nothing():
    answer = await post(f"http://127.0.0.1:{free_port()}")
    assert (answer.http_status, answer.wrote_bytes) == (None, False)
    assert answer.error.startswith("ClientConnectorError")
    assert state_of(answer) == "queued"


async def test_a_name_that_does_not_resolve_wrote_nothing(monkeypatch):
    async def no_address(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_address)
    answer = await post("http://graph.example")
    assert (answer.wrote_bytes, state_of(answer)) == (False, "queued")


async def test_a_server_that_does_not_speak_tls_got_nothing(graph):
    answer = await post(graph.base_url.replace("http://", "https://"))
    assert (answer.wrote_bytes, state_of(answer)) == (False, "queued")
    assert graph.requests == []


def self_signed(directory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = directory / "pair.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


async def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path):
    async with served(Graph(), ssl_context=self_signed(tmp_path)) as graph:
        answer = await post(graph.base_url)
    assert (answer.wrote_bytes, state_of(answer)) == (False, "queued")
    assert "Certificate" in answer.error
    assert graph.requests == []


async def test_a_reset_after_the_request_is_ambiguous():
    async def reset(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    async with raw_server(reset) as base_url:
        answer = await post(base_url)
    assert (answer.http_status, answer.wrote_bytes, state_of(answer)) == (None, True, "ambiguous")


async def test_a_close_without_an_answer_is_ambiguous():
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with raw_server(hang_up) as base_url:
        answer = await post(base_url)
    assert (answer.wrote_bytes, state_of(answer)) == (True, "ambiguous")


async def test_an_answer_cut_in_the_middle_is_ambiguous():
    async def cut(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"messages":')
        await writer.drain()
        writer.close()

    async with raw_server(cut) as base_url:
        answer = await post(base_url)
    assert (answer.http_status, answer.body, state_of(answer)) == (200, None, "ambiguous")


async def test_what_is_no_http_is_ambiguous():
    async def gibber(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await writer.drain()
        writer.close()

    async with raw_server(gibber) as base_url:
        answer = await post(base_url)
    assert (answer.wrote_bytes, state_of(answer)) == (True, "ambiguous")


async def test_a_server_that_hangs_is_left_within_the_limit():
    over = asyncio.Event()

    async def hang(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await over.wait()
        writer.close()

    async with raw_server(hang) as base_url:
        answer = await post(base_url)
        over.set()
    assert answer.seconds < 3
    assert (answer.wrote_bytes, state_of(answer)) == (True, "ambiguous")


async def test_a_server_that_drips_is_left_within_the_total_limit():
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)

    async with raw_server(drip) as base_url:
        answer = await post(base_url)
        assert answer.seconds < 3
    assert (answer.http_status, state_of(answer)) == (200, "ambiguous")


async def test_a_message_that_never_got_a_connection_wrote_nothing(graph):
    over = asyncio.Event()

    async def wait(request):
        await over.wait()
        return web.json_response(ACCEPTED)

    graph.answer = wait
    timeouts = Timeouts(connect=1, read=5, total=0.5)
    async with client_of(graph.base_url, limit=1, timeouts=timeouts) as client:
        answers = await asyncio.gather(*[client.post_message(NUMBER, BODY, TOKEN) for _ in range(2)])
        over.set()
    assert sorted(answer.wrote_bytes for answer in answers) == [False, True]


async def test_connections_are_kept_and_shared(graph):
    peers = set()

    def answer(request):
        peers.add(request.transport.get_extra_info("peername"))
        return web.json_response(ACCEPTED)

    graph.answer = answer
    async with client_of(graph.base_url, limit=3) as client:
        for _ in range(5):
            await asyncio.gather(*[client.post_message(NUMBER, BODY, TOKEN) for _ in range(6)])
    assert len(graph.requests) == 30
    assert len(peers) <= 3


async def test_cookies_are_not_kept(graph):
    graph.answer = lambda request: web.json_response(ACCEPTED, headers={"Set-Cookie": "a=b"})
    async with client_of(graph.base_url) as client:
        await client.post_message(NUMBER, BODY, TOKEN)
        await client.post_message(NUMBER, BODY, TOKEN)
    assert not any("Cookie" in headers for _, _, _, headers, _ in graph.requests)


@pytest.mark.parametrize("number", ["../../me", "a/b", "1?x=y", "1#f"])
async def test_an_id_stays_one_part_of_the_path(graph, number):
    async with client_of(graph.base_url) as client:
        await client.post_message(number, BODY, TOKEN)
    assert graph.requests[0][1] == f"/v23.0/{number}/messages"
    assert graph.requests[0][2] == {}


@pytest.mark.parametrize("number", ["", ".", ".."])
async def test_an_id_that_is_none_is_the_callers_mistake(graph, number):
    async with client_of(graph.base_url) as client:
        with pytest.raises(ValueError, match="expected an id"):
            await client.post_message(number, BODY, TOKEN)
    assert graph.requests == []


@pytest.mark.parametrize(
    "base_url", ["", "graph.facebook.com", "ftp://x", "file:///etc", "https://u:p@x", "https://"]
)
def test_a_base_that_is_no_origin_is_refused(base_url):
    with pytest.raises(ValueError, match="expected"):
        client_of(base_url)


async def test_errors_tell_no_secret():
    answer = await post(f"http://127.0.0.1:{free_port()}", app_secret="s3cret")
    assert TOKEN not in repr(answer)
    assert "s3cret" not in repr(answer)
    assert "appsecret_proof" not in repr(answer)


async def test_a_closed_client_opens_again_when_used(graph):
    client = client_of(graph.base_url)
    assert (await client.post_message(NUMBER, BODY, TOKEN)).http_status == 200
    await client.close()
    assert (await client.post_message(NUMBER, BODY, TOKEN)).http_status == 200
    await client.close()


async def test_a_file_is_uploaded_with_its_type_and_name(graph):
    graph.answer = lambda request: web.json_response({"id": "987"})
    async with client_of(graph.base_url) as client:
        answer = await client.upload_media(
            NUMBER, b"\x89PNG", mime_type="image/png", filename="a b.png", token=TOKEN
        )
    assert (answer.http_status, answer.body) == (200, {"id": "987"})
    ((method, path, _, headers, body),) = graph.requests
    assert (method, path) == ("POST", f"/v23.0/{NUMBER}/media")
    assert headers["Content-Type"].startswith("multipart/form-data")
    for part in (
        b'name="messaging_product"',
        b"whatsapp",
        b'name="type"',
        b"Content-Type: image/png",
        b"\x89PNG",
    ):
        assert part in body


async def test_a_medium_is_fetched_from_where_graph_says(graph):
    data = b"x" * 200_000
    async with served(Graph()) as cdn:
        cdn.answer = lambda request: web.Response(body=data, content_type="image/jpeg")
        graph.answer = lambda request: web.json_response(
            {"url": f"{cdn.base_url}/m?mid=1", "mime_type": "image/jpeg", "file_size": str(len(data))}
        )
        into = io.BytesIO()
        async with client_of(graph.base_url, app_secret="s") as client:
            told = await client.get_media("1003383421387256", TOKEN, phone_number_id=NUMBER)
            download = await client.download_media(told.body["url"], TOKEN, into)
    assert graph.requests[0][:2] == ("GET", "/v23.0/1003383421387256")
    assert graph.requests[0][2]["phone_number_id"] == NUMBER
    assert cdn.requests[0][3]["Authorization"] == f"Bearer {TOKEN}"
    assert (download.http_status, download.size, download.mime_type, download.error) == (
        200,
        200_000,
        "image/jpeg",
        None,
    )
    assert download.sha256 == hashlib.sha256(data).hexdigest()
    assert into.getvalue() == data


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/m", "file:///etc/passwd", "", "//x", "http://[bad"])
async def test_an_address_that_graph_did_not_name_is_not_asked(graph, url):
    async with served(Graph()) as other:
        port = other.base_url.rpartition(":")[2]
        async with client_of(graph.base_url) as client:
            download = await client.download_media(url.format(port=port), TOKEN, io.BytesIO())
    assert download.error == "an address that the Graph API did not name"
    assert other.requests == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda r: web.Response(status=404), "HTTP 404"),
        (lambda r: web.Response(status=302, headers={"Location": "http://127.0.0.1/secret"}), "HTTP 302"),
        (lambda r: web.Response(body=b"x" * 1001), "more than 1000 bytes"),
    ],
)
async def test_a_medium_that_is_gone_or_too_large_says_so(graph, answer, error):
    graph.answer = answer
    into = io.BytesIO()
    async with client_of(graph.base_url) as client:
        download = await client.download_media(f"{graph.base_url}/m", TOKEN, into, max_bytes=1000)
    assert download.error == error
    assert len(into.getvalue()) <= 1000
    assert len(graph.requests) == 1


async def test_a_medium_without_a_length_is_cut_at_the_cap(graph):
    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await response.write(b"x" * 10_000)
        return response

    graph.answer = stream
    into = io.BytesIO()
    async with client_of(graph.base_url) as client:
        download = await client.download_media(f"{graph.base_url}/m", TOKEN, into, max_bytes=100_000)
    assert download.error == "more than 100000 bytes"
    assert len(into.getvalue()) <= 100_000


async def test_a_download_that_hangs_is_left_within_the_limit(graph):
    over = asyncio.Event()

    async def wait(request):
        await over.wait()
        return web.Response()

    graph.answer = wait
    async with client_of(graph.base_url) as client:
        download = await client.download_media(f"{graph.base_url}/m", TOKEN, io.BytesIO())
        over.set()
    assert download.error
    assert download.seconds < 3


async def test_graph_cannot_lead_a_token_out_of_tls():
    client = client_of("https://graph.example")
    client._remember_origin("http://cdn.example/m")
    client._remember_origin("https://cdn.example/m")
    client._remember_origin("not an address")
    assert not client._is_trusted("http://cdn.example/m")
    assert client._is_trusted("https://cdn.example/m2")


async def test_only_the_last_media_origins_are_remembered():
    client = client_of("https://graph.example")
    for number in range(300):
        client._remember_origin(f"https://cdn{number}.example/m")
    assert not client._is_trusted("https://cdn0.example/m")
    assert client._is_trusted("https://cdn299.example/m")

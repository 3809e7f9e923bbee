"""Which addresses may be reached, and what lint says of a host in a file."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.apis.addresses import host_problem, parse_networks, why_forbidden

FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "168.63.129.17",
    "2606:4700::1111",
    "2a03:2880::1",
]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_what_is_not_on_the_public_internet_is_forbidden(text):
    assert why_forbidden(ip_address(text))


@pytest.mark.parametrize("text", [*PUBLIC, "64:ff9b::808:808"])
def test_public_addresses_may_be_reached(text):
    assert why_forbidden(ip_address(text)) is None


@given(st.ip_addresses())
def test_nothing_passes_that_python_holds_for_private(address):
    if why_forbidden(address) is None and address not in ip_network("64:ff9b::/96"):
        assert address.is_global
        assert not address.is_multicast


def test_an_allowed_network_comes_first_and_opens_nothing_else():
    allowed = parse_networks(["10.20.0.0/16", "fd00::/8", "192.168.7.7"])
    for text in ("10.20.3.4", "fd00::1", "192.168.7.7", "64:ff9b::0a14:0304"):
        assert why_forbidden(ip_address(text), allowed) is None
    for text in ("10.21.0.1", "192.168.7.8", "::ffff:10.20.3.4", "127.0.0.1"):
        assert why_forbidden(ip_address(text), allowed)


def test_a_network_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        parse_networks(["10.0.0.1/8"])


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0x7f000001",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.0x1",
        "1.1.1.256",
        "１２７.0.0.1",
        "127。0。0。1",
        "127.0.0.1.",
        "::1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "169.254.169.254",
        "168.63.129.16",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ｌｏｃａｌｈｏｓｔ",
        "api.localhost",
        "localhost.localdomain",
        "app.localtest.me",
        "10.0.0.1.nip.io",
        "10-0-0-1.nip.io",
        "app-10-0-0-1.nip.io",
        "my.app.127.0.0.1.nip.io",
        "7f000001.nip.io",
        "app-7f000001.nip.io",
        "www.192-168-0-1.sslip.io.",
        "--1.sslip.io",
        "fd00--1.sslip.io",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
        "instance-data",
        "",
        ".",
        "a..b",
        ".example.com",
        "a b.com",
        "user@example.com",
        "exa\\mple.com",
        "example.com/x",
        "a\r\nb",
        "a" * 64 + ".com",
        "a." * 200 + "com",
        "fe80::1%eth0",
        "1:2:3",
    ],
)
def test_lint_refuses_such_a_host(host):
    assert host_problem(host)


@pytest.mark.parametrize(
    "host",
    [
        *PUBLIC,
        "[2606:4700::1111]",
        "api.example.com",
        "api.example.com.",
        "münchen.example",
        "xn--mnchen-3ya.example",
        "my_service.example.com",
        "1e100.net",
        "10.example.com",
        "0x7f.example",
        "8.8.8.8.nip.io",
        "8-8-8-8.sslip.io",
        "nip.io",
        "crm",
        "crm.internal",
        "mylocalhost.com",
    ],
)
def test_lint_has_nothing_to_say_of_such_a_host(host):
    assert host_problem(host) is None


def test_lint_knows_the_allowed_networks():
    allowed = parse_networks(["127.0.0.0/8", "10.0.0.0/8"])
    for host in ("127.0.0.1", "localhost", "10.1.2.3", "10-1-2-3.nip.io"):
        assert host_problem(host, allowed) is None
    for host in ("127.1", "192.168.0.1", "metadata.google.internal"):
        assert host_problem(host, allowed)


@given(st.text(max_size=300))
def test_any_text_is_judged(host):
    assert host_problem(host) is None or isinstance(host_problem(host), str)

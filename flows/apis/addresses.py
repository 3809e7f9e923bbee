"""Which addresses of the network may be reached from an address that a user wrote.

Lint judges what stands in a file (`host_problem`), the door also what the name resolved to (`Reach`).
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOST_CHARACTERS = 253
STANDARD_PORTS = {"http": 80, "https": 443}

# Source: the IANA registries of special-purpose IPv4 and IPv6 addresses, and what clouds add to them.
# Python's is_global lets some of these pass, and which ones differs between its versions.
_FORBIDDEN: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "a private network"),
        ("100.64.0.0/10", "a provider's inner network"),
        ("127.0.0.0/8", "this machine itself"),
        ("168.63.129.16/32", "a cloud's inner service"),
        ("169.254.0.0/16", "a link-local or metadata address"),
        ("172.16.0.0/12", "a private network"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "reserved for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private network"),
        ("198.18.0.0/15", "reserved for benchmarks"),
        ("198.51.100.0/24", "reserved for documentation"),
        ("203.0.113.0/24", "reserved for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "this machine itself"),
        ("::ffff:0:0/96", "an IPv4 address in IPv6 clothes"),
        ("::/96", "an IPv4 address in IPv6 clothes"),
        ("64:ff9b:1::/48", "a private NAT64 network"),
        ("2001::/32", "a Teredo tunnel"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "reserved for documentation"),
        ("2002::/16", "a 6to4 tunnel"),
        ("3fff::/20", "reserved for documentation"),
        ("fc00::/7", "a private network"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "multicast"),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

_LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
_METADATA_NAMES = {
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
}
# Public names that resolve to whatever address is written into them.
_ECHOING = ("nip.io", "sslip.io", "xip.io", "traefik.me", "local-ip.co", "local-ip.sh")
# Public names that always resolve to this machine.
_LOOPING = ("localhost", "localdomain", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "yoogle.com")

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DOTTED_OR_DASHED = re.compile(r"(?<![0-9])(?=([0-9]{1,3}(?:[.-][0-9]{1,3}){3})(?![0-9]))")
_HEX_LABEL = re.compile(r"(?:^|[.-])([0-9a-f]{8})$")


def why_forbidden(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Say why this address may not be reached; None when it may.

    What the operator allowed comes first; of the rest only global unicast addresses pass.
    """
    if any(address in network for network in allowed if network.version == address.version):
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return "an address of one link only"
        if address in _NAT64:
            return why_forbidden(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), allowed)
    for network, reason in _FORBIDDEN:
        if network.version == address.version and address in network:
            return reason
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return "not on the public internet"
    return None if address.is_global else "not on the public internet"


def host_problem(host: str, allowed: Sequence[Network] = ()) -> str | None:
    """Say what is wrong with a host as it is written in a file; None when nothing is, without asking any DNS.

    A name that passes may still resolve to a forbidden address: the door sees to that when it is called.
    """
    name = _plain(host)
    if name is None:
        return "expected the name of a host or an IP address"
    if name in _METADATA_NAMES:
        return f"{name!r} is a cloud's metadata service"
    if _is_under(name, _LOOPING):
        reason = why_forbidden(_LOOPBACK, allowed)
        return f"{name!r} is {reason}" if reason else None
    address = _literal(name)
    if address is not None:
        reason = why_forbidden(address, allowed)
        return f"{name} is {reason}" if reason else None
    if ":" in name or _NUMBER.fullmatch(name.rsplit(".", 1)[-1]):
        return f"{name!r} is an IP address in an unusual form: write four decimal numbers, or a name"
    if _is_under(name, _ECHOING):
        for embedded in _embedded(name):
            reason = why_forbidden(embedded, allowed)
            if reason:
                return f"{name!r} leads to {embedded}: {reason}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What one door may reach.

    Shapes:
        networks: what the operator allowed beside the public internet.
        hosts: names, in lower case and without a last dot, whose addresses are not judged.
    """

    networks: tuple[Network, ...]
    hosts: frozenset[str]
    ports: frozenset[int]

    def url_problem(self, parts: SplitResult, *, allow_http: bool) -> str | None:
        """Judge an address as it is written, before any DNS."""
        try:
            host, port = parts.hostname or "", parts.port or STANDARD_PORTS.get(parts.scheme, 0)
        except ValueError:
            return "expected a port from 1 to 65535"
        if parts.scheme not in (("https", "http") if allow_http else ("https",)):
            return f"expected an address with {'http:// or ' if allow_http else ''}https://"
        if "@" in parts.netloc:
            return "the address holds a user name"
        if port not in self.ports:
            return f"port {port} is not allowed"
        return None if self._vouched(host) else host_problem(host, self.networks)

    def connection_problem(self, host: str, port: int, addresses: Sequence[Address]) -> str | None:
        """Judge all that a name resolved to: one forbidden address among them forbids the name."""
        if port not in self.ports:
            return f"port {port} is not allowed"
        for address in () if self._vouched(host) else addresses:
            reason = why_forbidden(address, self.networks)
            if reason:
                return f"{host} leads to {address}: {reason}"
        return None

    def _vouched(self, host: str) -> bool:
        return host.lower().removesuffix(".") in self.hosts


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read networks as "10.20.0.0/16" or single addresses.

    Raises:
        ValueError: names the text that is no network.
    """
    return tuple(ipaddress.ip_network(text.strip()) for text in texts)


def _plain(host: str) -> str | None:
    """Write a host as resolvers see it: ASCII, lower case, no brackets, no dot at its end."""
    # Python's IDNA codec takes quadratic time.
    if not host or len(host) > MAX_HOST_CHARACTERS + 1:
        return None
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    name = name.removesuffix(".")
    if not name or any(sign <= " " or sign in "/\\@?#[]\x7f" for sign in name):
        return None
    return None if ".." in name or name.startswith(".") else name


def _literal(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_under(name: str, domains: Sequence[str]) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def _embedded(name: str) -> Iterator[Address]:
    """Find the addresses that such services read out of a name: 10.0.0.1., 10-0-0-1., 0a000001., fe80--1."""
    rest = next(name.removesuffix(f".{domain}") for domain in _ECHOING if _is_under(name, (domain,)))
    for found in _DOTTED_OR_DASHED.finditer(rest):
        address = _literal(found[1].replace("-", "."))
        if address is not None:
            yield address
    in_hex = _HEX_LABEL.search(rest)
    if in_hex:
        yield ipaddress.IPv4Address(int(in_hex[1], 16))
    for label in rest.split("."):
        address = _literal(label.replace("-", ":"))
        if address is not None:
            yield address

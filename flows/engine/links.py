"""Judge, without the network, whether an address can be fetched from the public internet."""

import ipaddress
import re
from urllib.parse import urlsplit

_LOCAL = re.compile(r"(^|\.)(localhost|local|internal|localdomain)$")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def why_not_public(url: str) -> str:
    """Return what is wrong with an https address that a stranger's server shall fetch, "" if nothing is."""
    if any(sign <= " " or sign == "\\" for sign in url):
        return "the address holds white space or a backslash"
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return "this is no address"
    if parts.scheme != "https":
        return f"expected an https address, got {parts.scheme or 'no scheme'}"
    if "@" in parts.netloc:
        return "the address holds a user name"
    if not host or _LOCAL.search(host) or _is_inside(host):
        return f"the host {host!r} is not on the public internet"
    return ""


def _is_inside(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        # Resolvers take "127.1" and "0x7f000001" for addresses: their last label is a number.
        return "." not in host or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]) is not None

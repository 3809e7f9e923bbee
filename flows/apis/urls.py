"""Addresses as authors write them: an origin that stands fast, and `{{ … }}` in path and query only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flows.apis.addresses import Network, host_problem
from flows.engine.faults import Path
from flows.engine.walk import Walk, spelled

PORTS = frozenset({80, 443, 8000, 8080, 8443})
EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)

_STAND_IN = "\ue000"
_FORM = re.compile(r"([^:/?#]*)://([^/?#]*)([^#]*)(#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([^:]*))?")
_UNSEEN = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an address may be: ``allowed`` are networks that the operator opened."""

    allow_http: bool = False
    allowed: Sequence[Network] = ()
    may_vary: bool = True


def check_url(url: str, path: Path, walk: Walk, rules: Rules) -> None:
    """Report what is wrong with an address of a record: WF601, WF602, WF603, and tags in it (WF502)."""
    if "{%" in url:
        walk.report("WF502", path, "an address has no tags", "write {{ … }} only")
        return
    masked = EXPRESSION.sub(_STAND_IN, url)
    if "{{" in masked:
        walk.report("WF501", path, "an expression in the address has no end", "write {{ name }}")
        return
    if _is_unseen(masked, path, walk):
        return
    form = _FORM.fullmatch(masked)
    if form is None:
        _report_no_address(masked, path, walk)
        return
    scheme, authority, rest, fragment = form.groups()
    if _STAND_IN in scheme + authority or (not rules.may_vary and _STAND_IN in rest):
        where = "scheme, host or port" if _STAND_IN in scheme + authority else "this address"
        remedy = "variables may stand in path, query and body only"
        walk.report("WF603", path, f"a variable stands in {where}", remedy)
        return
    problem = _scheme_problem(scheme, rules) or _authority_problem(authority)
    if problem:
        walk.report("WF601", path, *problem)
        return
    if fragment:
        walk.report("WF601", path, "the address holds a fragment, which is never sent", "leave out #…")
    _check_host(authority, path, walk, rules)


def _is_unseen(masked: str, path: Path, walk: Walk) -> bool:
    unseen = _UNSEEN.search(masked)
    if unseen:
        message = f"the address holds {spelled(unseen[0])}, white space or a control character"
        walk.report("WF601", path, message, "write it on one line, %20 for a space")
    elif "\\" in masked:
        walk.report("WF601", path, "the address holds a backslash", "write /")
    return bool(unseen) or "\\" in masked


def _report_no_address(masked: str, path: Path, walk: Walk) -> None:
    if masked.startswith(_STAND_IN):
        remedy = "variables may stand in path, query and body only"
        walk.report("WF603", path, "a variable stands in scheme, host or port", remedy)
    else:
        scheme = masked.split(":", 1)[0] if ":" in masked else ""
        got = f"the scheme {spelled(scheme)} without a host" if scheme else "none"
        walk.report("WF601", path, f"expected an https address, got {got}", "write https://host/path")


def _scheme_problem(scheme: str, rules: Rules) -> tuple[str, str] | None:
    if scheme.lower() == "https" or (scheme.lower() == "http" and rules.allow_http):
        return None
    remedy = 'write https://, or add "allow_http": true' if scheme.lower() == "http" else "write https://"
    return f"expected an https address, got {spelled(scheme)}", remedy


def _authority_problem(authority: str) -> tuple[str, str] | None:
    if "@" in authority:
        return "the address holds a user name", 'give it in "auth"'
    parts = _AUTHORITY.fullmatch(authority)
    if not authority or parts is None or not parts[1]:
        return "the address has no host", "write https://host/path"
    port = parts[2]
    if port is not None and not (port.isascii() and port.isdigit() and int(port[:9]) in PORTS):
        listed = ", ".join(str(number) for number in sorted(PORTS))
        return f"the port {spelled(port)} is not one of {listed}", "use a port of HTTP"
    return None


def _check_host(authority: str, path: Path, walk: Walk, rules: Rules) -> None:
    parts = _AUTHORITY.fullmatch(authority)
    problem = host_problem(parts[1], rules.allowed) if parts else None
    if problem:
        walk.report("WF602", path, problem, "name a host of the public internet")

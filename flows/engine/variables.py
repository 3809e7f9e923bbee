"""The names in expressions: what is never set, what is reserved, and answers that nobody uses."""

import re
from collections.abc import Iterator
from typing import Any

from flows.engine import expressions
from flows.engine.expressions import Name
from flows.engine.faults import Path
from flows.engine.graph import Node, steps_of
from flows.engine.keys import RESERVED_ROOTS
from flows.engine.replies import REPLY_KEYS
from flows.engine.subject import Subject, items, record
from flows.engine.walk import Site, nearest, suggestion

CONTACT_KEYS = frozenset({"name", "phone", "user_id", "language", "timezone", "groups", "fields", "is_new"})
FLOW_KEYS = frozenset({"id", "name", "language"})
OLDER_NAMES = frozenset({"user_id", "id", "value", "user_response"})

_COMPUTES = re.compile(r"\{\{[^}]*(?:\w\s*\(|[*/%]|\*\*)[^}]*\}\}")
_ROOT_KEYS = {"contact": CONTACT_KEYS, "reply": frozenset(REPLY_KEYS), "flow": FLOW_KEYS}
_REMEDIES = {
    "WF501": "see the syntax of Liquid: {{ name }}, {% if … %}…{% endif %}",
    "WF502": "use dotted names and the listed filters only",
    "WF503": "use filters: plus, minus, times, divided_by; see the list of filters",
    "WF512": "put parentheses around one of them",
    "WF513": "compute the value in a set step, and compare that",
}


def check(subject: Subject) -> None:
    _check_reserved(subject)
    names = list(_names(subject))
    known = {name for name, _ in assigned(subject)}
    known |= subject.catalog.passed_to(subject.flow_id)
    if subject.is_older:
        known |= _payload_keys(subject)
    for site, name in names:
        if subject.is_older:
            _check_older_name(subject, site, name, known)
        else:
            _check_name(subject, site, name, known)
    if not subject.is_older:
        _check_answers(subject, {name.path for _, name in names})


def _names(subject: Subject) -> Iterator[tuple[Site, Name]]:
    """Every name that a readable expression reads; the others are reported."""
    for site in subject.walk.sites:
        is_condition = site.kind == "condition"
        if is_condition:
            problems = expressions.check_condition(site.text)
        else:
            problems = expressions.check_text(site.text)
        for code, message in problems:
            code = _finer(code, site.text)
            subject.report(code, site.path, message, _REMEDIES.get(code, "correct the expression"))
        if all(code in {"WF502", "WF512"} for code, _ in problems):
            read = expressions.names_in_condition if is_condition else expressions.names_in_text
            yield from ((site, name) for name in read(site.text))


def _finer(code: str, text: str) -> str:
    """A text that Liquid cannot read may try what other languages allow: attributes, calls, arithmetic."""
    if code != "WF501":
        return code
    if "__" in text:
        return "WF502"
    return "WF503" if _COMPUTES.search(text) else code


def assigned(subject: Subject) -> Iterator[tuple[str, Path]]:
    """Every variable that the flow sets, with the place where it does."""
    for name in record(subject.document.get("variables")):
        yield name, ("variables", name)
    for index, step in steps_of(subject.document):
        path: Path = ("steps", index)
        for holder, at in _holders(step, path):
            if isinstance(holder.get("save_as"), str) and holder["save_as"]:
                yield holder["save_as"], (*at, "save_as")
        for name in record(step.get("set")) if step.get("type") == "set" else ():
            yield name, (*path, "set", name)


def _payload_keys(subject: Subject) -> set[str]:
    """In the older dialect the keys of a payload become variables."""
    return {
        key
        for _, step in steps_of(subject.document)
        for _, entry in items(step.get("post_processors"))
        for key in record(record(entry).get("args"))
    }


def _holders(step: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    yield step, path
    yield record(step.get("wait_for")), (*path, "wait_for")
    for key in ("pre_processors", "post_processors"):
        for index, entry in items(step.get(key)):
            yield record(entry), (*path, key, index)


def _check_reserved(subject: Subject) -> None:
    places = list(assigned(subject))
    for index, step in steps_of(subject.document):
        if step.get("type") == "flow":
            places += [(name, ("steps", index, "args", name)) for name in record(step.get("args"))]
    for name, path in places:
        if name in RESERVED_ROOTS:
            subject.report("WF113", path, f'"{name}" is a reserved name', f'call the variable "{name}_value"')


def _check_name(subject: Subject, site: Site, name: Name, known: set[str]) -> None:
    root = str(name.path[0])
    private = next((part for part in name.path if isinstance(part, str) and part.startswith("__")), None)
    if private:
        subject.report("WF502", site.path, f'the name "{private}" is not allowed', _REMEDIES["WF502"])
        return
    if root in RESERVED_ROOTS:
        keys = _ROOT_KEYS.get(root)
        part = name.path[1] if len(name.path) > 1 else None
        if keys and isinstance(part, str) and part not in keys and part != "[]":
            otherwise = "known here: " + ", ".join(sorted(keys))
            if root == "contact":
                otherwise = f"a field of the contact is contact.fields.{part}"
            subject.report(
                "WF510",
                site.path,
                f"no {root}.{part}",
                near if (near := _near(root, part, keys)) else otherwise,
            )
        return
    if root in known or (name.is_guarded and site.kind != "condition"):
        return
    otherwise = "set it in this flow, give it in variables, or use default"
    subject.report(
        "WF510",
        site.path,
        f'no variable "{root}"',
        suggestion(root, sorted(known | RESERVED_ROOTS), otherwise),
    )


def _near(root: str, part: str, keys: frozenset[str]) -> str:
    near = nearest(part, sorted(keys))
    return f'did you mean "{root}.{near}"?' if near else ""


def _check_older_name(subject: Subject, site: Site, name: Name, known: set[str]) -> None:
    root = str(name.path[0])
    if root not in known | OLDER_NAMES | CONTACT_KEYS | RESERVED_ROOTS:
        message = f'nothing in this file provides "{root}"'
        subject.report(
            "WF521", site.path, message, "a campaign's column, a contact's field or global data may"
        )


def _check_answers(subject: Subject, read: set[tuple[str | int, ...]]) -> None:
    """A processor, API call or sub-flow sees all variables, so an answer may be used there."""
    roots = {str(path[0]) for path in read}
    if "reply" in roots or any(_hands_over(node) for node in subject.nodes):
        return
    for node in subject.nodes:
        wait = node.raw.get("wait_for")
        if not isinstance(wait, dict) or wait.get("save_as") in roots or not node.is_active:
            continue
        subject.report(
            "WF218",
            (*node.path, "wait_for"),
            f'the answer to the step "{node.id}" is never used',
            "use it in a condition or a text, hand it to a processor, or keep it with a set step",
        )


def _hands_over(node: Node) -> bool:
    if node.type in {"processor", "api", "flow", "publish", "handoff"}:
        return True
    return bool(node.raw.get("pre_processors") or node.raw.get("post_processors"))

"""What a flow says and what it waits for: Meta's limits, options that can be chosen, sane waits."""

from collections.abc import Mapping
from typing import Any

import re2

from flows.engine.content import Option, check_content, options
from flows.engine.durations import parse_duration
from flows.engine.faults import Path
from flows.engine.graph import Node
from flows.engine.subject import Subject, contents_of, items, listed, record
from flows.engine.walk import suggestion

DAY_SECONDS = 86_400.0

_REMEDIES = {
    "WF301": "shorten it",
    "WF302": "leave some out, or split the message",
    "WF303": "give each its own",
    "WF304": "write it as Meta allows",
    "WF305": "shorten it",
    "WF311": "use an https address that everybody can open",
    "WF505": "put it on one line",
}
# The vocabulary says these with better words.
_SAID_ALREADY = frozenset({"WF105", "WF107"})


def check(subject: Subject) -> None:
    for path, content in subject.contents():
        _check_limits(subject, path, content)
    for node in subject.nodes:
        wait = node.raw.get("wait_for")
        if isinstance(wait, dict):
            _check_wait(subject, node, wait, (*node.path, "wait_for"))
        _check_windows(subject, node)
    _check_expiry_window(subject)


def _check_limits(subject: Subject, path: Path, content: Mapping[str, Any]) -> None:
    for inner, code, message in check_content(content, has_templates=True):
        if code not in _SAID_ALREADY:
            remedy = _REMEDIES.get(code, "write it as Meta's documentation shows")
            subject.report(code, (*path, *inner), message, remedy)


def _check_wait(subject: Subject, node: Node, wait: Mapping[str, Any], path: Path) -> None:
    if wait.get("type") == "choice":
        _check_choice(subject, node, wait, path)
    if isinstance(wait.get("pattern"), str):
        check_pattern(subject, (*path, "pattern"), wait["pattern"])
    for low, high in (("min", "max"), ("min_length", "max_length")):
        first, last = wait.get(low), wait.get(high)
        if isinstance(first, int | float) and isinstance(last, int | float) and first > last:
            subject.report(
                "WF106", (*path, low), f"{low} is larger than {high}", "exchange them", also=[(*path, high)]
            )
    _check_reminders(subject, wait, path)


def _check_choice(subject: Subject, node: Node, wait: Mapping[str, Any], path: Path) -> None:
    known = offered(node)
    if not known and not _has_raw_content(node):
        subject.report("WF219", path, "nothing to choose from", 'send buttons or a list, or give "choices"')
        return
    seen: dict[str, int] = {}
    for index, entry in items(wait.get("choices")):
        option_id = record(entry).get("id")
        if isinstance(option_id, str) and seen.setdefault(option_id, index) != index:
            also = [(*path, "choices", seen[option_id], "id")]
            at = (*path, "choices", index, "id")
            subject.report(
                "WF303", at, f'the option "{option_id}" stands twice', "give each its own id", also=also
            )
    ids = [option.id for option in known]
    for option_id in record(wait.get("synonyms")):
        if option_id not in ids and not any("{{" in known_id for known_id in ids):
            at = (*path, "synonyms", option_id)
            subject.report(
                "WF219", at, f'no option "{option_id}"', suggestion(option_id, ids, "name an option")
            )


def offered(node: Node) -> list[Option]:
    """The options an answer is compared with: ``choices``, else those of the last interactive content."""
    wait = record(node.raw.get("wait_for"))
    named = [
        Option(id=str(entry.get("id")), title=str(entry.get("title")))
        for _, entry in items(wait.get("choices"))
        if isinstance(entry, dict)
    ]
    if named:
        return named
    contents = [content for _, content in contents_of(node)]
    contents += [content for _, content in listed(record(wait.get("retry")).get("content"), ())]
    readable = [content for content in contents if isinstance(content.get("type"), str)]
    return next((found for content in reversed(readable) if (found := options(content))), [])


def _has_raw_content(node: Node) -> bool:
    """Raw interactive objects and templates may offer what we cannot see."""
    return any(content.get("type") in ("interactive", "template") for _, content in contents_of(node))


def check_pattern(subject: Subject, path: Path, pattern: str) -> None:
    """Refuse what RE2 cannot run, and repetitions of repetitions, which other engines cannot bear."""
    try:
        re2.compile(pattern, _QUIET)
    except re2.error as problem:
        reason = problem.args[0].decode() if isinstance(problem.args[0], bytes) else problem.args[0]
        subject.report(
            "WF211",
            path,
            f"RE2 cannot read the expression: {reason}",
            "see RE2's syntax; no look-around, no back-references",
        )
        return
    if _NESTED_REPEAT.search(pattern):
        subject.report("WF211", path, "a repetition inside a repetition", "write (a+)+ as a+")


_QUIET = re2.Options()
_QUIET.log_errors = False
_NESTED_REPEAT = re2.compile(r"\([^()]*[^\\()][+*]\)(?:[+*]|\{\d+,\})")


def _check_reminders(subject: Subject, wait: Mapping[str, Any], path: Path) -> None:
    timeout = _seconds(record(wait.get("timeout")).get("after"))
    before: tuple[float, Path] | None = None
    for index, entry in items(wait.get("remind")):
        at = (*path, "remind", index, "after")
        after = _seconds(record(entry).get("after"))
        if after is None:
            continue
        if before and after <= before[0]:
            subject.report(
                "WF224",
                at,
                "the reminder is not later than the one before",
                "let them rise",
                also=[before[1]],
            )
        if timeout is not None and after >= timeout:
            also = [(*path, "timeout", "after")]
            subject.report(
                "WF224", at, "the reminder falls due after the timeout", "make it shorter", also=also
            )
        before = (after, at)


def _seconds(value: Any) -> float | None:
    try:
        return parse_duration(value)
    except ValueError:
        return None


def _check_windows(subject: Subject, node: Node) -> None:
    """Warn where free text is said 24 hours or more after the contact's last message."""
    wait = record(node.raw.get("wait_for"))
    path: Path = (*node.path, "wait_for")
    for index, entry in items(wait.get("remind")):
        if _is_long(record(entry).get("after")) and _says_free_text(record(entry).get("content")):
            _warn_window(subject, (*path, "remind", index, "after"), "the reminder")
    for holder, at in ((wait, path), (node.raw if node.type == "handoff" else {}, node.path)):
        timeout = record(holder.get("timeout"))
        if _is_long(timeout.get("after")) and _step_says_free_text(subject, timeout.get("step")):
            _warn_window(subject, (*at, "timeout", "after"), f'the step "{timeout["step"]}"')
    if node.type == "pause" and _is_long(node.raw.get("for")):
        for edge in subject.graph.from_step.get(node.id, ()):
            if not edge.is_for_trouble and _step_says_free_text(subject, edge.target):
                _warn_window(subject, (*node.path, "for"), f'the step "{edge.target}"')


def _check_expiry_window(subject: Subject) -> None:
    """``on_expire`` says its text when ``expire_after`` has passed in silence."""
    settings = record(subject.document.get("settings"))
    if _is_long(settings.get("expire_after")) and _step_says_free_text(subject, settings.get("on_expire")):
        _warn_window(subject, ("settings", "expire_after"), f'the step "{settings["on_expire"]}"')


def _warn_window(subject: Subject, path: Path, what: str) -> None:
    message = f"{what} sends free text when the 24-hour window may be closed"
    subject.report("WF310", path, message, "stay under 24h, or send a template")


def _is_long(value: Any) -> bool:
    seconds = _seconds(value)
    return seconds is not None and seconds >= DAY_SECONDS


def _step_says_free_text(subject: Subject, step: Any) -> bool:
    node = subject.graph.nodes.get(step) if isinstance(step, str) else None
    return node is not None and node.is_active and _says_free_text(node.raw.get("content"))


def _says_free_text(content: Any) -> bool:
    first = next((entry for _, entry in listed(content, ())), None)
    return first is not None and first.get("type") != "template"

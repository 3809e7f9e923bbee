"""What a flow names outside itself: other flows, processors, API records, templates and data files."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flows.engine.catalog import ProcessorFact, TemplateFact
from flows.engine.faults import Path
from flows.engine.graph import steps_of
from flows.engine.subject import Subject, items, record
from flows.engine.walk import spelled, suggestion

_PLAIN_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.json)?")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


def check(subject: Subject) -> None:
    _check_flows(subject)
    for path, name, args in processors_of(subject):
        _check_processor(subject, path, name, args)
    for index, step in steps_of(subject.document):
        if step.get("type") == "api" and isinstance(step.get("api"), str):
            _check_api(subject, ("steps", index, "api"), step["api"])
    for path, content in subject.contents():
        if content.get("type") == "template":
            _check_template(subject, path, content)
    _check_dataset(subject)


def _check_flows(subject: Subject) -> None:
    known = subject.catalog.flows
    summary = known.get(subject.flow_id)
    for link in summary.links if summary and subject.catalog.knows_all_flows else ():
        if link.target not in known:
            subject.report(
                "WF216", link.path, f'no flow "{link.target}"', suggestion(link.target, known, "add its file")
            )


def processors_of(subject: Subject) -> Iterator[tuple[Path, str, Any]]:
    """Every processor that the flow names, with the place of its name and its arguments."""
    for index, step in steps_of(subject.document):
        path: Path = ("steps", index)
        if step.get("type") == "processor" and isinstance(step.get("name"), str):
            yield (*path, "name"), step["name"], step.get("args")
        for key in ("pre_processors", "post_processors"):
            for number, entry in items(step.get(key)):
                if isinstance(entry, str):
                    yield (*path, key, number), entry, None
                elif isinstance(record(entry).get("name"), str):
                    yield (*path, key, number, "name"), entry["name"], entry.get("args")


def _check_processor(subject: Subject, path: Path, name: str, args: Any) -> None:
    catalog = subject.catalog
    if catalog.processor is None:
        return
    fact = catalog.processor(name, subject.flow_id)
    if fact is None:
        _report_missing(subject, path, name)
    elif not subject.is_older:
        _check_arguments(subject, path, fact, args)


def _report_missing(subject: Subject, path: Path, name: str) -> None:
    catalog = subject.catalog
    remedy = suggestion(name, catalog.processor_names, f"write a function {name} in processors/")
    if not name.removesuffix(".py").isidentifier():
        remedy = "name a function of a file in processors/"
    code = "WF702" if subject.is_older else "WF701"
    problems = "; ".join(catalog.processor_problems)
    because = f" (there are files that cannot be used: {problems})" if problems else ""
    subject.report(code, path, f"no processor {spelled(name)}{because}", remedy)


def _check_arguments(subject: Subject, path: Path, fact: ProcessorFact, args: Any) -> None:
    faults = fact.name_faults(set(record(args)))
    if faults:
        at = (*path[:-1], "args") if isinstance(args, dict) else path
        subject.report("WF703", at, "; ".join(faults), "name the arguments as the function does")


def _check_api(subject: Subject, path: Path, name: str) -> None:
    known = subject.catalog.apis
    if known is not None and name not in known:
        subject.report(
            "WF610",
            path,
            f'no API record "{name}"',
            suggestion(name, known, "add datasets/apis/" + name + ".json"),
        )


def _check_template(subject: Subject, path: Path, content: Mapping[str, Any]) -> None:
    """A template is an error only once templates were synced; before that nobody can know."""
    name = content.get("name")
    if not isinstance(name, str) or "{{" in name:
        return
    known = subject.catalog.templates
    at = (*path, "name")
    if known is None:
        subject.report("WF509", at, f'the template "{name}" is not known yet', "sync the templates")
        return
    named = [fact for fact in known if fact.name == name]
    if not named:
        subject.report(
            "WF508",
            at,
            f'no template "{name}"',
            suggestion(name, {f.name for f in known}, "create it at Meta"),
        )
        return
    _check_variant(subject, path, content, named)


def _check_variant(
    subject: Subject, path: Path, content: Mapping[str, Any], named: list[TemplateFact]
) -> None:
    language = content.get("language")
    if isinstance(language, str) and "{{" not in language:
        named = [fact for fact in named if fact.language == language]
    at = (*path, "language") if "language" in content else (*path, "name")
    if not named:
        subject.report("WF506", at, f'the template has no language "{language}"', "add the language at Meta")
    elif not any(fact.status == "APPROVED" for fact in named):
        subject.report(
            "WF506",
            (*path, "name"),
            f"the template is {named[0].status}",
            "wait for its approval, or take another",
        )
    else:
        _check_count(subject, path, content, named[0])


def _check_count(subject: Subject, path: Path, content: Mapping[str, Any], fact: TemplateFact) -> None:
    variables = content.get("variables")
    given = len(variables) if isinstance(variables, list | dict) else 0
    if fact.parameters is not None and given != fact.parameters and not isinstance(variables, str):
        at = (*path, "variables") if "variables" in content else (*path, "name")
        subject.report(
            "WF504", at, f"{given} variables given, the template has {fact.parameters}", "give each one"
        )


def _check_dataset(subject: Subject) -> None:
    name = subject.document.get("dataset")
    if not isinstance(name, str):
        return
    if not is_plain_file(name):
        subject.report(
            "WF030",
            ("dataset",),
            f"{spelled(name)} is no name of a file in datasets/data",
            "write its plain name, such as bikes.json",
        )
        return
    known = subject.catalog.data
    if known is not None and name.removesuffix(".json") not in known:
        subject.report(
            "WF031", ("dataset",), f'no file "{name}" in datasets/data', suggestion(name, known, "add it")
        )


def is_plain_file(name: str) -> bool:
    """Whether ``name`` can only mean a file inside its folder, on every system."""
    return _PLAIN_FILE.fullmatch(name) is not None and _DEVICES.fullmatch(name) is None

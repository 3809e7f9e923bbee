"""Flow tests: scripts beside the flows, played on the pure engine; a failing one blocks a new version."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.dataset import Source
from flows.engine.content import options
from flows.engine.durations import parse_duration
from flows.engine.faults import Fault, Path
from flows.engine.replies import IncomingMessage
from flows.engine.walk import Walk, an, kind_of, suggestion
from flows.findings import Finding
from flows.lint import LintedFile, lint_document
from flows.scripts import TEST
from flows.stage import Library, ScriptError, Stage, texts_of

MISSING = object()


class ExpectationError(Exception):
    """What a line of a script expects does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """How one case went; ``path`` is the line that failed, ``steps`` the steps that were entered."""

    flow_id: str
    name: str
    failure: str = ""
    path: Path = ()
    transcript: tuple[str, ...] = ()
    steps: frozenset[tuple[str, str]] = frozenset()

    @property
    def has_passed(self) -> bool:
        return not self.failure


def run_cases(document: Mapping[str, Any], library: Library) -> list[CaseResult]:
    """Play every case of a valid test document."""
    return [_run_case(document["flow"], index, case, library) for index, case in enumerate(document["cases"])]


def _run_case(flow_id: str, index: int, case: Mapping[str, Any], library: Library) -> CaseResult:
    stage = Stage(library=library, case=case)
    failure, path = "", ("cases", index, "script", 0)
    for number, line in enumerate(case["script"]):
        path = ("cases", index, "script", number)
        try:
            _play(stage, line, flow_id)
        except (ExpectationError, ScriptError) as problem:
            failure = str(problem)
            break
        except Exception as problem:  # noqa: BLE001 - a fault of the engine fails this case, not the load
            failure = f"the engine raised {type(problem).__name__}: {problem}"
            break
    else:
        failure = _unasserted(stage)
    return CaseResult(
        flow_id=flow_id,
        name=case["name"],
        failure=failure,
        path=path,
        transcript=tuple(stage.transcript),
        steps=frozenset(stage.steps),
    )


def _play(stage: Stage, line: Mapping[str, Any], flow_id: str) -> None:
    [(kind, value)] = [(key, value) for key, value in line.items() if key in _LINES]
    if kind not in {"bot", "expect"} and (left := _unasserted(stage)):
        raise ExpectationError(left)
    _LINES[kind](stage, value, flow_id)


def _unasserted(stage: Stage) -> str:
    if not stage.said:
        return ""
    return "the bot said what no line asserts: " + " | ".join(
        " / ".join(texts_of(send.content)) or str(send.content.get("type")) for send in stage.said
    )


def _user(stage: Stage, value: Any, _: str) -> None:
    fields = {"text": value} if isinstance(value, str) else dict(value)
    stage.transcript.append(f"user: {fields.get('text') or fields}")
    message = IncomingMessage(**{"type": "text", **fields, "at": stage.now.isoformat()})
    stage.hear(message)


def _tap(stage: Stage, value: Any, _: str) -> None:
    option_id, which = (value, None) if isinstance(value, str) else (value["id"], value.get("of"))
    ref, title = stage.ref_of(option_id, which)
    stage.transcript.append(f"user taps: {title} <{option_id}>")
    at = stage.now.isoformat()
    stage.hear(IncomingMessage(type="tap", text=title, id=option_id, title=title, at=at), ref)


def _advance(stage: Stage, value: str, _: str) -> None:
    stage.transcript.append(f"   ({value} pass)")
    stage.advance(parse_duration(value))


def _hand_back(stage: Stage, _: Any, __: str) -> None:
    stage.transcript.append("   (handed back)")
    stage.hand_back()


def _start(stage: Stage, value: Mapping[str, Any], flow_id: str) -> None:
    stage.campaign = value.get("campaign")
    if value.get("window", "open") == "open":
        stage.last_inbound_at = stage.last_inbound_at or stage.now
    flow = value.get("flow", flow_id)
    stage.transcript.append(f"   (we start {flow})")
    stage.enter(flow)


def _bot(stage: Stage, value: Mapping[str, Any], _: str) -> None:
    if not stage.said:
        raise ExpectationError("the bot said nothing more")
    content = stage.said.pop(0).content
    _same("the type", value.get("type", MISSING), content.get("type"))
    wanted = value.get("contains", [])
    said = "\n".join(texts_of(content))
    for text in [wanted] if isinstance(wanted, str) else wanted:
        if text.casefold() not in said.casefold():
            raise ExpectationError(f'"{text}" is not in what the bot said: {said}')
    _same("the body", value.get("body", MISSING), content.get("body", content.get("caption")))
    _same("the options", value.get("options", MISSING), [option.id for option in options(content)])
    if not _is_part(value.get("content", {}), content):
        raise ExpectationError(f"expected {value['content']} in the content, got {dict(content)}")


def _same(what: str, expected: Any, got: Any) -> None:
    if expected is not MISSING and expected != got:
        raise ExpectationError(f"{what} is {got!r}, expected {expected!r}")


def _is_part(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, Mapping):
        return all(key in whole and _is_part(value, whole[key]) for key, value in part.items())
    return bool(part == whole)


def _expect(stage: Stage, value: Mapping[str, Any], _: str) -> None:
    session = stage.session
    if session is None:
        raise ExpectationError("no flow was started")
    flow = stage.library.by_hash(session.flow_hash)
    step = flow.steps[session.step_id].shown_as if flow else session.step_id
    _same("the step", value.get("step", MISSING), step)
    _same("the state", value.get("state", MISSING), session.state)
    _same("the outcome", value.get("outcome", MISSING), session.outcome)
    for name, expected in value.get("variables", {}).items():
        _same(f"the variable {name}", expected, _dotted(session.variables, name))
    for name, expected in value.get("contact", {}).items():
        _same(f"contact.{name}", expected, _dotted(stage.contact, name))
    if "events" in value:
        _expect_events(stage, value["events"])
    if "calls" in value:
        _expect_calls(stage, value["calls"])


def _dotted(value: Any, name: str) -> Any:
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _expect_events(stage: Stage, expected: Sequence[str]) -> None:
    left = iter(stage.events)
    for name in expected:
        if name not in left:
            raise ExpectationError(f'the event "{name}" is not among {stage.events}, in this order')
    stage.events.clear()


def _expect_calls(stage: Stage, expected: Sequence[Any]) -> None:
    wanted = [{"name": one} if isinstance(one, str) else one for one in expected]
    _same("the list of calls", [one["name"] for one in wanted], [call.name for call in stage.calls])
    for one, call in zip(wanted, stage.calls, strict=True):
        if not _is_part(one.get("args", {}), call.args):
            raise ExpectationError(f"{call.name} was called with {dict(call.args)}, expected {one['args']}")
    stage.calls.clear()


_LINES: dict[str, Callable[[Stage, Any, str], None]] = {
    "user": _user,
    "tap": _tap,
    "advance": _advance,
    "hand_back": _hand_back,
    "start": _start,
    "bot": _bot,
    "expect": _expect,
}


# --- files -------------------------------------------------------------------------------------------


def check_test(document: Any, flows: Sequence[str]) -> list[Fault]:
    """Return every fault of a test document."""
    walk = Walk()
    TEST.check(document, (), walk)
    flow = document.get("flow") if isinstance(document, dict) else None
    if isinstance(flow, str) and flow not in flows:
        walk.report(
            "WF216", ("flow",), f'no flow "{flow}"', suggestion(flow, flows, "name a flow of the dataset")
        )
    elif not isinstance(document, dict):
        walk.report(
            "WF007", (), f"expected an object, got {an(kind_of(document))}", 'write {"flow": …, "cases": […]}'
        )
    return walk.faults


def lint_tests(sources: Sequence[Source], flows: Sequence[str]) -> list[LintedFile]:
    """Examine test files; nothing is run."""
    return [lint_document(source, lambda value: check_test(value, flows)) for source in sources]


def play(files: Sequence[LintedFile], tests: Sequence[LintedFile], library: Library) -> list[LintedFile]:
    """Play every good test of a good flow; a case that fails is a finding at its line."""
    good = {file.flow_id for file in files if not file.is_broken}
    return [
        _played(test, library) if _flow_of(test) in good and not test.is_broken else test for test in tests
    ]


def _played(file: LintedFile, library: Library) -> LintedFile:
    failed = [result for result in run_cases(file.value, library) if not result.has_passed]
    return replace(file, findings=(*file.findings, *(_finding(file, result) for result in failed)))


def _finding(file: LintedFile, result: CaseResult) -> Finding:
    message = f'"{result.name}" fails: {result.failure}'
    return file.finding(_failure(message, result.path))


def _failure(message: str, path: Path) -> Fault:
    return Fault(
        code="WF040", severity="error", path=path, message=message, remedy="mend the flow, or the test"
    )


def _flow_of(test: LintedFile) -> str:
    flow = test.value.get("flow") if isinstance(test.value, dict) else None
    return flow if isinstance(flow, str) else ""


def block(files: Sequence[LintedFile], tests: Sequence[LintedFile]) -> list[LintedFile]:
    """Give each flow whose test fails a finding that says where, so that it does not become live."""
    failing = {_flow_of(test): test for test in tests if test.is_broken}
    return [_blocked(file, failing[file.flow_id]) if file.flow_id in failing else file for file in files]


def _blocked(file: LintedFile, test: LintedFile) -> LintedFile:
    first = next(finding for finding in test.findings if finding.is_error)
    place = f"{first.file}:{first.line}:{first.column}"
    finding = file.finding(_failure(f"its test fails at {place}: {first.message}", ("id",)))
    return replace(file, findings=(*file.findings, finding))

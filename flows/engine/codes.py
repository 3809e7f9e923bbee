"""The one table of lint codes: what each means and how grave it is; docs are generated from it."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A lint code; ``at_key`` points at the key of the faulty value instead of at the value."""

    code: str
    title: str
    severity: Severity = "error"
    at_key: bool = False


def _error(code: str, title: str, *, at_key: bool = False) -> Code:
    return Code(code=code, title=title, at_key=at_key)


def _warning(code: str, title: str, *, at_key: bool = False) -> Code:
    return Code(code=code, title=title, severity="warning", at_key=at_key)


_ALL = (
    # file, JSON, paths
    _error("WF001", "the file is empty"),
    _error("WF002", "the file is not UTF-8"),
    _error("WF003", "the text is not JSON"),
    _error("WF004", "a key stands twice in one object", at_key=True),
    _error("WF005", "a number that JSON does not have, or too long"),
    _error("WF006", "a limit of files is exceeded: bytes, depth or steps"),
    _error("WF007", "the file does not hold an object"),
    _error("WF008", "the file cannot be read"),
    _error("WF030", "a file name that leaves the dataset, or is no plain name"),
    _error("WF031", "a file that is referred to does not exist"),
    _error("WF040", "a flow test fails"),
    # shape and names
    _error("WF101", "unknown key", at_key=True),
    _error("WF102", "wrong type"),
    _error("WF103", "an id of the wrong form"),
    _error("WF104", "a required key is missing"),
    _error("WF105", "a word that is not one of those allowed"),
    _error("WF106", "a value out of its range"),
    _error("WF107", "keys that exclude each other", at_key=True),
    _error("WF113", "a reserved name used for a variable"),
    _error("WF120", "a secret stands in the file"),
    _warning("WF131", "a processor inside content is read as the step's", at_key=True),
    _error("WF132", "the older and the newer dialect in one file", at_key=True),
    _warning("WF133", "on_success or on_fail names no step and is not used"),
    # graph
    _error("WF202", "a step id stands twice"),
    _error("WF203", "no such step"),
    _error("WF204", "a step of another flow is named"),
    _warning("WF205", "no path leads to the step"),
    _warning("WF206", "dead end: rules without an else in the last step"),
    _error("WF207", "a loop in which nothing waits"),
    _error("WF208", "flows that call each other in a circle, or too deep"),
    _error("WF209", "two flows with the same id or trigger"),
    _error("WF210", "an empty trigger"),
    _error("WF211", "a regular expression that cannot be used"),
    _error("WF212", "a trigger that equals a consent word"),
    _error("WF213", "on_expire names a step that waits"),
    _error("WF214", "on_success and next_step in one step", at_key=True),
    _warning("WF215", "a step for errors that ordinary walks fall into"),
    _error("WF216", "no such flow"),
    _warning("WF217", "a rule after the else is never tried"),
    _warning("WF218", "the answer is never used"),
    _error("WF219", "a choice without options, or words for an option that is not there"),
    _error("WF221", "a length of time that is none, or out of range"),
    _warning("WF222", "a translation is missing"),
    _error("WF223", "a translation of a text that does not exist", at_key=True),
    _error("WF224", "reminders that do not rise, or come after the timeout"),
    # WhatsApp limits, media, windows
    _error("WF301", "a text longer than Meta allows"),
    _error("WF302", "more entries than Meta allows"),
    _error("WF303", "an id twice in one message"),
    _error("WF304", "content that Meta refuses"),
    _warning("WF305", "near a limit that older clients have"),
    _warning("WF310", "free text may fall due outside the 24-hour window"),
    _error("WF311", "a media link that cannot be fetched"),
    # templates and expressions
    _error("WF501", "the expression cannot be read"),
    _error("WF502", "the expression uses what is not allowed"),
    _error("WF503", "the expression is too large, or computes what filters should"),
    _error("WF504", "the template's parameters do not fit"),
    _error("WF505", "a parameter that Meta refuses"),
    _error("WF506", "the template cannot be sent"),
    _error("WF507", "characters that cannot be stored or shown"),
    _error("WF508", "no such template"),
    _warning("WF509", "the template is not known yet"),
    _error("WF510", "no such variable"),
    _error("WF512", "and with or without parentheses"),
    _error("WF513", "a filter in a condition"),
    _warning("WF521", "a name that nothing provides, in an older flow"),
    # API records
    _error("WF601", "an address that cannot be called: its scheme, user name, host, port or signs"),
    _error("WF602", "a host that is not on the public internet, or hides where it leads"),
    _error("WF603", "a variable in the scheme, host or port of an address"),
    _error("WF604", "a header that cannot be sent", at_key=True),
    _error("WF605", "a timeout or a number of retries out of its range"),
    _error("WF606", "a call is repeated that is not idempotent", at_key=True),
    _error("WF607", "a JMESPath that cannot be used"),
    _error("WF608", "no such secret"),
    _error("WF609", "a secret where it may not stand"),
    _error("WF610", "no such API record"),
    _error("WF611", "a schema of an answer that cannot be used"),
    # processors
    _error("WF701", "no such processor"),
    _warning("WF702", "no such processor, in an older flow"),
    _error("WF703", "arguments that the processor does not take"),
)

CODES = {entry.code: entry for entry in _ALL}


def severity_of(code: str) -> Severity:
    return CODES[code].severity


def points_at_key(code: str) -> bool:
    return CODES[code].at_key

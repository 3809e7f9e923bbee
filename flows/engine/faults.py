"""One fault of a file: its code, its place in the JSON and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``also`` are the other places it speaks of: a flow id ("" is this flow) and a path in its file."""

    code: str
    severity: Severity
    path: Path
    message: str
    remedy: str = ""
    also: tuple[tuple[str, Path], ...] = ()


def error(code: str, path: Path, message: str, remedy: str = "") -> Fault:
    return Fault(code=code, severity="error", path=path, message=message, remedy=remedy)


def warning(code: str, path: Path, message: str, remedy: str = "") -> Fault:
    return Fault(code=code, severity="warning", path=path, message=message, remedy=remedy)

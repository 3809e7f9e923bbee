"""What a step says: contents translated, rendered, checked against Meta's limits and queued as one."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from flows.engine.content import NOTICES, check_content, is_free, render
from flows.engine.effects import Send
from flows.engine.progress import LimitReached, Progress, StepFailed
from flows.engine.translations import prefixes, translated

WINDOW = timedelta(hours=24)
MOST_MESSAGES = {None: 10, "expired": 10, "failed": 2}

Contents = Sequence[Mapping[str, Any]]


def rendered(progress: Progress, contents: Contents, holder: str) -> list[dict[str, Any]]:
    """Return contents ready to be sent.

    Raises: StepFailed when one cannot be rendered, or Meta would refuse it.
    """
    texts = progress.translation()
    made = []
    for content, prefix in zip(contents, prefixes(holder, contents), strict=True):
        made.append(render(translated(content, prefix, texts), progress.print))
    for content in made:
        require_allowed(content)
    return made


def require_allowed(content: Any) -> None:
    problems = [problem for problem in check_content(content) if problem[1] not in NOTICES]
    if problems:
        path, code, message = problems[0]
        where = ".".join(map(str, path))
        detail = [{"path": list(path), "code": code, "message": message} for path, code, message in problems]
        raise StepFailed("content_refused", f"{code} {where}: {message}", detail)


def is_window_open(progress: Progress) -> bool:
    """Say whether free text may leave: less than 24 hours since the contact's last message."""
    heard_at = progress.heard_at
    return heard_at is not None and progress.now - heard_at < WINDOW


def require_window(progress: Progress, contents: Contents) -> None:
    if any(map(is_free, contents)) and not is_window_open(progress):
        raise StepFailed(
            "window_closed", "free text fell due 24 hours or more after the contact's last message"
        )


def queue(progress: Progress, contents: Contents, *, asks: bool = False) -> list[str]:
    """Queue all contents or none, and return their refs; the last one asks.

    Raises: StepFailed outside the window, LimitReached past the turn's number of messages.
    """
    require_window(progress, contents)
    most = MOST_MESSAGES[progress.closing]
    if progress.turn_messages + len(contents) > most:
        raise LimitReached("too_many_messages", f"a turn sends at most {most} messages")
    progress.turn_messages += len(contents)
    progress.turn_said += len(contents)
    refs = []
    for number, content in enumerate(contents, 1):
        ref = progress.next_ref()
        progress.effects.append(Send(ref=ref, content=content, asks=asks and number == len(contents)))
        refs.append(ref)
    return refs

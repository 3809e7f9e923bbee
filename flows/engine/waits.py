"""Questions: how a step begins to wait, and what replies and timers do to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flows.engine.answers import Answer, Terms, judge
from flows.engine.content import options as options_in
from flows.engine.definition import Step, Wait
from flows.engine.effects import SetTimer
from flows.engine.progress import MASK, LimitReached, Progress, StepFailed
from flows.engine.replies import IncomingMessage, as_reply
from flows.engine.sending import queue, rendered
from flows.engine.session import RUNNING, WAITING, Question
from flows.engine.texts import reask
from flows.engine.transitions import go_on, go_to

# After the last reminder the contact has an hour to answer before silence ends the session.
GRACE_AFTER_REMINDER = 3600.0
GRACE_AFTER_TIMEOUT = 1.0
MOST_REFS = 32
# So many characters of options fit into what a session keeps in reserve.
MOST_UNCOUNTED = 2_000

Contents = Sequence[Mapping[str, Any]]


def ask(progress: Progress, contents: Contents, refs: Sequence[str]) -> None:
    """Begin to wait for the answer to messages that were just queued."""
    step, wait = progress.step, _wait_of(progress)
    now = progress.now.isoformat()
    options = _options(progress, step, wait, contents)
    if sum(len(option_id) + len(title) for option_id, title in options) > MOST_UNCOUNTED:
        progress.require_room(progress.frames, [progress.reply, options])
    progress.wait_no += 1
    progress.question = Question(refs=tuple(refs), options=options, asked_at=now, silent_since=now)
    progress.state = WAITING
    progress.move(phase="wait")
    progress.record("question_asked", wait=wait.type, wait_no=progress.wait_no)
    if wait.timeout:
        _set_timer(progress, "timeout", wait.timeout.after)
    for number, reminder in enumerate(wait.remind, 1):
        _set_timer(progress, f"remind:{number}", reminder.after)
    _set_timer(progress, "expire", _seconds_to_expiry(progress))


def _wait_of(progress: Progress) -> Wait:
    wait = progress.step.wait
    if wait is None:
        raise StepFailed("wait_missing", "the session waits in a step that asks nothing")
    return wait


def _set_timer(progress: Progress, key: str, seconds: float) -> None:
    progress.effects.append(SetTimer(key=key, wait_no=progress.wait_no, after_seconds=seconds))


def _options(progress: Progress, step: Step, wait: Wait, contents: Contents) -> tuple[tuple[str, str], ...]:
    """Return the options of the last interactive content, and of `choices` those that it has not."""
    tapped = _tappable(contents)
    ids = {option_id for option_id, _ in tapped}
    texts = progress.translation()
    named = [
        (choice.id, progress.print(texts.get(f"{step.id}.choices.{choice.id}.title", choice.title)))
        for choice in wait.choices
        if choice.id not in ids
    ]
    return (*tapped, *named)


def _tappable(contents: Contents) -> tuple[tuple[str, str], ...]:
    for content in reversed(contents):
        found = options_in(content)
        if found:
            return tuple((option.id, option.title) for option in found)
    return ()


def _with_options(question: Question, contents: Contents) -> tuple[tuple[str, str], ...]:
    """Return the options of the newest message first, and of the earlier ones those that it has not."""
    newest = _tappable(contents)
    ids = {option_id for option_id, _ in newest}
    return (*newest, *(option for option in question.options if option[0] not in ids))


def _seconds_to_expiry(progress: Progress) -> float:
    """Return the silence allowed from now; a timeout or reminder that is as long moves expiry behind it."""
    wait, question = _wait_of(progress), _question(progress)
    allowed = progress.flow_of(progress.frames[0]).expire_after
    waited = (progress.now - datetime.fromisoformat(question.asked_at)).total_seconds()
    ends = [wait.timeout.after + GRACE_AFTER_TIMEOUT] if wait.timeout else []
    ends += [reminder.after + GRACE_AFTER_REMINDER for reminder in wait.remind if reminder.after >= allowed]
    return max([allowed, *(end - waited for end in ends)])


def _question(progress: Progress) -> Question:
    if progress.question is None:
        raise StepFailed("wait_missing", "the session waits for nothing")
    return progress.question


# --- replies -----------------------------------------------------------------------------------------


def take_reply(progress: Progress, message: IncomingMessage, context_ref: str | None) -> None:
    """Judge a message against the question: accepted, refused and asked again, or a stale tap.

    Raises: StepFailed when the answer is wrong once too often and no step is named for that.
    """
    wait, question = _wait_of(progress), _question(progress)
    if is_stale(question, message, context_ref) and not progress.flow.is_older:
        _take_stale_tap(progress, question, message)
        return
    progress.state = RUNNING
    answer = judge(wait.type, message, terms_of(progress, wait, question))
    if answer is None:
        _refuse(progress, wait, question, message)
    else:
        _accept(progress, wait, message, answer)


def is_stale(question: Question, message: IncomingMessage, context_ref: str | None) -> bool:
    """Say whether a tap answers some other question; typed text is never stale."""
    if message.type != "tap":
        return False
    if context_ref is not None:
        return context_ref not in question.refs
    return all(message.id != option_id for option_id, _ in question.options)


def terms_of(progress: Progress, wait: Wait, question: Question) -> Terms:
    bounds = {key: progress.value(wait.options[key]) for key in ("min", "max") if key in wait.options}
    own = {choice.id: choice.synonyms for choice in wait.choices}
    ids = {*own, *wait.synonyms}
    return Terms(
        keys={**wait.options, **bounds},
        options=question.options,
        synonyms={key: (*own.get(key, ()), *wait.synonyms.get(key, ())) for key in ids},
        now=progress.local_now,
        language=progress.contact_language,
        phone=progress.contact.get("phone"),
    )


def _accept(progress: Progress, wait: Wait, message: IncomingMessage, answer: Answer) -> None:
    value = progress.storable(answer.value)
    reply = as_reply(message, value, option_id=answer.option_id, title=answer.title)
    saved = {wait.save_as: value} if wait.save_as else {}
    progress.question = None
    progress.forgive()
    progress.take(reply, saved, is_sensitive=wait.sensitive)
    shown = MASK if wait.sensitive else value
    progress.record("reply_accepted", value=shown, variables=progress.masked(saved))
    go_on(progress)


def _refuse(progress: Progress, wait: Wait, question: Question, message: IncomingMessage) -> None:
    progress.record("reply_refused", type=message.type, tries=question.tries + 1)
    if question.tries >= wait.retry.max:
        progress.question = None
        progress.record("wait_exhausted")
        if wait.retry.step is None:
            raise StepFailed("wait_exhausted", f"no fitting answer after asking {wait.retry.max} times again")
        go_to(progress, wait.retry.step)
        return
    contents = _reask(progress, wait)
    refs = queue(progress, contents, asks=True)
    _wait_on(progress, question, refs, contents, tries=question.tries + 1)


def _reask(progress: Progress, wait: Wait) -> Contents:
    step = progress.step
    if wait.retry.content:
        return rendered(progress, wait.retry.content, f"{step.id}.retry")
    return [{"type": "text", "body": reask(wait.type, progress.contact_language)}]


def _wait_on(
    progress: Progress, question: Question, refs: Sequence[str], contents: Contents, **changes: Any
) -> None:
    """Keep waiting after another message that asks the same; only silence is counted anew."""
    progress.question = replace(
        question,
        refs=(*question.refs, *refs)[-MOST_REFS:],
        options=_with_options(question, contents),
        silent_since=progress.now.isoformat(),
        **changes,
    )
    progress.state = WAITING
    _set_timer(progress, "expire", _seconds_to_expiry(progress))


def _take_stale_tap(progress: Progress, question: Question, message: IncomingMessage) -> None:
    """Ask again at the first stale tap of a question, which costs no retry; later ones are only recorded."""
    progress.record("stale_tap", id=message.id)
    contents = _last_question(progress) if question.stale_taps == 0 else []
    progress.state = RUNNING
    refs = queue(progress, contents, asks=True) if contents else []
    _wait_on(progress, question, refs, [], stale_taps=question.stale_taps + 1)


def _last_question(progress: Progress) -> Contents:
    step = progress.step
    contents = rendered(progress, step.content, step.id)
    asking = [content for content in contents if options_in(content)] or contents
    return asking[-1:]


# --- timers ------------------------------------------------------------------------------------------


def take_timeout(progress: Progress) -> None:
    wait = _wait_of(progress)
    progress.question = None
    progress.state = RUNNING
    progress.record("wait_timed_out")
    if wait.timeout is None or wait.timeout.step is None:
        raise StepFailed("wait_timed_out", "no answer came in time")
    go_to(progress, wait.timeout.step)


def is_reminder_due(progress: Progress, number: int) -> bool:
    """Say whether this reminder exists and neither it nor a later one was dealt with."""
    return _question(progress).reminders < number <= len(_wait_of(progress).remind)


def remind(progress: Progress, number: int) -> None:
    """Say a reminder; one that cannot be sent is recorded, and the wait goes on."""
    question, step = _question(progress), progress.step
    reminder = _wait_of(progress).remind[number - 1]
    progress.question = replace(question, reminders=number)
    try:
        contents = rendered(progress, reminder.content, f"{step.id}.remind.{number}")
        refs = queue(progress, contents, asks=True)
    except (StepFailed, LimitReached) as problem:
        progress.record("reminder_skipped", number=number, code=problem.code, message=problem.message)
        return
    progress.question = replace(
        question,
        reminders=number,
        refs=(*question.refs, *refs)[-MOST_REFS:],
        options=_with_options(question, contents),
    )
    progress.record("reminder_sent", number=number)


def is_expired(progress: Progress) -> bool:
    """Say whether the contact was silent long enough; an older timer of this wait comes too early."""
    since = datetime.fromisoformat(_question(progress).silent_since)
    return (progress.now - since).total_seconds() >= progress.flow_of(progress.frames[0]).expire_after


def expire(progress: Progress) -> None:
    """End a silent session: the root's `on_expire` says its last words first."""
    progress.question = None
    progress.record("session_expired")
    progress.cut_to_root()
    last_words = progress.flow.on_expire
    if last_words is None:
        progress.end("expired")
        return
    progress.begin_last_words("expired", None)
    progress.state = RUNNING
    go_to(progress, last_words)

"""The flow language as one table: every key of a flow, step, wait and trigger, with its shape and meaning.

Lint checks by it, and the JSON Schemas that editors use are generated from it.
"""

from flows.engine.content_shapes import CONTENTS, TEXT
from flows.engine.keys import KEYWORD_MATCHES, MEDIA_WAITS, OUTCOMES
from flows.engine.scalars import (
    AnyJson,
    Choice,
    Condition,
    DateBound,
    Duration,
    Flag,
    Hours,
    Id,
    Liquid,
    Moment,
    Number,
    Text,
    Typed,
)
from flows.engine.shapes import Either, Key, ListOf, MapOf, Record, Shape, Variant

MAX_STEPS = 500

STEP_ID = Id(what="step id")
NEXT_STEP_ID = Id(what="step id", or_nothing=True)
VARIABLE = Id(what="name of a variable")
TYPED = Typed()
ARGUMENTS = MapOf(value=TYPED)
PROCESSOR_NAME = Text(least=1, most=100, what="name of a processor")


def _key(shape: Shape, about: str, *, required: bool = False) -> Key:
    return Key(shape=shape, about=about, required=required)


def _one_or_many(shape: Shape) -> Either:
    return Either(string=shape, items=ListOf(item=shape))


RULE = Record(
    what="the rule",
    shared="rule",
    keys={
        "when": _key(Condition(), "a condition; without it the rule is the else"),
        "step": _key(
            Either(string=NEXT_STEP_ID, null=True), "the step to go to; null ends the flow", required=True
        ),
    },
)
NEXT = Either(string=NEXT_STEP_ID, items=ListOf(item=RULE, least=1), null=True)
PROCESSOR_ENTRY = Either(
    string=PROCESSOR_NAME,
    record=Record(
        what="the processor",
        shared="processor",
        keys={
            "name": _key(PROCESSOR_NAME, "name of the function", required=True),
            "args": _key(ARGUMENTS, "its arguments"),
            "save_as": _key(VARIABLE, "variable that takes what it returns"),
            "on_fail": _key(Choice(("stop", "continue")), "whether its failure ends the step"),
        },
    ),
)

TIMEOUT = Record(
    what="the timeout",
    shared="timeout",
    keys={
        "after": _key(Duration(), "how long to wait", required=True),
        "step": _key(STEP_ID, "where to go then; without it the step fails"),
    },
)
RETRY = Record(
    what="the retry",
    shared="retry",
    keys={
        "content": _key(CONTENTS, "what to say to an answer that does not fit"),
        "max": _key(Number(least=0, most=20, integer=True), "how often to ask again (3)"),
        "step": _key(STEP_ID, "where to go after that; without it the step fails"),
    },
)
REMINDER = Record(
    what="the reminder",
    shared="reminder",
    keys={
        "after": _key(Duration(), "how long after the question", required=True),
        "content": _key(CONTENTS, "what to say", required=True),
    },
)
OPTION = Record(
    what="the option",
    shared="option",
    keys={
        "id": _key(Text(least=1, most=256, what="option id"), "what the answer is known by", required=True),
        "title": _key(Text(least=1, what="title"), "what a person types", required=True),
        "synonyms": _key(_one_or_many(Text()), "other words for it"),
    },
)
_WAIT_KEYS = {
    "type": _key(Text(), "which answer is expected"),
    "save_as": _key(VARIABLE, "variable that takes the answer"),
    "sensitive": _key(Flag(), "mask the answer in logs, screens and exports"),
    "retry": _key(RETRY, "what happens on an answer that does not fit"),
    "timeout": _key(TIMEOUT, "what happens when no answer comes"),
    "remind": _key(ListOf(item=REMINDER, least=1, most=10), "reminders while waiting, their times rising"),
}
_LENGTH = Number(least=0, most=4096, integer=True)
_WHOLE = Flag()
_DATE_LIMIT = DateBound()
_TIME_LIMIT = Moment()
_MEDIA_KEYS = {
    "max_size": _key(
        Either(number=Number(least=1), string=Text(pattern=r"^[0-9]+ ?[kKmM][bB]$", what="size")), "in bytes"
    ),
    "mime": _key(_one_or_many(Text(least=1)), "MIME types that are accepted"),
}


def _wait(**keys: Key) -> Record:
    return Record(what="the wait", keys=_WAIT_KEYS | keys)


WAIT = Variant(
    what="wait",
    shared="wait",
    cases={
        "any": _wait(),
        "text": _wait(
            min=_key(_LENGTH, "fewest characters"),
            max=_key(_LENGTH, "most characters"),
            min_length=_key(_LENGTH, "the same as min"),
            max_length=_key(_LENGTH, "the same as max"),
            pattern=_key(Text(least=1), "regular expression (RE2) that the whole text must match"),
        ),
        "number": _wait(
            min=_key(Number(), "smallest number"),
            max=_key(Number(), "largest number"),
            integer=_key(_WHOLE, "whole numbers only"),
        ),
        "yes_no": _wait(),
        "choice": _wait(
            choices=_key(ListOf(item=OPTION, least=1), "options that are not buttons or rows"),
            synonyms=_key(MapOf(value=_one_or_many(Text())), "more words for an option, by its id"),
        ),
        "date": _wait(
            min=_key(_DATE_LIMIT, 'first date: "today", "3 days" or YYYY-MM-DD'),
            max=_key(_DATE_LIMIT, "last date"),
        ),
        "time": _wait(
            min=_key(_TIME_LIMIT, "earliest time, HH:MM"), max=_key(_TIME_LIMIT, "latest time, HH:MM")
        ),
        "email": _wait(),
        "phone": _wait(
            region=_key(Text(pattern="^[A-Z]{2}$", what="region"), "country of numbers without +")
        ),
        "location": _wait(),
        "contact": _wait(),
        "form": _wait(),
        "order": _wait(),
        **{kind: _wait(**_MEDIA_KEYS) for kind in sorted(MEDIA_WAITS)},
    },
)

_STEP_KEYS = {
    "id": _key(STEP_ID, "unique in the flow", required=True),
    "name": _key(Text(most=200), "for people"),
    "type": _key(Text(), "which step this is (message)"),
    "is_active": _key(Flag(), "false: passed over"),
    "pre_processors": _key(ListOf(item=PROCESSOR_ENTRY), "run before the content is rendered"),
    "post_processors": _key(ListOf(item=PROCESSOR_ENTRY), "run after the answer was saved"),
    "next_step": _key(NEXT, "the next step: an id, rules, or null for the end"),
    "on_success": _key(Either(string=NEXT_STEP_ID, null=True), "the next step when nothing failed"),
    "on_fail": _key(STEP_ID, "where to go when the step fails"),
    "on_unknown": _key(STEP_ID, "where to go when a call's outcome is not known"),
}
_SAVE_AS = _key(VARIABLE, "variable that takes the result")
_ARGS = _key(ARGUMENTS, "the arguments")


def _step(*, one_of: tuple[tuple[str, ...], ...] = (), **keys: Key) -> Record:
    return Record(what="the step", keys=_STEP_KEYS | keys, one_of=one_of)


_GROUPS = Record(
    what="groups",
    shared="groups",
    keys={
        "add": _key(_one_or_many(TEXT), "groups that the contact joins"),
        "remove": _key(_one_or_many(TEXT), "groups that the contact leaves"),
    },
)
ARM = Record(
    what="the arm",
    shared="arm",
    keys={
        "name": _key(Text(least=1, most=64), "how reports call it"),
        "weight": _key(Number(least=0), "its share of the contacts"),
        "step": _key(Either(string=NEXT_STEP_ID, null=True), "where it leads", required=True),
    },
)
STEP = Variant(
    what="step",
    shared="step",
    default="message",
    cases={
        "message": _step(
            content=_key(CONTENTS, "what to say, one or a list, sent in order"),
            wait_for=_key(WAIT, "the answer to wait for"),
        ),
        "branch": _step(),
        "set": _step(
            set=_key(MapOf(value=TYPED, names=VARIABLE), "variables of the session"),
            contact=_key(MapOf(value=TYPED, names=Id(what="name of a field")), "fields of the contact"),
            groups=_key(_GROUPS, "groups of the contact"),
            consent=_key(Choice(("marketing_in", "marketing_out")), "what the contact agreed to"),
        ),
        "api": _step(
            api=_key(Id(what="name of an API record"), "the API record", required=True),
            args=_ARGS,
            save_as=_SAVE_AS,
        ),
        "processor": _step(
            name=_key(PROCESSOR_NAME, "name of the function", required=True), args=_ARGS, save_as=_SAVE_AS
        ),
        "flow": _step(
            flow=_key(Id(what="flow id"), "the flow to enter", required=True),
            args=_ARGS,
            save_as=_SAVE_AS,
            mode=_key(Choice(("call", "goto")), "come back afterwards (call), or not (goto)"),
        ),
        "pause": _step(
            **{
                "for": _key(Duration(), "how long to pause"),
                "until": _key(Liquid(kind="typed"), "HH:MM in the contact's zone, or an expression"),
                "on_reply": _key(Choice(("ignore", "resume")), "what a message does meanwhile"),
            },
            one_of=(("for", "until"),),
        ),
        "split": _step(
            arms=_key(ListOf(item=ARM, least=1, most=20), "the arms of the experiment", required=True)
        ),
        "handoff": _step(
            team=_key(Text(most=64), "who shall take over"),
            note=_key(TEXT, "what they should know"),
            content=_key(CONTENTS, "what to say to the contact"),
            step=_key(STEP_ID, "where to go on when handed back"),
            timeout=_key(TIMEOUT, "what happens when nobody hands back"),
        ),
        "publish": _step(
            event=_key(Text(least=1, most=100), "name of the event", required=True),
            data=_key(TYPED, "what goes with it"),
        ),
        "end": _step(
            outcome=_key(Choice(OUTCOMES), "how the flow ends (completed)"),
            reason=_key(TEXT, "why"),
            result=_key(TYPED, "what a calling flow gets"),
        ),
    },
)

_FILTER_KEYS = {
    "type": _key(Text(), "which trigger this is"),
    "number": _key(_one_or_many(Text(least=1)), "only messages to these numbers"),
    "groups": _key(_one_or_many(Text(least=1)), "only contacts in these groups"),
    "not_groups": _key(_one_or_many(Text(least=1)), "no contacts in these groups"),
    "hours": _key(_one_or_many(Hours()), "only at these hours, such as mon-fri 09:00-18:00"),
}


def _trigger(**keys: Key) -> Record:
    return Record(what="the trigger", keys=_FILTER_KEYS | keys)


TRIGGER_OBJECT = Variant(
    what="trigger",
    shared="trigger",
    cases={
        "keyword": _trigger(
            text=_key(Text(most=300), "the words", required=True),
            match=_key(Choice(KEYWORD_MATCHES), "how they are compared (exact)"),
            accents=_key(Flag(), "false: accents do not count"),
        ),
        "button": _trigger(id=_key(Text(most=256), "id of the tapped option", required=True)),
        "referral": _trigger(source_id=_key(Text(), "id of the advertisement or post")),
        "new_contact": _trigger(),
        "media": _trigger(
            kind=_key(Choice(("image", "audio", "video", "document", "sticker")), "kind of media; none: any")
        ),
        "order": _trigger(),
        "location": _trigger(),
        "catch_all": _trigger(),
    },
)
TRIGGER_ENTRY = Either(string=Text(most=300), record=TRIGGER_OBJECT)
TRIGGERS = Either(string=Text(most=300), record=TRIGGER_OBJECT, items=ListOf(item=TRIGGER_ENTRY), null=True)

SETTINGS = Record(
    what="settings",
    shared="settings",
    keys={
        "expire_after": _key(Duration(), "silence after which the session ends (23h)"),
        "on_expire": _key(STEP_ID, "step that is run then, without waits"),
        "interrupt": _key(Choice(("keywords", "never")), "whether another flow's trigger may break in"),
        "reentry": _key(
            Either(
                string=Choice(("always", "once")),
                record=Record(
                    what="reentry",
                    keys={"every": _key(Duration(), "at most once in this time", required=True)},
                ),
            ),
            "how often a contact may enter (always)",
        ),
    },
)
FLOW = Record(
    what="the flow",
    keys={
        "$schema": _key(Text(), "where editors find this schema"),
        "id": _key(Id(what="flow id"), "unique over the dataset", required=True),
        "name": _key(Text(most=200), "for people"),
        "description": _key(Text(most=4000), "for people"),
        "trigger": _key(TRIGGERS, "what starts the flow"),
        "start": _key(STEP_ID, "first step (the first in the list)"),
        "end": _key(STEP_ID, "step after which the flow is complete"),
        "is_active": _key(Flag(), "false: checked, but never triggered"),
        "steps": _key(ListOf(item=STEP, least=1), "the steps, in order", required=True),
        "next_flow": _key(Id(what="flow id"), "flow to enter when this one is completed"),
        "variables": _key(MapOf(value=AnyJson(), names=VARIABLE), "variables with their default values"),
        "dataset": _key(Text(least=1), "JSON file in datasets/data, read as `data`"),
        "language": _key(
            Text(pattern="^[a-z]{2,3}([_-][A-Za-z]{2,4})?$", what="language code"), "base language"
        ),
        "translations": _key(MapOf(value=MapOf(value=TEXT)), "texts by language and by step"),
        "settings": _key(SETTINGS, "expiry, interruption, re-entry"),
        "on_error": _key(STEP_ID, "step for a failure that no on_fail took"),
    },
)

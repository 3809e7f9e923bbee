"""The shape of flow tests: what a script may say and expect, checked and described by the same table."""

from flows.engine.scalars import AnyJson, Choice, Duration, Flag, Id, Number, Text
from flows.engine.session import CALLING, ENDED, PAUSED, RUNNING, WAITING, WITH_PERSON
from flows.engine.shapes import Either, Key, ListOf, MapOf, Record, Shape

STATES = (RUNNING, WAITING, CALLING, PAUSED, WITH_PERSON, ENDED)
OUTCOMES = (
    "completed",
    "failed",
    "abandoned",
    "expired",
    "interrupted",
    "handed_off",
    "merged",
    "migrated",
)
MESSAGE_TYPES = (
    "text",
    "tap",
    "image",
    "audio",
    "video",
    "document",
    "sticker",
    "location",
    "contact",
    "order",
    "form",
    "reaction",
    "other",
)


def _key(shape: Shape, about: str, *, required: bool = False) -> Key:
    return Key(shape=shape, about=about, required=required)


_OBJECT = MapOf(value=AnyJson())
_ANY = AnyJson()
_TEXTS = Either(string=Text(), items=ListOf(item=Text()))

MESSAGE = Record(
    what="the message",
    shared="message",
    keys={
        "type": _key(Choice(MESSAGE_TYPES), "kind of message (text)"),
        "text": _key(Text(), "its text, or the caption of media"),
        "id": _key(Text(), "id of a tapped option"),
        "title": _key(Text(), "title of a tapped option"),
        "media": _key(_OBJECT, "the media object"),
        "location": _key(_OBJECT, "latitude, longitude, name, address"),
        "contacts": _key(ListOf(item=AnyJson()), "Meta's contact objects"),
        "order": _key(_OBJECT, "Meta's order object"),
        "form": _key(_OBJECT, "the fields of a form"),
        "referral": _key(_OBJECT, "Meta's referral object"),
    },
)
TAP = Record(
    what="the tap",
    shared="tap",
    keys={
        "id": _key(Text(least=1), "id of the option", required=True),
        "of": _key(Number(integer=True), "which of the bot's messages: 1 is the case's first, -1 the last"),
    },
)
BOT = Record(
    what="the assertion",
    shared="bot",
    keys={
        "type": _key(Text(), "type of the content"),
        "contains": _key(_TEXTS, "what its texts contain, case not counting"),
        "body": _key(Text(), "its body or caption, exactly"),
        "options": _key(ListOf(item=Text()), "ids that can be tapped, in order"),
        "content": _key(_OBJECT, "parts of the content, as it was rendered"),
    },
)
CALL = Either(
    string=Text(),
    record=Record(
        what="the call",
        keys={
            "name": _key(Text(least=1), "the processor or API record", required=True),
            "args": _key(_OBJECT, "arguments among those that were given"),
        },
    ),
)
EXPECT = Record(
    what="the expectation",
    shared="expect",
    keys={
        "step": _key(Text(), "step that the session is at"),
        "state": _key(Choice(STATES), "state of the session"),
        "outcome": _key(Choice(OUTCOMES), "how it ended"),
        "variables": _key(_OBJECT, "variables by dotted name"),
        "contact": _key(_OBJECT, "parts of the contact by dotted name"),
        "events": _key(ListOf(item=Text()), "events that happened since the last expectation, in order"),
        "calls": _key(ListOf(item=CALL), "calls since the last expectation, all of them, in order"),
    },
)
START = Record(
    what="the start",
    shared="start",
    keys={
        "campaign": _key(_OBJECT, "the campaign row"),
        "flow": _key(Id(what="flow id"), "this flow"),
        "window": _key(Choice(("open", "closed")), "whether the contact wrote within 24 hours (open)"),
    },
)
LINE_KEYS = {
    "user": _key(Either(string=Text(), record=MESSAGE), "the customer writes this"),
    "tap": _key(Either(string=Text(least=1), record=TAP), "the customer taps this option"),
    "advance": _key(Duration(), "this time passes"),
    "hand_back": _key(Flag(), "a person hands the conversation back"),
    "start": _key(START, "the flow is started by us"),
    "bot": _key(BOT, "the next message of the bot"),
    "expect": _key(EXPECT, "what holds now"),
}
LINE = Record(what="the line", shared="line", keys=LINE_KEYS, one_of=(tuple(LINE_KEYS),))
STUB = Record(
    what="the stub",
    shared="stub",
    keys={
        "result": _key(_ANY, "what the processor returns"),
        "status": _key(Number(least=100, most=599, integer=True), "HTTP status of the API's answer"),
        "json": _key(_ANY, "the API's answer"),
        "outcome": _key(Choice(("ok", "failed", "unknown")), "what the call comes to (ok)"),
        "reason": _key(Text(), "why it failed"),
        "go_to": _key(Text(), "step that the processor sends the session to"),
        "send": _key(ListOf(item=_OBJECT), "contents that the processor sends"),
    },
)
STUBS = MapOf(value=Either(record=STUB, items=ListOf(item=STUB, least=1)))
CONTACT = Record(
    what="the contact",
    shared="contact",
    keys={
        "name": _key(Text(), "name"),
        "phone": _key(Text(), "phone, E.164"),
        "user_id": _key(Text(), "business-scoped user id"),
        "language": _key(Text(), "language"),
        "timezone": _key(Text(), "time zone"),
        "groups": _key(ListOf(item=Text()), "groups"),
        "fields": _key(_OBJECT, "own fields"),
        "is_new": _key(Flag(), "whether this is the first message ever"),
    },
)
CASE = Record(
    what="the case",
    shared="case",
    keys={
        "name": _key(Text(least=1), "what the case shows", required=True),
        "now": _key(
            Text(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d", what="time"), "when it begins (ISO 8601, UTC)"
        ),
        "contact": _key(CONTACT, "who writes"),
        "data": _key(_ANY, "what the flow reads as data, instead of its data file"),
        "global": _key(_OBJECT, "what it reads as global"),
        "api": _key(STUBS, "answers of API records"),
        "processors": _key(STUBS, "answers of processors"),
        "script": _key(ListOf(item=LINE, least=1), "the conversation, line by line", required=True),
    },
)
TEST = Record(
    what="the test",
    keys={
        "$schema": _key(Text(), "where editors find this schema"),
        "flow": _key(Id(what="flow id"), "the flow that is tested", required=True),
        "cases": _key(ListOf(item=CASE, least=1), "conversations", required=True),
    },
)

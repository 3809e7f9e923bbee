"""The slow, forgiving half of reading JSON: recursive descent that notes a slip and reads on.

What was most likely meant is kept, so that one pass reports all problems and later checks still have a value.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Never

MAX_DEPTH = 64
MAX_DIGITS = 100
MAX_PROBLEMS = 100

Path = tuple[str | int, ...]

_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")


class Span(NamedTuple):
    """Offsets of one value and, inside an object, of its key."""

    start: int
    end: int
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the text that is not strict JSON, at an offset; ``also`` are other places it speaks of."""

    code: str
    offset: int
    path: Path
    message: str
    remedy: str
    also: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that could be read: ``is_whole`` is False where the rest of the text made no sense."""

    value: Any
    is_whole: bool
    problems: tuple[Problem, ...]
    spans: dict[Path, Span]


def recover(text: str) -> Reading:
    """Read ``text`` as far as it can be understood; never raises."""
    return _Reader(text).run()


class _StopError(Exception):
    """The rest of the text cannot be understood."""


class _Reader:
    """Recursive descent with recovery: a slip is noted and read as what was most likely meant."""

    space = re.compile(r"[ \t\r\n]*")
    comment = re.compile(r"//[^\r\n]*|#[^\r\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
    plain = {
        '"': re.compile(r"""(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt])*+"""),
        "'": re.compile(r"""(?:[^'\\\x00-\x1f]++|\\["\\/bfnrt])*+"""),
    }
    short_escape = re.compile(r"\\(.)")
    goes_on = re.compile(r"""[ \t\r\n]*(?:["'{}\[\],]|\Z)""")
    number = re.compile(r"[-+]?[0-9.][0-9.eE+\-]*")
    strict_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
    word = re.compile(r"[-+]?[^\W\d]\w*")
    junk = re.compile(r"[^\s,:\[\]{}\"']+")
    words = {"true": True, "false": False, "null": None}
    slips = {
        "true": "true",
        "false": "false",
        "null": "null",
        "none": "null",
        "nil": "null",
        "undefined": "null",
    }
    endless = {"NaN", "Infinity", "-Infinity", "+Infinity", "-NaN", "nan", "inf", "-inf"}
    escapes = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.path: Path = ()
        self.opened: list[int] = []
        self.problems: list[Problem] = []
        self.spans: dict[Path, Span] = {}

    def run(self) -> Reading:
        value, whole = None, True
        try:
            value = self.value(-1)
            self.skip()
            if self.at < len(self.text):
                self.note("WF003", f"{self.found()} after the end of the value", "keep one value in the file")
        except _StopError:
            whole = False
        return Reading(value=value, is_whole=whole, problems=tuple(self.problems), spans=self.spans)

    def note(
        self, code: str, message: str, remedy: str, *, at: int | None = None, also: tuple[int, ...] = ()
    ) -> None:
        offset = self.at if at is None else at
        self.problems.append(
            Problem(code=code, offset=offset, path=self.path, message=message, remedy=remedy, also=also)
        )
        if len(self.problems) >= MAX_PROBLEMS:
            raise _StopError

    def stop(self, message: str, remedy: str, *, code: str = "WF003", also: tuple[int, ...] = ()) -> Never:
        self.note(code, message, remedy, also=also)
        raise _StopError

    def found(self) -> str:
        if self.at >= len(self.text):
            return "the end of the file"
        match = self.junk.match(self.text, self.at)
        return f"`{match.group()[:20] if match else self.text[self.at]}`"

    def skip(self) -> None:
        while True:
            match = self.space.match(self.text, self.at)
            self.at = match.end() if match else self.at
            comment = self.comment.match(self.text, self.at)
            if comment is None:
                return
            self.note("WF003", "a comment, which JSON does not have", 'use a "$comment" key')
            self.at = comment.end()

    def peek(self) -> str:
        """The next character that is not white space, "" at the end."""
        self.skip()
        return self.text[self.at : self.at + 1]

    def value(self, key: int) -> Any:
        char = self.peek()
        start = self.at
        if char == "{":
            value: Any = self.nested(self.object)
        elif char == "[":
            value = self.nested(self.array)
        elif char in {'"', "'"}:
            value = self.string()
        else:
            value = self.scalar()
        self.spans[self.path] = Span(start, self.at, key)
        return value

    def nested(self, read: Callable[[], Any]) -> Any:
        if len(self.opened) >= MAX_DEPTH:
            self.path = ()  # a path of 64 parts helps nobody; the place does
            self.stop(f"nested deeper than {MAX_DEPTH} levels", "flatten it", code="WF006")
        self.opened.append(self.at)
        self.at += 1
        value = read()
        self.opened.pop()
        return value

    def object(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        outer, places = self.path, dict[str, int]()
        for _ in self.items("}"):
            at = self.at
            key = self.key()
            self.path = (*outer, key)
            if key in places:
                self.note(
                    "WF004",
                    f'the key "{key}" stands twice in one object',
                    "keep one of them",
                    at=at,
                    also=(places[key],),
                )
            places[key] = at
            self.colon()
            made[key] = self.value(at)
            self.path = outer
        return made

    def array(self) -> list[Any]:
        made: list[Any] = []
        outer = self.path
        for _ in self.items("]"):
            self.path = (*outer, len(made))
            made.append(self.value(-1))
            self.path = outer
        return made

    def items(self, close: str) -> Iterator[None]:
        """Yield at the start of each member until the closing bracket, which is eaten."""
        comma = -1
        while True:
            char = self.peek()
            if char == close:
                if comma >= 0:
                    self.note("WF003", f"a comma before the closing `{close}`", "remove the comma", at=comma)
                self.at += 1
                return
            self.refuse_end(char, close)
            if char == ",":
                self.note("WF003", "a comma where a value was expected", "remove the comma")
                self.at += 1
                continue
            yield
            comma = self.comma(close)

    def refuse_end(self, char: str, close: str) -> None:
        opened = self.opened[-1]
        if not char:
            self.stop(f"the file ends inside the {_kind(close)}", f"close it with `{close}`", also=(opened,))
        if char in "]}":
            self.stop(
                f"expected `,` or `{close}`, found `{char}`",
                f"close the {_kind(close)} with `{close}`",
                also=(opened,),
            )

    def comma(self, close: str) -> int:
        """Eat the comma after a member; its offset, or -1 where the closing bracket follows."""
        char = self.peek()
        if char == ",":
            self.at += 1
            return self.at - 1
        if char not in {close, "]", "}", ""}:
            self.note(
                "WF003", f"expected `,` or `{close}`, found {self.found()}", "put a comma between the two"
            )
        return -1

    def colon(self) -> None:
        char = self.peek()
        if char == ":":
            self.at += 1
        elif char == "=":
            self.note("WF003", "expected `:` after the key, found `=`", "write `:`")
            self.at += 1
        else:
            self.note(
                "WF003", f"expected `:` after the key, found {self.found()}", "put `:` between key and value"
            )

    def key(self) -> str:
        char = self.text[self.at]
        if char in "\"'":
            return self.string()
        match = _PLAIN_NAME.match(self.text, self.at)
        if match is None:
            self.stop(f"expected a key in double quotes, found {self.found()}", 'write "key": value')
        self.note("WF003", f"the key `{match.group()}` has no quotes", f'write "{match.group()}"')
        self.at = match.end()
        return match.group()

    def scalar(self) -> Any:
        for pattern, read in ((self.word, self.named), (self.number, self.numeral)):
            match = pattern.match(self.text, self.at)
            if match:
                value = read(match.group())
                self.at = match.end()
                return value
        char = self.text[self.at : self.at + 1]
        if char in {",", "]", "}"} and char:
            self.note("WF003", f"expected a value, found `{char}`", "write a value, or null")
            return None
        return self.stop(f"expected a value, found {self.found()}", "write a value, or null")

    def named(self, word: str) -> Any:
        if word in self.words:
            return self.words[word]
        if word in self.endless:
            self.note("WF005", f"{word} is not a number of JSON", "write a number, or null")
            return 0
        meant = self.slips.get(word.lower())
        remedy = f"write {meant}" if meant else f'write "{word[:40]}" in double quotes'
        self.note("WF003", f"expected a value, found `{word[:40]}`", remedy)
        return self.words[meant] if meant else word

    def numeral(self, text: str) -> int | float:
        if self.strict_number.fullmatch(text) is None:
            self.note("WF003", f"`{text[:40]}` is not a number of JSON", "write it as 0.5, 12 or 1e3")
            return 0
        if text.lstrip("-").isdigit():
            if len(text) <= MAX_DIGITS:
                return int(text)
            self.note(
                "WF005", f"a number of {len(text):,} digits", f"at most {MAX_DIGITS} digits; write it as text"
            )
            return 0
        number = float(text)
        if math.isinf(number):
            self.note("WF005", f"{text[:40]} is too large for a number", "write a smaller number")
            return 0
        return number

    def string(self) -> str:
        quote, start = self.text[self.at], self.at
        if quote == "'":
            self.note("WF003", "a text in single quotes", "use double quotes")
        self.at += 1
        parts: list[str] = []
        while True:
            parts.append(self.run_of_text(quote))
            char = self.text[self.at : self.at + 1]
            if char == quote:
                self.at += 1
                return _join_surrogates("".join(parts))
            if not char:
                self.stop("the file ends inside a text", "close it with a double quote", also=(start,))
            if char in "\r\n" and self.seems_closed():
                self.note(
                    "WF003",
                    "the text is not closed on its line",
                    "close it with a double quote; write \\n for a new line",
                    at=start,
                )
                return "".join(parts)
            parts.append(self.escape() if char == "\\" else self.control(char))

    def seems_closed(self) -> bool:
        """Whether the next line goes on with JSON, so that only the closing quote was forgotten."""
        return self.goes_on.match(self.text, self.at) is not None

    def run_of_text(self, quote: str) -> str:
        match = self.plain[quote].match(self.text, self.at)
        found = match.group() if match else ""
        self.at += len(found)
        if "\\" not in found:
            return found
        if quote == '"':
            return str(json.loads(f'"{found}"'))
        return self.short_escape.sub(lambda m: self.escapes[m[1]], found)

    def control(self, char: str) -> str:
        shown = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(char, f"\\u{ord(char):04x}")
        what = "a line break" if char in "\r\n" else f"a control character (U+{ord(char):04X})"
        self.note("WF003", f"{what} inside a text", f"write {shown}")
        self.at += 1
        return char

    def escape(self) -> str:
        char = self.text[self.at + 1 : self.at + 2]
        if char == "u":
            digits = self.text[self.at + 2 : self.at + 6]
            if re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                self.at += 6
                return chr(int(digits, 16))
        self.note(
            "WF003",
            f"`\\{char}` is not an escape of JSON",
            "write \\\\ for a backslash, \\uXXXX for a character",
        )
        self.at += 1
        return "\\"


def _kind(close: str) -> str:
    return "object" if close == "}" else "list"


def _join_surrogates(text: str) -> str:
    """Make one character of each escaped pair; a lone half stays, for the checks to refuse."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

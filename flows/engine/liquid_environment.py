"""Liquid as flows speak it: what python-liquid has, made strict, total and bounded."""

import functools
from collections.abc import Callable
from typing import Any, TextIO, cast

from liquid import Environment, FalsyStrictUndefined, Mode, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.exceptions import FilterArgumentError, UndefinedError
from liquid.expression import Expression
from liquid.filter import with_context
from liquid.undefined import is_undefined
from liquid.utils import ReadOnlyChainMap

from flows.engine.dateformat import NoDate, format_moment, read_moment
from flows.engine.scopes import Scope
from flows.engine.values import printed

MOST_OUTPUT_BYTES = 32_768
MOST_LOOPS = 1_000
MOST_OPERAND = 32_768
MOST_ARGUMENT = 4_096
# Files are never read from templates, and these tags and filters make HTML or JavaScript.
_WITHOUT_TAGS = ("include", "render", "tablerow")
_WITHOUT_FILTERS = ("safe", "escapejs", "newline_to_br", "strip_html")


class FlowContext(RenderContext):
    """A render context without the library's own `now` and `today`, which read the machine's clock."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)


def print_value(value: object, expression: Expression) -> str:
    """Print what an expression gave; undefined and null are never printed."""
    if isinstance(value, str):
        return value
    if value is None or is_undefined(value):
        _require(value, f"'{expression}'")
    return printed(value)


class PrintedNode(OutputNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(print_value(self.expression.evaluate(context), self.expression))


class PrintedEcho(PrintedNode, EchoNode):
    __slots__ = ()


class PrintTag(Output):
    node_class = PrintedNode


class EchoPrintTag(EchoTag):
    node_class = PrintedEcho


class FlowEnvironment(Environment):
    output_stream_limit = MOST_OUTPUT_BYTES
    loop_iteration_limit = MOST_LOOPS
    local_namespace_limit = 262_144
    context_depth_limit = 20
    block_nesting_limit = 20
    logical_not_operator = True
    logical_parentheses = True

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(PrintTag)
        self.add_tag(EchoPrintTag)
        for name in _WITHOUT_TAGS:
            del self.tags[name]
        for name in _WITHOUT_FILTERS:
            del self.filters[name]
        self.add_filter("date", _date)
        for name, function in self.filters.items():
            if name != "default":
                self.filters[name] = _guarded(name, function)


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse undefined, null and oversized operands, of which the library makes 0, "" or a long wait."""

    @functools.wraps(function)
    def call(value: object, *args: object, **options: object) -> Any:
        _require(value, f"the value before '| {name}'")
        _bound(value, MOST_OPERAND)
        for operand in (*args, *(entry for key, entry in options.items() if key not in _PASSED)):
            _require(operand, f"an argument of '{name}'")
            _bound(operand, MOST_ARGUMENT)
        return function(value, *args, **options)

    return call


_PASSED = frozenset({"context", "environment"})


def _require(value: object, what: str) -> None:
    if is_undefined(value):
        raise UndefinedError(f"{what} is undefined", token=None)
    if value is None:
        raise UndefinedError(f"{what} is null", token=None)


def _bound(value: object, most: int) -> None:
    if isinstance(value, str) and len(value) > most:
        raise FilterArgumentError(f"the text has over {most} characters", token=None)


@with_context
def _date(value: object, pattern: object = "%Y-%m-%d", *, context: RenderContext) -> str:
    scope = cast("Scope", context.globals)
    try:
        return format_moment(read_moment(value, scope.now), str(pattern), scope.language)
    except NoDate as problem:
        raise FilterArgumentError(str(problem), token=None) from None


ENVIRONMENT = FlowEnvironment(tolerance=Mode.STRICT, undefined=FalsyStrictUndefined)

"""Liquid texts, typed values and conditions of flows: compiled once, evaluated over a scope."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path, tokenize
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError, OutputStreamLimitError, ResourceLimitError
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.stream import TokenStream
from liquid.template import BoundTemplate
from liquid.token import (
    TOKEN_AND,
    TOKEN_EXPRESSION,
    TOKEN_LPAREN,
    TOKEN_OR,
    TOKEN_PIPE,
    TOKEN_RPAREN,
    Token,
)
from liquid.undefined import is_undefined

from flows.engine.comparisons import make_nodes_total, make_total
from flows.engine.liquid_environment import (
    ENVIRONMENT,
    MOST_OUTPUT_BYTES,
    FlowContext,
    PrintedNode,
    print_value,
)
from flows.engine.scopes import Scope
from flows.engine.values import UnstorableValue, as_json

MOST_EXPRESSION = 8_192
_EMPTY = BoundTemplate(ENVIRONMENT, [])


class ExpressionError(Exception):
    """An expression that cannot be read or evaluated; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A parsed text.

    Shapes: `typed` is the expression of a text that is exactly one `{{ … }}`; `pieces` are texts and
    expressions in order, where there are no tags.
    """

    template: BoundTemplate
    typed: Expression | None
    pieces: tuple[str | Expression, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name that an expression reads; a guarded one may be undefined: `default`, or in a condition."""

    path: tuple[str | int, ...]
    is_guarded: bool


def is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def print_text(text: str, scope: Scope) -> str:
    """Print a text over the scope.

    Raises: ExpressionError, also where something undefined or null would be printed.
    """
    if not is_template(text):
        return text
    compiled = compile_text(text)
    with _Guard(text):
        if compiled.pieces is not None:
            return _joined(compiled.pieces, _context(scope))
        buffer = LimitedStringIO(limit=MOST_OUTPUT_BYTES)
        compiled.template.render_with_context(FlowContext(compiled.template, globals=scope), buffer)
        return buffer.getvalue()


def _joined(pieces: tuple[str | Expression, ...], context: FlowContext) -> str:
    text = "".join(
        piece if isinstance(piece, str) else print_value(piece.evaluate(context), piece) for piece in pieces
    )
    if len(text) > MOST_OUTPUT_BYTES:
        raise OutputStreamLimitError("output stream limit reached", token=None)
    return text


def _context(scope: Scope) -> FlowContext:
    """Return the context of a scope for expressions outside of tags, which leave nothing behind in it."""
    known: FlowContext | None = scope.context
    if known is None:
        known = scope.context = FlowContext(_EMPTY, globals=scope)
    return known


def value_of(data: Any, scope: Scope) -> Any:
    """Walk JSON deeply: a text that is exactly one `{{ … }}` gives the typed value, any other a text.

    Raises: ExpressionError.
    """
    if isinstance(data, str):
        return _typed_value(data, scope)
    if isinstance(data, Mapping):
        return {key: value_of(entry, scope) for key, entry in data.items()}
    if isinstance(data, (list, tuple)):
        return [value_of(entry, scope) for entry in data]
    return data


def _typed_value(text: str, scope: Scope) -> Any:
    if not is_template(text):
        return text
    compiled = compile_text(text)
    if compiled.typed is None:
        return print_text(text, scope)
    with _Guard(text):
        value = compiled.typed.evaluate(_context(scope))
        if is_undefined(value):
            raise ExpressionError(f"{text} is undefined")
        return as_json(value)


def is_true(condition: str, scope: Scope) -> bool:
    """Evaluate a condition; what is undefined in it is false.

    Raises: ExpressionError.
    """
    compiled = compile_condition(condition)
    with _Guard(condition):
        return bool(compiled.evaluate(_context(scope)))


class _Guard:
    """Turn whatever an evaluation raises into an ExpressionError that names its text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, problem: BaseException | None, __: object) -> None:
        if problem is None or isinstance(problem, ExpressionError) or not isinstance(problem, Exception):
            return
        raise ExpressionError(f"{_said(problem)} in {_short(self.text)}") from problem


def _said(problem: Exception) -> str:
    if isinstance(problem, LiquidError):
        return str(problem.message)
    if isinstance(problem, UnstorableValue):
        return str(problem)
    # The library's filters raise anything where a value is odd.
    return f"{type(problem).__name__}: {problem}"[:200]


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


@lru_cache(maxsize=65_536)
def compile_text(text: str) -> Template:
    """Parse a text, once.

    Raises: ExpressionError.
    """
    with _Guard(text):
        _bound(text)
        template = ENVIRONMENT.from_string(text)
        make_nodes_total(template.nodes, RenderContext(template))
        return Template(template=template, typed=_single(template.nodes), pieces=_pieces(template.nodes))


def _bound(text: str) -> None:
    if len(text) > MOST_EXPRESSION:
        raise ExpressionError(f"the text has {len(text)} characters; {MOST_EXPRESSION} are allowed")


def _single(nodes: list[Node]) -> Expression | None:
    only = nodes[0] if len(nodes) == 1 else None
    return only.expression if isinstance(only, OutputNode) else None


def _pieces(nodes: list[Node]) -> tuple[str | Expression, ...] | None:
    pieces: list[str | Expression] = []
    for node in nodes:
        if type(node) is ContentNode:
            pieces.append(node.text)
        elif type(node) is PrintedNode:
            pieces.append(node.expression)
        else:
            return None
    return tuple(pieces)


@lru_cache(maxsize=16_384)
def compile_condition(text: str) -> BooleanExpression:
    """Parse a condition as an expression, once.

    Raises: ExpressionError.
    """
    with _Guard(text):
        _bound(text)
        stream = TokenStream(iter(_tokens(text)))
        return make_total(BooleanExpression.parse(ENVIRONMENT, stream))


def _tokens(text: str) -> list[Token]:
    return list(tokenize(text, Token(TOKEN_EXPRESSION, text, 0, text)))


# --- what lint asks ----------------------------------------------------------------------------------


def check_text(text: str) -> list[tuple[str, str]]:
    """Return what is wrong with a text as (code, message)."""
    if not is_template(text):
        return []
    try:
        compiled = compile_text(text)
    except ExpressionError as problem:
        return [(_code(problem), str(problem))]
    return [
        ("WF502", f"there is no filter '{name}'")
        for name in sorted({filter_.name for filter_ in _filters(compiled.template.nodes)})
        if name not in ENVIRONMENT.filters
    ]


def check_condition(text: str) -> list[tuple[str, str]]:
    """Return what is wrong with a condition as (code, message)."""
    try:
        kinds = [token.kind for token in _tokens(text)]
    except LiquidError as problem:
        return [("WF501", f"{problem.message} in {_short(text)}")]
    if TOKEN_PIPE in kinds:
        return [("WF513", f"a condition has no filters: {_short(text)}")]
    try:
        compile_condition(text)
    except ExpressionError as problem:
        return [(_code(problem), str(problem))]
    if _mixes(kinds):
        return [("WF512", f"`and` with `or` needs parentheses: {_short(text)}")]
    return []


def _code(problem: ExpressionError) -> str:
    return (
        "WF503"
        if isinstance(problem.__cause__, ResourceLimitError) or "characters;" in str(problem)
        else "WF501"
    )


def _mixes(kinds: list[str]) -> bool:
    """Say whether `and` stands beside `or` in one level of parentheses."""
    levels: list[set[str]] = [set()]
    for kind in kinds:
        if kind == TOKEN_LPAREN:
            levels.append(set())
        elif kind == TOKEN_RPAREN and len(levels) > 1:
            levels.pop()
        elif kind in (TOKEN_AND, TOKEN_OR):
            levels[-1].add(kind)
            if len(levels[-1]) > 1:
                return True
    return False


def names_in_text(text: str) -> list[Name]:
    """Return the names that a valid text reads, without those it sets itself."""
    if not is_template(text):
        return []
    template = compile_text(text).template
    return list(_names_in_nodes(template.nodes, RenderContext(template), set()))


def names_in_condition(text: str) -> list[Name]:
    return list(_names_in(compile_condition(text), set(), guarded=True))


def _names_in_nodes(nodes: Any, context: RenderContext, known: set[str]) -> Iterator[Name]:
    for node in nodes:
        for expression in node.expressions():
            yield from _names_in(expression, known, guarded=isinstance(expression, BooleanExpression))
        known |= {str(name) for name in node.template_scope()}
        inner = known | {str(name) for name in node.block_scope()}
        yield from _names_in_nodes(node.children(context, include_partials=False), context, inner)
        known |= inner - {str(name) for name in node.block_scope()}


def _names_in(expression: Expression, known: set[str], *, guarded: bool) -> Iterator[Name]:
    if isinstance(expression, Path):
        path = tuple(part if isinstance(part, (str, int)) else "[]" for part in expression.path)
        if path[0] not in known:
            yield Name(path=path, is_guarded=guarded)
    elif isinstance(expression, FilteredExpression) and expression.filters:
        has_default = expression.filters[0].name == "default"
        yield from _names_in(expression.left, known, guarded=guarded or has_default)
        for filter_ in expression.filters:
            for argument in filter_.children():
                yield from _names_in(argument, known, guarded=guarded)
        return
    for child in expression.children():
        yield from _names_in(child, known, guarded=guarded)


def _filters(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for expression in node.expressions():
            yield from getattr(expression, "filters", None) or ()
        yield from _filters(node.children(RenderContext(_EMPTY), include_partials=False))

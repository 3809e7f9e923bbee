"""Comparison nodes of Liquid that are total: unlike types are false at their node, never an error."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import BooleanExpression
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty, RangeLiteral
from liquid.builtin.tags.case_tag import MultiExpressionBlockNode
from liquid.exceptions import LoopIterationLimitError
from liquid.expression import Expression
from liquid.undefined import is_undefined

from flows.engine.values import comparable, is_number

MOST_NUMBERS = 1_000


def is_equal(left: Any, right: Any) -> bool:
    left = None if is_undefined(left) else left
    right = None if is_undefined(right) else right
    if isinstance(left, (Empty, Blank)) or isinstance(right, (Empty, Blank)):
        return bool(left == right)
    pair = comparable(left, right)
    if pair is not None:
        return bool(pair[0] == pair[1])
    return type(left) is type(right) and bool(left == right)


def is_less(left: Any, right: Any) -> bool:
    pair = comparable(left, right)
    return pair is not None and pair[0] < pair[1]


def is_less_or_equal(left: Any, right: Any) -> bool:
    pair = comparable(left, right)
    return pair is not None and pair[0] <= pair[1]


def contains(left: Any, right: Any) -> bool:
    if is_undefined(left) or is_undefined(right):
        return False
    if isinstance(left, str):
        return (isinstance(right, str) or is_number(right)) and str(right) in left
    if isinstance(left, Mapping):
        return isinstance(right, str) and right in left
    return isinstance(left, (list, range)) and any(is_equal(entry, right) for entry in left)


_OPERATIONS: dict[type[Expression], Callable[[Any, Any], bool]] = {
    EqExpression: is_equal,
    NeExpression: lambda left, right: not is_equal(left, right),
    LtExpression: is_less,
    GtExpression: lambda left, right: is_less(right, left),
    LeExpression: is_less_or_equal,
    GeExpression: lambda left, right: is_less_or_equal(right, left),
    ContainsExpression: contains,
}


class Comparison(Expression):
    """One comparison; the library's own node raises where unlike types meet."""

    __slots__ = ("left", "original", "right", "test")

    def __init__(self, original: Any, test: Callable[[Any, Any], bool]) -> None:
        super().__init__(token=original.token)
        self.original = original
        self.left: Expression = _total(original.left)
        self.right: Expression = _total(original.right)
        self.test = test

    def __str__(self) -> str:
        return str(self.original)

    def evaluate(self, context: RenderContext) -> object:
        return self.test(self.left.evaluate(context), self.right.evaluate(context))

    def children(self) -> list[Expression]:
        return [self.left, self.right]


class BoundedRange(RangeLiteral):
    """A range that is refused before anything counts through it."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> range:
        numbers = super().evaluate(context)
        if numbers.stop - numbers.start > MOST_NUMBERS:
            raise LoopIterationLimitError(f"the range has over {MOST_NUMBERS} numbers", token=self.token)
        return numbers


class AnyOf(Expression):
    """The test of one `when` of a `case` tag."""

    __slots__ = ("left", "others")

    def __init__(self, original: Any) -> None:
        super().__init__(token=original.token)
        self.left: Expression = original.left
        self.others: list[Expression] = original.expressions

    def __str__(self) -> str:
        return ", ".join(map(str, self.others))

    def evaluate(self, context: RenderContext) -> list[bool]:
        """Return one verdict: the library renders the block once for each true entry."""
        left = self.left.evaluate(context)
        return [any(is_equal(left, other.evaluate(context)) for other in self.others)]

    def children(self) -> list[Expression]:
        return [self.left, *self.others]


def make_total(expression: BooleanExpression) -> BooleanExpression:
    """Replace the comparisons inside a condition, and bound its ranges, in place."""
    _bound_ranges(expression)
    expression.expression = _total(expression.expression)
    return expression


def make_nodes_total(nodes: Iterable[Node], context: RenderContext) -> None:
    """Replace the comparisons inside parsed nodes, and bound their ranges, in place."""
    for node in nodes:
        if isinstance(node, MultiExpressionBlockNode):
            node.expression = AnyOf(node.expression)  # type: ignore[assignment]  # the library names its private class
        for expression in node.expressions():
            _bound_ranges(expression)
            if isinstance(expression, BooleanExpression):
                make_total(expression)
        make_nodes_total(node.children(context, include_partials=False), context)


def _bound_ranges(expression: Expression) -> None:
    for child in (expression, *expression.children()):
        if child is not expression:
            _bound_ranges(child)
        elif isinstance(child, RangeLiteral):
            # Ranges stand in too many kinds of expressions to be replaced; this class has the same slots.
            child.__class__ = BoundedRange


def _total(expression: Any) -> Any:
    test = _OPERATIONS.get(type(expression))
    if test is not None:
        return Comparison(expression, test)
    for side in ("left", "right"):
        if hasattr(expression, side):
            setattr(expression, side, _total(getattr(expression, side)))
    return expression

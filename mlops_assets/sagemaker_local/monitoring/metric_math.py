"""Metric math: CloudWatch's expressions over time series, the part that alarms are made of.

Belongs here: parsing to a checked tree, evaluation point by point. Does not belong here: fetching
the series (cloudwatch.py). Understood: numbers, ids, + - * / ^, comparisons, AND OR, brackets,
IF(c, a[, b]), FILL(m, number), ABS, CEIL, FLOOR, MIN/MAX/SUM/AVG([…]). Source: Amazon CloudWatch
User Guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence

from mlops_assets.sagemaker_local.errors import ApiError

Points = Mapping[str, float | None]
_Evaluate = Callable[[Points], float | None]
_DEPTH = 50
_BINARY: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_UNARY: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
}
_OVER: dict[str, Callable[[Sequence[float]], float]] = {
    "MIN": min,
    "MAX": max,
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
}


def _refused(text: str, why: str) -> ApiError:
    return ApiError("ValidationError", f"Invalid metrics expression {text[:200]!r}: {why}")


class Expression:
    """A parsed expression; ``ids`` are the other queries' results that it needs."""

    def __init__(self, text: str) -> None:
        """Raises ApiError ValidationError for what is no expression or is not done here."""
        self._text = text
        python = text.replace("&&", " and ").replace("||", " or ").replace("^", "**")
        python = python.replace(" AND ", " and ").replace(" OR ", " or ")
        try:
            tree = ast.parse(python.strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise _refused(text, "it cannot be parsed") from error
        self.ids: set[str] = set()
        self._evaluate = self._compile(tree, _DEPTH)

    def value(self, points: Points) -> float | None:
        """The value at one time from the ids' values then; None where there is none."""
        try:
            result = self._evaluate(points)
        except (ZeroDivisionError, OverflowError, ValueError):
            return None
        if result is None or isinstance(result, complex) or not math.isfinite(result):
            return None
        return float(result)

    def _compile(self, node: ast.AST, depth: int) -> _Evaluate:
        if depth == 0:
            raise _refused(self._text, "it is nested too deeply")
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            number = float(node.value)  # type: ignore[arg-type]
            return lambda _: number
        if isinstance(node, ast.Name):
            name = node.id
            if not name[0].islower():
                raise _refused(self._text, f"{name} is no id: ids begin with a lower-case letter")
            self.ids.add(name)
            return lambda points: points.get(name)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _lift(operator.neg, self._compile(node.operand, depth - 1))
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return self._binary(type(node.op), node.left, node.right, depth)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _BINARY:
            return self._binary(type(node.ops[0]), node.left, node.comparators[0], depth)
        if isinstance(node, ast.BoolOp):
            parts = [self._compile(value, depth - 1) for value in node.values]
            combine = all if isinstance(node.op, ast.And) else any
            return _lift(lambda *values: float(combine(values)), *parts)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args, depth - 1)
        raise _refused(self._text, "the local CloudWatch does not support a part of it")

    def _binary(self, kind: type[ast.AST], left: ast.AST, right: ast.AST, depth: int) -> _Evaluate:
        sides = self._compile(left, depth - 1), self._compile(right, depth - 1)
        return _lift(_BINARY[kind], *sides)

    def _call(self, name: str, arguments: Sequence[ast.expr], depth: int) -> _Evaluate:
        if name == "FILL" and len(arguments) == 2:
            of, default = (self._compile(argument, depth) for argument in arguments)

            def fill(points: Points) -> float | None:
                value = of(points)
                return default(points) if value is None else value

            return fill
        if name == "IF" and len(arguments) in (2, 3):
            branches = [self._compile(argument, depth) for argument in arguments]

            def choose(points: Points) -> float | None:
                condition = branches[0](points)
                if condition:
                    return branches[1](points)
                return branches[2](points) if condition is not None and branches[2:] else None

            return choose
        if name in _UNARY and len(arguments) == 1:
            return _lift(_UNARY[name], self._compile(arguments[0], depth))
        if name in _OVER and len(arguments) == 1 and isinstance(arguments[0], ast.List):
            parts = [self._compile(item, depth) for item in arguments[0].elts]

            def over(points: Points) -> float | None:
                values = [value for part in parts if (value := part(points)) is not None]
                return _OVER[name](values) if values else None

            return over
        raise _refused(self._text, f"the local CloudWatch does not support {name} so")


def _lift(function: Callable[..., float], *parts: _Evaluate) -> _Evaluate:
    """The function over values of which none is missing; else nothing."""

    def evaluate(points: Points) -> float | None:
        values = [part(points) for part in parts]
        return None if any(value is None for value in values) else function(*values)

    return evaluate

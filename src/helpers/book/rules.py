"""The language of rules: comparisons of named numbers, computed and never executed as code; and
the means over seeds that they are asked of.
"""

import ast
import operator
import re
from collections.abc import Callable


def evaluate(rule: str, names: dict[str, float]) -> bool:
    """Return whether a rule holds; it may compare, add, multiply, and use min, max, abs, and, or,
    not.
    """
    return bool(_evaluate(ast.parse(rule, mode="eval").body, names))


_FUNCTIONS = {"min": min, "max": max, "abs": abs}
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}


def _evaluate(node: ast.expr, names: dict[str, float]) -> float | bool:
    """Walk the few kinds of syntax a rule may hold; anything else is an error, never executed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.BoolOp):
        results = [_evaluate(part, names) for part in node.values]
        return all(results) if isinstance(node.op, ast.And) else any(results)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.operand, names))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left, names), _evaluate(node.right, names))
    if isinstance(node, ast.Compare) and all(type(op) in _OPERATORS for op in node.ops):
        sides = [_evaluate(part, names) for part in (node.left, *node.comparators)]
        return all(_OPERATORS[type(op)](a, b) for op, a, b in zip(node.ops, sides, sides[1:]))
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _FUNCTIONS
        and not node.keywords
    ):
        return _FUNCTIONS[node.func.id](*[_evaluate(part, names) for part in node.args])
    raise ValueError(
        f"a rule may not hold `{ast.unparse(node)}`; names at hand: {', '.join(names)}"
    )


def names_of(rule: str) -> set[str]:
    """Return the names that a rule compares."""
    return {node.id for node in ast.walk(ast.parse(rule)) if isinstance(node, ast.Name)} - set(
        _FUNCTIONS
    )


def unmet(rule: str, names: dict[str, float]) -> list[str]:
    """Return in words which parts of a rule do not hold: of ``a_low > 0 and b > c``, say,
    ``a low (-0.3) is not above 0``.
    """
    return [_told(part, names) for part in _parts(rule) if not _evaluate(part, names)]


def _parts(rule: str) -> list[ast.expr]:
    """What a rule joins by ``and``; the whole of it, where it joins nothing so."""
    whole = ast.parse(rule, mode="eval").body
    joined = isinstance(whole, ast.BoolOp) and isinstance(whole.op, ast.And)
    return whole.values if joined else [whole]


_WORDS = {ast.Lt: "below", ast.LtE: "at most", ast.Gt: "above", ast.GtE: "at least"}


def _told(part: ast.expr, names: dict[str, float]) -> str:
    if isinstance(part, ast.Compare) and len(part.ops) == 1:
        left, right = _in_numbers(part.left, names), _in_numbers(part.comparators[0], names)
        return f"{left} is not {_WORDS[type(part.ops[0])]} {right}"
    return f"{_in_numbers(part, names)} does not hold"


def _in_numbers(part: ast.expr, names: dict[str, float]) -> str:
    words = {name: "what was found" if name == "value" else name for name in names}
    told = {name: f"{words[name].replace('_', ' ')} ({names[name]:.4g})" for name in names}
    text = re.sub(r"[^\W\d]\w*", lambda found: told.get(found[0], found[0]), ast.unparse(part))
    return text.replace(" * ", " × ").replace(" - ", " − ").replace(" / ", "/")


def refuted(rule: str, names: dict[str, float]) -> bool:
    """Return whether a rule fails whatever the names that it compares and that are not known: one
    of the parts that it joins by ``and`` fails by itself.
    """
    parts = map(ast.unparse, _parts(rule))
    return any(names_of(part) <= set(names) and not evaluate(part, names) for part in parts)


def over_seeds(statistic: Callable[[list[float]], float], values: list) -> dict | list | float:
    """Return a statistic over seeds of numbers, of pairs, or of what all seeds name alike."""
    if isinstance(values[0], dict):
        shared = [name for name in values[0] if all(name in value for value in values)]
        return {name: over_seeds(statistic, [value[name] for value in values]) for name in shared}
    if isinstance(values[0], list):
        return [statistic(ends) for ends in zip(*values)]
    return statistic(values)

"""A Jinja sandbox for untrusted chat templates, bounded in time and memory.

Jinja's own sandbox keeps a template from reaching Python, but not from looping forever or doubling
a string until memory runs out. So loops and concatenations are counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, NoReturn

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

__all__ = ["bounded", "sandbox"]

MOST_STEPS = 1_000_000  # loop iterations per rendering: well under a second
MOST_CHARACTERS = 1 << 20  # in a string built by a template; real ones have a few thousand
MOST_DIGITS = 64  # in the result of a power

_steps_left: ContextVar[list[int]] = ContextVar("_steps_left")


def sandbox() -> Environment:
    """Return an environment with the helpers that models' templates expect."""
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["_counted"] = _counted
    environment.filters["_joined"] = _joined
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _today
    return environment


def bounded() -> None:
    """Begin a rendering: reset the count of loop iterations."""
    _steps_left.set([MOST_STEPS])


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counting().visit(super()._parse(source, name, filename))
        return tree

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        """Compute an operation, or refuse it if the result would be huge."""
        if operator == "*":
            _check_length(_length(left) * right if isinstance(right, int) else 0)
            _check_length(_length(right) * left if isinstance(left, int) else 0)
        elif operator == "+":
            _check_length(_length(left) + _length(right))
        elif operator == "**" and abs(right) * len(str(abs(left))) > MOST_DIGITS:
            raise TemplateError(f"{left} to the power of {right} is too large")
        elif operator == "%" and isinstance(left, str) and any(c.isdigit() for c in left):
            raise TemplateError(f"{left!r} uses a format width, which is not allowed")
        return super().call_binop(context, operator, left, right)


class _Counting(NodeTransformer):
    """Wraps loop iterables and concatenations in the counting filters."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        node = self.generic_visit(node)  # type: ignore[assignment]
        node.iter = _filtered(node.iter, "_counted")  # type: ignore[arg-type]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        node = self.generic_visit(node)  # type: ignore[assignment]
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_joined")


def _to_json(value: object, indent: int | None = None) -> str:
    """Write JSON as in training data; Jinja's own filter escapes it for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _counted(items: Iterable[Any]) -> Iterable[Any]:
    """Pass items through, and stop a template that loops forever."""
    left = _steps_left.get()
    if isinstance(items, list | tuple | str | range) or hasattr(items, "__len__"):
        left[0] -= len(items)  # type: ignore[arg-type]
        _check_steps(left)
        return items  # unchanged: templates ask for its length
    return _one_by_one(items, left)


def _one_by_one(items: Iterable[Any], left: list[int]) -> Iterator[Any]:
    for item in items:
        left[0] -= 1
        _check_steps(left)
        yield item


def _check_steps(left: list[int]) -> None:
    if left[0] < 0:
        raise TemplateError(f"it loops more than {MOST_STEPS:,} times")


def _joined(parts: list[Any]) -> str:
    texts = [str(part) for part in parts]
    _check_length(sum(map(len, texts)))
    return "".join(texts)


def _length(value: Any) -> int:  # noqa: ANN401  any value of a template
    return len(value) if isinstance(value, str | list | tuple) else 0


def _check_length(length: int) -> None:
    if length > MOST_CHARACTERS:
        raise TemplateError(f"it builds a string of more than {MOST_CHARACTERS:,} characters")


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _today(pattern: str) -> str:
    """Format the current date for templates that print it (Llama 3.1 and later)."""
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime(pattern)

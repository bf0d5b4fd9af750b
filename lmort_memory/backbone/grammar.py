"""Grammars for replies, made from JSON schemas.

llama.cpp's parser calls itself for every bracket inside another one: beyond some it refuses the
grammar, and beyond some more the process dies of it. So brackets and repetitions are counted first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

from lmort_memory.backbone.library import llama, take_errors, take_log_back
from lmort_memory.backbone.plain_schema import plain_schema
from lmort_memory.errors import BackboneError, MissingDependencyError

__all__ = ["json_grammar", "new_grammar_sampler", "wrapped"]

_ROOT = re.compile(r"^root ::=", re.MULTILINE)
_NO_BRACKETS = re.compile(
    r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#.*'
)  # GBNF: texts, classes, comments
_WRITTEN = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
_OF_GBNF = re.compile(r'[\\"\n\r]')
_TIMES = re.compile(r"\{(\d*),?(\d*)\}")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")
_NO_NAME = re.compile(r"[^A-Za-z0-9-]+")  # what a rule's name has not
_MOST_NESTED = 1100  # brackets; the converter writes a bracket for each optional repetition
_MOST_TIMES = 1000
_MOST_TIMES_IN_ALL = 20_000  # the converter writes every repetition out


def json_grammar(schema: Mapping[str, Any] | None, *, order: Sequence[str] = ()) -> str:
    """Return the GBNF of a JSON schema; None means any JSON object.

    Args:
        schema: A schema without references to other documents.
        order: Properties that come first, in this order.

    Raises:
        ValueError: llama.cpp's converter does not support a part of the schema.
    """
    llama()  # binds llama_cpp to the library in use, which need not be its own
    try:
        from llama_cpp.llama_grammar import JSON_GBNF, SchemaConverter
    except ImportError as error:
        raise MissingDependencyError("llama-cpp-python", extra="smollm2") from error
    take_log_back()
    if schema is None:
        return str(JSON_GBNF)
    try:
        _check_repetitions(schema)
        grammar = _converted(schema, SchemaConverter, order)
        llama().llama_sampler_free(new_grammar_sampler(grammar, None))
        return grammar
    except BackboneError as error:
        raise ValueError(f"this JSON schema makes no grammar: {error}") from error
    except (
        AssertionError,
        AttributeError,
        KeyError,
        IndexError,
        NotImplementedError,
        RecursionError,
        TypeError,
        re.error,
    ) as error:
        raise ValueError(f"cannot convert this JSON schema to a grammar: {error!r}") from error


def wrapped(grammar: str, before: str, after: str) -> str:
    """Return a grammar with literal text before and after it."""
    inner = _ROOT.sub("wrapped-root ::=", grammar)
    return f"root ::= {json.dumps(before)} wrapped-root {json.dumps(after)}\n{inner}"


def _converted(schema: Mapping[str, Any], base: type[Any], order: Sequence[str]) -> str:
    class Converter(base):  # type: ignore[misc]
        def _format_literal(self, literal: str) -> str:
            """Write JSON as a text of GBNF.

            The original leaves backslashes as they are: a quote in a value ends the text there,
            and of an emoji's two escapes neither is a character.
            """
            with suppress(ValueError):
                literal = json.dumps(json.loads(literal), ensure_ascii=False)
            return '"' + _OF_GBNF.sub(lambda found: _WRITTEN[found[0]], literal) + '"'

        def _resolve_ref(self, ref: str) -> str:
            """Return the rule of a reference.

            The original names it by the last word alone, which two tools may both use, and a
            schema that holds itself by a name that the rule need not get.
            """
            if ref not in named:
                name = f"ref-{_NO_NAME.sub('-', ref.rpartition('/')[2])}"
                while name in self._rules or name in named.values():
                    name += "-"
                named[ref] = name
                named[ref] = self.visit(self._refs[ref], name)
            return named[ref]

    named: dict[str, str] = {}
    converter = Converter(
        prop_order={name: i for i, name in enumerate(order)},
        allow_fetch=False,
        dotall=False,
        raw_pattern=False,
    )
    plain = plain_schema(json.loads(json.dumps(schema)))
    converter.visit(converter.resolve_refs(plain, "stdin"), "")
    return str(converter.format_grammar())


def new_grammar_sampler(grammar: str, vocab: Any) -> Any:  # noqa: ANN401 — of llama.cpp
    """Return llama.cpp's sampler for a grammar; with None for a vocabulary it only proves that.

    Raises:
        BackboneError: llama.cpp rejects the grammar, or it nests too deep.
    """
    nested = max(accumulate(_brackets(grammar)), default=0)
    if nested > _MOST_NESTED:
        raise BackboneError(
            f"the grammar nests {nested:,} brackets; llama.cpp takes {_MOST_NESTED:,}"
        )
    take_errors()
    sampler = llama().llama_sampler_init_grammar(vocab, grammar.encode(), b"root")
    if not sampler:
        raise BackboneError(
            f"llama.cpp rejects the grammar: {take_errors() or 'no reason given'} — "
            "correct the GBNF, or simplify the JSON schema it was made from"
        )
    return sampler


def _brackets(grammar: str) -> Iterator[int]:
    """Yield 1 for each bracket that opens a group, and -1 for each that closes one."""
    for character in _NO_BRACKETS.sub("", grammar):
        if character in "()":
            yield 1 if character == "(" else -1


def _check_repetitions(schema: object) -> None:
    in_all = 0
    for name, times in _repetitions(schema):
        in_all += max(0, times)
        if times > _MOST_TIMES or in_all > _MOST_TIMES_IN_ALL:
            raise ValueError(
                f"{name} repeats {times:,} times; a JSON schema may say {_MOST_TIMES:,}, and "
                f"{_MOST_TIMES_IN_ALL:,} in all — leave it out, or check the reply yourself"
            )


def _repetitions(schema: object) -> Iterator[tuple[str, int]]:
    """Yield how often something is repeated, and the keyword that says so."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
            for name in _COUNTS:
                if isinstance(one.get(name), int | float):
                    yield name, one[name]
            if isinstance(one.get("pattern"), str):
                for found in _TIMES.finditer(one["pattern"]):
                    yield "pattern", max(int(times or 0) for times in found.groups())
        elif isinstance(one, list):
            waiting += one

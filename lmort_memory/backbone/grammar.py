"""Grammars for replies, made from JSON schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lmort_memory.backbone.library import llama, take_log_back
from lmort_memory.errors import MissingDependencyError

__all__ = ["json_grammar", "wrapped"]

_ROOT = re.compile(r"^root ::=", re.MULTILINE)


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
        from llama_cpp.llama_grammar import JSON_GBNF, json_schema_to_gbnf
    except ImportError as error:
        raise MissingDependencyError("llama-cpp-python", extra="smollm2") from error
    take_log_back()
    if schema is None:
        return str(JSON_GBNF)
    try:
        return str(json_schema_to_gbnf(json.dumps(schema), list(order)))
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

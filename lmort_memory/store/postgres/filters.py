"""A `Filter` as a condition on `records AS r`, in PostgreSQL's SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lmort_memory.store.filters import Condition, compile_filter
from lmort_memory.store.postgres.connection import marked
from lmort_memory.store.values import Filter
from lmort_memory.types import JsonValue

__all__ = ["condition_of"]

# The metadata is stored as text, which keeps every number as it was written.
_ENTRY = "(CAST(r.metadata AS jsonb) -> CAST(? AS text))"


def condition_of(chosen: Filter) -> Condition:
    """Return the condition for the chosen records, with psycopg's placeholders.

    Raises:
        ValueError: a metadata filter breaks the grammar, or a time is naive.
    """
    sql, values = compile_filter(chosen, _POSTGRES)
    return marked(sql), values


class _Postgres:
    """PostgreSQL's dialect: jsonb compares numbers as numbers and objects in any order."""

    true, false = "TRUE", "FALSE"

    def among(self, column: str, values: Sequence[str]) -> Condition:
        return f"({column} = ANY (CAST(? AS text[])))", [list(values)]

    def equals(self, key: str, value: JsonValue) -> Condition:
        return f"COALESCE({_ENTRY} = CAST(? AS jsonb), FALSE)", [key, _json(value)]

    def one_of(self, key: str, values: Sequence[str] | Sequence[float]) -> Condition:
        among = f"{_ENTRY} IN (SELECT jsonb_array_elements(CAST(? AS jsonb)))"
        return f"COALESCE({among}, FALSE)", [key, _json(list(values))]

    def missing(self, key: str) -> Condition:
        return f"({_ENTRY} IS NULL)", [key]

    def order(self, key: str, sign: str, operand: float | str) -> Condition:
        kind, cast = ("string", 'text) COLLATE "C"'), ("number", "numeric)")
        name, to = kind if isinstance(operand, str) else cast
        # CASE: AND does not keep PostgreSQL from casting first.
        sql = (
            f"(CASE WHEN jsonb_typeof({_ENTRY}) = '{name}'"
            f" THEN CAST({_ENTRY} #>> '{{}}' AS {to} {sign} CAST(? AS {to} ELSE FALSE END)"
        )
        return sql, [key, key, operand if isinstance(operand, str) else json.dumps(operand)]

    def contains(self, key: str, operand: JsonValue) -> Condition:
        items = f"CASE jsonb_typeof({_ENTRY}) WHEN 'array' THEN {_ENTRY} ELSE '[]' END"
        sql = (
            f"EXISTS (SELECT 1 FROM jsonb_array_elements({items}) e(item)"
            " WHERE e.item = CAST(? AS jsonb))"
        )
        values: list[object] = [key, key, _json(operand)]
        if isinstance(operand, str):
            part = f"jsonb_typeof({_ENTRY}) = 'string' AND position(? in {_ENTRY} #>> '{{}}') > 0"
            sql = f"({sql} OR COALESCE({part}, FALSE))"
            values += [key, operand, key]
        return f"({sql})", values


_POSTGRES = _Postgres()


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)

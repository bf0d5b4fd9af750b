"""Filters as SQL conditions on `records AS r`; every value is a bound parameter, marked "?".

What differs between databases is a `Dialect`; the grammar is the same everywhere.

The grammar of metadata filters; the conditions of one mapping are joined by "and":

    {"topic": "bees"}                       equals, by JSON type: 1, 1.0 and True differ from "1"
    {"year": {"$gte": 2020, "$lt": 2024}}   $eq $ne $in $nin $gt $gte $lt $lte $contains
    {"$or": [{…}, {…}], "$not": {…}}        $and $or $not

A key names a top-level entry of the metadata; it must not start with "$". `$eq: None` also matches
a missing key; `$ne` and `$nin` are the exact opposites of `$eq` and `$in`. `$gt`, `$gte`, `$lt` and
`$lte` compare numbers with numbers and strings with strings. `$contains` finds a substring of a
string or an element of a list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeGuard

from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.values import Filter
from lmort_memory.text import valid
from lmort_memory.types import JsonValue, ScopeTree

__all__ = ["Condition", "Dialect", "compile_filter", "names_nothing"]

Condition: TypeAlias = tuple[str, list[object]]
"""An SQL condition and its parameters in order. A condition on metadata is never NULL, so that
`$not` can negate it."""

MAX_DEPTH = 32  # far below SQLite's limit of 1,000 for expressions
MAX_VALUES = 10_000  # values that a filter compares with; SQLite takes 32,766 parameters
JOINED_FLAT = 16
ORDER = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class Dialect(Protocol):
    """The conditions that each database writes in its own way; none of them is ever NULL."""

    true: str
    false: str

    def among(self, column: str, values: Sequence[str]) -> Condition:
        """Compare a column with a list."""

    def equals(self, key: str, value: JsonValue) -> Condition:
        """Compare an entry of the metadata with a JSON value, including its type."""

    def one_of(self, key: str, values: Sequence[str] | Sequence[float]) -> Condition:
        """Compare an entry with strings, or with numbers, however many there are."""

    def missing(self, key: str) -> Condition:
        """Whether the metadata lacks an entry."""

    def order(self, key: str, sign: str, operand: float | str) -> Condition:
        """Compare an entry with a number or a string, if it is one."""

    def contains(self, key: str, operand: JsonValue) -> Condition:
        """Find an element of a list, or a substring of a string."""


def compile_filter(chosen: Filter, dialect: Dialect | None = None) -> Condition:
    """Return the condition for the chosen records; in SQLite's dialect unless another is given.

    Raises:
        ValueError: a metadata filter breaks the grammar, or a time is naive.
    """
    sql = dialect or SQLITE
    parts = [*_columns(chosen)]
    if isinstance(chosen.scope, ScopeTree):
        parts.append(_tree(chosen.scope.root))
    if chosen.current:
        parts.append(("(r.valid_to IS NULL OR r.valid_to > ?)", [now_us()]))
    if chosen.ids is not None:
        parts.append(sql.among("r.id", chosen.ids))
    if chosen.exclude:
        parts.append(_negated(sql.among("r.id", chosen.exclude)))
    if chosen.where is not None:
        parts.append(_Grammar(sql).mapping(chosen.where, depth=0))
    condition, values = _joined(parts, "AND", empty=sql.true)
    if len(values) > MAX_VALUES:
        raise ValueError(
            f"a metadata filter may compare with at most {MAX_VALUES:,} values; found"
            f" {len(values):,} — name many values of one key with $in"
        )
    return condition, [valid(value) if isinstance(value, str) else value for value in values]


def names_nothing(where: Mapping[str, JsonValue] | None) -> bool:
    """Whether conditions on metadata look at no key, such as `{}`: they hold for every record."""
    _, values = compile_filter(Filter(where=where, expired=True))
    return where is not None and not values


def _columns(chosen: Filter) -> list[Condition]:
    named: tuple[tuple[str, object], ...] = (
        ("r.id < ?", chosen.before),
        ("r.scope = ?", None if isinstance(chosen.scope, ScopeTree) else chosen.scope),
        ("r.session = ?", chosen.session),
        ("r.role = ?", chosen.role),
        ("r.source_uri = ?", chosen.source),
        ("r.created_at >= ?", None if chosen.since is None else to_us(chosen.since)),
        ("r.created_at < ?", None if chosen.until is None else to_us(chosen.until)),
        ("(r.expires_at IS NULL OR r.expires_at > ?)", None if chosen.expired else now_us()),
    )
    return [(sql, [value]) for sql, value in named if value is not None]


def _tree(root: str) -> Condition:
    """Match a scope and those below it by a range of the index ("0" follows "/")."""
    return "(r.scope = ? OR (r.scope >= ? AND r.scope < ?))", [root, f"{root}/", f"{root}0"]


class _Grammar:
    """Reads a filter on metadata and has a dialect write its parts."""

    def __init__(self, dialect: Dialect) -> None:
        self._sql = dialect

    def mapping(self, where: JsonValue | Mapping[str, JsonValue], *, depth: int) -> Condition:
        if not isinstance(where, Mapping):
            raise ValueError(f"a metadata filter must be a mapping; found {where!r}")
        if depth > MAX_DEPTH:
            raise ValueError(f"a metadata filter may nest at most {MAX_DEPTH} levels; found more")
        parts = [self._entry(key, value, depth) for key, value in where.items()]
        return _joined(parts, "AND", empty=self._sql.true)

    def _entry(self, key: str, value: JsonValue, depth: int) -> Condition:
        if not isinstance(key, str):
            raise ValueError(f"keys of a metadata filter must be strings; found {key!r}")
        if key == "$not":
            return _negated(self.mapping(value, depth=depth + 1))
        if key in ("$and", "$or"):
            if not isinstance(value, list | tuple):
                raise ValueError(f"{key} needs a list of filters; found {value!r}")
            parts = [self.mapping(one, depth=depth + 1) for one in value]
            empty = self._sql.true if key == "$and" else self._sql.false
            return _joined(parts, key[1:].upper(), empty=empty)
        if key.startswith("$"):
            raise ValueError(f"unknown operator {key!r} in a filter; expected $and, $or or $not")
        if isinstance(value, Mapping) and any(name.startswith("$") for name in value):
            parts = [self._operator(key, name, operand) for name, operand in value.items()]
            return _joined(parts, "AND", empty=self._sql.true)
        return self._equals(key, value)

    def _operator(self, key: str, name: str, operand: JsonValue) -> Condition:
        if name in ORDER:
            return self._order(key, ORDER[name], operand)
        simple: dict[str, Callable[[], Condition]] = {
            "$eq": lambda: self._equals(key, operand),
            "$ne": lambda: _negated(self._equals(key, operand)),
            "$in": lambda: self._among(key, name, operand),
            "$nin": lambda: _negated(self._among(key, name, operand)),
            "$contains": lambda: self._sql.contains(key, _comparable(operand)),
        }
        if name not in simple:
            known = ", ".join([*simple, *ORDER])
            raise ValueError(f"unknown operator {name!r} for {key!r}; expected one of {known}")
        return simple[name]()

    def _equals(self, key: str, value: JsonValue) -> Condition:
        found = self._sql.equals(key, _comparable(value))
        return _joined([found, self._sql.missing(key)], "OR", empty="") if value is None else found

    def _order(self, key: str, sign: str, operand: JsonValue) -> Condition:
        if isinstance(operand, bool) or not isinstance(operand, int | float | str):
            raise ValueError(
                f"{key!r} must be compared with a number or a string; found {operand!r}"
            )
        _comparable(operand)
        return self._sql.order(key, sign, operand)

    def _among(self, key: str, name: str, operand: JsonValue) -> Condition:
        if not isinstance(operand, list | tuple):
            raise ValueError(f"{name} needs a list for {key!r}; found {operand!r:.80}")
        texts = [valid(one) for one in operand if isinstance(one, str)]
        numbers = [_number(one) for one in operand if _is_number(one)]
        others = [one for one in operand if not isinstance(one, str) and not _is_number(one)]
        parts = [self._equals(key, one) for one in others]
        parts += [self._sql.one_of(key, values) for values in (texts, numbers) if values]
        return _joined(parts, "OR", empty=self._sql.false)


class _SQLite:
    """SQLite's dialect: `json_each` over the metadata."""

    true, false = "1", "0"

    def among(self, column: str, values: Sequence[str]) -> Condition:
        return f"{column} IN (SELECT value FROM json_each(?))", [json.dumps(values)]

    def equals(self, key: str, value: JsonValue) -> Condition:
        match, parameters = self._same("j", value)
        return self._exists(match, key, parameters)

    def one_of(self, key: str, values: Sequence[str] | Sequence[float]) -> Condition:
        kinds = "j.type = 'text'" if isinstance(values[0], str) else "j.type IN ('integer', 'real')"
        among = "j.value IN (SELECT value FROM json_each(?))"
        return self._exists(f"{kinds} AND {among}", key, [json.dumps(values)])

    def missing(self, key: str) -> Condition:
        return _negated(self._exists("1", key, []))

    def order(self, key: str, sign: str, operand: float | str) -> Condition:
        kinds = "j.type = 'text'" if isinstance(operand, str) else "j.type IN ('integer', 'real')"
        return self._exists(f"{kinds} AND j.value {sign} ?", key, [operand])

    def contains(self, key: str, operand: JsonValue) -> Condition:
        match, parameters = self._same("e", operand)
        one = f"(j.type = 'array' AND EXISTS (SELECT 1 FROM json_each(j.value) e WHERE {match}))"
        if isinstance(operand, str):
            one = f"({one} OR (j.type = 'text' AND instr(j.value, ?) > 0))"
            parameters = [*parameters, operand]
        return self._exists(one, key, parameters)

    @staticmethod
    def _exists(match: str, key: str, parameters: Sequence[object]) -> Condition:
        sql = f"EXISTS (SELECT 1 FROM json_each(r.metadata) j WHERE j.key = ? AND ({match}))"
        return sql, [key, *parameters]

    @staticmethod
    def _same(alias: str, value: JsonValue) -> Condition:
        """Compare one row of json_each with a JSON value, including its type."""
        if value is None or isinstance(value, bool):
            return f"{alias}.type = ?", ["null" if value is None else str(value).lower()]
        if isinstance(value, int | float):
            return f"({alias}.type IN ('integer', 'real') AND {alias}.value = ?)", [value]
        if isinstance(value, str):
            return f"({alias}.type = 'text' AND {alias}.value = ?)", [value]
        kind = "object" if isinstance(value, Mapping) else "array"
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return f"({alias}.type = ? AND {alias}.value = json(?))", [kind, text]


SQLITE: Dialect = _SQLite()


def _negated(condition: Condition) -> Condition:
    return f"NOT {condition[0]}", condition[1]


def _joined(parts: Sequence[Condition], word: str, *, empty: str) -> Condition:
    if not parts:
        return empty, []
    return f"({_tree_of(parts, word)})", [value for _, values in parts for value in values]


def _tree_of(parts: Sequence[Condition], word: str) -> str:
    """Join conditions as a balanced tree: SQLite refuses an expression 1,000 levels deep."""
    if len(parts) <= JOINED_FLAT:
        return f" {word} ".join(sql for sql, _ in parts)
    middle = len(parts) // 2
    return f"({_tree_of(parts[:middle], word)}) {word} ({_tree_of(parts[middle:], word)})"


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float) -> float:
    whole = isinstance(value, int)
    if not (-(2**63) <= value < 2**63 if whole else math.isfinite(value)):
        raise ValueError(f"numbers in a filter must be finite and fit in 64 bits; found {value!r}")
    return value


def _comparable(value: JsonValue) -> JsonValue:
    """Return a value that a filter can compare.

    Raises:
        ValueError: it is not JSON, or a number that does not fit.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping | list | tuple):
        return value
    raise ValueError(f"a filter can only compare JSON values; found {value!r}")

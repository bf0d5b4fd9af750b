"""LangGraph's `BaseStore` over a memory: long-term memory of agents, found by meaning and by words.

    >>> store = MemoryStore(memory)                                            # doctest: +SKIP
    >>> graph = builder.compile(store=store)                                   # doctest: +SKIP
    >>> store.put(("memories", "ada"), "1", {"text": "likes bees"})            # doctest: +SKIP
    >>> store.search(("memories", "ada"), query="insects")                     # doctest: +SKIP

A namespace is a scope below `root` ("langgraph/memories/ada"), a key is the record's source, and
the value is its metadata; what `index` names of the value is its text. So the items of an agent
are records like any others: `lmort-mem recall --scope langgraph/memories/ada` finds them too.

Needs the extra `langgraph` (langgraph-checkpoint).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    get_text_at_path,
    validate_op_namespace,
)

from lmort_memory.adapters.documents import Document, Documents
from lmort_memory.adapters.filters import matches, pushed_down, recalled
from lmort_memory.scopes import to_labels, to_scope
from lmort_memory.store.values import Filter
from lmort_memory.types import ScopeTree

if TYPE_CHECKING:
    from lmort_memory.memory import Memory, Mode
    from lmort_memory.types import JsonValue, Record

__all__ = ["MemoryStore"]

ITEM = "item"
UNINDEXED = "item, not indexed"
TTL = "lmort:ttl"  # in the metadata: minutes that an item lives after its last use
WHOLE = ("$",)


class MemoryStore(BaseStore):
    """LangGraph's store on a memory. Thread-safe; the asynchronous methods run in threads.

    A query ranks by the memory's model, or, without a model, by words alone. `score` is the cosine
    where there is one. Expired items are never returned, swept or not. Values must be JSON.

    Args:
        memory: Where items are kept; the caller closes it.
        fields: Paths of a value that are searched, in LangGraph's own notation, where `put` names
            none; "$" is the whole value. Each text that they find has its own vector.
        ttl: Default lifetime in minutes, whether reading renews it, and how often to sweep.
        mode: How a query ranks: by both, by vectors ("dense") or by words ("lexical").
        root: First part of every scope; another one is another store.
    """

    supports_ttl = True

    def __init__(
        self,
        memory: Memory,
        *,
        fields: Sequence[str] = WHOLE,
        ttl: TTLConfig | None = None,
        mode: Mode = "hybrid",
        root: str = "langgraph",
    ) -> None:
        super().__init__()
        self.memory = memory
        self.ttl_config = ttl
        self._documents = Documents(memory)
        self._fields = tuple(fields)
        self._mode: Mode = mode
        self._root = root
        self._stop = threading.Event()
        self._sweeper: threading.Thread | None = None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations: all reads see what was there before, then all writes are done.

        Raises:
            InvalidNamespaceError: a label that LangGraph does not allow; nothing was done then.
            ValueError: a filter with an unknown operator, or a value that is not JSON.
        """
        asked = list(ops)
        for op in asked:
            validate_op_namespace(op)
        results = [self._read(op) for op in asked]
        self._write([op for op in asked if isinstance(op, PutOp)])
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations in a thread; see `batch`."""
        return await asyncio.to_thread(self.batch, list(ops))

    def sweep_ttl(self) -> int:
        """Delete what has expired from the disk; returns how many records."""
        return self.memory.store.sweep().records

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> None:
        """Sweep in the background, every five minutes unless `ttl` or this says otherwise."""
        config = self.ttl_config or {}
        minutes = sweep_interval_minutes or config.get("sweep_interval_minutes") or 5
        if self._sweeper is not None:
            return
        self._stop.clear()
        self._sweeper = threading.Thread(
            target=self._sweep_until_stopped, args=(minutes * 60,), daemon=True
        )
        self._sweeper.start()

    def stop_ttl_sweeper(self) -> None:
        """End the sweeping in the background; call it before the memory is closed."""
        self._stop.set()
        if self._sweeper is not None:
            self._sweeper.join()
            self._sweeper = None

    def _sweep_until_stopped(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.sweep_ttl()

    def _read(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            return self._get(op)
        if isinstance(op, SearchOp):
            return self._search(op)
        if isinstance(op, ListNamespacesOp):
            return self._namespaces(op)
        if isinstance(op, PutOp):
            return None
        raise ValueError(f"unknown operation {type(op).__name__}; expected one of LangGraph's")

    def _get(self, op: GetOp) -> Item | None:
        record = self._documents.get(op.key, scope=self._scope(op.namespace))
        if record is None:
            return None
        if op.refresh_ttl:
            self._refresh([record])
        return Item(**self._fields_of(record))

    def _search(self, op: SearchOp) -> list[SearchItem]:
        where, rest = pushed_down(op.filter or {})
        wanted = op.offset + op.limit
        if op.query:
            found = self._ranked(op)
            if len(found) < wanted:  # as LangGraph's own store: then those that have no vector
                found += self._listed(op, where, rest, role=UNINDEXED, limit=wanted - len(found))
        else:
            found = self._listed(op, where, rest, role=None, limit=wanted)
        found = found[op.offset : wanted]
        if op.refresh_ttl:
            self._refresh([record for record, _ in found])
        return [SearchItem(**self._fields_of(record), score=score) for record, score in found]

    def _ranked(self, op: SearchOp) -> list[tuple[Record, float | None]]:
        """Return the best for the query, as many as the page needs."""
        hits = recalled(
            self.memory,
            str(op.query),
            op.offset + op.limit,
            op.filter or {},
            scope=self._tree(op.namespace_prefix),
            role=ITEM,
            mode=self._mode,
            explain=True,
        )
        return [
            (hit.record, hit.score if hit.scores.dense is None else hit.scores.dense)
            for hit in hits
        ]

    def _listed(
        self,
        op: SearchOp,
        where: Mapping[str, JsonValue],
        rest: Mapping[str, Any],
        *,
        role: str | None,
        limit: int,
    ) -> list[tuple[Record, float | None]]:
        """Return items without a score, the newest first."""
        chosen = Filter(scope=self._tree(op.namespace_prefix), role=role, where=where or None)
        if rest:
            records = self.memory.store.records(chosen)
            every = [one for one in records if matches(one.metadata, rest)]
        else:
            every = self.memory.store.latest(chosen, limit=limit)
        return [(record, None) for record in islice(reversed(every), limit)]

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        below = f"{self._root}/"
        facets = self.memory.store.facets(Filter(scope=self._tree(())))
        found = [to_labels(scope.removeprefix(below)) for scope in facets.scopes]
        for condition in op.match_conditions or ():
            found = [labels for labels in found if _fulfils(labels, condition)]
        cut = {labels[: op.max_depth] for labels in found}
        return sorted(cut)[op.offset : op.offset + op.limit]

    def _write(self, ops: Sequence[PutOp]) -> None:
        last = {(op.namespace, str(op.key)): op for op in ops}
        gone: dict[str, list[str]] = {}
        for (namespace, key), op in last.items():
            if op.value is None:
                gone.setdefault(self._scope(namespace), []).append(key)
        for scope, keys in gone.items():
            self._documents.delete(keys, scope=scope)
        self._documents.put([self._document(op) for op in last.values() if op.value is not None])

    def _document(self, op: PutOp) -> Document:
        assert op.value is not None
        passages = () if op.index is False else self._passages(op.value, op.index or self._fields)
        minutes = op.ttl
        return Document(
            str(op.key),
            passages or (str(op.key) or "item",),
            scope=self._scope(op.namespace),
            role=ITEM if passages else UNINDEXED,
            metadata=dict(op.value) if minutes is None else {**op.value, TTL: minutes},
            expires_at=None if minutes is None else _in(minutes),
        )

    def _passages(self, value: Mapping[str, Any], paths: Sequence[str]) -> tuple[str, ...]:
        if tuple(paths) == WHOLE:
            return (json.dumps(value, ensure_ascii=False, sort_keys=True),)
        found = [text for path in paths for text in get_text_at_path(value, path)]
        return tuple(text for text in found if text.strip())

    def _refresh(self, records: Iterable[Record]) -> None:
        by_ttl: dict[float, list[str]] = {}
        for record in records:
            minutes = record.metadata.get(TTL)
            if isinstance(minutes, int | float):
                by_ttl.setdefault(minutes, []).append(record.id)
        for minutes, ids in by_ttl.items():
            self.memory.store.set_expiry(ids, _in(minutes))

    def _fields_of(self, record: Record) -> dict[str, Any]:
        assert record.source is not None
        return {
            "value": {key: value for key, value in record.metadata.items() if key != TTL},
            "key": record.source.uri,
            "namespace": to_labels(record.scope.removeprefix(f"{self._root}/")),
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }

    def _scope(self, namespace: Sequence[str]) -> str:
        return f"{self._root}/{to_scope(namespace)}"

    def _tree(self, prefix: Sequence[str]) -> ScopeTree:
        return ScopeTree(self._scope(prefix) if prefix else self._root)


def _in(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def _fulfils(labels: tuple[str, ...], condition: MatchCondition) -> bool:
    """Return whether a namespace begins or ends as the condition says; "*" is any label."""
    path = condition.path
    if len(path) > len(labels):
        return False
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(f"unknown match type {condition.match_type!r}; expected prefix or suffix")
    part = labels[: len(path)] if condition.match_type == "prefix" else labels[-len(path) :]
    return all(wanted in ("*", found) for wanted, found in zip(path, part, strict=False))

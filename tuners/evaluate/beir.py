"""Evaluation sets in BEIR layout, with the two keys that memory needs: `group` and `before`.

    corpus.jsonl[.gz]    {"_id", "title", "text", …}
    queries.jsonl[.gz]   {"_id", "text", …}
    qrels.tsv            query-id <tab> corpus-id <tab> score, after a header line
    meta.json            optional; "group" names a field in which a document must equal the query to
                         be ranked, "before" one in which it must be smaller

Queries without a relevant document, and those marked `adversarial` (unanswerable on purpose), are
skipped: ranking metrics are not defined for them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.errors import TunerError

from ..jsonl import read_jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["EvalItem", "EvalSet", "first_groups", "load_set"]


@dataclass(frozen=True, slots=True)
class EvalItem:
    """A document or a query: `text` includes the title; `fields` is the whole row."""

    id: str
    text: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class EvalSet:
    """A set to rank: documents, judged queries, and for each query its relevant documents.

    Attributes:
        qrels: query id -> document id -> grade; above 0 means relevant.
        group: Field in which document and query must be equal; None ranks all documents.
        before: Field in which the document must be smaller than the query.
    """

    name: str
    documents: tuple[EvalItem, ...]
    queries: tuple[EvalItem, ...]
    qrels: Mapping[str, Mapping[str, int]]
    group: str | None = None
    before: str | None = None

    def candidates(self) -> NDArray[np.bool_]:
        """Return which documents each query may find: bool (n_queries, n_documents)."""
        allowed = np.ones((len(self.queries), len(self.documents)), dtype=np.bool_)
        if self.group is not None:
            ours, theirs = self._column(self.queries), self._column(self.documents)
            allowed &= ours[:, None] == theirs[None, :]
        if self.before is not None:
            limits = [query.fields[self.before] for query in self.queries]
            values = [document.fields[self.before] for document in self.documents]
            allowed &= np.array([[v < limit for v in values] for limit in limits])  # type: ignore[operator]
        return allowed

    def groups(self) -> NDArray[np.int64]:
        """Number the documents by group; all zero without groups."""
        if self.group is None:
            return np.zeros(len(self.documents), dtype=np.int64)
        return np.unique(self._column(self.documents), return_inverse=True)[1].astype(np.int64)

    def _column(self, items: Sequence[EvalItem]) -> NDArray[np.str_]:
        return np.array([json.dumps(item.fields.get(self.group or "")) for item in items])


def first_groups(dataset: EvalSet, count: int) -> EvalSet:
    """Keep the first `count` groups of a set and their queries, for quick checks."""
    names = list(
        dict.fromkeys(str(item.fields.get(dataset.group or "")) for item in dataset.documents)
    )
    kept = set(names[:count])

    def keep(items: tuple[EvalItem, ...]) -> tuple[EvalItem, ...]:
        return tuple(item for item in items if str(item.fields.get(dataset.group or "")) in kept)

    queries = keep(dataset.queries)
    return replace(
        dataset,
        documents=keep(dataset.documents),
        queries=queries,
        qrels={query.id: dataset.qrels[query.id] for query in queries},
    )


def load_set(folder: Path) -> EvalSet:
    """Read a set.

    Raises:
        TunerError: a file is missing or damaged, or there are no judged queries.
    """
    meta = _meta(folder)
    qrels = _qrels(folder / "qrels.tsv")
    queries = tuple(
        query
        for query in _items(folder, "queries")
        if query.id in qrels and not query.fields.get("adversarial")
    )
    documents = tuple(_items(folder, "corpus"))
    if not queries or not documents:
        raise TunerError(
            f"{folder} has {len(documents)} documents and {len(queries)} judged queries; expected "
            "at least one of each — check its files"
        )
    return EvalSet(
        name=str(meta.get("set", folder.name)),
        documents=documents,
        queries=queries,
        qrels={query.id: qrels[query.id] for query in queries},
        group=_name(meta, "group"),
        before=_name(meta, "before"),
    )


def _meta(folder: Path) -> dict[str, object]:
    path = folder / "meta.json"
    if not path.is_file():
        return {}
    try:
        meta = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TunerError(f"{path} cannot be read: {error} — repair it") from error
    if not isinstance(meta, dict):
        raise TunerError(f"{path} contains {type(meta).__name__}, expected an object — repair it")
    return meta


def _name(meta: Mapping[str, object], key: str) -> str | None:
    value = meta.get(key)
    return value if isinstance(value, str) else None


def _items(folder: Path, kind: str) -> list[EvalItem]:
    plain = folder / f"{kind}.jsonl"
    path = plain if plain.is_file() else folder / f"{kind}.jsonl.gz"
    items = []
    for number, row in enumerate(read_jsonl(path), 1):
        text = " ".join(part for key in ("title", "text") if (part := str(row.get(key) or "")))
        if "_id" not in row or not text.strip():
            raise TunerError(f"{path}, line {number}: _id or text is missing — repair it")
        items.append(EvalItem(str(row["_id"]), text, row))
    return items


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    try:
        rows = [line.split("\t") for line in path.read_text().splitlines()[1:] if line]
        for query, document, grade in rows:
            if int(grade) > 0:
                qrels.setdefault(query, {})[document] = int(grade)
    except (OSError, ValueError) as error:
        raise TunerError(f"{path} cannot be read: {error} — expected three columns") from error
    return qrels

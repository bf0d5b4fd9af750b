"""LangChain's vector store and retriever over a memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict, Field

from lmort_memory.adapters import documents
from lmort_memory.adapters.filters import recalled
from lmort_memory.adapters.langchain.embeddings import EmbeddingsEncoder, MemoryEmbeddings
from lmort_memory.store.ulid import new_id
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.types import Hit, Record

__all__ = ["MemoryRetriever", "MemoryVectorStore"]


class MemoryVectorStore(VectorStore):
    """Documents as records of a memory. Thread-safe.

    A search ranks by vectors and by words (`mode` "dense" or "lexical" by one of them); other
    records of the scope, such as turns of a chat, are found too, under their own ids.

    Args:
        memory: Where documents are kept; the caller closes it.
        scope: Isolation boundary; another one for each collection keeps them apart.
    """

    def __init__(self, memory: Memory, *, scope: str = DEFAULT_SCOPE) -> None:
        self.memory = memory
        self.scope = scope
        self._documents = documents.Documents(memory)

    @property
    def embeddings(self) -> MemoryEmbeddings | None:
        """The memory's model; None where it has none."""
        return None if self.memory.encoder is None else MemoryEmbeddings(self.memory)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | Path | None = None,
        scope: str = DEFAULT_SCOPE,
        **_: Any,  # noqa: ANN401 - LangChain passes on what callers give
    ) -> MemoryVectorStore:
        """Make a store of texts.

        Args:
            texts: Their contents.
            embedding: `MemoryEmbeddings`, whose memory is used; or any others, with `path`.
            metadatas: One mapping for each text.
            ids: One id for each text; None makes them.
            path: The database, where the embeddings are not a memory's own.
            scope: Isolation boundary.

        Raises:
            ValueError: other embeddings without a path.
        """
        if isinstance(embedding, MemoryEmbeddings):
            memory = embedding.memory
        else:
            if path is None:
                raise ValueError(
                    "from_texts needs MemoryEmbeddings(memory), or path= to keep the vectors of"
                    f" other embeddings; got {type(embedding).__name__}"
                )
            from lmort_memory.memory import Memory
            from lmort_memory.store import SQLiteStore

            encoder = EmbeddingsEncoder(embedding, name=type(embedding).__name__)
            memory = Memory(encoder, SQLiteStore(path))
        store = cls(memory, scope=scope)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **_: Any,  # noqa: ANN401
    ) -> list[str]:
        """Store texts; one under an id that is there takes its place. Returns the ids.

        Raises:
            ValueError: a text of white space, or metadata that is not JSON.
        """
        given = list(texts)
        names = [name or new_id() for name in (ids or [None] * len(given))]
        kept = [
            documents.Document(name, (text,), scope=self.scope, role="document", metadata=metadata)
            for name, text, metadata in zip(
                names, given, metadatas or cycle([{}]), strict=metadatas is not None
            )
        ]
        self._documents.put(kept)
        return names

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool | None:  # noqa: ANN401
        """Forget documents, those that are not there passed over; without ids, all of the scope."""
        if ids is None:
            self.memory.forget(scope=self.scope)
            return True
        self._documents.delete(ids, scope=self.scope)
        own = [one for one in self.memory.store.get(ids).values() if one.scope == self.scope]
        if own:
            self.memory.forget([one.id for one in own])
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents that exist, in the order asked for."""
        found = []
        for name in ids:
            record = self._documents.get(name, scope=self.scope)
            if record is None:
                record = self.memory.store.get([name]).get(name)
            if record is not None and record.scope == self.scope:
                found.append(_document(record))
        return found

    def similarity_search(
        self,
        query: str,
        k: int = 4,
        filter: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> list[Document]:
        """Return the best documents.

        Args:
            query: Any text.
            k: How many.
            filter: Conditions on the metadata: equality, `$gt` and its kin, nested.
            options: Further arguments of `Memory.recall`, such as `mode` or `since`.
        """
        return [document for document, _ in self._found(query, k, filter, **options)]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> list[tuple[Document, float]]:
        """Return the best documents with their scores, from 0 to 1, higher for better."""
        return self._found(query, k, filter, **options)

    def similarity_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        filter: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> list[Document]:
        """Return the documents nearest to a vector of this memory's model."""
        import numpy as np

        vector = np.asarray(embedding, np.float32)
        found = self._found("", k, filter, **{**options, "vector": vector, "mode": "dense"})
        return [document for document, _ in found]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> list[Document]:
        """Return good documents that differ; `lambda_mult` 0 for the most different."""
        diversity = {"diversity": 1 - lambda_mult}
        return [one for one, _ in self._found(query, k, filter, **{**options, **diversity})]

    def _select_relevance_score_fn(self) -> Any:  # noqa: ANN401 - LangChain's signature
        return lambda score: score

    def _found(
        self,
        query: str,
        k: int,
        asked: Mapping[str, Any] | None,
        **options: Any,  # noqa: ANN401
    ) -> list[tuple[Document, float]]:
        hits = recalled(self.memory, query, k, asked or {}, scope=self.scope, **options)
        return [(_document(hit.record), hit.score) for hit in hits]


class MemoryRetriever(BaseRetriever):
    """What `Memory.recall` finds, as documents: notes and turns, with role, time and score.

    Attributes:
        memory: What is asked; the caller closes it.
        k: How many documents.
        scope: Where to look.
        filter: Conditions on the metadata.
        options: Further arguments of `Memory.recall`, such as `half_life`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    memory: Any
    k: int = 4
    scope: str = DEFAULT_SCOPE
    filter: dict[str, Any] | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
    ) -> list[Document]:
        hits = recalled(
            self.memory, query, k or self.k, self.filter or {}, scope=self.scope, **self.options
        )
        return [_told(hit) for hit in hits]


def _document(record: Record) -> Document:
    name = record.id if record.source is None or record.role != "document" else record.source.uri
    return Document(id=name, page_content=record.text, metadata=dict(record.metadata))


def _told(hit: Hit) -> Document:
    """Return a hit with what a prompt may want to say about it."""
    record = hit.record
    about: dict[str, Any] = {
        "role": record.role,
        "created_at": record.created_at.isoformat(),
        "session": record.session,
        "source": None if record.source is None else record.source.uri,
        "score": hit.score,
    }
    document = _document(record)
    return document.model_copy(update={"metadata": {**about, **document.metadata}})

"""LangChain over a memory: embeddings, a vector store, a retriever and a chat model.

    >>> retriever = MemoryRetriever(memory=memory, k=4)                        # doctest: +SKIP
    >>> model = ChatMemory(memory=memory)                                      # doctest: +SKIP
    >>> model.invoke("Where does my sister live?").content                     # doctest: +SKIP

All four take an open `Memory` and leave it to the caller to close. Documents of the vector store
are records: the id is the source, the metadata the record's, and `lmort-mem recall` finds them.

Needs the extra `langchain` (langchain-core).
"""

from __future__ import annotations

from lmort_memory.adapters.langchain.chat_model import ChatMemory
from lmort_memory.adapters.langchain.embeddings import EmbeddingsEncoder, MemoryEmbeddings
from lmort_memory.adapters.langchain.vectors import MemoryRetriever, MemoryVectorStore

__all__ = [
    "ChatMemory",
    "EmbeddingsEncoder",
    "MemoryEmbeddings",
    "MemoryRetriever",
    "MemoryVectorStore",
]

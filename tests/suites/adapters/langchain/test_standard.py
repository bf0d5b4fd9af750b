"""LangChain's standard tests, which its makers publish as the package langchain-tests."""
# ruff: noqa: D101, D102 - what these do is said by their owner

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

from lmort_memory import Memory
from lmort_memory.adapters.langchain import (
    ChatMemory,
    EmbeddingsEncoder,
    MemoryEmbeddings,
    MemoryRetriever,
    MemoryVectorStore,
)
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A memory with the default model."""
    with Memory.open(tmp_path_factory.mktemp("real") / "memory.db") as memory:
        yield memory


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path) -> VectorStore:
        encoder = EmbeddingsEncoder(self.get_embeddings(), name="fake")
        with Memory(encoder, SQLiteStore(tmp_path / "memory.db")) as memory:
            yield MemoryVectorStore(memory)


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return MemoryEmbeddings

    @pytest.fixture
    def model(self, real):
        return MemoryEmbeddings(real)


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @pytest.fixture(autouse=True)
    def memory(self, tmp_path):
        with Memory(HashEncoder(), SQLiteStore(tmp_path / "memory.db")) as self.opened:
            yield

    @property
    def embeddings_class(self):
        return MemoryEmbeddings

    @property
    def embedding_model_params(self):
        return {"memory": self.opened}


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def memory(self, tmp_path):
        with Memory(HashEncoder(), SQLiteStore(tmp_path / "memory.db")) as self.opened:
            self.opened.add([f"A note about bees, number {i}." for i in range(9)])
            yield

    @property
    def retriever_constructor(self):
        return MemoryRetriever

    @property
    def retriever_constructor_params(self):
        return {"memory": self.opened}

    @property
    def retriever_query_example(self):
        return "bees"


class TestChatModel(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def memory(self, real):
        self.opened = real

    @property
    def chat_model_class(self):
        return ChatMemory

    @property
    def chat_model_params(self):
        return {"memory": self.opened, "max_tokens": 24, "temperature": 0}

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_structured_output(self):
        return False

    @property
    def supports_model_override(self):
        return False


class TestChatModelUnit(ChatModelUnitTests):
    @pytest.fixture(autouse=True)
    def memory(self, real):
        self.opened = real

    @property
    def chat_model_class(self):
        return ChatMemory

    @property
    def chat_model_params(self):
        return {"memory": self.opened}

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_structured_output(self):
        return False

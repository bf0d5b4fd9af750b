"""LlamaIndex over a memory."""

import asyncio

from llama_index.core.base.llms.types import MessageRole, ToolCallBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import Memory as ChatMemory
from llama_index.core.schema import QueryBundle
from sqlalchemy.ext.asyncio import create_async_engine

from lmort_memory.adapters.llama_index import (
    LmortEmbedding,
    LmortLLM,
    MemoryRetriever,
    NotesBlock,
    SessionMemory,
)
from tests.support.pages import check_example


def test_the_page(tmp_path):
    """The page's example prints what the page says."""
    check_example("docs/adapters/llama_index.md", tmp_path)


def test_messages_come_back_exactly(memory):
    """Roles, tool calls and extra fields survive, in order, in another object of the session."""
    said = [
        ChatMessage("How cold is it?", additional_kwargs={"x": 1}),
        ChatMessage(
            role=MessageRole.ASSISTANT,
            blocks=[ToolCallBlock(tool_call_id="c", tool_name="cold", tool_kwargs={"in": "Oslo"})],
        ),
        ChatMessage("minus four", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "c"}),
    ]
    SessionMemory(memory=memory, session="s").put_messages(said)
    again = SessionMemory(memory=memory, session="s")
    assert again.get_all() == said
    again.set([*said, ChatMessage("Brr.")])
    assert len(list(memory.records())) == 4
    again.set([ChatMessage("New.")])
    assert again.get_all() == [ChatMessage("New.")]
    again.reset()
    assert again.get_all() == []


def test_notes_stand_before_the_messages(memory):
    """`get` brings what other sessions said about the input, and nothing for small talk."""
    SessionMemory(memory=memory, session="a").put(ChatMessage("My sister keeps bees in Oslo."))
    here = SessionMemory(memory=memory, session="b")
    here.put(ChatMessage("Hello"))
    first, second = here.get("Where does my sister keep bees?")
    assert first.role == MessageRole.SYSTEM and "Oslo" in first.content
    assert second.content == "Hello"
    assert here.get("Thanks!") == [ChatMessage("Hello")]


def test_a_block_of_their_memory_stores_what_leaves_the_short_term(memory):
    """Messages that fall out of the short term are stored under their session and come back."""

    async def use():
        engine = create_async_engine("sqlite+aiosqlite:///:memory:")  # theirs is never closed
        theirs = ChatMemory.from_defaults(
            async_engine=engine,
            session_id="s",
            token_limit=60,
            chat_history_token_ratio=0.5,
            token_flush_size=10,
            memory_blocks=[NotesBlock(memory=memory)],
        )
        for i in range(5):
            await theirs.aput_messages(
                [
                    ChatMessage(f"Boat number {i} is called Fram {i}."),
                    ChatMessage("Noted.", role="assistant"),
                ]
            )
        await theirs.aput(ChatMessage("What is boat number 1 called?"))
        found = await theirs.aget()
        await engine.dispose()
        return found

    assert "Fram 1" in asyncio.run(use())[0].content
    assert {one.session for one in memory.records()} == {"s"}


def test_embeddings_and_retriever_agree(real):
    """The embedding of a text is near its question's, and the retriever finds the text."""
    real.add("The hive by the fence has a new queen.")
    embedding = LmortEmbedding(memory=real)
    near, far = embedding.get_text_embedding_batch(
        ["The hive has a new queen.", "The ferry leaves at nine."]
    )
    query = embedding.get_query_embedding("Which hive has a queen?")
    dot = [sum(a * b for a, b in zip(query, one, strict=True)) for one in (near, far)]
    assert dot[0] > dot[1]
    assert asyncio.run(embedding.aget_query_embedding("x")) == embedding.get_query_embedding("x")
    found = MemoryRetriever(real, top_k=1).retrieve(QueryBundle("Which hive has a queen?"))
    assert found[0].text == "The hive by the fence has a new queen."


def test_the_llm_answers_streams_and_remembers(real):
    """Completion, chat and their streams give text; only what is said last is stored."""
    model = LmortLLM(memory=real, session="llm", max_tokens=5, temperature=0)
    assert model.complete("My boat is called Fram.").text
    pieces = list(
        model.stream_chat(
            [
                ChatMessage("Hello"),
                ChatMessage("Hi", role="assistant"),
                ChatMessage("I moved to Bergen."),
            ]
        )
    )
    assert "".join(one.delta for one in pieces) == pieces[-1].message.content
    assert asyncio.run(model.achat([ChatMessage("Bye now, my friend.")])).message.content
    said = [one.text for one in real.records(session="llm", role="user")]
    assert said == ["My boat is called Fram.", "I moved to Bergen.", "Bye now, my friend."]

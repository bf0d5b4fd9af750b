"""LangChain over a memory, beyond langchain-tests."""

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from lmort_memory.adapters.langchain import ChatMemory, MemoryRetriever, MemoryVectorStore
from tests.support.pages import check_example


def test_the_page(tmp_path):
    """The page's example prints what the page says."""
    check_example("docs/adapters/langchain.md", tmp_path)


def test_the_chat_model_remembers_the_last_message_alone(real):
    """Each turn is stored once, though the whole conversation is sent with every call."""
    model = ChatMemory(memory=real, session="once", max_tokens=6, temperature=0)
    said = [SystemMessage("Be brief."), HumanMessage("My boat is called Fram.")]
    reply = model.invoke(said)
    said += [AIMessage(reply.content), HumanMessage("I moved to Bergen.")]
    model.invoke(said)
    stored = [one.text for one in real.records(session="once", role="user")]
    assert stored == ["My boat is called Fram.", "I moved to Bergen."]
    assert reply.usage_metadata["output_tokens"] <= 6


def test_a_conversation_that_goes_on_is_not_evaluated_again(real):
    """The second call evaluates its own turn and not what the first has evaluated."""
    model = ChatMemory(memory=real, session="cheap", max_tokens=4, memories=0, temperature=0)
    said = [HumanMessage("A sentence about bees and hives. " * 20)]
    reply = model.invoke(said)
    chat = model._conversation
    before = chat.tokens_evaluated
    model.invoke([*said, AIMessage(reply.content), HumanMessage("And?")])
    assert chat.tokens_evaluated - before < 60


def test_nothing_is_kept_where_that_is_asked(real):
    """`remember=False` stores neither the turn nor the reply."""
    ChatMemory(memory=real, session="none", max_tokens=4, remember=False).invoke("A secret.")
    assert list(real.records(session="none")) == []


def test_retriever_and_store_find_turns_and_documents(memory):
    """Documents and chat turns of one scope are found side by side, with who said it and when."""
    memory.add({"role": "user", "content": "Ada keeps bees."}, session="chat")
    store = MemoryVectorStore(memory)
    store.add_texts(["The bees are calm."], ids=["doc"])
    found = MemoryRetriever(memory=memory, k=2).invoke("bees")
    assert {one.metadata["role"] for one in found} == {"user", "document"}
    assert {one.id for one in store.similarity_search("bees", k=2)} >= {"doc"}
    store.delete([one.id for one in found])
    assert list(memory.records()) == []

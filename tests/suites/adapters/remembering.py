"""One agent of each kind that remembers over three processes, as a transcript.

    python tests/suites/adapters/remembering.py langgraph

Each line is said to a new process, which opens the same database, takes one turn
and ends. What the agent found in its memory is printed before its reply. Real models are the
default one; Anthropic's and OpenAI's are played by a script, since they are not on this machine.
"""

# ruff: noqa: T201, D103
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lmort_memory import Memory

SAID = (
    "My sister Ada keeps bees in Trondheim.",
    "Where does my sister keep bees?",
    "Who keeps bees in Trondheim, my sister or my brother?",
)


def anthropic_memory(memory: Memory, said: str, turn: int) -> None:
    from lmort_memory.adapters.anthropic_memory import MemoryTool

    tool = MemoryTool(memory)
    looked = tool.call({"command": "view", "path": "/memories"})
    print("  the model looks:", str(looked).splitlines()[1:])
    path = "/memories/family.md"
    if turn == 0:
        print(" ", tool.call({"command": "create", "path": path, "file_text": said}))
    else:
        print("  it reads:", str(tool.call({"command": "view", "path": path})).splitlines()[1])
    print("  recall:", [hit.record.source.uri for hit in memory.recall(said, top_k=1)])


def langgraph(memory: Memory, said: str, turn: int) -> None:
    from typing import TypedDict

    from langgraph.graph import END, START, StateGraph
    from langgraph.store.base import BaseStore

    from lmort_memory.adapters.langgraph import MemoryStore

    class State(TypedDict):
        said: str
        found: list[str]

    def answer(state: State, *, store: BaseStore) -> dict[str, list[str]]:
        found = store.search(("memories", "ada"), query=state["said"], limit=1)
        store.put(("memories", "ada"), str(turn), {"text": state["said"]})
        return {"found": [one.value["text"] for one in found]}

    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    compiled = graph.compile(store=MemoryStore(memory, fields=["text"]))
    print("  found:", compiled.invoke({"said": said, "found": []})["found"])


def openai_agents(memory: Memory, said: str, turn: int) -> None:
    from agents import Agent, RunConfig, Runner
    from agents.testing import ScriptedModel, assistant_message

    from lmort_memory.adapters.openai_agents import MemorySession

    model = ScriptedModel()
    model.enqueue([assistant_message("(a scripted reply)")])
    session = MemorySession(f"day-{turn}", memory)
    config = RunConfig(call_model_input_filter=session.add_notes, tracing_disabled=True)
    agent = Agent(name="assistant", instructions="Be brief.", model=model)
    done = asyncio.run(Runner.run(agent, said, session=session, run_config=config))
    print("  instructions:", repr(model.calls[-1].system_instructions))
    print("  assistant:", done.final_output)


def langchain(memory: Memory, said: str, turn: int) -> None:
    from lmort_memory.adapters.langchain import ChatMemory, MemoryRetriever

    found = MemoryRetriever(memory=memory, k=1).invoke(said)
    print("  retrieved:", [one.page_content for one in found])
    model = ChatMemory(memory=memory, session=f"day-{turn}", temperature=0, max_tokens=40)
    print("  assistant:", model.invoke(said).content.strip())


def llama_index(memory: Memory, said: str, turn: int) -> None:
    from llama_index.core.llms import ChatMessage

    from lmort_memory.adapters.llama_index import LmortLLM, SessionMemory

    chat = SessionMemory(memory=memory, session=f"day-{turn}")
    print("  memory:", [one.content for one in chat.get(said)])
    chat.put(ChatMessage(said))
    model = LmortLLM(memory=memory, temperature=0, max_tokens=40, remember=False)
    reply = model.chat([*chat.get(said)])
    chat.put(reply.message)
    print("  assistant:", (reply.message.content or "").strip())


def llm(_: Memory, said: str, turn: int) -> None:
    program = Path(sys.executable).parent / "llm"
    options = ["-o", "temperature", "0", "-o", "max_tokens", "40"]
    for command in ([program, "fragments", "loaders"],) if turn < 0 else ():
        subprocess.run(command, check=True)
    done = subprocess.run(
        [program, "-m", "lmort", *options, said], capture_output=True, text=True, check=True
    )
    print("  $ llm -m lmort …\n  assistant:", done.stdout.strip())


def hermes(_: Memory, said: str, turn: int) -> None:
    from agent.memory_manager import MemoryManager

    from lmort_memory.adapters.hermes import LmortProvider

    manager = MemoryManager(external_prefetch_timeout=60)
    manager.add_provider(LmortProvider())
    session = f"day-{turn}"
    manager.initialize_all(session_id=session, hermes_home=".", platform="cli")
    print("  prefetch:", repr(manager.prefetch_all(said, session_id=session)))
    manager.sync_all(said, "(a scripted reply)", session_id=session)
    manager.flush_pending(timeout=60)
    manager.shutdown_all()


def hooks(_: Memory, said: str, turn: int) -> None:
    def hook(moment: str, **event: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "lmort_memory.adapters.hooks", moment],
            input=json.dumps({"session_id": f"day-{turn}", "cwd": "/proj", **event}),
            capture_output=True,
            text=True,
            check=True,
        )
        return (
            json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"]
            if done.stdout
            else ""
        )

    print("  session start:", repr(hook("session-start")))
    print("  prompt:", repr(hook("prompt", prompt=said)))
    hook("store", prompt=said, last_assistant_message="(the agent's reply)")


KINDS = (anthropic_memory, langgraph, openai_agents, langchain, llama_index, llm, hermes, hooks)


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "LMORT_HOME": home, "LLM_USER_PATH": home, "HERMES_HOME": home}
        for turn, said in enumerate(SAID):
            print(f"process {turn + 1}\n  user: {said}", flush=True)
            command = [sys.executable, "-W", "ignore", __file__, name, str(turn)]
            subprocess.run(command, env=env, check=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        kind = next(one for one in KINDS if one.__name__ == sys.argv[1])
        number = int(sys.argv[2])
        alone = sys.argv[1] in ("llm", "hermes", "hooks")  # these open the database themselves
        with Memory.open(with_model=not alone) as opened:
            kind(opened, SAID[number], number)

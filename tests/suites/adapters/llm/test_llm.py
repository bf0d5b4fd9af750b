"""The plugin for `llm`, through `llm`'s own command line."""

import json

import llm
import pytest
from click.testing import CliRunner
from llm.cli import cli

from lmort_memory import Memory
from lmort_memory.adapters.llm import shared
from tests.support.pages import check_example


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `llm` with a home and a memory of its own."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("LMORT_DB", str(tmp_path / "memory.db"))
    shared.close()

    def call(*arguments, typed=None):
        done = CliRunner().invoke(cli, list(arguments), input=typed, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    yield call
    shared.close()


def test_the_page(tmp_path):
    """The page's example prints what the page says."""
    check_example("docs/adapters/llm.md", tmp_path)


def test_llm_finds_the_plugin(run):
    """Models, tools, template and fragments are there once both packages are installed."""
    assert "LmortChat: lmort" in run("models")
    assert "LmortEmbeddings: lmort" in run("embed-models")
    assert "LmortMemory_recall" in run("tools")
    assert "LmortMemory" in run("templates", "show", "lmort:memory")


def test_embed(run):
    """`llm embed` gives unit vectors, the same ones for the same text."""
    vector = json.loads(run("embed", "-m", "lmort", "-c", "bees in Trondheim"))
    assert sum(x * x for x in vector) == pytest.approx(1, abs=1e-3)
    assert json.loads(run("embed", "-m", "lmort", "-c", "bees in Trondheim")) == vector
    run("embed", "notes", "1", "-m", "lmort", "-c", "The hive has a new queen.")
    run("embed", "notes", "2", "-m", "lmort", "-c", "The ferry leaves at nine.")
    assert '"1"' in run("similar", "notes", "-c", "Which hive?", "-n", "1")


def test_chat_remembers_across_conversations(run, tmp_path):
    """What one `llm chat` is told, another one's prompt gets as a note; nothing is stored twice."""
    short = ("-o", "max_tokens", "4")
    run("chat", "-m", "lmort", *short, typed="My boat is called Fram.\nI moved to Bergen.\nexit\n")
    shared.close()
    notes = str(llm.get_fragment_loaders()["lmort"]("What is my boat called?"))
    assert "Fram" in notes
    run("-m", "lmort", *short, "-o", "remember", "false", "A secret.")
    shared.close()
    with Memory.open(tmp_path / "memory.db", with_model=False) as memory:
        said = [one.text for one in memory.records(role="user")]
    assert said == ["My boat is called Fram.", "I moved to Bergen."]


def test_the_toolbox_recalls_remembers_and_forgets(run):
    """The three tools work together and stay inside their scope."""
    tools = {tool.name: tool for tool in llm.get_tools()["LmortMemory"]().tools()}
    added = tools["LmortMemory_remember"].implementation("Ada keeps bees.")
    found = tools["LmortMemory_recall"].implementation("bees")
    assert [one["id"] for one in found] == [added["id"]]
    elsewhere = llm.get_tools()["LmortMemory"](scope="other")
    assert elsewhere.recall("bees") == [] and elsewhere.forget(added["id"]) == {"forgotten": False}
    assert tools["LmortMemory_forget"].implementation(added["id"]) == {"forgotten": True}
    assert tools["LmortMemory_recall"].implementation("bees") == []

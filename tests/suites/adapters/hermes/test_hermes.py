"""Hermes' memory provider, driven by Hermes' own discovery and manager."""

import importlib.metadata
import json

import pytest
from agent.memory_manager import MemoryManager

from lmort_memory.adapters import hermes
from tests.support.pages import check_example


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """Hermes' manager with our provider, found in a home of its own."""
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    monkeypatch.setenv("LMORT_DB", str(tmp_path / "memory.db"))
    hermes.install()
    from plugins.memory import load_memory_provider

    found = MemoryManager(external_prefetch_timeout=30)
    found.add_provider(load_memory_provider("lmort"))
    yield found
    found.shutdown_all()


def _start(manager, tmp_path, session="monday", **about):
    manager.initialize_all(session_id=session, hermes_home=str(tmp_path), platform="cli", **about)


def test_the_page(tmp_path):
    """The page's example prints what the page says."""
    check_example("docs/adapters/hermes.md", tmp_path)


def test_the_entry_point_leads_here():
    """Releases that read entry points find the registration."""
    found = importlib.metadata.entry_points(group="hermes_agent.memory_providers", name="lmort")
    assert [one.load() for one in found] == [hermes]


def test_turns_come_back_in_the_next_session(manager, tmp_path):
    """A turn is a note for another session at once, not for its own, and small talk gets none."""
    _start(manager, tmp_path)
    manager.sync_all("My sister keeps bees in Trondheim.", "How nice!", session_id="monday")
    assert manager.flush_pending(timeout=60)
    question = "Where does my sister keep bees?"
    assert "Trondheim" in manager.prefetch_all(question, session_id="tuesday")
    assert manager.prefetch_all(question, session_id="monday") == ""
    assert manager.prefetch_all("thanks!", session_id="tuesday") == ""


def test_tools_answer_in_json(manager, tmp_path):
    """The tools work through the manager; a wrong call is an error in JSON, not an exception."""
    _start(manager, tmp_path)
    id_ = json.loads(manager.handle_tool_call("lmort_remember", {"text": "Ada keeps bees."}))["id"]
    assert json.loads(manager.handle_tool_call("lmort_recall", {"query": "bees"}))[0]["id"] == id_
    assert json.loads(manager.handle_tool_call("lmort_forget", {"id": id_})) == {"forgotten": True}
    assert "query" in json.loads(manager.handle_tool_call("lmort_recall", {}))["error"]


def test_users_are_apart_and_subagents_store_nothing(manager, tmp_path):
    """Another user's turns are not notes, and what a sub-agent does is not kept."""
    _start(manager, tmp_path, user_id="ada")
    manager.sync_all("My sister keeps bees in Trondheim.", "How nice!", session_id="monday")
    manager.flush_pending(timeout=60)
    _start(manager, tmp_path, user_id="bob")
    assert manager.prefetch_all("Where does my sister keep bees?", session_id="x") == ""
    _start(manager, tmp_path, user_id="ada", agent_context="subagent")
    manager.sync_all("My brother keeps wasps.", "Oh.", session_id="sub")
    manager.flush_pending(timeout=60)
    assert "wasps" not in manager.prefetch_all("Who keeps wasps, my brother?", session_id="x")


def test_hermes_own_memory_is_mirrored(manager, tmp_path):
    """What Hermes' memory tool adds is a note, and what it removes is gone."""
    _start(manager, tmp_path)
    manager.on_memory_write("add", "user", "Prefers tea over coffee.")
    assert "tea" in manager.prefetch_all("tea or coffee, what do I prefer?", session_id="x")
    manager.on_memory_write("remove", "user", "Prefers tea over coffee.")
    assert manager.prefetch_all("tea or coffee, what do I prefer?", session_id="x") == ""

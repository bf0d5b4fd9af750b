"""Anthropic's memory tool over a memory, beyond its owner's tests."""

import asyncio

import pytest
from anthropic.lib.tools import ToolError

from lmort_memory.adapters.anthropic_memory import AsyncMemoryTool, MemoryTool
from tests.support.pages import check_example


def _create(tool, path, text):
    return tool.call({"command": "create", "path": path, "file_text": text})


def test_the_page(tmp_path):
    """The page's example prints what the page says."""
    check_example("docs/adapters/anthropic_memory.md", tmp_path)


def test_what_the_agent_writes_is_recalled_and_has_a_history(memory):
    """A file is a record: found by its words, with its old versions, gone when it is deleted."""
    tool = MemoryTool(memory)
    _create(tool, "/memories/bees.md", "The queen is calm.")
    tool.call(
        {
            "command": "str_replace",
            "path": "/memories/bees.md",
            "old_str": "calm",
            "new_str": "angry",
        }
    )
    record = memory.recall("queen")[0].record
    assert record.source.uri == "/memories/bees.md"
    assert [one.text for one in memory.history(record.id)] == [
        "The queen is calm.",
        "The queen is angry.",
    ]
    tool.call({"command": "delete", "path": "/memories/bees.md"})
    assert memory.recall("queen") == []


@pytest.mark.parametrize("content", ["", "\n", "  \r\n\t", "a\r\nb", "no newline", "é🐝\n"])
def test_any_content_comes_back_exactly(memory, content):
    """Empty files, white space, line ends and other scripts survive writing and moving."""
    tool = MemoryTool(memory)
    _create(tool, "/memories/a", content)
    tool.call({"command": "rename", "old_path": "/memories/a", "new_path": "/memories/x/b"})
    assert tool.paths.read("/memories/x/b") == content
    assert tool.paths.read("/memories/a") is None


def test_folders_move_whole_and_nothing_lies_below_a_file(memory):
    """A folder is renamed with all below it; a file is not a folder, nor a folder its own child."""
    tool = MemoryTool(memory)
    _create(tool, "/memories/a/one", "1")
    _create(tool, "/memories/a/deep/two", "2")
    tool.call({"command": "rename", "old_path": "/memories/a", "new_path": "/memories/b"})
    assert tool.paths.files("/memories") == {"/memories/b/deep/two": "2", "/memories/b/one": "1"}
    with pytest.raises(ToolError, match="is a file"):
        _create(tool, "/memories/b/one/below", "x")
    with pytest.raises(ToolError, match="below itself"):
        tool.call({"command": "rename", "old_path": "/memories/b", "new_path": "/memories/b/c"})
    with pytest.raises(ToolError, match="Path must start with /memories"):
        _create(tool, "/memoriesX/a", "x")


def test_scopes_keep_users_apart(memory):
    """The same path is another file in another scope, and other records are not files."""
    ada, bob = MemoryTool(memory, scope="ada"), MemoryTool(memory, scope="bob")
    memory.add("a note", scope="ada")
    _create(ada, "/memories/a", "Ada's")
    _create(bob, "/memories/a", "Bob's")
    ada.call({"command": "delete", "path": "/memories/a"})
    assert bob.paths.files("/memories") == {"/memories/a": "Bob's"}
    bob.clear_all_memory()
    assert [one.text for one in memory.records()] == ["a note"]


def test_two_at_once_create_one_file(memory):
    """Of many that create one file at the same time, one succeeds."""
    tool = AsyncMemoryTool(memory)

    async def create(i):
        return await tool.call(
            {"command": "create", "path": "/memories/a", "file_text": f"number {i}"}
        )

    async def all_at_once():
        return await asyncio.gather(*(create(i) for i in range(8)), return_exceptions=True)

    results = asyncio.run(all_at_once())
    assert sum(isinstance(one, str) for one in results) == 1
    assert sum(isinstance(one, ToolError) for one in results) == 7

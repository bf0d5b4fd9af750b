"""A pytest plugin: Anthropic's own tests of their tool for files, run against ours.

Their tests look at a folder of the disk. Ours keeps no files, so the folder is made a window: what
the test put there is written into the memory before each command, and what the memory holds is
written there after it. Links are left alone: a memory has none.
"""
# ruff: noqa: D101, D103 - what these do is said by their owner

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from anthropic.lib.tools import _beta_builtin_memory_tool as theirs
from anyio import Path as AsyncPath

from lmort_memory import Memory
from lmort_memory.adapters.anthropic_memory import AsyncMemoryTool, MemoryTool, Paths
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

COMMANDS = ("view", "create", "str_replace", "insert", "delete", "rename", "clear_all_memory")

# What they promise of a disk, and a memory has not: links to follow or refuse, and folders' modes.
OF_THE_DISK = ("symlink", "world_writable")


class _Window:
    """A folder that shows what a memory holds."""

    def __init__(self, base_path: str, paths: Paths) -> None:
        self.root = Path(base_path) / "memories"
        self.paths = paths
        self.root.mkdir(parents=True, exist_ok=True)

    def take(self) -> None:
        for path in self.root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                name = f"/memories/{path.relative_to(self.root).as_posix()}"
                content = path.read_bytes().decode()
                if self.paths.read(name) != content:
                    self.paths.write(name, content)

    def show(self) -> None:
        shutil.rmtree(self.root)
        self.root.mkdir()
        for name, content in self.paths.files("/memories").items():
            path = self.root / name.removeprefix("/memories/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())


def _memory() -> Memory:
    return Memory(HashEncoder(), SQLiteStore(Path(tempfile.mkdtemp()) / "memory.db"))


class Tool(MemoryTool):
    def __init__(self, base_path: str = "./memory") -> None:
        super().__init__(_memory())
        self.base_path, self.memory_root = Path(base_path), Path(base_path) / "memories"
        self.window = _Window(base_path, self.paths)


class AsyncTool(AsyncMemoryTool):
    def __init__(self, base_path: str = "./memory") -> None:
        super().__init__(_memory())
        self.base_path = AsyncPath(base_path)
        self.memory_root = self.base_path / "memories"
        self.window = _Window(base_path, self.paths)


def _windowed(name):
    def call(self, *arguments):
        self.window.take()
        result = getattr(MemoryTool, name)(self, *arguments)
        self.window.show()
        return result

    return call


def _windowed_async(name):
    async def call(self, *arguments):
        self.window.take()
        result = await getattr(AsyncMemoryTool, name)(self, *arguments)
        self.window.show()
        return result

    return call


for _name in COMMANDS:
    setattr(Tool, _name, _windowed(_name))
    setattr(AsyncTool, _name, _windowed_async(_name))
Tool.__abstractmethods__ = AsyncTool.__abstractmethods__ = frozenset()
theirs.BetaLocalFilesystemMemoryTool = Tool
theirs.BetaAsyncLocalFilesystemMemoryTool = AsyncTool


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    of_disk = [one for one in items if any(word in one.name for word in OF_THE_DISK)]
    if os.environ.get("WITH_DISK"):  # to see them fail
        return
    items[:] = [one for one in items if one not in of_disk]
    config.hook.pytest_deselected(items=of_disk)

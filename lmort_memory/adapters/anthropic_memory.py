"""Anthropic's memory tool (`memory_20250818`) over a memory: its files are records.

    >>> tool = MemoryTool(memory)                                              # doctest: +SKIP
    >>> client.beta.messages.tool_runner(tools=[tool], ...).until_done()       # doctest: +SKIP

What the agent writes to /memories/notes.txt is a record whose source is that path: `recall` finds
it, `lmort-mem list` shows it, and its old versions are history. No file is written anywhere else.
Folders exist where a path goes through them, and, once made by `create`, nowhere else.

Needs the extra `anthropic_memory`. Answers and errors have the words of Anthropic's own tool for
files, which the model was trained with.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anthropic.lib.tools import ToolError
from anthropic.lib.tools._beta_builtin_memory_tool import (
    BetaAbstractMemoryTool,
    BetaAsyncAbstractMemoryTool,
)

from lmort_memory.adapters.documents import Document, Documents
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from anthropic.types.beta import (
        BetaCacheControlEphemeralParam,
        BetaMemoryTool20250818CreateCommand,
        BetaMemoryTool20250818DeleteCommand,
        BetaMemoryTool20250818InsertCommand,
        BetaMemoryTool20250818RenameCommand,
        BetaMemoryTool20250818StrReplaceCommand,
        BetaMemoryTool20250818ViewCommand,
    )

    from lmort_memory.memory import Memory
    from lmort_memory.types import JsonValue, Record

__all__ = ["AsyncMemoryTool", "MemoryTool", "Paths"]

ROOT = "/memories"
ROLE = "memory file"
MAX_LINES = 999_999
NUMBER_WIDTH = len(str(MAX_LINES))
DEPTH = 2  # levels of a folder that `view` lists
FOLDER_BYTES = 4096  # what a folder weighs on the usual disks; the model has seen no other number


class Paths:
    """A folder of texts, kept as records; the part of both tools that does the work.

    Args:
        memory: Where the texts live.
        scope: Their scope; the default one is what `recall` looks in.
    """

    def __init__(self, memory: Memory, *, scope: str = DEFAULT_SCOPE) -> None:
        self._documents = Documents(memory)
        self._scope = scope

    def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """Return a file's lines with their numbers, or what a folder holds."""
        path = _checked(command.path)
        content = self.read(path)
        if content is not None:
            return _numbered(command.path, content, command.view_range)
        files = {one: text for one, text in self.files(path).items()}
        if not files and path != ROOT:
            raise ToolError(f"The path {command.path} does not exist. Please provide a valid path.")
        header = (
            f"Here're the files and directories up to {DEPTH} levels deep in {command.path},"
            " excluding hidden items:"
        )
        lines = [f"{_size(FOLDER_BYTES)}\t{command.path}"]
        lines += [f"{size}\t{command.path}/{name}" for size, name in _listing(path, files)]
        return header + "\n" + "\n".join(lines)

    def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Write a new file."""
        path = _checked(command.path)
        with self._documents.lock:
            if path == ROOT or self.read(path) is not None or self.files(path):
                raise ToolError(f"File {command.path} already exists")
            self._refuse_below_file(path)
            self.write(path, command.file_text)
        return f"File created successfully at: {command.path}"

    def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replace a text that occurs once in a file."""
        path = _checked(command.path)
        old, new = command.old_str, command.new_str
        with self._documents.lock:
            content = self._content(path, command.path)
            count = content.count(old)
            if count == 0:
                raise ToolError(
                    f"No replacement was performed, old_str `{old}` did not appear verbatim in"
                    f" {command.path}."
                )
            if count > 1:
                where = ", ".join(map(str, _lines_with(content, old)))
                raise ToolError(
                    f"No replacement was performed. Multiple occurrences of old_str `{old}` in"
                    f" lines: {where}. Please ensure it is unique"
                )
            changed = content.replace(old, new)
            self.write(path, changed)
        at = content[: content.find(old)].count("\n")
        lines = changed.split("\n")
        first = max(0, at - 2)
        shown = [_line(n, text) for n, text in enumerate(lines[first : at + 3], first + 1)]
        return (
            "The memory file has been edited. Here is the snippet showing the change (with line"
            " numbers):\n" + "\n".join(shown)
        )

    def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Insert text behind a line; 0 is before the first."""
        path = _checked(command.path)
        with self._documents.lock:
            lines = self._content(path, command.path).split("\n")
            if lines[-1] == "":
                lines.pop()  # what follows the last line feed is not a line
            if not 0 <= command.insert_line <= len(lines):
                raise ToolError(
                    f"Invalid `insert_line` parameter: {command.insert_line}. It should be within"
                    f" the range [0, {len(lines)}]."
                )
            lines.insert(command.insert_line, command.insert_text.rstrip("\n"))
            content = "\n".join(lines)
            self.write(path, content if content.endswith("\n") else content + "\n")
        return f"The file {command.path} has been edited."

    def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Forget a file, or a folder with all that is below it."""
        path = _checked(command.path)
        if path == ROOT:
            raise ToolError(f"Cannot delete the {ROOT} directory itself")
        with self._documents.lock:
            doomed = [path] if self.read(path) is not None else list(self.files(path))
            if not doomed:
                raise ToolError(f"The path {command.path} does not exist")
            self._documents.delete(doomed, scope=self._scope)
        return f"Successfully deleted {command.path}"

    def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Move a file or a folder; every file is at its new place before the old one goes."""
        old, new = _checked(command.old_path), _checked(command.new_path)
        if old == ROOT:
            raise ToolError(f"Cannot rename the {ROOT} directory itself")
        with self._documents.lock:
            if new == ROOT or self.read(new) is not None or self.files(new):
                raise ToolError(f"The destination {command.new_path} already exists")
            own = self.read(old)
            moved = self.files(old) if own is None else {old: own}
            if not moved:
                raise ToolError(f"The path {command.old_path} does not exist")
            if new.startswith(f"{old}/"):
                raise ToolError(f"Cannot move {command.old_path} below itself")
            self._refuse_below_file(new)
            for path, content in moved.items():
                self.write(new + path.removeprefix(old), content)
            self._documents.delete(list(moved), scope=self._scope)
        return f"Successfully renamed {command.old_path} to {command.new_path}"

    def clear_all_memory(self) -> str:
        """Forget every file."""
        with self._documents.lock:
            self._documents.delete(list(self.files(ROOT)), scope=self._scope)
        return "All memory cleared"

    def read(self, path: str) -> str | None:
        """Return the content of a file, or None where there is none."""
        record = self._documents.get(path, scope=self._scope)
        return None if record is None or record.role != ROLE else _content_of(record)

    def write(self, path: str, content: str) -> None:
        """Make a file's content this text."""
        metadata: dict[str, JsonValue] = {}
        text = content
        if not content.strip():  # no record without words: the name is found in place of them
            text, metadata = path, {"content": content}
        document = Document(path, (text,), scope=self._scope, role=ROLE, metadata=metadata)
        self._documents.put([document])

    def files(self, folder: str) -> dict[str, str]:
        """Return the files below a folder with their contents, in order of path."""
        found = {
            record.source.uri: _content_of(record)
            for record in self._documents.all(scope=self._scope, role=ROLE)
            if record.source is not None and record.source.uri.startswith(f"{folder}/")
        }
        return dict(sorted(found.items()))

    def _content(self, path: str, shown: str) -> str:
        content = self.read(path)
        if content is not None:
            return content
        if path == ROOT or self.files(path):
            raise ToolError(f"The path {shown} is not a file.")
        raise ToolError(f"The path {shown} does not exist. Please provide a valid path.")

    def _refuse_below_file(self, path: str) -> None:
        above = posixpath.dirname(path)
        while above != ROOT:
            if self.read(above) is not None:
                raise ToolError(f"The path {above} is a file, not a directory")
            above = posixpath.dirname(above)


class MemoryTool(BetaAbstractMemoryTool):
    """Anthropic's memory tool whose files are records of a memory. Thread-safe.

    Args:
        memory: Where what the agent writes is kept; the caller closes it.
        scope: Scope of the records; another one for each user keeps them apart.
        cache_control: Passed on to the API with the tool.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        scope: str = DEFAULT_SCOPE,
        cache_control: BetaCacheControlEphemeralParam | None = None,
    ) -> None:
        super().__init__(cache_control=cache_control)
        self.paths = Paths(memory, scope=scope)

    def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """Return a file's lines with their numbers, or what a folder holds."""
        return self.paths.view(command)

    def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Write a new file."""
        return self.paths.create(command)

    def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replace a text that occurs once in a file."""
        return self.paths.str_replace(command)

    def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Insert text behind a line; 0 is before the first."""
        return self.paths.insert(command)

    def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Forget a file, or a folder with all that is below it."""
        return self.paths.delete(command)

    def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Move a file or a folder."""
        return self.paths.rename(command)

    def clear_all_memory(self) -> str:
        """Forget every file."""
        return self.paths.clear_all_memory()


class AsyncMemoryTool(BetaAsyncAbstractMemoryTool):
    """`MemoryTool` for `AsyncAnthropic`: each command runs in a thread."""

    def __init__(
        self,
        memory: Memory,
        *,
        scope: str = DEFAULT_SCOPE,
        cache_control: BetaCacheControlEphemeralParam | None = None,
    ) -> None:
        super().__init__(cache_control=cache_control)
        self.paths = Paths(memory, scope=scope)

    async def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """Return a file's lines with their numbers, or what a folder holds."""
        return await asyncio.to_thread(self.paths.view, command)

    async def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Write a new file."""
        return await asyncio.to_thread(self.paths.create, command)

    async def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replace a text that occurs once in a file."""
        return await asyncio.to_thread(self.paths.str_replace, command)

    async def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Insert text behind a line; 0 is before the first."""
        return await asyncio.to_thread(self.paths.insert, command)

    async def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Forget a file, or a folder with all that is below it."""
        return await asyncio.to_thread(self.paths.delete, command)

    async def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Move a file or a folder."""
        return await asyncio.to_thread(self.paths.rename, command)

    async def clear_all_memory(self) -> str:
        """Forget every file."""
        return await asyncio.to_thread(self.paths.clear_all_memory)


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    size: int
    folder: bool


def _checked(path: str) -> str:
    """Return the path without "." and "..", below /memories.

    Raises:
        ToolError: it leads elsewhere.
    """
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        raise ToolError(f"Path must start with {ROOT}, got: {path}")
    plain = posixpath.normpath(path)
    if plain != ROOT and not plain.startswith(f"{ROOT}/"):
        raise ToolError(f"Path {path} would escape {ROOT} directory")
    return plain


def _content_of(record: Record) -> str:
    return str(record.metadata.get("content", record.text))


def _numbered(shown: str, content: str, view_range: Iterable[int] | None) -> str:
    lines = content.split("\n")
    if len(lines) > MAX_LINES:
        raise ToolError(f"File {shown} exceeds maximum line limit of {MAX_LINES:,} lines.")
    first, last = 1, len(lines)
    if view_range:
        first, last = view_range
        first = max(1, first)
        last = len(lines) if last == -1 else last
    numbered = [_line(n, text) for n, text in enumerate(lines[first - 1 : last], first)]
    return f"Here's the content of {shown} with line numbers:\n" + "\n".join(numbered)


def _line(number: int, text: str) -> str:
    return f"{number:>{NUMBER_WIDTH}}\t{text}"


def _lines_with(content: str, text: str) -> Iterable[int]:
    at = content.find(text)
    while at != -1:
        yield content[:at].count("\n") + 1
        at = content.find(text, at + 1)


def _listing(folder: str, files: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Yield the size and the relative path of what stands below a folder, two levels deep."""
    entries: dict[str, _Entry] = {}
    for path, content in files.items():
        parts = path.removeprefix(f"{folder}/").split("/")
        shown = [part for part in parts[:DEPTH]]
        if any(part.startswith(".") for part in shown):
            continue
        for depth in range(1, len(shown) + 1):
            name, is_folder = "/".join(parts[:depth]), depth < len(parts)
            size = FOLDER_BYTES if is_folder else len(content.encode())
            entries[name] = _Entry(name + "/" * is_folder, size, is_folder)
    for name in sorted(entries, key=lambda one: one.split("/")):
        yield _size(entries[name].size), entries[name].name


def _size(n: int) -> str:
    """Write a size as Anthropic's tool does: 0B, 12B, 1.5K, 4K."""
    power = min(max(n.bit_length() - 1, 0) // 10, 3)
    size = n / 1024**power
    return f"{size:.0f}{'BKMG'[power]}" if size == int(size) else f"{size:.1f}{'BKMG'[power]}"

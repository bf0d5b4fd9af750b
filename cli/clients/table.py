"""MCP clients: the file where each lists its servers, and the format of an entry."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CLIENTS", "NAME", "Client", "Hooks"]

NAME = "lmort-memory"

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hooks:
    """How an agent is told to run commands of ours at certain moments.

    Attributes:
        path: The file that lists them, under "hooks".
        moments: The agent's name of each moment, and ours.
        timeout: How long the agent waits at most, in its own unit.
        note: What else the agent needs, or empty.
    """

    path: Callable[[], Path]
    moments: Mapping[str, str]
    timeout: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """A client.

    Attributes:
        title: Its display name.
        path: Its settings file on this system.
        key: The member of the file that lists servers.
        entry: Makes the entry for a command and its arguments.
        toml: Whether the file is TOML; else it is JSON, with comments allowed.
        hooks: Its hooks; None for a client without hooks that can add to a prompt.
    """

    title: str
    path: Callable[[], Path]
    key: str
    entry: Callable[[str, Sequence[str]], Entry]
    toml: bool = False
    hooks: Hooks | None = None


def _plain(command: str, arguments: Sequence[str]) -> Entry:
    return {"command": command, "args": list(arguments)}


def _stdio(command: str, arguments: Sequence[str]) -> Entry:
    return {"type": "stdio", "command": command, "args": list(arguments)}


def _zed(command: str, arguments: Sequence[str]) -> Entry:
    return {"source": "custom", "command": command, "args": list(arguments), "env": {}}


def _home(*parts: str) -> Callable[[], Path]:
    return lambda: Path.home().joinpath(*parts)


def _settings(*parts: str) -> Callable[[], Path]:
    """Return the path of a file in the platform's settings folder."""

    def path() -> Path:
        if sys.platform == "darwin":
            return Path.home().joinpath("Library", "Application Support", *parts)
        if sys.platform == "win32":
            return Path(os.environ.get("APPDATA", Path.home() / "AppData/Roaming"), *parts)
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config").joinpath(*parts)

    return path


def _zed_path() -> Path:
    if sys.platform == "win32":
        return _settings("Zed", "settings.json")()
    config = os.environ.get("XDG_CONFIG_HOME") if sys.platform == "linux" else None
    return Path(config or Path.home() / ".config") / "zed" / "settings.json"


CLIENTS: Mapping[str, Client] = {
    "claude-code": Client(
        "Claude Code",
        _home(".claude.json"),
        "mcpServers",
        _stdio,
        hooks=Hooks(
            _home(".claude", "settings.json"),
            {
                "SessionStart": "session-start",
                "UserPromptSubmit": "prompt",
                "Stop": "stop",
                "SessionEnd": "stop",
            },
            timeout=5,
        ),
    ),
    "claude-desktop": Client(
        "Claude Desktop", _settings("Claude", "claude_desktop_config.json"), "mcpServers", _plain
    ),
    "codex": Client(
        "Codex",
        _home(".codex", "config.toml"),
        "mcp_servers",
        _plain,
        toml=True,
        hooks=Hooks(
            _home(".codex", "hooks.json"),
            {"SessionStart": "session-start", "UserPromptSubmit": "prompt", "Stop": "stop"},
            timeout=5,
            note="Codex runs hooks if config.toml has codex_hooks = true under [features]",
        ),
    ),
    "cursor": Client("Cursor", _home(".cursor", "mcp.json"), "mcpServers", _plain),
    "gemini-cli": Client(
        "Gemini CLI",
        _home(".gemini", "settings.json"),
        "mcpServers",
        _plain,
        hooks=Hooks(
            _home(".gemini", "settings.json"),
            {
                "SessionStart": "session-start",
                "BeforeAgent": "prompt",
                "AfterAgent": "stop",
                "SessionEnd": "stop",
            },
            timeout=5000,
        ),
    ),
    "lm-studio": Client("LM Studio", _home(".lmstudio", "mcp.json"), "mcpServers", _plain),
    "vscode": Client("VS Code", _settings("Code", "User", "mcp.json"), "servers", _stdio),
    "windsurf": Client(
        "Windsurf", _home(".codeium", "windsurf", "mcp_config.json"), "mcpServers", _plain
    ),
    "zed": Client("Zed", _zed_path, "context_servers", _zed),
}

"""Add our entry to a client's settings file, or remove it: preview the result, then write it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lmort_memory.errors import LmortError
from lmort_memory.paths import make_private_dir, replacing

from . import jsonc
from .table import NAME, Client, Entry, Hooks

__all__ = ["edited", "hooked", "read", "write"]

_OURS = re.compile(r"\blmort-mem(\.exe)?[\"']? hook\b")


def read(path: Path) -> str:
    """Return a settings file's text; a missing one is empty.

    Raises:
        LmortError: the file cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise LmortError(f"cannot read {path}: {error}") from error


def edited(client: Client, path: Path, text: str, entry: Entry | None) -> str:
    """Return the settings with our entry, or without it for None; all else stays the same.

    Raises:
        LmortError: the settings are malformed, or the edit would change other settings.
    """
    parse = tomllib.loads if client.toml else _parse
    with _editing(path, "the entry"):
        before = parse(text)
        after = _toml(text, client.key, entry) if client.toml else _json(text, client.key, entry)
        if _others(parse(after), client.key) != _others(before, client.key):
            raise ValueError("other settings would change")
    return after


def hooked(hooks: Hooks, path: Path, text: str, command: Callable[[str], str] | None) -> str:
    """Return an agent's settings with our hooks, or without them for None; all else stays the same.

    Args:
        hooks: The agent's.
        path: Of the settings, for messages.
        text: The settings.
        command: Returns the command line for one of our moments.

    Raises:
        LmortError: the settings are malformed, or the edit would change other settings.
    """
    with _editing(path, "the hooks"):
        before = _parse(text)
        after = without = _without_hooks(text)
        if command is not None:
            for moment, ours in hooks.moments.items():
                handler = {"type": "command", "command": command(ours), "timeout": hooks.timeout}
                after = jsonc.append_item(after, ["hooks", moment], {"hooks": [handler]})
        if _parse(after) == before:
            return text
        if _parse(_without_hooks(after)) != _parse(without):
            raise ValueError("other settings would change")
    return after


@contextmanager
def _editing(path: Path, ours: str) -> Iterator[None]:
    """Turn what is wrong with the settings, or with the edit, into a message about the file."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LmortError(
            f"cannot edit {path}: {error} — correct the file, or add {ours} by hand"
        ) from error


def _without_hooks(text: str) -> str:
    """Take our commands out of every moment, with the groups that held nothing else."""
    while (place := next(_our_hooks(_parse(text)), None)) is not None:
        text = jsonc.remove(text, place)
    return text


def _our_hooks(settings: Mapping[str, Any]) -> Iterator[list[str | int]]:
    """Yield the place of each of our commands."""
    for moment, groups in (settings.get("hooks") or {}).items():
        for i, group in enumerate(groups if isinstance(groups, list) else ()):
            handlers = group.get("hooks") if isinstance(group, dict) else None
            for j, handler in enumerate(handlers if isinstance(handlers, list) else ()):
                if isinstance(handler, dict) and _OURS.search(str(handler.get("command"))):
                    yield ["hooks", moment, i, "hooks", j]


def write(path: Path, text: str) -> None:
    """Replace a settings file and keep its mode; a new file gets mode 0600.

    Raises:
        LmortError: the file cannot be written.
    """
    target = path.resolve()  # a link stays a link
    try:
        make_private_dir(target.parent)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        with replacing(target) as fresh:
            fresh.write_bytes(text.encode())
            fresh.chmod(mode)
    except OSError as error:
        raise LmortError(f"cannot write {path}: {error}") from error


def _parse(text: str) -> Any:  # noqa: ANN401 — any JSON
    return jsonc.parse(text) if text.strip() else {}


def _json(text: str, key: str, entry: Entry | None) -> str:
    if entry is None:
        return jsonc.remove(text, [key, NAME]) if text.strip() else text
    return jsonc.set_member(text, [key, NAME], entry)


def _toml(text: str, key: str, entry: Entry | None) -> str:
    """Set or remove a table; its content runs from its header to the next one."""
    table = re.compile(rf"(?ms)^\[{key}\.{NAME}\]\n(?:(?!^\[).)*")
    without = table.sub("", text).rstrip("\n")
    without = f"{without}\n" if without else ""
    if entry is None:
        return without if table.search(text) else text
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in entry.items()]
    return f"{without}\n[{key}.{NAME}]\n{''.join(lines)}".lstrip("\n")


def _others(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the settings without our entry, for comparison."""
    rest = dict(settings)
    servers = {name: value for name, value in (rest.pop(key, None) or {}).items() if name != NAME}
    return rest | ({key: servers} if servers else {})

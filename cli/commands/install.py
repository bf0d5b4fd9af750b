"""The command `install`: give an MCP client or an agent this memory, after a preview."""

from __future__ import annotations

import difflib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lmort_memory.paths import chosen_db, expanded

from ..app import command
from ..clients.edit import edited, hooked, read, write
from ..clients.table import CLIENTS, Client
from ..opening import setting_text
from ..options import Base, Models, WrongUsage
from ..terminal.output import note, print_json, say_text

__all__ = ["install"]


@dataclass(frozen=True, slots=True)
class _Change:
    """A settings file as it is, and as it should be."""

    path: Path
    before: str
    after: str

    @property
    def shown(self) -> str:
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            str(self.path),
            str(self.path),
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines).rstrip("\n")


@command(
    "lmort-mem install claude-desktop",
    "lmort-mem install claude-code --yes",
    "lmort-mem install vscode --remove --yes",
)
def install(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help=f"One of {', '.join(CLIENTS)}.")],
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Write the change; otherwise only show it.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what `install` added.")] = False,
    hooks: Annotated[
        bool,
        typer.Option(
            "--hooks/--no-hooks",
            help="Besides the MCP server, also install hooks, for agents that have them.",
        ),
    ] = True,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scope for this client.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Another settings file for the MCP server, such as a project's; then no hooks.",
        ),
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Give an MCP client or an agent this memory.

    Clients get the MCP server. Claude Code, Codex and Gemini CLI also get hooks, which put notes
    into every prompt without the model asking, and store the conversation.

    Shows the change to the program's settings, and writes it with --yes. Other settings and
    comments stay unchanged.
    """
    if client not in CLIENTS:
        raise WrongUsage(f"unknown client {client!r}; choose one of {', '.join(CLIENTS)}")
    known = CLIENTS[client]
    path = expanded(file or known.path())
    db = None if remove or base.db is None else _whole_name(base.db)
    entry = None if remove else known.entry(_program(), _arguments(db, base, models, scope))
    before = read(path)
    changes = [_Change(path, before, edited(known, path, before, entry))]
    if hooks and file is None and known.hooks is not None:
        changes = _with_hooks(known, changes[0], None if remove else _hook(db, scope))
    changed = [one for one in changes if one.after != one.before]
    for one in changed if yes else ():
        write(one.path, one.after)
    if base.json:
        files = [{"file": one.path, "changed": one in changed} for one in changes]
        print_json({"files": files, "written": yes and bool(changed)})
        return
    if not changed:
        note(f"{' and '.join(str(one.path) for one in changes)}: no change needed")
        return
    for one in changed:
        say_text(one.shown)
    if not yes:
        note("nothing written; pass --yes to write it")
        return
    note(f"written; restart {known.title}")
    if len(changes) > 1 and not remove and known.hooks is not None and known.hooks.note:
        note(known.hooks.note)


def _with_hooks(
    client: Client, server: _Change, command: Callable[[str], str] | None
) -> list[_Change]:
    """Add the hooks to the change: in the same file, or in one of their own."""
    assert client.hooks is not None
    path = expanded(client.hooks.path())
    if path == server.path:
        after = hooked(client.hooks, path, server.after, command)
        return [_Change(path, server.before, after)]
    before = read(path)
    return [server, _Change(path, before, hooked(client.hooks, path, before, command))]


def _hook(db: str | None, scope: str | None) -> Callable[[str], str]:
    """Return the function from a moment to its command line: agents run it through a shell."""
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    options = [] if db is None else ["--db", db]
    if scope is not None:
        options += ["--scope", scope]
    return lambda moment: join([_program(), "hook", moment, *options])


def _program() -> str:
    """Return this program's full path: clients start it without a shell's PATH."""
    own = Path(sys.argv[0])
    if own.name.startswith("lmort-mem") and own.exists():
        return str(own.absolute())
    return shutil.which("lmort-mem") or "lmort-mem"


def _whole_name(db: str) -> str:
    """Return a database's name for another folder; a password stays out of the client's file."""
    from lmort_memory.store.places import shown_place

    place = chosen_db(db)
    if isinstance(place, str) and shown_place(place) != place:
        note("the password is left out: put it into ~/.pgpass")
    return str(place.absolute()) if isinstance(place, Path) else shown_place(place)


def _arguments(db: str | None, base: Base, models: Models, scope: str | None) -> list[str]:
    """Return the arguments with absolute paths, since a client runs in another folder."""
    from .model import runnable_model

    arguments = ["mcp"]
    if db is not None:
        arguments += ["--db", db]
    if base.passphrase_file is not None:
        arguments += ["--passphrase-file", str(expanded(base.passphrase_file).absolute())]
    if models.model is not None:
        arguments += ["--model", str(runnable_model(models.model))]
    if tuner := models.tuner and setting_text("tuner", models.tuner):
        arguments += ["--tuner", str(expanded(tuner).absolute())]
    for name, value in (("--gpu-layers", models.gpu_layers), ("--threads", models.threads)):
        arguments += [] if value is None else [name, str(value)]
    if scope is not None:
        arguments += ["--scope", scope]
    return arguments

"""The command `install`: add our MCP server to a client's settings, after a preview."""

from __future__ import annotations

import difflib
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from lmort_memory.paths import chosen_db

from ..app import command
from ..clients.edit import edited, read, write
from ..clients.table import CLIENTS
from ..opening import setting_text
from ..options import Base, Models, WrongUsage
from ..terminal.output import note, print_json, say

__all__ = ["install"]


@command(
    "lmort-mem install claude-desktop",
    "lmort-mem install cursor --yes",
    "lmort-mem install vscode --remove --yes",
)
def install(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help=f"One of {', '.join(CLIENTS)}.")],
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Write the change; otherwise only show it.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the entry.")] = False,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scope for this client.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A different settings file, such as a project's."),
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Give an MCP client this memory.

    Shows the change to the client's settings, and writes it with --yes. Other settings and comments
    stay unchanged.
    """
    if client not in CLIENTS:
        raise WrongUsage(f"unknown client {client!r}; choose one of {', '.join(CLIENTS)}")
    known = CLIENTS[client]
    path = (file or known.path()).expanduser()
    entry = None if remove else known.entry(_program(), _arguments(base, models, scope))
    before = read(path)
    after = edited(known, path, before, entry)
    if yes and after != before:
        write(path, after)
    if base.json:
        print_json({"file": path, "changed": after != before, "written": yes and after != before})
        return
    if after == before:
        note(f"{path} needs no change")
        return
    named = str(path)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), named, named
    )
    say("".join(line if line.endswith("\n") else f"{line}\n" for line in lines).rstrip("\n"))
    if yes:
        note(f"written; restart {known.title}")
    else:
        note("nothing written; pass --yes to write it")


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


def _arguments(base: Base, models: Models, scope: str | None) -> list[str]:
    """Return the arguments with absolute paths, since a client runs in another folder."""
    from .model import runnable_model

    arguments = ["mcp"]
    if base.db is not None:
        arguments += ["--db", _whole_name(base.db)]
    if base.passphrase_file is not None:
        arguments += ["--passphrase-file", str(base.passphrase_file.expanduser().absolute())]
    if models.model is not None:
        arguments += ["--model", str(runnable_model(models.model))]
    if tuner := models.tuner and setting_text("tuner", models.tuner):
        arguments += ["--tuner", str(Path(tuner).expanduser().absolute())]
    for name, value in (("--gpu-layers", models.gpu_layers), ("--threads", models.threads)):
        arguments += [] if value is None else [name, str(value)]
    if scope is not None:
        arguments += ["--scope", scope]
    return arguments

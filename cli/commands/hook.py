"""The command `hook`: its help; `lmort_memory.start` runs hooks without the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from ..app import command

__all__ = ["hook"]


@command("lmort-mem hook prompt < event.json", "lmort-mem hook stop --scope work < event.json")
def hook(
    event: Annotated[
        str | None, typer.Argument(help="session-start, prompt or stop; else as the event says.")
    ] = None,
    *,
    db: Annotated[str | None, typer.Option(metavar="PATH", help="Database file.")] = None,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scope to look in and to store into.")
    ] = None,
) -> None:
    """Give a command line agent its memory.

    The agent runs this, with the JSON of an event on stdin.

    Notes come as JSON that Claude Code, Codex and Gemini CLI understand; small talk gets none.
    `lmort-mem serve` makes them better (by meaning) and faster; without it, words alone decide.
    Errors are silent: the agent goes on without notes. $LMORT_HOOK_DEBUG=1 shows them.
    """
    from lmort_memory.adapters.hooks import main

    named = [part for part in (event,) if part]
    for name, value in (("--db", db), ("--scope", scope)):
        named += [name, value] if value else []
    raise typer.Exit(main(named))

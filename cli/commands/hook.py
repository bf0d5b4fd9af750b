"""The command `hook`: its help; `lmort_memory.start` runs hooks without the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from ..app import command

__all__ = ["hook"]


@command("lmort-mem hook prompt < event.json", "lmort-mem hook stop --scope work < event.json")
def hook(
    event: Annotated[
        str | None,
        typer.Argument(help="session-start, prompt or stop; by default as in the event."),
    ] = None,
    *,
    db: Annotated[str | None, typer.Option(metavar="PATH", help="Database file.")] = None,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scope to search and store in.")
    ] = None,
) -> None:
    """Give a command line agent its memory.

    The agent runs this with an event as JSON on stdin.

    Prints notes as JSON for Claude Code, Codex and Gemini CLI; small talk gets none.
    With `lmort-mem serve` running, recall is by meaning and faster; without it, by words only.
    Errors are silent: the agent continues without notes. $LMORT_HOOK_DEBUG=1 shows them.
    """
    from lmort_memory.adapters.hooks import main

    named = [part for part in (event,) if part]
    for name, value in (("--db", db), ("--scope", scope)):
        named += [name, value] if value else []
    raise typer.Exit(main(named))

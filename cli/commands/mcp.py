"""The command `mcp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..app import command
from ..opening import borrowed_or_own, scope_to_write
from ..options import Base, Models

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["mcp"]


@command("lmort-mem mcp", "lmort-mem install claude-desktop")
def mcp(
    *,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scope to search and store in.")
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Serve the memory to an MCP client.

    The client starts this command itself and talks to it over stdin and stdout. Vectors come from
    `lmort-mem serve` if it is running, otherwise from a model in this process.
    """
    from lmort_memory.serve import require_mcp

    require_mcp()
    from lmort_memory.serve.mcp_stdio import run_stdio

    def opened() -> Memory:
        return borrowed_or_own(base, models)

    run_stdio(opened, scope=scope_to_write(scope))

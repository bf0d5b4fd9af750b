"""Commands that look after the memory: status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._app import command
from ._opening import open_memory
from ._options import Base, Models
from ._output import print_json, say, size

if TYPE_CHECKING:
    from lmort_memory.memory import MemoryStatus


@command("lmort-mem status", "lmort-mem status --with-model --json")
def status(
    *,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Load the model too, to see what waits for it.")
    ] = False,
    base: Base,
    models: Models,
) -> None:
    """Show where the memory is, how large it is, and what is in it."""
    named = with_model or models.model is not None or models.tuner is not None
    with open_memory(base, models if named else None) as memory:
        found = memory.status()
    if base.json:
        print_json(found)
    else:
        _say_status(found)


def _say_status(found: MemoryStatus) -> None:
    store = found.store
    say(f"database  {store.path}")
    say(f"size      {size(store.size_bytes)}, index {size(store.index_bytes)}")
    say(f"records   {store.records} from {store.sources} sources")
    for space in store.spaces:
        waiting = f", {space.pending} records wait" if space.pending else ""
        say(f"vectors   {space.vectors} x {space.dim} in {space.name}{waiting}")
    if not store.spaces:
        say("vectors   none; recall works by words")
    if found.model is not None:
        say(f"model     {found.model}")
        say(f"space     {found.space or 'none: no tuner'}, {found.pending} records wait")

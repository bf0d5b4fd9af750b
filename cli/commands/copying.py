"""The command `copy`: a whole database into another of any kind."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from lmort_memory.errors import StoreError
from lmort_memory.paths import chosen_db

from ..app import command
from ..options import WrongUsage
from ..passphrase import passphrase_for, read_passphrase
from ..secrets import hide_arguments
from ..terminal.output import note, print_json, say
from ..terminal.progress import Meter

__all__ = ["copy"]

_PLACE = "A file, or postgresql://USER@HOST/NAME."


@command(
    "lmort-mem copy memory.db postgresql://ada@db.example.com/memories",
    "lmort-mem copy postgresql://ada@db.example.com/memories memory.db",
    "lmort-mem copy memory.db other.db",
)
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=_PLACE)],
    target: Annotated[str, typer.Argument(metavar="TO", help=f"{_PLACE} Created if missing.")],
    *,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Opens FROM, if it is encrypted.", show_default=False),
    ] = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Opens TO, or encrypts it.", show_default=False),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Copy an encrypted database without encryption.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Copy a whole database into an empty one, and compare them.

    Each is a file or in PostgreSQL. Everything is copied: records with ids and times, vectors,
    earlier versions, ledgers, what was imported. You can stop it and run it again. FROM may be in
    use.
    """
    from lmort_memory.store.duplicating import duplicate
    from lmort_memory.store.places import find_store, shown_place

    places = chosen_db(source), chosen_db(target)
    if any(isinstance(one, str) for one in places):
        hide_arguments()
    if places[0] == places[1]:
        raise WrongUsage("FROM and TO are the same database")
    key = None
    if isinstance(places[0], Path):
        if not places[0].exists():
            raise StoreError(f"there is no database at {places[0]} — name an existing one")
        key = passphrase_for(places[0], passphrase_file)
    new_key = None if new_passphrase_file is None else read_passphrase(new_passphrase_file)
    with ExitStack() as stack:
        ours = stack.enter_context(closing(find_store(places[0], key)()))
        if getattr(ours, "encrypted", False) and new_key is None and not plain:
            raise WrongUsage(
                "FROM is encrypted and TO would not be — pass --new-passphrase-file, or"
                " --plain to copy it as readable text"
            )
        theirs = stack.enter_context(closing(find_store(places[1], new_key)()))
        try:
            with Meter("copying and comparing", unit="records") as meter:
                done = duplicate(ours, theirs, progress=meter)
        except KeyboardInterrupt:
            note("stopped; what was copied so far is stored — run the same command to resume")
            raise typer.Exit(130) from None
    if json:
        shown = {"from": shown_place(places[0]), "to": shown_place(places[1])}
        print_json({**shown, "new": done.new, "tallies": done.tallies})
        return
    for tally in done.tallies:
        say(f"{tally.kind:<12} {tally.count:>9,}  sha256 {tally.sha256[:16]}")
    note(f"{done.new:,} records copied to {shown_place(places[1])}; both sides are equal")

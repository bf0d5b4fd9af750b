"""The command that keeps one memory on several devices: sync."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmort_memory.errors import PassphraseError
from lmort_memory.paths import expanded

from ..app import command
from ..opening import open_memory
from ..options import Base, Models, WrongUsage
from ..passphrase import save_in_keyring, sync_passphrase, uses_keyring
from ..terminal.output import note, note_list, print_json
from ..terminal.progress import Meter

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.sync import SyncReport

_PARTLY = 3
_STOPPED = 130


@command(
    "lmort-mem sync ~/Dropbox/memory",
    "lmort-mem sync",
    "lmort-mem sync /media/stick/memory --sync-passphrase-file ~/.memory-passphrase",
)
def sync(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="A folder that a tool replicates, or one on a USB stick; by default the last one.",
            show_default=False,
        ),
    ] = None,
    *,
    sync_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--sync-passphrase-file",
            metavar="FILE",
            help="The folder's passphrase, the same on every device, is its first line; else it is"
            " asked for.",
            show_default=False,
        ),
    ] = None,
    vectors: Annotated[
        bool, typer.Option(help="Make missing vectors now, or later with `lmort-mem reencode`.")
    ] = True,
    base: Base,
    models: Models,
) -> None:
    """Exchange changes with the same memory on other devices.

    Every device writes encrypted files into FOLDER; Syncthing, Dropbox or a USB stick carries them.
    Forgetting wins on every device. Exit status 3 if a file could not be read yet.
    """
    with open_memory(base, models if vectors else None) as memory:
        place = _folder(memory, folder)
        passphrase = sync_passphrase(place, sync_passphrase_file)
        try:
            report = _sync(memory, place, passphrase)
        except PassphraseError as error:
            if not uses_keyring():
                raise
            raise PassphraseError(
                f"{error}; if the keyring holds an old one, --sync-passphrase-file replaces it"
            ) from error
        except KeyboardInterrupt:
            note("stopped; nothing is lost — run the same command to resume")
            raise typer.Exit(_STOPPED) from None
    if uses_keyring():
        save_in_keyring(place, passphrase)
    if base.json:
        print_json(report)
    else:
        _say(report)
    if not report.complete:
        raise typer.Exit(_PARTLY)


def _folder(memory: Memory, named: Path | None) -> Path:
    if named is not None:
        return expanded(named)
    replica = memory.status().replica
    if replica is None or replica.folder is None:
        raise WrongUsage("name the folder to sync through; it is remembered from then on")
    return Path(replica.folder)


def _sync(memory: Memory, folder: Path, passphrase: str) -> SyncReport:
    with Meter("syncing", unit="bundles") as meter:
        report = memory.sync(folder, passphrase=passphrase, defer=True, progress=meter)
    with Meter("making vectors", unit="records") as meter:
        return replace(report, encoded=memory.encode_pending(progress=meter))


def _say(report: SyncReport) -> None:
    note(
        f"{report.added} records added, {report.changed} changed, {report.forgotten} forgotten,"
        f" {report.ledgers} ledger entries added; {report.encoded} vectors made"
    )
    note(
        f"bundles: {report.read} read from {report.devices} other devices, {report.written} written"
        f"{f', {report.rewritten} rewritten' if report.rewritten else ''}"
    )
    if report.conflicts:
        note("edited on two devices at once; the later version holds, and `show` shows both:")
        note_list(report.conflicts, more="--json")
    if report.quoted_by:
        note("other records repeat some of what was forgotten elsewhere, and still exist:")
        note_list(report.quoted_by, more="--json")
    if report.skipped:
        note("not read; the next sync tries again:")
        note_list(report.skipped, more="--json")

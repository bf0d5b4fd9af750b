"""Commands that move memories in and out: import, export, backup, restore."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmort_memory.paths import expanded, located, remove_parts

from ..app import command
from ..opening import database_path, nothing_left, open_damaged, open_memory, scope_to_write
from ..options import Base, Models, Redact, WrongUsage
from ..passphrase import passphrase_for
from ..terminal.asking import confirm
from ..terminal.output import note, note_list, print_json, say, size
from ..terminal.progress import Meter, duration

if TYPE_CHECKING:
    from lmort_memory.importers import Format, PassedOver, ScanReport
    from lmort_memory.importing import ImportReport
    from lmort_memory.memory import Memory

_STOPPED = 130
_PARTLY = 3


def _say_formats(wanted: bool) -> None:
    if wanted:
        from lmort_memory.importers import known_formats

        for form in known_formats():
            say(f"{form.name:<12} {form.about}")
        raise typer.Exit


def chosen_formats(columns: list[str] | None) -> tuple[Format, ...]:
    """Return the known formats, with the table columns that the user named.

    Raises:
        WrongUsage: a column is not NAME=COLUMN, or there is no text column.
    """
    from lmort_memory.importers import known_formats
    from lmort_memory.importers.formats.csv_table import Columns, csv_format

    if not columns:
        return known_formats()
    try:
        tables = csv_format(Columns.parse(columns))
    except ValueError as error:
        raise WrongUsage(f"--column: {error}") from error
    return tuple(tables if form.name == tables.name else form for form in known_formats())


@command(
    "lmort-mem import ~/notes",
    "lmort-mem import chatgpt-export.zip ~/.claude/projects --dry-run",
    "lmort-mem import letters.csv --column text=Body --column created_at=Date",
    name="import",
)
def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files and folders to import.")
    ],
    *,
    scope: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Scope to store it in; other scopes do not see it.",
            show_default=False,
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget the turns of deleted files.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Store nothing; estimate time and disk space.")
    ] = False,
    redact: Redact = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN",
            help="A CSV column: text=Body, created_at=Date, …",
            show_default=False,
        ),
    ] = None,
    list_formats: Annotated[
        bool,
        typer.Option(
            "--list-formats",
            callback=_say_formats,
            is_eager=True,
            help="List the supported formats.",
        ),
    ] = False,
    vectors: Annotated[
        bool, typer.Option(help="Make vectors now, or later with `lmort-mem reencode`.")
    ] = True,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Name every skipped file.")
    ] = False,
    base: Base,
    models: Models,
) -> None:
    """Remember notes, documents, mail and exported chats.

    A second run reads only what has changed. See --list-formats for the formats.
    """
    from lmort_memory.importers import scan

    with Meter("looking for files", unit="files") as meter:
        report = scan(paths, formats=chosen_formats(column), progress=meter)
    shown = _Shown(json=base.json, verbose=verbose)
    with open_memory(base, models if vectors else None, redact=redact) as memory:
        try:
            if dry_run:
                _estimate(memory, report, scope=scope_to_write(scope), shown=shown)
            else:
                _import(memory, report, scope=scope_to_write(scope), prune=prune, shown=shown)
        except KeyboardInterrupt:
            note("stopped; what was stored is safe — run the same command to resume")
            raise typer.Exit(_STOPPED) from None


@dataclass(frozen=True, slots=True)
class _Shown:
    """How to show a report; `verbose` names every file."""

    json: bool
    verbose: bool

    def list(self, lines: Sequence[str]) -> None:
        """Print lines, up to a limit."""
        note_list(lines, more="-v", everything=self.verbose)


def _import(memory: Memory, scan: ScanReport, *, scope: str, prune: bool, shown: _Shown) -> None:
    from lmort_memory import importing

    with Meter("storing", unit="turns") as meter:
        done = importing.import_files(memory, scan, scope=scope, progress=meter)
    deleted = importing.find_deleted(memory, scan, scope=scope)
    pruned = importing.prune(memory, deleted, scope=scope) if prune else 0
    with Meter("making vectors", unit="turns") as meter:
        encoded = memory.encode_pending(progress=meter)
    if shown.json:
        print_json({"import": done, "deleted": deleted, "pruned": pruned, "encoded": encoded})
    else:
        _report(done, encoded)
        _report_passed_over(done.passed_over, shown)
        _report_deleted(deleted, pruned, shown)
    if not done.complete:
        raise typer.Exit(_PARTLY)


def _estimate(memory: Memory, scan: ScanReport, *, scope: str, shown: _Shown) -> None:
    from lmort_memory.importing import estimate

    with Meter("reading", unit="turns") as meter:
        found = estimate(memory, scan, scope=scope, progress=meter)
    if shown.json:
        print_json(found)
        return
    say(f"files    {found.files} to read, {found.unchanged} unchanged, {size(scan.size_bytes)}")
    say(f"turns    {found.turns}")
    if found.tokens is not None:
        say(f"tokens   about {found.tokens:,}")
    if found.encode_s is not None:
        time = duration(found.encode_s)
        say(f"time     about {time} for the vectors, at the machine's current load")
    say(f"disk     about {size(found.disk_bytes)}")
    _report_left_out(found.left_out)
    _report_passed_over(found.passed_over, shown)


def _report(done: ImportReport, encoded: int) -> None:
    note(
        f"{done.files} files read, {done.unchanged} unchanged: {done.added} turns added,"
        f" {done.kept} kept, {done.removed} removed, {encoded} vectors made"
    )
    _report_left_out(done.left_out)


def _report_left_out(counts: Mapping[str, int]) -> None:
    if counts:
        note(f"left out of files: {_counted(counts)}")


def _report_deleted(deleted: list[str], pruned: int, shown: _Shown) -> None:
    if pruned:
        note(f"{len(deleted)} files were deleted: {pruned} turns forgotten")
    elif deleted:
        note(f"{len(deleted)} files were deleted but are still remembered; --prune forgets them:")
        shown.list(deleted)


def _report_passed_over(items: Sequence[PassedOver], shown: _Shown) -> None:
    aside, unknown, problems = (
        [item for item in items if item.kind == kind] for kind in ("aside", "unknown", "problem")
    )
    if aside:
        note(f"skipped: {_counted(Counter(item.reason for item in aside))}")
        if shown.verbose:
            shown.list(list(map(str, aside)))
    if unknown:
        note(f"skipped, unknown format: {_counted(Counter(_suffix(i.path) for i in unknown))}")
        shown.list(list(map(str, unknown)))
    if problems:
        note(f"not imported, {len(problems)}:")
        shown.list(list(map(str, problems)))


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))


def _suffix(path: str) -> str:
    return Path(path).suffix.lower() or "without a suffix"


@command(
    "lmort-mem export memory.jsonl",
    "lmort-mem export work.jsonl --scope work --vectors",
    "lmort-mem export - | gzip > memory.jsonl.gz",
)
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help='A new file; "-" for stdout.')],
    *,
    scope: Annotated[str | None, typer.Option(metavar="NAME", help="Only this scope.")] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="Include vectors: larger, but faster to import.")
    ] = False,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="From an encrypted database: write unencrypted text."),
    ] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="From a damaged database: skip what cannot be read.")
    ] = False,
    base: Base,
) -> None:
    """Export memories to a file, one JSON object per line.

    `import` restores it completely.
    """
    if path == Path("-"):
        if salvage:
            raise WrongUsage("--salvage needs a file, not stdout: reading may stop at any record")
        with open_memory(base, existing=True) as memory:
            warn_of_plain(memory, plain=plain)
            _print_records(memory, scope=scope, vectors=vectors)
        return
    if salvage:
        with open_damaged(base) as memory:
            warn_of_plain(memory, plain=plain)
            count = memory.salvage(path, scope=scope, plain=plain)
            if not count and not memory.store.verify().ok:
                path.unlink()
                raise nothing_left(database_path(base))
    else:
        with open_memory(base, existing=True) as memory:
            warn_of_plain(memory, plain=plain)
            count = memory.export(path, vectors=vectors, scope=scope, plain=plain)
    if base.json:
        print_json({"path": path, "records": count, "size_bytes": path.stat().st_size})
    else:
        note(f"{count} records, {size(path.stat().st_size)}, written to {path}")


def warn_of_plain(memory: Memory, *, plain: bool) -> None:
    """Say what an export of an encrypted memory means; StoreError where it was not asked for."""
    from lmort_memory.memory.transfer import refuse_plain

    refuse_plain(memory.store, plain=plain)
    if plain and getattr(memory.store, "encrypted", False):
        note("warning: the export is not encrypted; whoever gets the file can read it")


def _print_records(memory: Memory, *, scope: str | None, vectors: bool) -> None:
    from lmort_memory.memory.transfer import export_lines

    count = 0
    for line, is_record in export_lines(memory.store, scope=scope, vectors=vectors):
        sys.stdout.buffer.write(f"{line}\n".encode())  # as in a file: always UTF-8
        count += is_record
    note(f"{count} records")


@command(
    "lmort-mem backup ~/backups/memory-2026-05-01.db",
    "lmort-mem backup ~/backups --keep 7",
)
def backup(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A new file; with --keep, a folder.")
    ],
    *,
    keep: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Keep the last N backups in the folder."),
    ] = None,
    base: Base,
) -> None:
    """Copy the whole database, even while it is in use.

    The copy is an ordinary database: open it with `--db`, or return to it with `restore`.
    """
    removed: list[Path] = []
    with open_memory(base, existing=True) as memory:
        if keep is None:
            memory.backup(path)
        else:
            path, removed = _backup_into(memory, path, _backup_name(database_path(base)), keep)
    if base.json:
        print_json({"path": path, "size_bytes": path.stat().st_size, "removed": removed})
        return
    note(f"{size(path.stat().st_size)} written to {path}")
    for old in removed:
        note(f"removed {old}")


def _backup_name(database: Path) -> str:
    """Return a name for a database's backups: two databases of one name share no rotation."""
    place = hashlib.sha256(os.fsencode(located(database))).hexdigest()
    return f"{database.stem}-{place[:6]}"


def _backup_into(memory: Memory, folder: Path, name: str, keep: int) -> tuple[Path, list[Path]]:
    """Write a backup named by the time, and remove all but the newest `keep` of this name."""
    new = folder / f"{name}-{datetime.now():%Y%m%dT%H%M%S%f}.db"  # noqa: DTZ005  for a person
    remove_parts(new, any_of=f"{glob.escape(name)}-*.db")  # of backups that were killed
    memory.backup(new)
    made = re.compile(rf"{re.escape(name)}-\d{{8}}T\d{{12}}\.db")  # that --keep may remove
    kept = sorted(one for one in folder.iterdir() if made.fullmatch(one.name))
    removed = kept[:-keep]
    for old in removed:
        old.unlink()
    return new, removed


@command(
    "lmort-mem restore ~/backups/memory-2026-05-01.db",
    "lmort-mem restore ~/backups/memory-2026-05-01.db --db other.db --yes",
)
def restore(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file written by `backup`.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    base: Base,
) -> None:
    """Return to a backup. The replaced database is kept beside it under another name.

    To restore a file written by `export`, use `import`.
    """
    from lmort_memory.store.restoring import restore_backup

    database = database_path(base)
    if database.exists() and not yes:
        if not sys.stdin.isatty():
            raise WrongUsage(f"this replaces {database} — pass --yes to confirm")
        confirm(f"Replace {database}?", abort=True)
    backup = expanded(path)
    passphrase = passphrase_for(backup, base.passphrase_file)
    aside = restore_backup(backup, database, passphrase=passphrase)
    if base.json:
        print_json({"database": database, "replaced": aside})
        return
    note(f"restored {database}")
    if aside is not None:
        note(f"the previous database is now {aside}")

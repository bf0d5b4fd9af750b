"""Commands that carry memory in and out: import, export, backup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._app import command
from ._opening import open_memory, scope_to_write
from ._options import Base, Models
from ._output import note, print_json, say, size
from ._progress import Meter, duration

if TYPE_CHECKING:
    from lmort_memory.importers import PassedOver, ScanReport
    from lmort_memory.importing import ImportReport
    from lmort_memory.memory import Memory

_SHOWN = 10  # problems named one by one; --json has them all
_STOPPED = 130
_PARTLY = 3


@command(
    "lmort-mem import ~/notes",
    "lmort-mem import chatgpt-export.zip ~/.claude/projects --dry-run",
    name="import",
)
def import_(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.")],
    *,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Isolation boundary.", show_default=False)
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget the turns of files that are gone.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Store nothing; say what it would take.")
    ] = False,
    vectors: Annotated[
        bool, typer.Option(help="Make vectors now; later, `lmort-mem reencode` makes them.")
    ] = True,
    base: Base,
    models: Models,
) -> None:
    """Remember notes and exported chats.

    A second run reads only what has changed. Markdown and Obsidian folders, plain text,
    ChatGPT and Claude exports, Claude Code logs, and JSONL of turns.
    """
    from lmort_memory.importers import scan

    report = scan(paths)
    with open_memory(base, models if vectors else None) as memory:
        try:
            if dry_run:
                _estimate(memory, report, scope=scope_to_write(scope), base=base)
            else:
                _import(memory, report, scope=scope_to_write(scope), prune=prune, base=base)
        except KeyboardInterrupt:
            note("stopped; what was stored is safe, and the same command goes on from here")
            raise typer.Exit(_STOPPED) from None


def _import(memory: Memory, scan: ScanReport, *, scope: str, prune: bool, base: Base) -> None:
    from lmort_memory import importing

    with Meter("storing", unit="turns") as meter:
        done = importing.import_files(memory, scan, scope=scope, progress=meter)
    deleted = importing.find_deleted(memory, scan, scope=scope)
    pruned = importing.prune(memory, deleted, scope=scope) if prune else 0
    with Meter("making vectors", unit="turns") as meter:
        encoded = memory.encode_pending(progress=meter)
    if base.json:
        print_json({"import": done, "deleted": deleted, "pruned": pruned, "encoded": encoded})
    else:
        _report(done, deleted, pruned=pruned, encoded=encoded)
    if not done.complete:
        raise typer.Exit(_PARTLY)


def _estimate(memory: Memory, scan: ScanReport, *, scope: str, base: Base) -> None:
    from lmort_memory.importing import estimate

    with Meter("reading", unit="turns") as meter:
        found = estimate(memory, scan, scope=scope, progress=meter)
    if base.json:
        print_json(found)
        return
    say(f"files    {found.files} to read, {found.unchanged} unchanged, {size(scan.size_bytes)}")
    say(f"turns    {found.turns}")
    if found.tokens is not None:
        say(f"tokens   about {found.tokens:,}")
    if found.encode_s is not None:
        say(f"time     about {duration(found.encode_s)} for the vectors, as busy as it is now")
    say(f"disk     about {size(found.disk_bytes)}")
    _report_passed_over(found.passed_over)


def _report(done: ImportReport, deleted: list[str], *, pruned: int, encoded: int) -> None:
    note(
        f"{done.files} files read, {done.unchanged} unchanged: {done.added} turns added,"
        f" {done.kept} kept, {done.removed} removed, {encoded} vectors made"
    )
    if done.left_out:
        parts = [f"{count} x {reason}" for reason, count in sorted(done.left_out.items())]
        note(f"left out of files: {', '.join(parts)}")
    _report_passed_over(done.passed_over)
    if pruned:
        note(f"{len(deleted)} files are gone: {pruned} turns forgotten")
    elif deleted:
        note(f"{len(deleted)} files are gone, and still remembered; --prune forgets them:")
        _list(deleted)


def _report_passed_over(items: tuple[PassedOver, ...]) -> None:
    expected = Counter(item.reason for item in items if item.expected)
    if expected:
        parts = [f"{count} x {reason}" for reason, count in sorted(expected.items())]
        note(f"skipped: {', '.join(parts)}")
    problems = [f"{item.path}: {item.reason}" for item in items if not item.expected]
    if problems:
        note(f"not imported, {len(problems)}:")
        _list(problems)


def _list(lines: Iterable[str]) -> None:
    lines = list(lines)
    for line in lines[:_SHOWN]:
        note(f"  {line}")
    if len(lines) > _SHOWN:
        note(f"  and {len(lines) - _SHOWN} more; --json names them all")


@command("lmort-mem export memory.jsonl", "lmort-mem export work.jsonl --scope work --vectors")
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    *,
    scope: Annotated[str | None, typer.Option(metavar="NAME", help="Only this scope.")] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="With vectors: larger, and quicker to import.")
    ] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Of a damaged database: step over what is lost.")
    ] = False,
    base: Base,
) -> None:
    """Write what is remembered to a file, one JSON object a line.

    `import` brings it back whole.
    """
    with open_memory(base) as memory:
        if salvage:
            count = memory.salvage(path, scope=scope)
        else:
            count = memory.export(path, vectors=vectors, scope=scope)
    if base.json:
        print_json({"path": path, "records": count, "size_bytes": path.stat().st_size})
    else:
        note(f"{count} records, {size(path.stat().st_size)}, written to {path}")


@command("lmort-mem backup ~/backups/memory-2026-05-01.db")
def backup(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    *,
    base: Base,
) -> None:
    """Copy the whole database, while it may be in use.

    The copy is a database like any other: `--db` opens it.
    """
    with open_memory(base) as memory:
        memory.backup(path)
    if base.json:
        print_json({"path": path, "size_bytes": path.stat().st_size})
    else:
        note(f"{size(path.stat().st_size)} written to {path}")

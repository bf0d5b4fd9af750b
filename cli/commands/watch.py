"""The command `watch`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import command
from ..opening import open_memory, scope_to_write
from ..options import Base, Models, Redact
from ..terminal.output import as_json, note

if TYPE_CHECKING:
    from lmort_memory.importing import WatchReport

_STOPPED = 130


@command("lmort-mem watch ~/notes", "lmort-mem watch ~/notes ~/journal --redact")
def watch(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders to watch.")],
    *,
    scope: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Scope to store it in.", show_default=False),
    ] = None,
    redact: Redact = None,
    vectors: Annotated[
        bool, typer.Option(help="Make vectors too, or later with `lmort-mem reencode`.")
    ] = True,
    base: Base,
    models: Models,
) -> None:
    """Keep the memory in sync with folders, until Ctrl-C.

    New, changed, moved and deleted files are reflected within seconds. `lmort-mem status` shows
    whether the watcher is alive. Files that cannot be read are never forgotten.
    """
    from lmort_memory.importing import Heartbeat, Watcher

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with open_memory(base, models if vectors else None, redact=redact) as memory:
        memory.encode_in_background()
        watcher = Watcher(
            memory,
            folders,
            scope=scope_to_write(scope),
            report=print_report if base.json else tell_report,
            heartbeat=Heartbeat(memory.status().store.path),
        )
        note(f"watching {', '.join(str(folder) for folder in folders)}; Ctrl-C stops it")
        try:
            watcher.run(stop)
        except KeyboardInterrupt:
            note("stopped; what was stored is safe — run the same command to resume")
            raise typer.Exit(_STOPPED) from None


def print_report(report: WatchReport) -> None:
    """Print what a watcher did as a line of JSON."""
    import json

    print(json.dumps(as_json(report)), flush=True)


def tell_report(report: WatchReport) -> None:
    """Say on stderr what a watcher did, or what went wrong."""
    at = report.at.astimezone().strftime("%H:%M:%S")
    if report.error:
        again = f"; again in {report.pause_s:.0f} s" if report.pause_s else ""
        note(f"{at}  {report.error}{again}")
        return
    parts = []
    if (done := report.changed) is not None:
        parts.append(f"{done.files} files read: {done.added} turns added, {done.removed} removed")
        parts += [str(item) for item in done.passed_over if item.kind == "problem"]
    if report.forgotten:
        files = len(report.forgotten)
        parts.append(f"{files} files deleted: {report.turns_forgotten} turns forgotten")
    note(f"{at}  {'; '.join(parts)}")

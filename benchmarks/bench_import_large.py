"""What large imports cost: 100,000 notes, and an export of 1 GB, each killed once on the way.

    python -m benchmarks.bench_import_large --out benchmarks/results/import-large.json

The texts alone (`--no-vectors`), each command a process of its own. Killed at two fifths, finished,
and a third time with nothing to do. Seconds are wall-clock and processor seconds; the peak is the
process's largest resident set. `--notes` and `--megabytes` make it smaller, `--only` does one of
the two.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench_import import count, holdings, run, write_export, write_vault
from benchmarks.environment import environment, show

KILL_AT = 0.4
TURNS_PER_MEGABYTE = 1_463  # of the written export


def interrupted(path: Path, database: Path, kill_when: Callable[[], bool]) -> dict[str, object]:
    """Import a path, killed on the way, then to its end, then unchanged."""
    arguments = [str(path), "--db", str(database), "--no-vectors"]
    steps: dict[str, object] = {}
    for name, when in (("killed", kill_when), ("finished", None), ("unchanged", None)):
        steps[name] = {**run(*arguments, kill_when=when), **holdings(database)}
    return steps


def main() -> None:
    """Run both; print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--only", choices=("vault", "export"))
    parser.add_argument("--folder", type=Path, help="where to write some GB; a temporary one")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    report = environment("benchmarks.bench_import_large")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        if chosen.only != "export":
            report["vault"] = vault(Path(name), chosen.notes)
        if chosen.only != "vault":
            report["export"] = export(Path(name), chosen.megabytes)
    show(report, chosen.out)


def vault(folder: Path, notes: int) -> dict[str, object]:
    """Import a vault of this many notes."""
    size = write_vault(folder / "vault", notes)
    database = folder / "vault.db"
    enough = KILL_AT * notes
    steps = interrupted(folder / "vault", database, lambda: count(database, "sources") > enough)
    return {"notes": notes, "bytes": size, "steps": steps}


def export(folder: Path, megabytes: int) -> dict[str, object]:
    """Import a zipped export of about this many megabytes."""
    sizes = write_export(folder / "export.zip", megabytes)
    database = folder / "export.db"
    turns = KILL_AT * megabytes * TURNS_PER_MEGABYTE
    steps = interrupted(folder / "export.zip", database, lambda: count(database, "records") > turns)
    return {**sizes, "steps": steps}


if __name__ == "__main__":
    main()

"""What imports cost: a vault that is killed twice on the way, and an export of 300 MB.

    python -m benchmarks.bench_import vault  --out benchmarks/results/import-vault.json
    python -m benchmarks.bench_import export --out benchmarks/results/import-export.json

The commands are those that a user runs, each in a process of its own: the default model for the
vault, no model for the export. Both are made of the words of Python's own manual, so that they cost
what English costs. Seconds are wall-clock and processor seconds; the peak is the process's largest
resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count as count_up
from pathlib import Path
from pydoc_data.topics import topics

from benchmarks.environment import environment, show

WORDS = re.findall(r"\b[a-z]{2,12}\b", " ".join(topics[name] for name in sorted(topics)))
_FOLDERS = re.compile(r"(?:/[^/\s]+)+/")  # of the machine that measures
POOL = 1_000  # conversations with words of their own
KILL_AT_NOTES = 0.4  # of all notes stored
KILL_AT_VECTORS = 0.3  # of as many vectors as there are notes


def sentences(chooser: random.Random, count: int) -> str:
    """Return sentences of random words, as frequent as they are in the manual."""
    return " ".join(
        " ".join(chooser.choices(WORDS, k=chooser.randint(6, 14))).capitalize() + "."
        for _ in range(count)
    )


def write_vault(folder: Path, notes: int) -> int:
    """Write a vault with front matter, headings, tags and links; return its size in bytes."""
    size = 0
    for number in range(notes):
        chooser = random.Random(number)
        lines = [f"---\ntags: [{chooser.choice(WORDS)}]\ndate: 2024-01-{1 + number % 28:02}\n---"]
        for section in range(chooser.randint(1, 2)):
            lines.append(f"## Part {section}\n\n{sentences(chooser, chooser.randint(1, 4))}")
        lines.append(f"See [[Note {chooser.randrange(notes)}]] #{chooser.choice(WORDS)}.")
        path = folder / f"area {number % 20}" / f"Note {number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(lines) + "\n")
        size += path.stat().st_size
    return size


def conversations() -> Iterator[str]:
    """Yield ChatGPT conversations of 2 to 80 messages, each regenerated here and there.

    From the `POOL`th on, they say the same under other names, since writing a gigabyte of random
    words takes longer than importing it.
    """
    pool: list[str] = []
    for number in count_up():
        if number < POOL:
            pool.append(conversation(number))
            yield pool[-1]
        else:
            first = number % POOL
            yield (
                pool[first]
                .replace(f'"{first}-', f'"{number}-')
                .replace(f'"c{first}"', f'"c{number}"')
                .replace(f'"Chat {first}"', f'"Chat {number}"')
            )


def conversation(number: int) -> str:
    """Return a conversation as JSON."""
    chooser = random.Random(number)
    mapping: dict[str, object] = {"0": {"id": "0", "parent": None, "message": None}}
    parent = "0"
    for turn in range(1, chooser.randint(3, 80)):
        for attempt in range(1 + (turn % 9 == 0)):
            name = f"{turn}-{attempt}"
            message = {
                "id": f"{number}-{name}",
                "author": {"role": ("assistant", "user")[turn % 2]},
                "create_time": 1.6e9 + number * 1000 + turn,
                "content": {
                    "content_type": "text",
                    "parts": [sentences(chooser, chooser.randint(1, 12))],
                },
                "metadata": {"model_slug": "none"},
            }
            mapping[name] = {"id": name, "parent": parent, "message": message}
        parent = name
    found = {"id": f"c{number}", "title": f"Chat {number}", "create_time": 1.6e9}
    return json.dumps({**found, "mapping": mapping, "current_node": parent})


def write_export(path: Path, megabytes: int) -> dict[str, int]:
    """Write a zip whose conversations.json has about that size; return its sizes in bytes."""
    size = 0
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("conversations.json", "w", force_zip64=True) as file,
    ):
        file.write(b"[")
        for number, said in enumerate(conversations()):
            size += file.write(b"," * bool(number) + said.encode())
            if size > megabytes * 1_000_000:
                break
        file.write(b"]")
    return {"json_bytes": size + 2, "zip_bytes": path.stat().st_size, "conversations": number + 1}


def run(*arguments: str, kill_when: Callable[[], bool] | None = None) -> dict[str, object]:
    """Run `lmort-mem import`; return its seconds, its status, its peak, and what it reported."""
    command = [sys.executable, "-m", "lmort_memory.cli", "import", *arguments]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)
        while kill_when is not None and not ended(process.pid):
            if kill_when():
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.5)  # counting rows costs time of its own
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        told.seek(0)
        report = _FOLDERS.sub("", told.read().decode()).strip().splitlines()
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "wall_s": round(seconds, 2),
        "processor_s": round(usage.ru_utime + usage.ru_stime, 2),
        "status": process.returncode,
        "peak_mb": round(usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3), 1),
        "report": report,
    }


def ended(pid: int) -> bool:
    """Whether a child has ended; its usage can still be asked for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def count(database: Path, table: str) -> int:
    """Return how many rows a table has; 0 before there is one."""
    if not database.exists():
        return 0
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet, or being written
            return 0


def holdings(database: Path) -> dict[str, int]:
    """Return what a database holds."""
    tables = {name: count(database, name) for name in ("records", "sources", "vectors")}
    return {**tables, "size_bytes": database.stat().st_size}


def texts(database: Path) -> list[tuple[object, ...]]:
    """Return every stored text with its place, in order."""
    sql = "SELECT source_uri, source_start, source_end, text FROM records ORDER BY 1, 2, 3, 4"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def bench_vault(folder: Path, notes: int) -> dict[str, object]:
    """Import a vault, killed once among texts and once among vectors, then again unchanged."""
    size = write_vault(folder / "vault", notes)
    database, whole = folder / "vault.db", folder / "whole.db"
    arguments = [str(folder / "vault"), "--db", str(database)]
    steps: dict[str, object] = {}
    ends = {
        "killed among texts": lambda: count(database, "sources") > KILL_AT_NOTES * notes,
        "killed among vectors": lambda: count(database, "vectors") > KILL_AT_VECTORS * notes,
        "finished": None,
        "unchanged": None,
    }
    for name, kill_when in ends.items():
        steps[name] = {**run(*arguments, kill_when=kill_when), **holdings(database)}
    steps["uninterrupted, no vectors"] = run(
        str(folder / "vault"), "--db", str(whole), "--no-vectors"
    )
    same = texts(database) == texts(whole)
    return {"notes": notes, "bytes": size, "steps": steps, "same_as_uninterrupted": same}


def bench_export(folder: Path, megabytes: int) -> dict[str, object]:
    """Import a large ChatGPT export, then again unchanged."""
    sizes = write_export(folder / "export.zip", megabytes)
    database = folder / "export.db"
    arguments = [str(folder / "export.zip"), "--db", str(database), "--no-vectors"]
    first = {**run(*arguments), **holdings(database)}
    return {**sizes, "first": first, "unchanged": run(*arguments)}


def main() -> None:
    """Run one of both; print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["vault", "export"])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    report = environment("benchmarks.bench_import")
    with tempfile.TemporaryDirectory() as folder:
        if chosen.what == "vault":
            report["vault"] = bench_vault(Path(folder), chosen.notes)
        else:
            report["export"] = bench_export(Path(folder), chosen.megabytes)
    show(report, chosen.out)


if __name__ == "__main__":
    main()

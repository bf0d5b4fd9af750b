"""What imports cost: a vault that is killed twice, and an export of hundreds of megabytes.

    python -m tests.bench.bench_import [--megabytes 300] [--notes 2000] [--vectors] [--out FILE]

Both are made of seeded random words. The commands are those that a user runs, each in a process of
its own; the peak is that process's largest resident set. Without --vectors no model is loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

WORDS = [
    "".join(random.Random(seed).choices("aeioulnrstdmk", k=3 + seed % 6)) for seed in range(4000)
]


def sentences(chooser: random.Random, count: int) -> str:
    """Return sentences of random words."""
    return " ".join(
        " ".join(chooser.choices(WORDS, k=chooser.randint(6, 16))).capitalize() + "."
        for _ in range(count)
    )


def write_vault(folder: Path, notes: int) -> int:
    """Write a vault with front matter, headings, tags and links; return its size in bytes."""
    size = 0
    for number in range(notes):
        chooser = random.Random(number)
        lines = [f"---\ntags: [{chooser.choice(WORDS)}]\ndate: 2024-01-{1 + number % 28:02}\n---"]
        for section in range(chooser.randint(1, 5)):
            lines.append(f"## Part {section}\n\n{sentences(chooser, chooser.randint(2, 12))}")
            lines.append(f"See [[Note {chooser.randrange(notes)}]] #{chooser.choice(WORDS)}.")
        path = folder / f"area {number % 20}" / f"Note {number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(lines) + "\n")
        size += path.stat().st_size
    return size


def conversations() -> Iterator[str]:
    """Yield ChatGPT conversations of 2 to 80 messages, each regenerated here and there."""
    number = 0
    while True:
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
        conversation = {"id": f"c{number}", "title": f"Chat {number}", "create_time": 1.6e9}
        yield json.dumps({**conversation, "mapping": mapping, "current_node": parent})
        number += 1


def write_export(path: Path, megabytes: int) -> int:
    """Write a conversations.json of about that size; return its size in bytes."""
    with path.open("w") as file:
        file.write("[")
        for number, conversation in enumerate(conversations()):
            file.write("," * bool(number) + conversation)
            if file.tell() > megabytes * 1_000_000:
                break
        file.write("]")
    return path.stat().st_size


def run(*arguments: str, kill_after_s: float | None = None) -> dict[str, float | int | None]:
    """Run `lmort-mem import`; return its seconds, status and peak resident megabytes."""
    command = [sys.executable, "-m", "lmort_memory.cli", "import", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if kill_after_s is not None:
        timer = threading.Timer(kill_after_s, lambda: os.kill(process.pid, signal.SIGKILL))
        timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "status": process.returncode,
        "peak_mb": round(usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3), 1),
    }


def stored(database: Path) -> dict[str, int]:
    """Return what a database holds."""
    command = [sys.executable, "-m", "lmort_memory.cli", "status", "--json", "--db", str(database)]
    store = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["store"]
    return {name: store[name] for name in ("records", "sources", "size_bytes")}


def bench_vault(folder: Path, notes: int, options: list[str]) -> dict[str, object]:
    """Import a vault, killed twice on the way, then again unchanged."""
    size = write_vault(folder / "vault", notes)
    database = folder / "vault.db"
    arguments = [str(folder / "vault"), "--db", str(database), *options]
    killed = []
    for seconds in (2.0, 4.0):
        outcome = run(*arguments, kill_after_s=seconds)
        killed.append({**outcome, **stored(database)})
    finished = {**run(*arguments), **stored(database)}
    again = run(*arguments)
    return {
        "notes": notes,
        "bytes": size,
        "killed": killed,
        "finished": finished,
        "unchanged": again,
    }


def bench_export(folder: Path, megabytes: int, options: list[str]) -> dict[str, object]:
    """Import a large ChatGPT export, then again unchanged."""
    path = folder / "conversations.json"
    size = write_export(path, megabytes)
    database = folder / "export.db"
    arguments = [str(path), "--db", str(database), *options]
    first = {**run(*arguments), **stored(database)}
    return {"bytes": size, "first": first, "unchanged": run(*arguments)}


def main() -> None:
    """Run both and print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--vectors", action="store_true")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    options = [] if chosen.vectors else ["--no-vectors"]
    report: dict[str, object] = {"machine": platform.processor(), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        report["vault"] = bench_vault(Path(folder), chosen.notes, options)
        if chosen.megabytes:
            report["export"] = bench_export(Path(folder), chosen.megabytes, ["--no-vectors"])
    text = json.dumps(report, indent=1)
    if chosen.out:
        chosen.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

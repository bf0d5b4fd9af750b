"""kill -9, again and again, of lmort-memory, chromadb and mem0 that write: what is lost?

    python -m benchmarks.peers --work DIR --only lmort-memory chromadb mem0ai
    python -m benchmarks.bench_durability --work DIR --kills 100 \
        --out benchmarks/results/durability.json

One process after the other works on a database: it opens it, lists what is there, looks for the
last twenty, then adds, one at a time or forty in one call, and says what it begins and what it has
stored. It is killed at a random instant after opening; every fifth kill ends a database. The next
process says what is left. Vectors are given, so that the writes are what is killed. chromadb's
graph is written often, by small thresholds; `chromadb-defaults` has its own. Ours makes no graph of
so few; `tests.support.kills` kills it among graphs. A kill of a process, unlike that of a machine,
leaves what it had handed to the kernel.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.environment import environment
from benchmarks.peers import environ, python

SYSTEMS = {
    "lmort-memory": "lmort-memory",
    "chromadb": "chromadb",
    "chromadb-defaults": "chromadb",
    "mem0ai": "mem0ai",
}
"""System of `peer_child` -> environment that it runs in."""
CHILD = Path(__file__).with_name("peer_child.py")
PER_DATABASE = 5
LONGEST = 2.0  # seconds from the first add to the kill


@dataclass(slots=True)
class Found:
    """What the kills of one system did.

    Attributes:
        kills: Processes killed while they added.
        acknowledged: Texts whose add had returned, over all kills.
        lost: Acknowledged texts that the next process does not list.
        not_found: Acknowledged texts that are listed, and not found by their own vector.
        torn: Calls that were not acknowledged and of which a part is there.
        twice: Texts that are listed more than once.
        unopened: Databases whose next process crashed, or could not open, list or search.
        messages: The last line of each such process, or the status it ended with.
    """

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    not_found: int = 0
    torn: int = 0
    twice: int = 0
    unopened: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """What the processes of one database have said: texts stored, and calls begun."""

    stored: set[str] = field(default_factory=set)
    begun: list[frozenset[str]] = field(default_factory=list)


def run_once(command: list[str], env: dict[str, str], patience: float) -> tuple[list[str], str]:
    """Run a process, kill it some time after its first add; return its lines and last complaint."""
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        ended = process.wait()
        complaints.seek(0)
        told = complaints.read().strip().splitlines()
    # One that crashes says nothing: its signal is the message.
    last = "" if ended == -signal.SIGKILL else told[-1] if told else f"exit status {ended}"
    return [line for line in lines if line.endswith("\n")], last


def compare(found: Found, told: Told, names: list[str]) -> None:
    """Hold what is listed against what was said."""
    there = set(names)
    found.twice += len(names) - len(there)
    found.lost += len(told.stored - there)
    found.torn += sum(0 < len(call & there) < len(call) for call in told.begun)
    told.stored &= there  # what is lost is counted once
    told.begun.clear()


def kill_series(found: Found, command: list[str], env: dict[str, str], run_file: Path) -> None:
    """Kill the processes of one database, one after the other, and look at it once more."""
    chance = random.Random(str(run_file.parent.name) + str(found.kills))
    told = Told()
    for run in range(PER_DATABASE + 1):
        run_file.write_text(str(found.kills))
        patience = chance.uniform(0.05, LONGEST)
        lines, complaint = run_once(command, env, patience)
        heard = [json.loads(line) for line in lines]
        if complaint or not heard or heard[0][0] != "there":
            found.unopened += 1
            found.messages.append(complaint)
            return
        compare(found, told, heard[0][1])
        found.not_found += sum(len(names) for what, names in heard if what == "not found")
        if run == PER_DATABASE:
            return
        found.kills += 1
        begun = [frozenset(names) for what, names in heard if what == "begun"]
        stored = {name for what, names in heard if what == "stored" for name in names}
        found.acknowledged += len(stored)
        told.stored |= stored
        told.begun = [call for call in begun if not call & stored]


def main() -> None:
    """Kill the three in turn until each has had its kills."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--system", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    report = environment("benchmarks.bench_durability")
    results = {name: Found() for name in chosen.system}
    while any(found.kills < chosen.kills for found in results.values()):
        for name, found in results.items():
            if found.kills >= chosen.kills or found.unopened > chosen.kills:
                continue
            with tempfile.TemporaryDirectory() as folder:
                interpreter = str(python(chosen.work, SYSTEMS[name]))
                command = [interpreter, str(CHILD), "work", name, folder]
                kill_series(found, command, environ(chosen.work), Path(folder) / "run")
        report["systems"] = {name: asdict(found) for name, found in results.items()}
        chosen.out.write_text(json.dumps(report, indent=1) + "\n")
        print(
            json.dumps({n: {**asdict(f), "messages": len(f.messages)} for n, f in results.items()})
        )


if __name__ == "__main__":
    main()

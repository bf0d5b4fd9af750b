"""What is installed, and how soon it answers: lmort-memory, chromadb, mem0, llm and txtai.

    python -m benchmarks.peers --work DIR
    python -m benchmarks.minilm_onnx --work DIR
    python -m benchmarks.bench_footprint --work DIR --out benchmarks/results/footprint.json

Every system is in an environment of its own, from PyPI. Packages and megabytes are counted without
pip, setuptools and bytecode. Times are those of whole processes, by the wall clock and of the
processor, the systems in turn, once to warm the page cache and `--repeat` times to count; that of
an empty Python has a row and is not taken off. "First recall": a new process opens a store of a
thousand notes and answers one question, its embedding model loaded as well; a second later its
memory is read.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.environment import environment, show
from benchmarks.minilm_onnx import PLACE
from benchmarks.peers import PEERS, environ, python

Figures = dict[str, float]
CHILD = Path(__file__).with_name("peer_child.py")
TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")
RECALL = {
    "lmort-memory": "lmort-memory",
    "chromadb": "chromadb",
    "mem0ai-local": "mem0ai",
    "llm-local": "llm",
    "txtai": "txtai",
}
"""Environment -> system of `peer_child` that answers in it."""


def installed(work: Path, name: str) -> dict[str, object]:
    """Count the packages of an environment and the bytes of their files."""
    site = next((work / name / "lib").glob("python3*/site-packages"))
    size = sum(path.stat().st_size for path in files(site))
    packages = [path for path in site.glob("*.dist-info") if not path.name.startswith(TOOLS)]
    native = sum(path.stat().st_size for path in files(site) if ".so" in path.suffixes)
    return {
        "requirements": PEERS[name].requirements,
        "why": PEERS[name].why,
        "packages": len(packages),
        "mb": round(size / 1e6, 1),
        "native_mb": round(native / 1e6, 1),
        "versions": sorted(path.name.removesuffix(".dist-info") for path in packages),
    }


def files(site: Path) -> Iterator[Path]:
    """Yield what pip wrote, its own tools and bytecode left out."""
    for top in site.iterdir():
        if not top.name.startswith(TOOLS):
            yield from (
                path
                for path in ([top] if top.is_file() else top.rglob("*"))
                if path.is_file() and path.suffix != ".pyc"
            )


def steps(work: Path, name: str) -> dict[str, Callable[[], Figures]]:
    """Return what is timed of an environment: name -> seconds of one run."""
    interpreter, env = str(python(work, name)), environ(work)
    module, help_ = PEERS[name].module, PEERS[name].help
    found = {
        "import": lambda: seconds([interpreter, "-c", f"import {module}"], env),
        "empty python": lambda: seconds([interpreter, "-c", ""], env),
    }
    if help_:
        command = [str(work / name / "bin" / help_[0]), *help_[1:]]
        found["help"] = lambda: seconds(command, env)
    return found


def seconds(command: list[str], env: dict[str, str]) -> Figures:
    """Run a command and return how long it took."""
    began, before = time.perf_counter(), processor_s()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return {"wall_s": time.perf_counter() - began, "processor_s": processor_s() - before}


def processor_s() -> float:
    """Return the processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fill(work: Path, name: str) -> Path:
    """Store the thousand notes, unless they are; return the folder."""
    folder = work / "recall" / name
    if not (folder / "filled").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [python(work, name), CHILD, "fill", RECALL[name], folder]
        subprocess.run(command, env=environ(work), check=True, capture_output=True)
        (folder / "filled").touch()
    return folder


def first_recall(work: Path, name: str) -> Figures:
    """Answer one question in a new process."""
    command = [python(work, name), CHILD, "first", RECALL[name], work / "recall" / name]
    began, before = time.time(), processor_s()
    done = subprocess.run(
        command, env=environ(work), check=True, capture_output=True, text=True
    ).stdout
    found = json.loads(done.splitlines()[-1])
    if not found["right"]:
        raise RuntimeError(f"{name} did not find the note that answers the question")
    return {
        "wall_s": found["answered_at"] - began,
        "processor_s": processor_s() - before,
        "own_mib": found["own_mib"],
        "mapped_mib": found["mapped_mib"],
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return median and extremes."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "runs": len(values),
    }


def rounds(work: Path, names: list[str], repeat: int, budget_s: float) -> dict[str, dict]:
    """Take every step of every system in turn, the first round not counted."""
    values: dict[str, dict[str, list[Figures]]] = {name: {} for name in names}
    end = time.monotonic() + budget_s
    for number in range(repeat + 1):
        for name in names:
            taken = {step: run() for step, run in steps(work, name).items()}
            if name in RECALL:
                taken["first recall"] = first_recall(work, name)
            for step, figures in taken.items() if number else ():
                values[name].setdefault(step, []).append(figures)
        if number and time.monotonic() > end:
            break
    return {
        name: {
            step: {key: spread([run[key] for run in runs]) for key in runs[0]}
            for step, runs in of.items()
        }
        for name, of in values.items()
    }


def main() -> None:
    """Fill, count, time; write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PEERS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--budget", type=float, default=900, help="no round begins after so long")
    parser.add_argument("--fill-only", action="store_true", help="store the notes, time nothing")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    names = chosen.only or list(PEERS)
    for name in set(names) & set(RECALL):
        fill(chosen.work, name)
    if chosen.fill_only:
        return
    report = environment("benchmarks.bench_footprint")
    report["minilm_onnx_mb"] = round(
        sum(path.stat().st_size for path in (chosen.work / "home" / PLACE).iterdir()) / 1e6, 1
    )
    report["installed"] = {name: installed(chosen.work, name) for name in names}
    report["timed"] = rounds(chosen.work, names, chosen.repeat, chosen.budget)
    show(report, chosen.out)


if __name__ == "__main__":
    main()

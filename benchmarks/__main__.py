"""The benchmarks, one after the other: what `make bench` runs. By hand, on an idle machine.

    python -m benchmarks --work DIR [--data DATA] [--only NAME …] [--list]
    python -m benchmarks --work DIR --quick

Each runs in a process of its own and writes into benchmarks/results; one that fails is named at
the end and stops nothing. `python -m benchmarks.tables` then writes the tables of
docs/benchmarks.md. Those of retrieval quality want the evaluation sets, in BEIR layout, below
DATA/eval, and are left out, by name, without them. The work folder needs 25 GB and the whole some
four hours. With `--quick` everything is as small as it can be, takes twenty minutes, and goes into
DIR/results: it shows that the benchmarks run, and measures nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import RESULTS


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything.

    Attributes:
        repeat: Rounds of what is timed.
        vectors: Sizes of the store.
        lengths: Tokens of a turn.
        notes: Of an import that is timed to its last vector.
        vault: Notes of the vault that is imported and killed.
        megabytes: Of the ChatGPT export.
        kills: Of each system.
        seconds: That eight processes write for.
        sets: Evaluation sets.
        records: Sizes of the stores of the first-hand set.
        answers: Questions of each set that are answered; 0 for all of the first-hand set.
        gptj: Whether a model of GPT-J-6B's shape is written and measured.
    """

    repeat: int
    vectors: tuple[int, ...]
    lengths: tuple[int, ...]
    notes: int
    vault: int
    megabytes: int
    kills: int
    seconds: int
    sets: tuple[str, ...]
    records: tuple[int, ...]
    answers: int
    gptj: bool


FULL = Scale(
    repeat=3,
    vectors=(1_000, 10_000, 100_000, 1_000_000),
    lengths=(10, 40, 160, 640),
    notes=10_000,
    vault=2_000,
    megabytes=300,
    kills=100,
    seconds=60,
    sets=(
        "locomo_dev",
        "xquad_en",
        "madial_en",
        "fairytaleqa_test",
        "mtrag_un_pooled",
        "scifact",
    ),
    records=(5, 50, 500, 5_000),
    answers=0,
    gptj=True,
)
QUICK = Scale(
    repeat=1,
    vectors=(4_000,),
    lengths=(10, 40),
    notes=40,
    vault=40,
    megabytes=2,
    kills=5,
    seconds=2,
    sets=("madial_en",),
    records=(5,),
    answers=5,
    gptj=False,
)

Steps = dict[str, list[str]]


def of_the_chat(scale: Scale, work: Path, results: Path) -> Steps:
    """Return name -> module and arguments: what capturing, recalling and remembering take."""
    repeat = ["--repeat", str(scale.repeat)]
    lengths = ["--lengths", *map(str, scale.lengths)]
    shape, gptj = work / "shapes", work / "shapes" / "gpt-j-6b"
    steps = {
        "types": ["bench_types", *repeat],
        "capture": ["bench_capture", "--repetitions", str(3 * scale.repeat)],
        "chat": ["bench_chat", *repeat],
        "turn-length": ["bench_turn_length", *lengths, "--repeat", str(2 * scale.repeat)],
    }
    if scale.gptj:
        stages = ("--stages", "write", "convert", "tune")
        steps["gptj-shape"] = [
            *("bench_real_shapes", "--shape", "gpt-j-6b", "--folder", str(shape), *stages)
        ]
        steps["turn-length-gptj"] = [
            *("bench_turn_length", "--model", str(gptj / "model.gguf")),
            *("--tuner", str(gptj / "tuner.gguf"), *lengths),
            *("--warm", "40", "--repeat", "3", "--budget", "400"),
        ]
    return written(steps, results, but=("gptj-shape",))


def of_imports(scale: Scale, work: Path, results: Path) -> Steps:
    """Return name -> module and arguments: imports, and the peers that they are compared with."""
    speed = ["bench_import_speed", "--work", str(work)]
    few = str(min(300, scale.notes))
    steps = {
        "peers": ["peers", "--work", str(work)],
        "minilm-onnx": ["minilm_onnx", "--work", str(work)],
        "import-vault": ["bench_import", "vault", "--notes", str(scale.vault)],
        "import-export": ["bench_import", "export", "--megabytes", str(scale.megabytes)],
        "import-speed": [*speed, "--notes", few, "--repeat", str(scale.repeat)],
        "import-all": [*speed, "--notes", str(scale.notes), "--repeat", "1"],
        "footprint": ["bench_footprint", "--work", str(work), "--repeat", str(scale.repeat)],
        "durability": ["bench_durability", "--work", str(work), "--kills", str(scale.kills)],
    }
    return written(steps, results, but=("peers", "minilm-onnx"))


def of_the_store(scale: Scale, work: Path, results: Path) -> Steps:
    """Return name -> module and arguments: recall by size, adds, writers."""
    steps: Steps = {}
    builds = []
    for size in scale.vectors:
        place = ["--work", str(work / f"store-{size}")]
        builds.append(f"store-build-{size}")
        steps[builds[-1]] = ["bench_store", "build", *place, "--vectors", str(size)]
        steps[f"store-{size}"] = ["bench_store", "query", *place, "--rounds", str(scale.repeat)]
    several = str(work / f"store-{max(n for n in scale.vectors if n <= 100_000)}")
    steps["store-adds"] = ["bench_store", "adds", "--work", several, "--rounds", str(scale.repeat)]
    steps["writers"] = ["bench_writers", "--seconds", str(scale.seconds)]
    return written(steps, results, but=builds)


def of_retrieval(scale: Scale, work: Path, results: Path, data: str) -> Steps:
    """Return name -> module and arguments: what judges retrieval."""
    sets = [part for name in scale.sets for part in ("--set", f"{data}/eval/{name}")]
    steps = {
        "quality": ["bench_quality", *sets, "--work", str(work / "quality")],
        "flows": ["bench_flows", *sets, "--work", str(work)],
    }
    place = ["--data", data, "--work", str(work / "first_hand")]
    steps["first_hand"] = [
        *("bench_first_hand", "--half", "judge", *place),
        *("--size", *map(str, scale.records)),
    ]
    steps["first_hand_peers"] = [
        *("bench_first_hand_peers", "--half", "judge", *place),
        *("--size", *map(str, scale.records)),
    ]
    for name in ("first_hand", "locomo"):
        limit = ["--limit", str(scale.answers)] if scale.answers else []
        steps[f"answers-smollm2-{name}"] = ["bench_answers", "--set", name, *place, *limit]
    return written(steps, results)


def written(steps: Steps, results: Path, *, but: tuple[str, ...] | list[str] = ()) -> Steps:
    """Let each step write a file of its own name, but for those that write none."""
    return {
        name: step if name in but else [*step, "--out", str(results / f"{name}.json")]
        for name, step in steps.items()
    }


def main() -> None:
    """Run what is asked for, or everything; exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/bench"))
    parser.add_argument("--data")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--list", action="store_true", help="print the commands, run nothing")
    parser.add_argument("--quick", action="store_true", help="show that they run, measure nothing")
    chosen = parser.parse_args()
    scale = QUICK if chosen.quick else FULL
    work = chosen.work.absolute()
    results = work / "results" if chosen.quick else RESULTS
    quality = of_retrieval(scale, work, results, chosen.data or "DATA")
    steps = of_the_chat(scale, work, results) | of_imports(scale, work, results)
    steps |= of_the_store(scale, work, results) | quality
    results.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, (module, *arguments) in steps.items():
        if chosen.only and name not in chosen.only:
            continue
        print(f"{name}: python -m benchmarks.{module} {' '.join(arguments)}", flush=True)
        if name in quality and not chosen.data:
            print("  left out: it wants --data", flush=True)
        elif not chosen.list:
            began = time.monotonic()
            command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
            status = subprocess.run(command, check=False).returncode
            failed += [name] if status else []
            print(f"{name}: status {status}, {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

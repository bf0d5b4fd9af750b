"""The benchmarks, one after the other: what `make bench` runs. By hand, on an idle machine.

    python -m tests.bench --work DIR [--data DATA] [--only NAME …] [--list]

Each runs in a process of its own and writes into tests/bench/results; one that fails is named at
the end and stops nothing. Those of retrieval quality want the evaluation sets, in BEIR layout,
below DATA/eval, and are left out, by name, without them. The work folder needs 20 GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

RESULTS = "tests/bench/results"
SETS = ("locomo_dev", "xquad_en", "madial_en", "fairytaleqa_test", "mtrag_un_pooled")
FLOW_SETS = ("locomo_dev", "xquad_en")
SIZES = (1_000, 10_000, 100_000, 1_000_000)

Steps = dict[str, list[str]]


def without_data(work: str) -> Steps:
    """Return name -> module and arguments of what needs nothing but time."""
    steps = {
        "capture": ["bench_capture", "--out", f"{RESULTS}/capture.json"],
        "chat": ["bench_chat", "--out", f"{RESULTS}/chat.json"],
        "turn-length": ["bench_turn_length", "--out", f"{RESULTS}/turn-length.json"],
        "import-vault": ["bench_import", "vault", "--out", f"{RESULTS}/import-vault.json"],
        "import-export": ["bench_import", "export", "--out", f"{RESULTS}/import-export.json"],
        "peers": ["peers", "--work", work],
        "minilm-onnx": ["minilm_onnx", "--work", work],
        "import-speed": [
            *("bench_import_speed", "--work", work),
            *("--out", f"{RESULTS}/import-speed.json"),
        ],
        "footprint": ["bench_footprint", "--work", work, "--out", f"{RESULTS}/footprint.json"],
        "durability": ["bench_durability", "--work", work, "--out", f"{RESULTS}/durability.json"],
        "writers": ["bench_writers", "--seconds", "60", "--out", f"{RESULTS}/writers.json"],
    }
    for size in SIZES:
        place = f"{work}/store-{size}"
        steps[f"store-build-{size}"] = [
            *("bench_store", "build", "--work", place, "--vectors", str(size)),
        ]
        steps[f"store-{size}"] = [
            *("bench_store", "query", "--work", place, "--out", f"{RESULTS}/store-{size}.json"),
        ]
    adds = ["bench_store", "adds", "--work", f"{work}/store-100000"]
    return steps | {"store-adds": [*adds, "--out", f"{RESULTS}/store-adds.json"]}


def with_data(work: str, data: str) -> Steps:
    """Return name -> module and arguments of what judges retrieval."""

    def sets(names: tuple[str, ...]) -> list[str]:
        return [part for name in names for part in ("--set", f"{data}/eval/{name}")]

    return {
        "quality": ["bench_quality", *sets(SETS), "--work", f"{work}/quality"],
        "flows": [
            *("bench_flows", *sets(FLOW_SETS), "--work", work),
            *("--out", f"{RESULTS}/flows.json"),
        ],
    }


def main() -> None:
    """Run what is asked for, or everything; exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", default="build/bench")
    parser.add_argument("--data")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--list", action="store_true", help="print the commands, run nothing")
    chosen = parser.parse_args()
    quality = with_data(chosen.work, chosen.data or "DATA")
    steps = without_data(chosen.work) | quality
    Path(chosen.work).mkdir(parents=True, exist_ok=True)
    failed = []
    for name, (module, *arguments) in steps.items():
        if chosen.only and name not in chosen.only:
            continue
        print(f"{name}: python -m tests.bench.{module} {' '.join(arguments)}", flush=True)
        if name in quality and not chosen.data:
            print("  left out: it wants --data", flush=True)
        elif not chosen.list:
            command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
            failed += [name] if subprocess.run(command, check=False).returncode else []
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

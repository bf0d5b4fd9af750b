"""Try hostile GGUF files by the thousand; status 1 if the interpreter died, hung or stumbled once.

    python -m benchmarks.fuzz_gguf --mutants 10000 [--first-seed 0] [--keep FOLDER] [GGUF ...]

Without files, mutants are made of a tiny model of every architecture that the parity tests know,
and of a `gptj` GGUF. Each mutant is read, converted where it must be, loaded, captured from and
talked to in a child process. Prints JSON: how many were refused and how many ran, the faults, and
the largest memory that a child had, beside that of the honest files.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.support.fuzz import honest_peak, outcomes


def main() -> int:
    options = _options()
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = options.files or _write_models(folder)
        honest = [path.read_bytes() for path in files]
        seeds = range(options.first_seed, options.first_seed + options.mutants)
        counts: Counter[str] = Counter()
        faults, peak_bytes = [], 0
        honest_peak_bytes = honest_peak(files, folder)
        for outcome in outcomes(honest, seeds, folder):
            counts[outcome.kind] += 1
            peak_bytes = max(peak_bytes, outcome.peak_bytes)
            if outcome.is_fault:
                faults.append({"seed": outcome.seed, "kind": outcome.kind})
                if options.keep is not None:
                    kept = options.keep / f"{outcome.seed}-{outcome.kind}.gguf"
                    kept.write_bytes(outcome.data)
            if counts.total() % 500 == 0:
                print(dict(counts), file=sys.stderr, flush=True)
    report = {
        "mutants": counts.total(),
        "outcomes": dict(counts),
        "faults": faults,
        "peak_bytes": peak_bytes,
        "honest_peak_bytes": honest_peak_bytes,
    }
    print(json.dumps(report))
    return int(bool(faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Try hostile GGUF files.")
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that were faults")
    parser.add_argument("files", type=Path, nargs="*")
    return parser.parse_args()


def _write_models(folder: Path) -> list[Path]:
    from tests.support.checkpoints import tiny_gptj, write_gptj_gguf
    from tests.support.tiny_hf import FAMILIES, write_tiny_hf

    files = [folder / f"{family}.honest" for family in FAMILIES]
    for family, path in zip(FAMILIES, files, strict=True):
        write_tiny_hf(family, path)
    write_gptj_gguf(tiny_gptj(), folder / "gptj.honest", quantisation="Q4_0")
    return [*files, folder / "gptj.honest"]


if __name__ == "__main__":
    sys.exit(main())

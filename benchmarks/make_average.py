"""Average the trained parts of tuners that began with the same one. By hand.

    python -m benchmarks.make_average --tuner START.gguf ONE.gguf OTHER.gguf --share 0.3 0.4 0.3 \\
        --states WORK/states --out NEW.gguf

What training on one kind of text spoils elsewhere, the average mostly keeps (experiment 38). The
own directions are those of the first tuner; lengths and axes of the vectors are found on the states
of the last training. A token map and what a chat adds are added afterwards.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lmort_memory.encoder.artifact import Artifact, read_artifact, write_artifact
from lmort_memory.tuners.states.cache import open_cache
from lmort_memory.tuners.train.pipeline import with_own_of


def average(tuners: Sequence[Artifact], shares: Sequence[float]) -> Artifact:
    """Average what training changes; the rest is the last tuner's.

    Raises:
        ValueError: the tuners are of different shapes, or the shares do not sum to 1.
    """
    if abs(sum(shares) - 1) > 1e-6 or len(shares) != len(tuners):
        raise ValueError(f"a share for each of {len(tuners)} tuners, 1 in all; found {shares}")
    shapes = {one.card.config.trained for one in tuners}
    if len(shapes) != 1:
        raise ValueError(f"tuners of one shape, please; found {shapes}")
    last = tuners[-1]
    weights = {
        name: sum(
            np.float32(share) * np.reshape(np.asarray(one.weights[name], np.float32), value.shape)
            for one, share in zip(tuners, shares, strict=True)
        )
        for name, value in last.weights.items()
    }
    return replace(last, weights=weights)


def main() -> None:
    """Read, average, add the own directions, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tuner", type=Path, nargs="+", required=True)
    parser.add_argument("--share", type=float, nargs="+", required=True)
    parser.add_argument("--states", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tuners = [read_artifact(path) for path in options.tuner]
    try:
        averaged = average(tuners, options.share)
    except ValueError as error:
        parser.error(str(error))
    made = with_own_of(tuners[0], averaged, open_cache(options.states))
    write_artifact(options.out, made, matrix_type="F16")


if __name__ == "__main__":
    main()

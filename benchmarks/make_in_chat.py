"""Measure what a chat adds to states, and write it into a tuner. By hand, for tuners made before.

    python -m benchmarks.make_in_chat --tuner TUNER.gguf --out NEW.gguf [--model MODEL.gguf]

`lmort-mem tuner make` does it by itself. Vectors of texts by themselves, and so the tuner's space,
stay as they are; a tuner whose matrices are not Q8_0 is refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lmort_memory.backbone import Backbone, fast_default_path
from lmort_memory.encoder.artifact import read_artifact, write_artifact
from lmort_memory.encoder.in_chat import with_chat
from lmort_memory.kit import load_pairs
from lmort_memory.tuners.make.in_chat import EXCHANGES, measure


def main() -> None:
    """Measure on the first pairs of the kit, which are a fair sample."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tuner", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    artifact = read_artifact(options.tuner)
    asked = [(pair.question, pair.answer) for pair in load_pairs()[:EXCHANGES]]
    with Backbone.open(options.model or fast_default_path()) as backbone:
        added = measure(backbone, artifact.card.config.layers, asked)
    if added is None:
        parser.error("the model's context is too small for a conversation")
    fingerprint = write_artifact(options.out, with_chat(artifact, added), matrix_type="Q8_0")
    if fingerprint != artifact.card.fingerprint:
        options.out.unlink()
        parser.error("the tuner's matrices are not Q8_0: its space would change")


if __name__ == "__main__":
    main()

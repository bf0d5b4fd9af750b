"""Train the map of tokens of a tuner on pairs: question and answer. By hand.

    python -m benchmarks.make_token_map --tuner TUNER.gguf --pairs DATA/pairs/qed.jsonl.gz … \
        --work FOLDER --out NEW.gguf

`--like OLD.gguf` takes over the map of another tuner of the same layers, as it is, without pairs.

The work folder keeps the states of the pairs, so that an interrupted run goes on. The last pairs of
each source are left out, for `bench_fusion`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from lmort_memory.backbone import Backbone, fast_default_path
from lmort_memory.encoder.artifact import Artifact, read_artifact, write_artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.token_fit import with_tokens, with_tokens_of
from lmort_memory.tuners.make.tokens import token_sample
from lmort_memory.tuners.train.tokens import TokenTrainer, capture


def say(done: int, total: int | None) -> None:
    """Print every twentieth step."""
    if done % 20 == 0:
        print(f"{done} of {total} steps", flush=True)


def take_over(artifact: Artifact, other: Artifact, out: Path) -> None:
    """Write a tuner with the token map of another."""
    notes = {**artifact.card.provenance, "tokens": other.card.provenance["tokens"]}
    made = with_tokens_of(artifact, other)
    write_artifact(
        out, replace(made, card=replace(made.card, provenance=notes)), matrix_type="Q8_0"
    )


def main() -> None:
    """Capture, start from the closed form, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuner", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, nargs="+", default=[])
    parser.add_argument("--each", type=int, default=400, help="pairs of a source")
    parser.add_argument("--held-out", type=int, default=100, help="of these, that are not used")
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--like", type=Path, help="a tuner whose map is taken over")
    options = parser.parse_args()
    artifact = read_artifact(options.tuner)
    if options.like:
        take_over(artifact, read_artifact(options.like), options.out)
        return
    if not options.pairs or options.work is None:
        parser.error("a map is trained on --pairs, in a folder --work; or taken over with --like")
    with Backbone.open(options.model or fast_default_path()) as backbone:
        tuner = Tuner(artifact, backbone.vocabulary.detokenize)
        sources = [
            capture(backbone, tuner, path, options.each, options.work) for path in options.pairs
        ]
    trainer = TokenTrainer(with_tokens(artifact, token_sample(sources[0].answers)))
    kept = [pairs.first(max(1, len(pairs.asked) - options.held_out)) for pairs in sources]
    trainer.train(kept, steps=options.steps, batch=options.batch, rate=options.rate, progress=say)
    names = ", ".join(path.name.split(".")[0] for path in options.pairs)
    trained = trainer.artifact()
    notes = {**trained.card.provenance, "tokens": f"{options.steps} steps on pairs of {names}"}
    card = replace(trained.card, provenance=notes)
    write_artifact(options.out, replace(trained, card=card), matrix_type="Q8_0")


if __name__ == "__main__":
    main()

"""Table 3 of the paper on SmolLM2's sizes: parameters and step time of LMORT against fine-tuning.

    python -m benchmarks.bench_step_time [--steps 3] [--queries 2] [--device cpu] [--out FILE]

Fine-tuning: forward and backward through the whole model, AdamW on all weights. LMORT: the frozen
model forward without gradient, then forward and backward through the tuner. From a cache: the
tuner alone, as our trainer runs after the first epoch. Random weights of the right shapes: time
does not depend on their values. Each query has one positive and seven negatives (appendix A).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median

import torch
from transformers import LlamaConfig, LlamaModel

from benchmarks.environment import environment
from lmort_memory.encoder.config import TunerConfig
from lmort_memory.tuners.train.losses import paper_contrastive
from lmort_memory.tuners.train.model import Lmort

N_LAYER, WIDTH, N_NEGATIVES, TOKENS = 30, 576, 7, 128
SHAPES = {
    "standard": TunerConfig(
        WIDTH, 0, N_LAYER, n_head=9, n_layer=3, width=WIDTH, n_ff=2304, dim=WIDTH
    ),
    "reduced": TunerConfig(
        WIDTH, 0, N_LAYER, n_head=9, n_layer=3, width=144, n_ff=576, n_reduce=1152, dim=144
    ),
    "shipped": TunerConfig(WIDTH, 1, 11, pooled_layers=(1, 6, 11), n_ff=768),
}


def backbone(device: str) -> LlamaModel:
    """SmolLM2-135M's shape with random weights."""
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=WIDTH,
        intermediate_size=1536,
        num_hidden_layers=N_LAYER,
        num_attention_heads=9,
        num_key_value_heads=3,
    )
    return LlamaModel(config).to(device)


def step(optimiser: torch.optim.Optimizer, vectors: torch.Tensor, n_queries: int) -> None:
    """Eq. 10 on (queries, positives, negatives), backward, update."""
    queries, positives = vectors[:n_queries], vectors[n_queries : 2 * n_queries]
    negatives = vectors[2 * n_queries :].view(n_queries, N_NEGATIVES, -1)
    optimiser.zero_grad(set_to_none=True)
    paper_contrastive(queries, positives, negatives).backward()
    optimiser.step()


def median_time(call, steps: int) -> float:
    """Median seconds of `steps` calls after one to warm up."""
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return median(times[1:])


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Time the three ways on one batch."""
    model = backbone(options.device)
    n_texts = options.queries * (2 + N_NEGATIVES)
    tokens = torch.randint(49152, (n_texts, TOKENS), device=options.device)
    lengths = torch.full((n_texts,), TOKENS, device=options.device)
    whole = torch.optim.AdamW(model.parameters(), lr=1e-6)

    def fine_tune() -> None:
        step(whole, model(tokens).last_hidden_state.mean(dim=1), options.queries)

    results: dict[str, object] = {"fine-tuning, s": median_time(fine_tune, options.steps)}
    n_backbone = sum(p.numel() for p in model.parameters())
    for name, config in SHAPES.items():
        tuner = Lmort(config).to(options.device)
        optimiser = torch.optim.AdamW(tuner.parameters(), lr=1e-6)

        def capture(config=config) -> torch.Tensor:
            with torch.no_grad():
                found = model(tokens, output_hidden_states=True).hidden_states
            return torch.stack([found[layer].flatten(0, 1) for layer in config.layers])

        cached = capture()

        def train(states, tuner=tuner, optimiser=optimiser) -> None:
            step(optimiser, tuner(states(), lengths), options.queries)

        with_pass = median_time(lambda train=train, c=capture: train(c), options.steps)
        alone = median_time(lambda train=train, c=cached: train(lambda: c), options.steps)
        results[name] = {
            "parameters": config.n_parameters,
            "#P": round(config.n_parameters / n_backbone, 4),
            "#T": round(with_pass / results["fine-tuning, s"], 4),
            "#T from cached states": round(alone / results["fine-tuning, s"], 4),
        }
    return results


def main() -> None:
    """Print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--queries", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report = {"environment": environment("benchmarks.bench_step_time"), **measure(options)}
    text = json.dumps(report, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

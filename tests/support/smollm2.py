"""SmolLM2 in `transformers`, from the packaged file's own weights, dequantised."""

from __future__ import annotations

from functools import cache

import gguf
import numpy as np
import torch
import transformers

from lmort_memory.backbone import default_model_path
from lmort_memory.modelfile.header import TensorInfo, read_header

TEXT = (
    "My sister Ada keeps bees on the roof of the old harbour office in Trondheim, and she says "
    "that the heather honey is the best."
)
CONFIG = transformers.LlamaConfig(
    vocab_size=49_152,
    hidden_size=576,
    intermediate_size=1_536,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    rms_norm_eps=1e-5,
    rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    tie_word_embeddings=True,
)
_HEADS = {"q_proj": CONFIG.num_attention_heads, "k_proj": CONFIG.num_key_value_heads}


@cache
def dequantised_smollm2() -> transformers.PreTrainedModel:
    """Load the packaged weights in float32.

    `transformers` has a reader of GGUF of its own, which takes half a minute for the vocabulary.
    """
    model = transformers.LlamaForCausalLM(CONFIG)
    given = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, CONFIG.num_hidden_layers)
    tensors = read_header(default_model_path()).tensors
    weights = {
        name: _weight(name, tensors[given.get_name(name, (".weight",))])
        for name in model.state_dict()
        if name != "lm_head.weight"  # the embedding's
    }
    missing = model.load_state_dict(weights, strict=False)
    assert (missing.missing_keys, missing.unexpected_keys) == (["lm_head.weight"], [])
    model.tie_weights()
    return model.eval()


def _weight(name: str, tensor: TensorInfo) -> torch.Tensor:
    raw = np.memmap(default_model_path(), np.uint8, "r", tensor.offset, tensor.nbytes)
    kind = gguf.GGMLQuantizationType(tensor.type_id)
    rows = raw.reshape(tensor.n_rows, -1)
    values = gguf.dequantize(np.array(rows), kind).reshape(tensor.shape)
    heads = _HEADS.get(name.split(".")[-2])
    if heads is not None:  # llama.cpp has the two halves of a rotary pair beside each other
        pairs = values.reshape(heads, -1, 2, values.shape[-1])
        values = pairs.swapaxes(1, 2).reshape(values.shape)
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))

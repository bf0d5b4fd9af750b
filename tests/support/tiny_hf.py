"""Tiny random `transformers` models written as GGUF, so that llama.cpp runs the same weights.

One entry of `FAMILIES` for each architecture: how to make the model, which llama.cpp graph runs it,
what its header states, and how its weights are laid out differently there. All share the byte
vocabulary of `lmort_memory.testing.tiny_gguf`; norms and biases are away from their neutral values
and every block differs, so that a mistaken layer, a forgotten bias or a wrong permutation shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers

from lmort_memory.testing.tiny_gguf import add_byte_tokenizer, byte_vocabulary

N_VOCAB = len(byte_vocabulary())
N_EMBD, N_HEAD, N_HEAD_KV, HEAD_DIM, N_FF, N_LAYER, N_CTX = 64, 4, 2, 16, 96, 4, 128
SLIDING_WINDOW = 8  # shorter than the tests' texts: what it hides must matter

Array = np.ndarray
Change = Callable[[str, Array], Iterator[tuple[str, Array]]]


@dataclass(frozen=True)
class Family:
    """How one architecture of `transformers` becomes one graph of llama.cpp."""

    graph: str
    make: Callable[[], transformers.PreTrainedModel]
    header: Callable[[Any], None]
    change: Change


def write_tiny_hf(family: str, path: Path, seed: int = 0) -> transformers.PreTrainedModel:
    """Make a random model of a family, write it to `path` as float32 GGUF, and return it."""
    spec = FAMILIES[family]
    model = perturb(spec.make(), seed)
    writer = gguf.GGUFWriter(path, spec.graph)
    writer.add_block_count(N_LAYER)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(N_EMBD)
    writer.add_head_count(N_HEAD)
    writer.add_file_type(0)
    spec.header(writer)
    add_byte_tokenizer(writer, None)
    for name, tensor in gguf_tensors(model, spec):
        writer.add_tensor(name, np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def perturb(model: transformers.PreTrainedModel, seed: int) -> transformers.PreTrainedModel:
    """Draw all weights anew; norms and biases get 0.2 of noise on top of their neutral value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                weight += 0.2 * noise
            elif _is_embedding(name):
                weight.copy_(noise)
            else:
                weight.copy_(noise * weight.shape[_fan_in_axis(model, weight)] ** -0.5)
    return model.eval()


def _is_embedding(name: str) -> bool:
    return any(part in name for part in ("embed", "wte", "wpe"))


def _fan_in_axis(model: transformers.PreTrainedModel, weight: torch.Tensor) -> int:
    """GPT-2 keeps its matrices the other way round (Conv1D)."""
    return 0 if model.config.model_type == "gpt2" and weight.ndim == 2 else -1


def gguf_tensors(model: transformers.PreTrainedModel, spec: Family) -> Iterator[tuple[str, Array]]:
    """Yield the model's weights under llama.cpp's names and in its layout."""
    graph = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == spec.graph)
    names = gguf.get_tensor_name_map(graph, N_LAYER)
    tied = model.config.tie_word_embeddings
    for full_name, weight in model.state_dict().items():
        if tied and full_name == "lm_head.weight":
            continue
        for name, values in spec.change(full_name, weight.float().numpy()):
            found = names.get_name(name, try_suffixes=(".weight", ".bias"))
            assert found is not None, f"no GGUF name for {name}"
            yield found, values


def as_is(name: str, weight: Array) -> Iterator[tuple[str, Array]]:
    """Keep a weight as it is."""
    yield name, weight


def interleaved_rotary(name: str, weight: Array) -> Iterator[tuple[str, Array]]:
    """Llama: rotary pairs from (i, i + d/2) to (2i, 2i + 1), as llama.cpp's llama graph wants."""
    if name.endswith(("q_proj.weight", "k_proj.weight")):
        n_heads = N_HEAD if "q_proj" in name else N_HEAD_KV
        halves = weight.reshape(n_heads, 2, -1, weight.shape[-1])
        weight = halves.swapaxes(1, 2).reshape(weight.shape)
    yield name, weight


def norm_from_one(name: str, weight: Array) -> Iterator[tuple[str, Array]]:
    """Gemma: a norm multiplies by 1 + weight; llama.cpp's by the weight."""
    yield name, weight + 1 if name.endswith("norm.weight") else weight


def turned_matrices(name: str, weight: Array) -> Iterator[tuple[str, Array]]:
    """GPT-2: matrices of its Conv1D are (n_in, n_out)."""
    conv = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
    yield name, weight.T if name.endswith(conv) else weight


def grouped_qkv(name: str, weight: Array) -> Iterator[tuple[str, Array]]:
    """GPT-NeoX: q, k and v lie head by head; llama.cpp wants all q, then all k, then all v."""
    if "query_key_value" in name:
        heads = weight.reshape(N_HEAD, 3, HEAD_DIM, *weight.shape[1:])
        weight = heads.swapaxes(0, 1).reshape(weight.shape)
    yield name, weight


def split_experts(name: str, weight: Array) -> Iterator[tuple[str, Array]]:
    """OLMoE: gate and up of all experts lie in one tensor (n_expert, 2 n_ff, n_embd)."""
    if name.endswith("experts.gate_up_proj"):
        gate, up = np.split(weight, 2, axis=1)
        stem = name.removesuffix("gate_up_proj")
        yield f"{stem}gate_proj.weight", gate
        yield f"{stem}up_proj.weight", up
    elif name.endswith("experts.down_proj"):
        yield f"{name}.weight", weight
    else:
        yield name, weight


def _sizes(**more: Any) -> dict[str, Any]:
    """Return the configuration that all families of the Llama line share."""
    return {
        "vocab_size": N_VOCAB,
        "hidden_size": N_EMBD,
        "intermediate_size": N_FF,
        "num_hidden_layers": N_LAYER,
        "num_attention_heads": N_HEAD,
        "max_position_embeddings": N_CTX,
        **_TOKENS,
        **more,
    }


_TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_GROUPED = {"num_key_value_heads": N_HEAD_KV}


def _header(
    *, kv_heads: int = N_HEAD, rms: bool = True, rotary: int | None = HEAD_DIM, n_ff: int = N_FF
) -> Callable[[Any], None]:
    """Return what writes the metadata that most graphs want; `rotary` None means no RoPE."""

    def write(writer: Any) -> None:
        writer.add_head_count_kv(kv_heads)
        writer.add_feed_forward_length(n_ff)
        if rms:
            writer.add_layer_norm_rms_eps(1e-5)
        else:
            writer.add_layer_norm_eps(1e-5)
        if rotary is not None:
            writer.add_rope_dimension_count(rotary)

    return write


def _and(first: Callable[[Any], None], *more: Callable[[Any], None]) -> Callable[[Any], None]:
    def write(writer: Any) -> None:
        for part in (first, *more):
            part(writer)

    return write


def _gemma_header(writer: Any) -> None:
    _header(kv_heads=N_HEAD_KV)(writer)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_sliding_window(SLIDING_WINDOW)


def _gemma2_header(writer: Any) -> None:
    _gemma_header(writer)
    writer.add_attn_logit_softcapping(50.0)
    writer.add_final_logit_softcapping(30.0)


def _gemma3_header(writer: Any) -> None:
    _gemma_header(writer)
    writer.add_rope_freq_base(1e6)
    writer.add_rope_freq_base_swa(1e4)
    writer.add_uint32("gemma3.attention.sliding_window_pattern", 2)


def _gemma(config: Any, model: Any, **more: Any) -> Callable[[], transformers.PreTrainedModel]:
    return lambda: model(
        config(
            **_sizes(
                **_GROUPED,
                head_dim=HEAD_DIM,
                query_pre_attn_scalar=HEAD_DIM,
                sliding_window=SLIDING_WINDOW,
                layer_types=["sliding_attention", "full_attention"] * (N_LAYER // 2),
                rms_norm_eps=1e-5,
                attn_implementation="eager",
                **more,
            )
        )
    )


def _half_rotary() -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}


t = transformers
FAMILIES: dict[str, Family] = {
    "llama": Family(
        "llama",
        lambda: t.LlamaForCausalLM(t.LlamaConfig(**_sizes(**_GROUPED, rms_norm_eps=1e-5))),
        _header(kv_heads=N_HEAD_KV),
        interleaved_rotary,
    ),
    "qwen2": Family(
        "qwen2",
        lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**_sizes(**_GROUPED, rms_norm_eps=1e-5))),
        _header(kv_heads=N_HEAD_KV),
        as_is,
    ),
    "qwen3": Family(
        "qwen3",
        lambda: t.Qwen3ForCausalLM(
            t.Qwen3Config(**_sizes(**_GROUPED, head_dim=HEAD_DIM, rms_norm_eps=1e-5))
        ),
        _header(kv_heads=N_HEAD_KV),
        as_is,
    ),
    "gemma2": Family(
        "gemma2", _gemma(t.Gemma2Config, t.Gemma2ForCausalLM), _gemma2_header, norm_from_one
    ),
    "gemma3": Family(
        "gemma3", _gemma(t.Gemma3TextConfig, t.Gemma3ForCausalLM), _gemma3_header, norm_from_one
    ),
    "phi2": Family(
        "phi2",
        lambda: t.PhiForCausalLM(
            t.PhiConfig(**_sizes(layer_norm_eps=1e-5, rope_parameters=_half_rotary()))
        ),
        _header(rms=False, rotary=HEAD_DIM // 2),
        as_is,
    ),
    "phi3": Family(
        "phi3",
        lambda: t.Phi3ForCausalLM(t.Phi3Config(**_sizes(**_GROUPED, rms_norm_eps=1e-5))),
        _header(kv_heads=N_HEAD_KV),
        as_is,
    ),
    "gpt2": Family(
        "gpt2",
        lambda: t.GPT2LMHeadModel(
            t.GPT2Config(
                vocab_size=N_VOCAB,
                n_embd=N_EMBD,
                n_layer=N_LAYER,
                n_head=N_HEAD,
                n_positions=N_CTX,
                **_TOKENS,
            )
        ),
        _header(rms=False, rotary=None, n_ff=4 * N_EMBD),
        turned_matrices,
    ),
    "gptneox": Family(
        "gptneox",
        lambda: t.GPTNeoXForCausalLM(
            t.GPTNeoXConfig(**_sizes(layer_norm_eps=1e-5, rope_parameters=_half_rotary()))
        ),
        _and(_header(rms=False, rotary=HEAD_DIM // 2), lambda w: w.add_parallel_residual(True)),
        grouped_qkv,
    ),
    "olmoe": Family(
        "olmoe",
        lambda: t.OlmoeForCausalLM(
            t.OlmoeConfig(**_sizes(num_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-5))
        ),
        _and(_header(), lambda w: w.add_expert_count(4), lambda w: w.add_expert_used_count(2)),
        split_experts,
    ),
    "falcon": Family(
        "falcon",
        lambda: t.FalconForCausalLM(
            t.FalconConfig(
                vocab_size=N_VOCAB,
                hidden_size=N_EMBD,
                num_hidden_layers=N_LAYER,
                num_attention_heads=N_HEAD,
                multi_query=True,
                **_TOKENS,
            )
        ),
        _header(kv_heads=1, rms=False, n_ff=4 * N_EMBD),
        as_is,
    ),
    "mpt": Family(
        "mpt",
        lambda: t.MptForCausalLM(
            t.MptConfig(
                vocab_size=N_VOCAB,
                d_model=N_EMBD,
                n_layers=N_LAYER,
                n_heads=N_HEAD,
                max_seq_len=N_CTX,
                **_TOKENS,
            )
        ),
        _and(
            _header(rms=False, rotary=None, n_ff=4 * N_EMBD),
            lambda w: w.add_max_alibi_bias(8.0),
        ),
        as_is,
    ),
}

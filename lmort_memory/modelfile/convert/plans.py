"""Map the tensors of a GPT-2 or GPT-J checkpoint to those of a GGUF.

llama.cpp has a graph for GPT-2. It has none for GPT-J, but GPT-J's computation is a special case of
the phi2 graph: one norm feeds attention and feed-forward in parallel, rotary positions cover part
of each head, GELU is in its tanh form, and the output has a bias. Two things differ: the order of
the rotary rows of q and k, and biases that GPT-J lacks (zeros here).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert.checkpoint import Checkpoint, open_checkpoint
from lmort_memory.modelfile.convert.jsonfile import read_object
from lmort_memory.modelfile.convert.output import ModelPlan, Piece, Sizes
from lmort_memory.modelfile.convert.tokenizer import read_hf_tokenizer
from lmort_memory.modelfile.convert.weights import FILE_TYPES, Weights, zeros

__all__ = ["check_heads", "no_attention_biases", "plan_checkpoint"]

_GELUS = ("gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu")
_MASKS = (".attn.bias", ".attn.masked_bias")  # buffers of old checkpoints, not weights


def plan_checkpoint(folder: Path, *, type_name: str) -> ModelPlan:
    """Plan the conversion of a Hugging Face checkpoint.

    Raises:
        BackboneError: not GPT-2 or GPT-J, a variant that llama.cpp cannot compute, or damaged.
    """
    config = read_object(folder / "config.json")
    kind = config.get("model_type")
    if kind not in ("gpt2", "gptj"):
        raise BackboneError(
            f"{folder} is a checkpoint of type {kind!r}; only gpt2 and gptj can be converted — for "
            "others use llama.cpp's convert_hf_to_gguf.py, or download a GGUF"
        )
    _check_variant(config, folder)
    checkpoint = open_checkpoint(folder)
    weights = Weights(checkpoint, _prefix(checkpoint), type_name)
    sizes = _sizes(config, folder, rotary=kind == "gptj")
    n_rows = _count(config, "vocab_size", folder)
    if kind == "gpt2":
        pieces = list(_gpt2_pieces(weights, sizes, n_rows))
        if not config.get("tie_word_embeddings", True):
            pieces.append(weights.matrix("output.weight", "lm_head.weight", (n_rows, sizes.n_embd)))
    else:
        pieces = list(_gptj_pieces(weights, sizes, n_rows))
    _check_nothing_left(weights, folder)
    return ModelPlan(
        architecture="gpt2" if kind == "gpt2" else "phi2",
        name=Path(str(config.get("_name_or_path") or folder.resolve())).name,
        file_type=FILE_TYPES[type_name],
        sizes=sizes,
        tokenizer=read_hf_tokenizer(folder, config, n_rows=n_rows),
        pieces=pieces,
    )


def _check_variant(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse options of GPT-2 and GPT-J that llama.cpp's graphs do not implement."""
    wanted: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("activation_function", "gelu_new", _GELUS),
        ("scale_attn_weights", True, (True,)),
        ("scale_attn_by_inverse_layer_idx", False, (False, None)),
        ("add_cross_attention", False, (False, None)),
        ("quantization_config", None, (None,)),
    ]
    for key, default, allowed in wanted:
        if config.get(key, default) not in allowed:
            raise BackboneError(
                f"{folder} has {key} = {config[key]!r}; llama.cpp's graph has only "
                f"{' or '.join(map(repr, allowed))} — this variant cannot be converted"
            )


def _check_nothing_left(weights: Weights, folder: Path) -> None:
    """Refuse tensors that the graph has no place for, or adapters would be dropped silently."""
    rest = set(weights.checkpoint.names()) - weights.used - {"lm_head.weight"}
    rest = {name for name in rest if not name.endswith(_MASKS)}
    if rest:
        raise BackboneError(
            f"{folder} has {len(rest)} tensors that are not part of the model, such as "
            f"{min(rest)!r} — merge adapters into the weights first"
        )


def _prefix(checkpoint: Checkpoint) -> str:
    return "transformer." if "transformer.wte.weight" in checkpoint.names() else ""


def _sizes(config: Mapping[str, Any], folder: Path, *, rotary: bool) -> Sizes:
    n_embd = _count(config, "n_embd", folder)
    n_head = _count(config, "n_head", folder)
    n_rotary = _count(config, "rotary_dim", folder) if rotary else None
    check_heads(folder, n_embd=n_embd, n_head=n_head, n_rotary=n_rotary)
    eps = config.get("layer_norm_epsilon", 1e-5)
    if not isinstance(eps, float) or not 0 < eps < 1:
        raise BackboneError(
            f"{folder} has layer_norm_epsilon = {eps!r}; expected a small positive number"
        )
    return Sizes(
        n_ctx=_count(config, "n_positions", folder),
        n_embd=n_embd,
        n_ff=4 * n_embd if config.get("n_inner") is None else _count(config, "n_inner", folder),
        n_layer=_count(config, "n_layer", folder),
        n_head=n_head,
        norm_eps=eps,
        n_rotary=n_rotary,
    )


def check_heads(path: Path, *, n_embd: int, n_head: int, n_rotary: int | None) -> None:
    """Refuse head counts and rotary rows that do not fit the width.

    Raises:
        BackboneError: they do not fit.
    """
    head_dim = n_embd // n_head
    fits = n_rotary is None or (0 < n_rotary <= head_dim and n_rotary % 2 == 0)
    if n_embd % n_head or not fits:
        raise BackboneError(
            f"{path} declares {n_head} heads and {n_rotary} rotary rows for a width of {n_embd}; "
            "heads must divide the width, and rotary rows must be even and fit in a head"
        )


def _count(config: Mapping[str, Any], key: str, folder: Path) -> int:
    value = config.get(key)
    if type(value) is not int or not 0 < value < 1 << 31:
        raise BackboneError(f"{folder / 'config.json'} has {key} = {value!r}; expected an integer")
    return value


def _gpt2_pieces(weights: Weights, sizes: Sizes, n_rows: int) -> Iterator[Piece]:
    w, d, ff = weights, sizes.n_embd, sizes.n_ff
    yield w.matrix("token_embd.weight", "wte.weight", (n_rows, d))
    yield w.vector("position_embd.weight", "wpe.weight", (sizes.n_ctx, d))
    for i in range(sizes.n_layer):
        out, src = f"blk.{i}.", f"h.{i}."
        yield from _norm(w, f"{out}attn_norm", f"{src}ln_1", d)
        yield w.turned(f"{out}attn_qkv.weight", f"{src}attn.c_attn.weight", (3 * d, d))
        yield w.vector(f"{out}attn_qkv.bias", f"{src}attn.c_attn.bias", (3 * d,))
        yield w.turned(f"{out}attn_output.weight", f"{src}attn.c_proj.weight", (d, d))
        yield w.vector(f"{out}attn_output.bias", f"{src}attn.c_proj.bias", (d,))
        yield from _norm(w, f"{out}ffn_norm", f"{src}ln_2", d)
        yield w.turned(f"{out}ffn_up.weight", f"{src}mlp.c_fc.weight", (ff, d))
        yield w.vector(f"{out}ffn_up.bias", f"{src}mlp.c_fc.bias", (ff,))
        yield w.turned(f"{out}ffn_down.weight", f"{src}mlp.c_proj.weight", (d, ff))
        yield w.vector(f"{out}ffn_down.bias", f"{src}mlp.c_proj.bias", (d,))
    yield from _norm(w, "output_norm", "ln_f", d)


def _gptj_pieces(weights: Weights, sizes: Sizes, n_rows: int) -> Iterator[Piece]:
    w, d, ff = weights, sizes.n_embd, sizes.n_ff
    rotary = {"head_dim": d // sizes.n_head, "n_rotary": sizes.n_rotary or 0}
    yield w.matrix("token_embd.weight", "wte.weight", (n_rows, d))
    for i in range(sizes.n_layer):
        out, src = f"blk.{i}.", f"h.{i}."
        yield from _norm(w, f"{out}attn_norm", f"{src}ln_1", d)
        yield w.rotary(f"{out}attn_q.weight", f"{src}attn.q_proj.weight", (d, d), **rotary)
        yield w.rotary(f"{out}attn_k.weight", f"{src}attn.k_proj.weight", (d, d), **rotary)
        yield w.matrix(f"{out}attn_v.weight", f"{src}attn.v_proj.weight", (d, d))
        yield w.matrix(f"{out}attn_output.weight", f"{src}attn.out_proj.weight", (d, d))
        yield from no_attention_biases(i, d)
        yield w.matrix(f"{out}ffn_up.weight", f"{src}mlp.fc_in.weight", (ff, d))
        yield w.vector(f"{out}ffn_up.bias", f"{src}mlp.fc_in.bias", (ff,))
        yield w.matrix(f"{out}ffn_down.weight", f"{src}mlp.fc_out.weight", (d, ff))
        yield w.vector(f"{out}ffn_down.bias", f"{src}mlp.fc_out.bias", (d,))
    yield from _norm(w, "output_norm", "ln_f", d)
    yield w.matrix("output.weight", "lm_head.weight", (n_rows, d))
    yield w.vector("output.bias", "lm_head.bias", (n_rows,))


def _norm(weights: Weights, name: str, source: str, width: int) -> Iterator[Piece]:
    for part in ("weight", "bias"):
        yield weights.vector(f"{name}.{part}", f"{source}.{part}", (width,))


def no_attention_biases(block: int, width: int) -> Iterator[Piece]:
    """Yield zeros for the four attention biases that phi2 has and GPT-J lacks."""
    for part in ("q", "k", "v", "output"):
        yield zeros(f"blk.{block}.attn_{part}.bias", width)

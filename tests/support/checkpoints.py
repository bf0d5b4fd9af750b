"""Tiny random GPT-2 and GPT-J checkpoints, and GPT-J as the `gptj` GGUF of 2023."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers

from lmort_memory.testing.tiny_gguf import byte_vocabulary
from tests.support.tiny_hf import perturb

N_LAYER, N_EMBD, N_HEAD, N_CTX, ROTARY_DIM = 3, 64, 4, 128, 8
N_PADDING = 7  # rows that no token uses, as GPT-J has 143

_BYTES = byte_vocabulary()[3:]
_MERGES = ["t h", "th e", "Ġ the", "Ġ a", "a n", "an d", "Ġ and", "e r", "Ã ¶"]
_END = "<|endoftext|>"
TOKENS = [*_BYTES, *(merge.replace(" ", "") for merge in _MERGES), _END]
END_ID = len(TOKENS) - 1
N_ROWS = len(TOKENS) + N_PADDING


def tiny_gpt2(seed: int = 0) -> transformers.GPT2LMHeadModel:
    """Make a random GPT-2, its weights rounded to float16 so that an f16 file loses nothing."""
    config = transformers.GPT2Config(
        vocab_size=N_ROWS,
        n_embd=N_EMBD,
        n_layer=N_LAYER,
        n_head=N_HEAD,
        n_positions=N_CTX,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
    )
    return perturb(transformers.GPT2LMHeadModel(config), seed).half().float()


def tiny_gptj(seed: int = 0, *, n_ctx: int = N_CTX) -> transformers.GPTJForCausalLM:
    """Make a random GPT-J, its weights rounded to float16."""
    config = transformers.GPTJConfig(
        vocab_size=N_ROWS,
        n_embd=N_EMBD,
        n_layer=N_LAYER,
        n_head=N_HEAD,
        n_positions=n_ctx,
        rotary_dim=ROTARY_DIM,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
    )
    return perturb(transformers.GPTJForCausalLM(config), seed).half().float()


MODELS = {"gpt2": tiny_gpt2, "gptj": tiny_gptj}


def save_checkpoint(model: transformers.PreTrainedModel, folder: Path) -> Path:
    """Write a checkpoint as Hugging Face has them: config, safetensors, tokenizer.json."""
    model.save_pretrained(folder)
    write_tokenizer_json(folder)
    return folder


def write_tokenizer_json(folder: Path) -> None:
    """Write the byte-level BPE tokenizer that all tiny checkpoints share."""
    vocab = {token: row for row, token in enumerate(TOKENS) if token != _END}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {"id": END_ID, "content": _END, "special": True, "single_word": False,
             "lstrip": False, "rstrip": False, "normalized": False}
        ],
        "normalizer": None,
        "pre_tokenizer": {**level, "use_regex": True},
        "decoder": {**level, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocab, "merges": [m.split(" ") for m in _MERGES]},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")


def write_vocab_and_merges(folder: Path) -> None:
    """Write the same tokenizer in the older form of three files."""
    vocab = {token: row for row, token in enumerate(TOKENS) if token != _END}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps({_END: END_ID}), encoding="utf-8")
    lines = ["#version: 0.2", *_MERGES, ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")


def write_gptj_gguf(
    model: transformers.GPTJForCausalLM, path: Path, *, quantisation: str, raw_tokens: bool = True
) -> transformers.GPTJForCausalLM:
    """Write a model as GPT4All did, and return it with the weights that the file has.

    Tokens are the raw bytes they stand for, there are no token types and no special ids, and the
    layout of q and k is GPT-J's own.
    """
    writer = gguf.GGUFWriter(path, "gptj")
    writer.add_name("GPT-J")
    writer.add_context_length(model.config.n_positions)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(N_LAYER)
    writer.add_feed_forward_length(4 * N_EMBD)
    writer.add_head_count(N_HEAD)
    writer.add_rope_dimension_count(ROTARY_DIM)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(int(gguf.LlamaFileType[f"MOSTLY_{quantisation}"]))
    writer.add_tokenizer_model("gpt2")
    padding = [f"[PAD{row}]" for row in range(len(TOKENS), N_ROWS)]
    tokens = [raw_bytes(token) if raw_tokens else token.encode() for token in TOKENS]
    writer.add_token_list([*tokens, *(token.encode() for token in padding)])
    writer.add_token_merges(_MERGES)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPTJ, N_LAYER)
    quant = gguf.GGMLQuantizationType[quantisation]
    for name, weight in model.state_dict().items():
        values = weight.numpy()
        stored = values
        if values.ndim == 2:
            stored = gguf.quants.quantize(values, quant)
            weight.copy_(torch.from_numpy(np.array(gguf.quants.dequantize(stored, quant))))
        writer.add_tensor(
            names.get_name(name, try_suffixes=(".weight", ".bias")),
            stored,
            raw_dtype=quant if values.ndim == 2 else None,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def raw_bytes(token: str) -> bytes:
    """Turn a token in GPT-2's spelling into the bytes it stands for."""
    if token == _END:
        return token.encode()
    return bytes(_BYTES.index(character) for character in token)

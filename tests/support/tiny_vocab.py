"""A tiny model with a SentencePiece vocabulary, for what only such a tokenizer does."""

from __future__ import annotations

import string
from pathlib import Path

import gguf
import numpy as np

_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # llama_token_type
_WORDS = ("user", "model", "Hello", "there", "bees", "the", "fjord", "INST", "and", "What")


def write_sentencepiece_gguf(path: Path, *, control: tuple[str, ...], template: str) -> Path:
    """Write a random llama of one block whose tokenizer is SentencePiece.

    Args:
        path: Created.
        control: Control tokens beside <unk>, <s> and </s>.
        template: Chat template.
    """
    tokens: list[tuple[bytes, float, int]] = [
        (b"<unk>", 0.0, _UNKNOWN),
        (b"<s>", 0.0, _CONTROL),
        (b"</s>", 0.0, _CONTROL),
        *((name.encode(), 0.0, _CONTROL) for name in control),
        *((f"<0x{byte:02X}>".encode(), 0.0, _BYTE) for byte in range(256)),
    ]
    # Every prefix of a word is a piece, since SentencePiece merges two pieces at a time.
    pieces = dict.fromkeys(["▁", *string.ascii_letters, *string.punctuation])
    for word in _WORDS:
        for spelling in (word, f"▁{word}"):
            pieces.update(dict.fromkeys(spelling[:n] for n in range(1, len(spelling) + 1)))
    tokens += [(piece.encode(), -float(i), _NORMAL) for i, piece in enumerate(pieces)]

    width, n_vocab = 32, len(tokens)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(512)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _, _ in tokens])
    writer.add_token_scores([score for _, score, _ in tokens])
    writer.add_token_types([kind for _, _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(template)
    rng = np.random.default_rng(0)
    shapes = {
        "token_embd.weight": (n_vocab, width),
        "output_norm.weight": (width,),
        "output.weight": (n_vocab, width),
        "blk.0.attn_norm.weight": (width,),
        "blk.0.ffn_norm.weight": (width,),
        **{f"blk.0.attn_{name}.weight": (width, width) for name in ("q", "k", "v", "output")},
        "blk.0.ffn_gate.weight": (64, width),
        "blk.0.ffn_up.weight": (64, width),
        "blk.0.ffn_down.weight": (width, 64),
    }
    for name, shape in shapes.items():
        writer.add_tensor(name, (0.3 * rng.standard_normal(shape) + (len(shape) == 1)).astype("f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

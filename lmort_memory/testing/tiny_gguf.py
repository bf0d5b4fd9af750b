"""A tiny random llama model as a GGUF file, for tests of the real pipeline without a download.

It tests plumbing, not quality: llama.cpp loads it in milliseconds, its tokenizer accepts any text
byte by byte, and its replies are noise. Blocks differ, and norms and biases are not neutral, so a
wrong layer or a forgotten norm changes the results.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter
    from numpy.typing import NDArray

__all__ = ["CHATML", "CONTROL_TOKENS", "add_byte_tokenizer", "byte_vocabulary", "write_tiny_gguf"]

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""The control tokens, with ids 0, 1 and 2 as in SmolLM2: padding, begin and end."""

_HEAD_DIM = 8
_NORMAL, _CONTROL = 1, 3  # llama_token_type


def byte_vocabulary() -> list[str]:
    """Return the token texts: three control tokens, then byte b as token 3 + b (GPT-2's spelling).

    GPT-2 spells the printable bytes of Latin-1 as themselves and the other 68, in order, as the
    characters from U+0100 on.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [*CONTROL_TOKENS, *(chr(b if b in printable else next(others)) for b in range(256))]


def write_tiny_gguf(
    path: str | Path,
    *,
    n_layer: int = 4,
    n_embd: int = 32,
    n_ctx: int = 512,
    seed: int = 0,
    chat_template: str | None = CHATML,
) -> Path:
    """Write a random llama model of about 240 KB and return its path.

    Equal arguments give equal bytes. The vocabulary is `byte_vocabulary()`: a text of n bytes has n
    tokens, and a reply may be invalid UTF-8.

    Args:
        path: Created with mode 0600, or overwritten.
        n_layer: Number of blocks, at least 1.
        n_embd: Width; a multiple of 16 (heads are 8 wide, and two share keys and values).
        n_ctx: Context length in the header.
        seed: Seed of the weights; the shapes do not depend on it.
        chat_template: Jinja template of the chat format; None omits the key.

    Raises:
        ValueError: `n_layer` or `n_embd` is out of range.
    """
    import gguf

    if n_layer < 1 or n_embd < 16 or n_embd % 16:
        raise ValueError(
            f"n_layer must be at least 1 and n_embd a multiple of 16; "
            f"found n_layer={n_layer}, n_embd={n_embd}"
        )
    path = Path(path)
    path.touch(mode=0o600)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"tiny-llama-{n_layer}x{n_embd}-seed{seed}")
    _add_sizes(writer, n_layer=n_layer, n_embd=n_embd, n_ctx=n_ctx)
    add_byte_tokenizer(writer, chat_template)
    for name, tensor in _weights(n_layer, n_embd, seed):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_byte_tokenizer(writer: GGUFWriter, chat_template: str | None) -> None:
    """Write `byte_vocabulary()` as a byte-pair tokenizer that never merges, and the template."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    tokens = byte_vocabulary()
    writer.add_token_list(tokens)
    n_control = len(CONTROL_TOKENS)
    writer.add_token_types([_CONTROL] * n_control + [_NORMAL] * (len(tokens) - n_control))
    # llama.cpp insists on merges and GGUF has no empty array: this pair never occurs in a text,
    # for byte-pair encoding starts from single characters.
    writer.add_token_merges([f"{CONTROL_TOKENS[1]} {CONTROL_TOKENS[2]}"])
    writer.add_pad_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)


def _add_sizes(writer: GGUFWriter, *, n_layer: int, n_embd: int, n_ctx: int) -> None:
    """Write the hyper-parameters of the llama architecture."""
    n_head = n_embd // _HEAD_DIM
    writer.add_file_type(0)  # LLAMA_FTYPE_ALL_F32
    writer.add_block_count(n_layer)
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(2 * n_embd)
    writer.add_head_count(n_head)
    writer.add_head_count_kv(n_head // 2)
    writer.add_rope_dimension_count(_HEAD_DIM)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(CONTROL_TOKENS) + 256)


def _weights(n_layer: int, n_embd: int, seed: int) -> list[tuple[str, NDArray[np.float32]]]:
    """Draw the tensors; matrices (n_out, n_in) preserve the scale of their input."""
    import numpy as np

    rng = np.random.default_rng(seed)

    def matrix(n_out: int, n_in: int, scale: float = 1.0) -> NDArray[np.float32]:
        drawn = rng.standard_normal((n_out, n_in), dtype=np.float32)
        return drawn * np.float32(scale * n_in**-0.5)

    def norm() -> NDArray[np.float32]:
        return 1 + np.float32(0.2) * rng.standard_normal(n_embd, dtype=np.float32)

    n_vocab, n_kv, n_ff = len(CONTROL_TOKENS) + 256, n_embd // 2, 2 * n_embd
    tensors = [("token_embd.weight", matrix(n_vocab, n_embd, n_embd**0.5))]
    for i in range(n_layer):
        tensors += [
            (f"blk.{i}.attn_norm.weight", norm()),
            (f"blk.{i}.attn_q.weight", matrix(n_embd, n_embd)),
            (f"blk.{i}.attn_k.weight", matrix(n_kv, n_embd)),
            (f"blk.{i}.attn_v.weight", matrix(n_kv, n_embd)),
            (f"blk.{i}.attn_output.weight", matrix(n_embd, n_embd)),
            (f"blk.{i}.ffn_norm.weight", norm()),
            (f"blk.{i}.ffn_gate.weight", matrix(n_ff, n_embd)),
            (f"blk.{i}.ffn_up.weight", matrix(n_ff, n_embd)),
            (f"blk.{i}.ffn_down.weight", matrix(n_embd, n_ff)),
        ]
    return [
        *tensors,
        ("output_norm.weight", norm()),
        ("output.weight", matrix(n_vocab, n_embd)),
    ]

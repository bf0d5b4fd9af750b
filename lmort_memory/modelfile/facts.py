"""The facts of a GGUF model, read from its header without loading weights.

`header.py` parses the container and `tensors.py` reads its data; this module interprets the
metadata of a language model.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.header import ArrayRef, GgufHeader, TensorInfo, read_header, refuse
from lmort_memory.modelfile.tensors import read_array, read_strings, read_tensor, tensor_rows

__all__ = [
    "ArrayRef",
    "GgufHeader",
    "ModelFacts",
    "TensorInfo",
    "facts_of",
    "read_array",
    "read_facts",
    "read_header",
    "read_strings",
    "read_tensor",
    "tensor_rows",
]

_MAX_COUNT = 1 << 31  # llama.cpp keeps sizes in int32


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's header says about it.

    Attributes:
        architecture: llama.cpp's name of the graph, such as "llama" or "gpt2".
        name: The model's name, or the file's if it has none.
        n_layer: Number of blocks, not counting those for multi-token prediction; layers are
            numbered 0 to n_layer, as in transformers' `hidden_states`.
        n_embd: Width of the hidden states.
        n_head: Attention heads per block; None if blocks differ or have none.
        n_vocab: Number of tokens.
        n_ctx_train: Context length that the model was trained with.
        quantisation: "F16", "Q4_K_M" and so on; the most common tensor type if not stated.
        tokenizer: "gpt2" (byte-pair), "llama" (SentencePiece) and so on.
        chat_template: Jinja source, or None for a model without one.
        add_bos: Whether text starts with BOS; None means llama.cpp's default.
        bos_id: Token that begins a text, or None; likewise the end of a text and of a turn.
        learned_positions: Whether positions are rows of a table, so that n_ctx_train is a hard
            limit.
    """

    path: Path
    size_bytes: int
    architecture: str
    name: str
    n_layer: int
    n_embd: int
    n_head: int | None
    n_vocab: int
    n_ctx_train: int
    quantisation: str
    tokenizer: str
    chat_template: str | None
    add_bos: bool | None
    bos_id: int | None
    eos_id: int | None
    eot_id: int | None
    learned_positions: bool


def read_facts(path: str | Path) -> ModelFacts:
    """Read a model's facts from the header of its GGUF file, in milliseconds.

    Raises:
        BackboneError: the file is not a usable GGUF (see `read_header`), or not a complete
            language model.
    """
    return facts_of(read_header(path))


def facts_of(header: GgufHeader) -> ModelFacts:
    """Return the facts of a header that was already read.

    Raises:
        BackboneError: the file is not a complete language model.
    """
    architecture = _text(header, "general.architecture")
    if architecture is None:
        refuse(header.path, "it does not name its architecture")
    _check_kind(header, architecture)
    head_count = header.metadata.get(f"{architecture}.attention.head_count")
    return ModelFacts(
        path=header.path,
        size_bytes=header.size_bytes,
        architecture=architecture,
        name=_text(header, "general.name") or header.path.stem,
        n_layer=_n_layer(header, architecture),
        n_embd=_count(header, f"{architecture}.embedding_length"),
        n_head=head_count if isinstance(head_count, int) and head_count > 0 else None,
        n_vocab=_n_vocab(header),
        n_ctx_train=_count(header, f"{architecture}.context_length"),
        quantisation=_quantisation(header),
        tokenizer=_text(header, "tokenizer.ggml.model") or "none",
        chat_template=_text(header, "tokenizer.chat_template"),
        add_bos=_flag(header, "tokenizer.ggml.add_bos_token"),
        bos_id=_token_id(header, "bos"),
        eos_id=_token_id(header, "eos"),
        eot_id=_token_id(header, "eot"),
        learned_positions="position_embd.weight" in header.tensors,
    )


def _check_kind(header: GgufHeader, architecture: str) -> None:
    """Refuse GGUF files that are not language models, and say what they are."""
    if architecture == "lmort":
        raise BackboneError(
            f"{header.path} is a tuner, not a model — pass it as --tuner, and a model as --model"
        )
    if architecture in ("clip", "mmproj") or header.metadata.get("general.type") == "adapter":
        raise BackboneError(
            f"{header.path} is an add-on ({architecture}), not a model — "
            "pass the language model's own GGUF file"
        )
    shards = header.metadata.get("split.count", 1)
    if isinstance(shards, int) and shards > 1:
        raise BackboneError(
            f"{header.path} is one of {shards} parts of a model — "
            "join them first: llama-gguf-split --merge FIRST-PART OUT.gguf"
        )


def _text(header: GgufHeader, key: str) -> str | None:
    value = header.metadata.get(key)
    if value is None or isinstance(value, str):
        return value
    refuse(header.path, f"{key} is {value!r}; expected text")


def _flag(header: GgufHeader, key: str) -> bool | None:
    value = header.metadata.get(key)
    if value is None or isinstance(value, bool):
        return value
    refuse(header.path, f"{key} is {value!r}; expected true or false")


def _count(header: GgufHeader, key: str) -> int:
    """Return a size that every model must declare; at least 1."""
    value = header.metadata.get(key)
    if value is None:
        refuse(header.path, f"it lacks {key}")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _MAX_COUNT:
        refuse(header.path, f"{key} is {value!r}; expected a positive integer")
    return value


def _n_layer(header: GgufHeader, architecture: str) -> int:
    """Return the number of blocks, without the extra ones for multi-token prediction."""
    n_layer = _count(header, f"{architecture}.block_count")
    extra = header.metadata.get(f"{architecture}.nextn_predict_layers", 0)
    return n_layer - extra if isinstance(extra, int) and 0 < extra < n_layer else n_layer


def _n_vocab(header: GgufHeader) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, ArrayRef) or not tokens.is_text or tokens.count == 0:
        refuse(header.path, "it has no vocabulary (tokenizer.ggml.tokens)")
    return tokens.count


def _token_id(header: GgufHeader, kind: str) -> int | None:
    """Return a special token's id, or None if, as for llama.cpp, it is outside the vocabulary."""
    value = header.metadata.get(f"tokenizer.ggml.{kind}_token_id")
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _n_vocab(header) else None


def _quantisation(header: GgufHeader) -> str:
    from gguf import LlamaFileType

    stated = header.metadata.get("general.file_type")
    if isinstance(stated, int) and stated in list(LlamaFileType):
        return str(LlamaFileType(stated).name).removeprefix("MOSTLY_").removeprefix("ALL_")
    used: Counter[str] = Counter()
    for tensor in header.tensors.values():
        used[tensor.type_name] += tensor.nbytes
    return used.most_common(1)[0][0] if used else "none"

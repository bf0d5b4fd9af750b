"""The facts of a GGUF model, read from its header without loading weights.

The face of three modules: `header.py` parses the container, `tensors.py` reads its data, and this
one knows what the metadata of a language model means.
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
        name: The model's own name, or the file's where it has none.
        n_layer: Number of blocks, those for multi-token prediction left out; DESIGN's layers are
            0 to n_layer.
        n_embd: Width of the hidden states.
        n_head: Attention heads of a block; None where blocks differ or have none.
        n_vocab: Number of tokens.
        n_ctx_train: Context length that the model was trained with.
        quantisation: "F16", "Q4_K_M" and so on; the commonest tensor type where it is not said.
        tokenizer: "gpt2" (byte-pair), "llama" (SentencePiece) and so on.
        chat_template: Jinja source, or None for a model without one.
        add_bos: Whether text starts with BOS; None leaves it to llama.cpp's rule.
        bos_id: Token that begins a text, or None; likewise the end of a text and of a turn.
        learned_positions: Whether positions are rows of a table: none may lie past n_ctx_train.
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
        BackboneError: no usable GGUF (see `read_header`), or not one of a whole language model.
    """
    return facts_of(read_header(path))


def facts_of(header: GgufHeader) -> ModelFacts:
    """Return the facts of a header that is already read.

    Raises:
        BackboneError: the header is not one of a whole language model.
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
    """Refuse the GGUF files that are no model to talk with, each with its reason."""
    if architecture == "lmort":
        raise BackboneError(
            f"{header.path} is a tuner, not a model — give it as --tuner, and a model as --model"
        )
    if architecture in ("clip", "mmproj") or header.metadata.get("general.type") == "adapter":
        raise BackboneError(
            f"{header.path} is an add-on ({architecture}) of a model, not a model — "
            "give the language model's own GGUF file"
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
    refuse(header.path, f"{key} is {value!r}, where text is due")


def _flag(header: GgufHeader, key: str) -> bool | None:
    value = header.metadata.get(key)
    if value is None or isinstance(value, bool):
        return value
    refuse(header.path, f"{key} is {value!r}, where true or false is due")


def _count(header: GgufHeader, key: str) -> int:
    """Return a size that every model must state, from 1."""
    value = header.metadata.get(key)
    if value is None:
        refuse(header.path, f"it does not state {key}")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _MAX_COUNT:
        refuse(header.path, f"{key} is {value!r}, where a positive number is due")
    return value


def _n_layer(header: GgufHeader, architecture: str) -> int:
    """Return the blocks that states pass through: those that only predict further come after."""
    n_layer = _count(header, f"{architecture}.block_count")
    extra = header.metadata.get(f"{architecture}.nextn_predict_layers", 0)
    return n_layer - extra if isinstance(extra, int) and 0 < extra < n_layer else n_layer


def _n_vocab(header: GgufHeader) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, ArrayRef) or not tokens.is_text or tokens.count == 0:
        refuse(header.path, "it has no vocabulary (tokenizer.ggml.tokens)")
    return tokens.count


def _token_id(header: GgufHeader, kind: str) -> int | None:
    """Return a special token's id, or None; llama.cpp too ignores one outside the vocabulary."""
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

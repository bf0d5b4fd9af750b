"""Write a GGUF file tensor by tensor, in bounded memory, renamed into place when complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert.tokenizer import Tokenizer
from lmort_memory.paths import replacing
from lmort_memory.types import Progress

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter
    from numpy.typing import NDArray

__all__ = ["ModelPlan", "Piece", "Sizes", "write_gguf"]

_ALIGNMENT = 32  # GGUF's default


@dataclass(frozen=True, slots=True)
class Piece:
    """One tensor to be written.

    Attributes:
        shape: In NumPy's order: a matrix is (n_out, n_in).
        type_name: Its ggml type, such as "F16".
        chunks: Yields the tensor's bytes in order, a bounded number of rows at a time.
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    chunks: Callable[[], Iterator[NDArray[np.uint8]]]

    @property
    def nbytes(self) -> int:
        """Size of the tensor in bytes, without padding."""
        import gguf

        block, block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[self.type_name]]
        return prod(self.shape) // int(block) * int(block_bytes)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Hyper-parameters of a graph; `n_rotary` is None if positions are learned."""

    n_ctx: int
    n_embd: int
    n_ff: int
    n_layer: int
    n_head: int
    norm_eps: float
    n_rotary: int | None = None


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A model to be written; no weights have been read yet.

    Attributes:
        architecture: llama.cpp's graph.
        file_type: The llama_ftype for the header.
    """

    architecture: str
    name: str
    file_type: int
    sizes: Sizes
    tokenizer: Tokenizer
    pieces: Sequence[Piece]


def write_gguf(plan: ModelPlan, out: Path, *, progress: Progress | None = None) -> None:
    """Write the plan to `out` atomically, with mode 0600; a failure leaves nothing behind.

    Args:
        plan: What to write.
        out: Replaced if it exists.
        progress: Called with (bytes written, total bytes).

    Raises:
        BackboneError: the disk has too little space, or writing failed.
    """
    _check_space(plan, out)
    try:
        with replacing(out) as fresh:
            _write_header(plan, fresh)
            _append_tensors(plan.pieces, fresh, progress)
    except OSError as error:
        raise BackboneError(f"{out} cannot be written: {error.strerror}") from error


def _check_space(plan: ModelPlan, out: Path) -> None:
    needed = sum(_padded(piece.nbytes) for piece in plan.pieces)
    try:
        free = shutil.disk_usage(out.parent).free
    except OSError as error:
        raise BackboneError(f"cannot use the folder {out.parent}: {error.strerror}") from error
    if free < needed:
        raise BackboneError(
            f"{out} needs {needed / 1e9:.2f} GB, but its disk has {free / 1e9:.2f} GB free — "
            "free some space, or choose another folder or a smaller --type"
        )


def _write_header(plan: ModelPlan, path: Path) -> None:
    """Write everything up to the first tensor's data."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, plan.architecture)
    _add_metadata(writer, plan)
    for piece in plan.pieces:
        writer.add_tensor_info(
            piece.name,
            piece.shape,
            np.dtype(np.float32),  # ignored when the ggml type is given
            piece.nbytes,
            raw_dtype=gguf.GGMLQuantizationType[piece.type_name],
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def _add_metadata(writer: GGUFWriter, plan: ModelPlan) -> None:
    sizes, tokenizer = plan.sizes, plan.tokenizer
    writer.add_name(plan.name)
    writer.add_file_type(plan.file_type)
    writer.add_quantization_version(2)  # GGML_QNT_VERSION
    writer.add_context_length(sizes.n_ctx)
    writer.add_embedding_length(sizes.n_embd)
    writer.add_feed_forward_length(sizes.n_ff)
    writer.add_block_count(sizes.n_layer)
    writer.add_head_count(sizes.n_head)
    writer.add_head_count_kv(sizes.n_head)
    writer.add_layer_norm_eps(sizes.norm_eps)
    if sizes.n_rotary is not None:
        writer.add_rope_dimension_count(sizes.n_rotary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(tokenizer.tokens))
    writer.add_token_types(list(tokenizer.types))
    writer.add_token_merges(list(tokenizer.merges))
    writer.add_bos_token_id(tokenizer.bos_id)
    writer.add_eos_token_id(tokenizer.eos_id)
    writer.add_add_bos_token(tokenizer.add_bos)
    if tokenizer.chat_template is not None:
        writer.add_chat_template(tokenizer.chat_template)


def _append_tensors(pieces: Sequence[Piece], path: Path, progress: Progress | None) -> None:
    total = sum(piece.nbytes for piece in pieces)
    done = 0
    with path.open("ab") as file:
        file.write(bytes(_padded(file.tell()) - file.tell()))
        for piece in pieces:
            start = done
            for chunk in piece.chunks():
                file.write(chunk.data)
                done += chunk.nbytes
                if progress is not None:
                    progress(done, total)
            if done - start != piece.nbytes:
                raise BackboneError(
                    f"the tensor {piece.name} has {done - start} bytes, expected {piece.nbytes}: "
                    "the source changed while it was read — try again"
                )
            file.write(bytes(_padded(piece.nbytes) - piece.nbytes))


def _padded(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT

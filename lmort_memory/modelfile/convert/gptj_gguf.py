"""Convert a GGUF of the architecture `gptj`, which llama.cpp lists but cannot run, to phi2.

GPT4All shipped such files. The conversion is lossless and decodes no matrix: a quantised matrix is
stored row by row, so q and k get their rotary order by moving rows of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert.output import ModelPlan, Piece, Sizes
from lmort_memory.modelfile.convert.plans import check_heads, no_attention_biases
from lmort_memory.modelfile.convert.tokenizer import read_gguf_tokenizer
from lmort_memory.modelfile.convert.weights import rotary_order, zeros
from lmort_memory.modelfile.facts import GgufHeader, facts_of, read_header, read_tensor, tensor_rows
from lmort_memory.modelfile.header import refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["plan_gptj_gguf"]

_CHUNK_BYTES = 1 << 24
_GUESSED = 1024  # LLAMA_FTYPE_GUESSED, above all real ones


def plan_gptj_gguf(path: Path) -> ModelPlan:
    """Plan the conversion of a `gptj` GGUF.

    Raises:
        BackboneError: the file is not a complete GPT-J.
    """
    header = read_header(path)
    facts = facts_of(header)
    if facts.architecture != "gptj":
        raise BackboneError(
            f"{path} has the architecture {facts.architecture}; only gptj needs converting"
        )
    sizes = _sizes(header, n_head=facts.n_head)
    n_rows = _tensor_shape(header, "token_embd.weight")[0]
    return ModelPlan(
        architecture="phi2",
        name=facts.name,
        file_type=_file_type(header),
        sizes=sizes,
        tokenizer=read_gguf_tokenizer(header, n_rows=n_rows),
        pieces=list(_pieces(header, sizes, n_rows)),
    )


def _sizes(header: GgufHeader, *, n_head: int | None) -> Sizes:
    facts = facts_of(header)
    eps = header.metadata.get("gptj.attention.layer_norm_epsilon")
    n_rotary = header.metadata.get("gptj.rope.dimension_count")
    if n_head is None:
        refuse(header.path, "it lacks gptj.attention.head_count")
    if not isinstance(eps, float) or not 0 < eps < 1:
        refuse(
            header.path,
            f"gptj.attention.layer_norm_epsilon is {eps!r}; expected a small positive number",
        )
    if isinstance(n_rotary, bool) or not isinstance(n_rotary, int):
        refuse(header.path, f"gptj.rope.dimension_count is {n_rotary!r}; expected an integer")
    check_heads(header.path, n_embd=facts.n_embd, n_head=n_head, n_rotary=n_rotary)
    return Sizes(
        n_ctx=facts.n_ctx_train,
        n_embd=facts.n_embd,
        n_ff=_tensor_shape(header, "blk.0.ffn_up.weight")[0],
        n_layer=facts.n_layer,
        n_head=n_head,
        norm_eps=eps,
        n_rotary=n_rotary,
    )


def _file_type(header: GgufHeader) -> int:
    stated = header.metadata.get("general.file_type")
    if isinstance(stated, bool) or not isinstance(stated, int) or not 0 <= stated < _GUESSED:
        return _GUESSED
    return stated


def _pieces(header: GgufHeader, sizes: Sizes, n_rows: int) -> Iterator[Piece]:
    d, ff = sizes.n_embd, sizes.n_ff
    matrix, vector = partial(_matrix, header), partial(_vector, header)
    yield matrix("token_embd.weight", (n_rows, d))
    for i in range(sizes.n_layer):
        blk = f"blk.{i}."
        yield vector(f"{blk}attn_norm.weight", d)
        yield vector(f"{blk}attn_norm.bias", d)
        yield _rotary(header, f"{blk}attn_q.weight", sizes)
        yield _rotary(header, f"{blk}attn_k.weight", sizes)
        yield matrix(f"{blk}attn_v.weight", (d, d))
        yield matrix(f"{blk}attn_output.weight", (d, d))
        yield from no_attention_biases(i, d)
        yield matrix(f"{blk}ffn_up.weight", (ff, d))
        yield vector(f"{blk}ffn_up.bias", ff)
        yield matrix(f"{blk}ffn_down.weight", (d, ff))
        yield vector(f"{blk}ffn_down.bias", d)
    yield vector("output_norm.weight", d)
    yield vector("output_norm.bias", d)
    yield matrix("output.weight", (n_rows, d))
    has_bias = "output.bias" in header.tensors
    yield vector("output.bias", n_rows) if has_bias else zeros("output.bias", n_rows)


def _vector(header: GgufHeader, name: str, n: int) -> Piece:
    """Return a norm or bias as float32, the only type that llama.cpp accepts for these."""
    import numpy as np

    _check_shape(header, name, (n,))
    return Piece(name, (n,), "F32", lambda: iter([read_tensor(header, name).view(np.uint8)]))


def _matrix(header: GgufHeader, name: str, shape: tuple[int, int]) -> Piece:
    return _rows(header, name, shape, group=1, order=[0])


def _rotary(header: GgufHeader, name: str, sizes: Sizes) -> Piece:
    head_dim = sizes.n_embd // sizes.n_head
    order = rotary_order(head_dim, sizes.n_rotary or 0)
    return _rows(header, name, (sizes.n_embd, sizes.n_embd), group=head_dim, order=order)


def _rows(
    header: GgufHeader, name: str, shape: tuple[int, int], *, group: int, order: list[int]
) -> Piece:
    """Return a matrix as stored, with the rows of each group of `group` rows in `order`."""
    _check_shape(header, name, shape)
    info = header.tensors[name]
    step = max(1, _CHUNK_BYTES // (group * info.nbytes // info.n_rows)) * group

    def chunks() -> Iterator[NDArray[np.uint8]]:
        stored = tensor_rows(header, name)
        for start in range(0, len(stored), step):
            part = stored[start : start + step]
            yield part.reshape(-1, group, part.shape[1])[:, order].reshape(-1)

    return Piece(name, shape, info.type_name, chunks)


def _check_shape(header: GgufHeader, name: str, shape: tuple[int, ...]) -> None:
    found = _tensor_shape(header, name)
    if found != shape:
        refuse(header.path, f"the tensor {name!r} has the shape {found}; expected {shape}")


def _tensor_shape(header: GgufHeader, name: str) -> tuple[int, ...]:
    if name not in header.tensors:
        refuse(header.path, f"it lacks the tensor {name!r} of a complete GPT-J")
    return header.tensors[name].shape

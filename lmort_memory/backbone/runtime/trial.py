"""A child process decodes a few tokens, so that a library that cannot run here ends that one.

The model is written for the trial: one block for each type of weights, all zeros, for it is the
kernels that are tried, not the numbers. One token and then forty are decoded, which are different
kernels, with the states captured and a computation stopped on the way, as the product does it. It
takes some half a second.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from lmort_memory.backbone.runtime.verdicts import Attempt, Verdict
from lmort_memory.backbone.runtime.weights import WIDTH, WeightType

if TYPE_CHECKING:
    from lmort_memory.backbone.runtime.binding import Bound

__all__ = ["run_trial", "write_blank_model"]

_PATIENCE_S: Final = 120.0
_N_TOKENS: Final = 40
_N_VOCAB: Final = 64
_HEAD: Final = 64
_GIVEN_UP: Final = ("SIGILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS")


def run_trial(attempt: Attempt, types: Sequence[WeightType]) -> Verdict:
    """Let a child process decode with a library, and say how it ended."""
    wanted = {
        "library": [str(attempt.library.path), attempt.library.origin],
        "extra_buffers": attempt.extra_buffers,
        "gpu": attempt.gpu,
        "types": types,
    }
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONFAULTHANDLER": "",
    }
    began = time.monotonic()
    try:
        child = subprocess.run(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            env=environment,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return Verdict(f"no token was decoded within {_PATIENCE_S:.0f} s", _PATIENCE_S, lasts=False)
    return _verdict(child, time.monotonic() - began)


def _verdict(child: subprocess.CompletedProcess[str], seconds: float) -> Verdict:
    if child.returncode < 0:
        with suppress(ValueError):
            name = signal.Signals(-child.returncode).name
            return Verdict(name, seconds, lasts=name in _GIVEN_UP)
    try:
        ended = str(json.loads(child.stdout.splitlines()[-1])["ended"])
    except (ValueError, LookupError, TypeError):
        last = (child.stderr.splitlines() or ["it said nothing"])[-1]
        return Verdict(f"the trial ended with status {child.returncode}: {last}", lasts=False)
    return Verdict(ended, seconds, lasts=ended == "good")


def main() -> None:
    """Decode what stdin asks for; print how it ended."""
    _leave_no_core()
    wanted = json.load(sys.stdin)
    types = [WeightType(*one) for one in wanted["types"]]
    from lmort_memory.backbone.runtime.binding import Unusable

    try:
        _decode(wanted, types)
        ended = "good"
    except Unusable as error:
        ended = str(error)
    print(json.dumps({"ended": ended}), flush=True)  # noqa: T201 — a child's answer
    os._exit(0)  # what llama.cpp does at exit is not on trial


def _leave_no_core() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _decode(wanted: dict[str, Any], types: Sequence[WeightType]) -> None:
    from lmort_memory.backbone.runtime.backends import load_backends
    from lmort_memory.backbone.runtime.binding import Unusable, bind
    from lmort_memory.backbone.runtime.candidates import Library

    path, origin = wanted["library"]
    bound = bind(Library(Path(path), origin))
    bound.cpp.llama_backend_init()
    load_backends(bound, gpu=wanted["gpu"])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "blank.gguf"
        write_blank_model(file, types)
        parameters = bound.cpp.llama_model_default_params()
        parameters.use_extra_bufts = wanted["extra_buffers"]
        parameters.n_gpu_layers = 999 if wanted["gpu"] else 0
        model = bound.cpp.llama_model_load_from_file(os.fsencode(file), parameters)
        if not model:
            raise Unusable("it does not load a model of these types")
        _pass_tokens(bound, model, gpu=wanted["gpu"])


def _pass_tokens(bound: Bound, model: Any, *, gpu: bool) -> None:  # noqa: ANN401
    """Decode one token, then many; see that both callbacks come where the layout has them."""
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
        raise Unusable("it makes no context")

    def decode(count: int) -> bool:
        tokens = (ctypes.c_int32 * count)(*(i % _N_VOCAB for i in range(count)))
        return bool(cpp.llama_decode(context, cpp.llama_batch_get_one(tokens, count)) == 0)

    for count in (1, _N_TOKENS):
        if not decode(count):
            raise Unusable(f"it does not decode {count} tokens")
    if not seen:
        raise Unusable("it does not call back: no state can be captured")
    stop.add("now")
    if decode(_N_TOKENS) and not gpu:  # a graphics card computes its part to the end
        raise Unusable("it cannot be stopped")
    del keep, kept


def write_blank_model(path: Path, types: Sequence[WeightType]) -> None:
    """Write a llama model with one block of zeros for each type of weights, and no vocabulary."""
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
    """List name, shape (ggml's order), type and bytes of each tensor."""

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

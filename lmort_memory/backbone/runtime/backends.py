"""A library's back-ends: code for processors and graphics cards, possibly in separate modules.

A library compiled for one machine has its back-end linked in. One built for many machines ships a
module for each kind of processor, and others for Vulkan, Metal or CUDA; a module is loaded only on
request.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmort_memory.backbone.runtime.binding import Unusable
from lmort_memory.backbone.runtime.spinning import short_spins

if TYPE_CHECKING:
    from lmort_memory.backbone.runtime.binding import Bound
    from lmort_memory.backbone.runtime.candidates import Library

__all__ = ["Device", "code_of", "devices", "load_backends"]

_NO_BACKEND: Final = ("ggml", "ggml-base")
_GPUS: Final = (1, 2)  # discrete, integrated


@dataclass(frozen=True, slots=True)
class Device:
    """A device that a library computes on.

    Attributes:
        name: "CPU", "Vulkan0" and so on.
        description: What the driver calls it.
        is_gpu: Whether layers of a model can be put on it.
    """

    name: str
    description: str
    is_gpu: bool


def code_of(library: Library, *, gpu: bool) -> tuple[Path, ...]:
    """Return the files whose code may run: libllama, libggml and the back-ends' modules."""
    parts = library.parts("ggml")
    return (
        library.path,
        *(path for name, path in sorted(parts.items()) if gpu or not _is_gpu_module(name)),
    )


def load_backends(bound: Bound, *, gpu: bool) -> None:
    """Load the module for this processor unless it is linked in; with `gpu`, load the others too.

    Raises:
        Unusable: there is no module for this processor.
    """
    parts = bound.library.parts("ggml")
    loaded = {device.name for device in devices(bound)}
    with short_spins():
        if "CPU" not in loaded:
            _load_cpu(bound, [path for name, path in parts.items() if _is_cpu_module(name)])
        if gpu:
            for name, path in parts.items():
                if _is_gpu_module(name) and not _is_registered(bound, name):
                    _load(bound, path)


def devices(bound: Bound) -> list[Device]:
    """List the devices of the loaded back-ends."""
    ggml = bound.registry
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    found = []
    for index in range(ggml.ggml_backend_dev_count()):
        device = ggml.ggml_backend_dev_get(index)
        name, description = (
            _text(bound, f"ggml_backend_dev_{what}", device) for what in ("name", "description")
        )
        kind = bound.ggml.ggml_backend_dev_type
        kind.argtypes, kind.restype = [ctypes.c_void_p], ctypes.c_int
        found.append(Device(name, description, kind(device) in _GPUS))
    return found


def _text(bound: Bound, function: str, argument: int) -> str:
    read = getattr(bound.ggml, function)
    read.argtypes, read.restype = [ctypes.c_void_p], ctypes.c_char_p
    return str((read(argument) or b"").decode("utf-8", "replace"))


def _load_cpu(bound: Bound, modules: list[Path]) -> None:
    """Load the module that suits this processor best, by the score that each reports."""
    for path in sorted(modules, key=_score, reverse=True):
        if _score(path) > 0 and _load(bound, path):
            return
    if not modules:  # a distribution's package: the library knows its own folder
        bound.registry.ggml_backend_load_all()
    if not any(device.name == "CPU" for device in devices(bound)):
        raise Unusable("it has no back-end for this processor")


def _score(module: Path) -> int:
    """Return how well a module suits this processor: 0 for not at all, 1 if it does not say."""
    try:
        score = ctypes.CDLL(str(module)).ggml_backend_score
    except AttributeError:
        return 1
    except OSError:
        return 0
    return int(score())


def _load(bound: Bound, module: Path) -> bool:
    load = bound.registry.ggml_backend_load
    load.argtypes, load.restype = [ctypes.c_char_p], ctypes.c_void_p
    return bool(load(os.fsencode(module)))


def _is_registered(bound: Bound, module: str) -> bool:
    by_name = bound.registry.ggml_backend_reg_by_name
    by_name.argtypes, by_name.restype = [ctypes.c_char_p], ctypes.c_void_p
    return bool(by_name(module.removeprefix("ggml-").encode()))


def _is_cpu_module(name: str) -> bool:
    return name.startswith("ggml-cpu")


def _is_gpu_module(name: str) -> bool:
    return name not in _NO_BACKEND and not name.startswith(("ggml-cpu", "ggml-blas", "ggml-rpc"))

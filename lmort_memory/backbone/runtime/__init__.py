"""Choose which llama.cpp runs: find libraries, check their layout, try them, load one.

    candidates ──► verdicts ──► choice ──► binding ──► the module of llama.cpp's C functions
    where libraries  has it worked    which   llama-cpp-python's ctypes
    may be           here before?     one     over any libllama

llama-cpp-python is always the binding, but the library can come from `$LMORT_LLAMA_LIB`, from the
binding's own build, or from a wheel. A library that this processor cannot run kills the process at
its first matrix product. So a child process first decodes a few tokens with it, once per library,
processor and type of weights (`trial`).
"""

from __future__ import annotations

from lmort_memory.backbone.runtime.candidates import Library, find_libraries
from lmort_memory.backbone.runtime.choice import (
    Choice,
    Rejected,
    build,
    choose,
    chosen,
    load,
    load_modules,
    loaded,
)
from lmort_memory.backbone.runtime.trial import list_devices
from lmort_memory.backbone.runtime.weights import Q8_0, WeightType, weight_types

__all__ = [
    "Q8_0",
    "Choice",
    "Library",
    "Rejected",
    "WeightType",
    "build",
    "choose",
    "chosen",
    "find_libraries",
    "list_devices",
    "load",
    "load_modules",
    "loaded",
    "weight_types",
]

"""Which llama.cpp runs: found, checked for its layout, tried in a child process, then loaded.

    candidates ──► verdicts ──► choice ──► binding ──► the module of llama.cpp's C functions
    where libraries  has it decoded   which   llama-cpp-python's ctypes
    may lie          here before?     one     over any libllama

llama-cpp-python stays the binding. Its library may come from elsewhere: from `$LMORT_LLAMA_LIB`,
from its own compilation, or from a wheel. A library that this processor cannot run ends the process
at its first matrix product, so a child process decodes a few tokens with it first, once for each
library, processor and type of weights (`trial`).
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

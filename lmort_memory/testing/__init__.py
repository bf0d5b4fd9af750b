"""Public test helpers: tiny models, an encoder without a model, and the store contract."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmort_memory.testing.hash_encoder import HashEncoder
    from lmort_memory.testing.store_contract import check_store
    from lmort_memory.testing.tiny_gguf import write_tiny_gguf

_HOME = {
    "HashEncoder": "hash_encoder",
    "check_store": "store_contract",
    "write_tiny_gguf": "tiny_gguf",
}

__all__ = ["HashEncoder", "check_store", "write_tiny_gguf"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

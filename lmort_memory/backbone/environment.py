"""What computes, in one line: if it is unchanged, the same text has the same vector as before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lmort_memory.backbone.devices import gpu_layers_wanted
from lmort_memory.backbone.runtime import build, chosen
from lmort_memory.backbone.runtime.verdicts import processor

if TYPE_CHECKING:
    from lmort_memory.modelfile.facts import ModelFacts

__all__ = ["environment"]


def environment(facts: ModelFacts) -> str:
    """Identify the library's code, how it is used, the processor's features and the weights' file.

    The number of threads is not part of it: it changes nothing.
    """
    choice = chosen()
    parts = (
        build(),
        "" if choice is None else str(choice.attempt.extra_buffers),
        hashlib.blake2b(processor().encode(), digest_size=8).hexdigest(),
        str(gpu_layers_wanted()),
        facts.quantisation,
        str(facts.size_bytes),
    )
    return " ".join(part or "-" for part in parts)

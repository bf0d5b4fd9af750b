"""The only place that knows llama.cpp: GGUF facts, tokens, captured states, generation.

    GGUF ──► header ──► ModelFacts, fingerprint              no weights loaded
      │
      ▼
    Backbone ──► hidden_states(texts, layers)                stand-alone, early exit
      │     └──► open_sequence(layers) ──► TokenSequence     a chat: states for free
      └─ prompts: template + vocabulary ──► Prompt           control tokens from the template only

Underneath: `_thread` (the one thread that computes), `_context` (one llama_context), `_capture`
(its eval callback), `_layers` (which tensor is which layer), `_llama` (the import of llama.cpp).
"""

from __future__ import annotations

from lmort_memory.backbone.default import default_model_path, fast_default_path
from lmort_memory.backbone.model import Backbone
from lmort_memory.backbone.sampling import Sampling
from lmort_memory.backbone.sequence import TokenSequence
from lmort_memory.backbone.thread import Priority
from lmort_memory.modelfile.facts import ModelFacts, read_facts

__all__ = [
    "Backbone",
    "ModelFacts",
    "Priority",
    "Sampling",
    "TokenSequence",
    "default_model_path",
    "fast_default_path",
    "read_facts",
]

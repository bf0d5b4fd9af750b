"""The only place that knows llama.cpp: tokens, captured states, generation.

    GGUF ──► Backbone (model.py)
               ├── hidden_states(texts, layers)    stand-alone, with early exit: standalone.py
               ├── open_sequence(layers)           a chat and its hidden states: sequence.py
               └── prompts                         template.py + tokens.py ──► prompt.py

Underneath: thread.py (the one thread that computes), context.py (one llama_context), capture.py
(its eval callback), layers.py (which tensor is which layer), library.py (llama.cpp itself).
"""

from __future__ import annotations

from lmort_memory.backbone.default import default_model_path, fast_default_path
from lmort_memory.backbone.model import Backbone
from lmort_memory.backbone.prompt import Prompt, PromptWriter
from lmort_memory.backbone.sampling import Sampler, Sampling
from lmort_memory.backbone.sequence import Synced, TokenSequence
from lmort_memory.backbone.thread import Priority
from lmort_memory.backbone.tokens import Vocabulary
from lmort_memory.modelfile.sketch import Sketch

__all__ = [
    "Backbone",
    "Priority",
    "Prompt",
    "PromptWriter",
    "Sampler",
    "Sampling",
    "Sketch",
    "Synced",
    "TokenSequence",
    "Vocabulary",
    "default_model_path",
    "fast_default_path",
]

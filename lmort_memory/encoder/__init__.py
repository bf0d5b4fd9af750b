"""Turn text, or hidden states captured by a chat, into vectors. NumPy only: no torch, no SQL.

    text ──► Backbone.hidden_states ─┐
                                     ├─► Tuner (LMORT) ──► unit vectors, one for each chunk
    states captured while chatting ──┘

The rest of the library gets its encoder from `open_encoder`.
"""

from __future__ import annotations

from lmort_memory.encoder.chunking import chunk_spans
from lmort_memory.encoder.opening import OpenedEncoder, open_encoder
from lmort_memory.encoder.token_map import token_scores
from lmort_memory.encoder.tuned_encoder import TunedEncoder, mean_vector

__all__ = [
    "OpenedEncoder",
    "TunedEncoder",
    "chunk_spans",
    "mean_vector",
    "open_encoder",
    "token_scores",
]

"""One llama.cpp context: KV cache, batches, decode. Owns its capture.

Not thread-safe; only jobs of the inference thread use it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lmort_memory.backbone.capture import Capture, open_capture
from lmort_memory.backbone.library import llama, take_errors
from lmort_memory.errors import BackboneError

# With room for 8 rows of logits or fewer, llama.cpp takes a third longer to read 2,000 tokens.
_FEWEST_OUTPUTS: Final = 16


class DecodeAborted(BaseException):
    """The computation was stopped on request; this decode's positions have been removed."""


@dataclass(frozen=True, slots=True)
class ContextSize:
    """How large a context is.

    Attributes:
        n_ctx: Cells of the KV cache, shared by all sequences.
        n_batch: Maximum tokens per decode; one decode is one graph.
        n_sequences: Maximum number of sequences.
        n_outputs: Maximum rows per decode whose logits are computed; each takes a buffer of
            2 * n_vocab floats.
    """

    n_ctx: int
    n_batch: int
    n_sequences: int = 1
    n_outputs: int = 1


class Context:
    """A KV cache and the graph that fills it."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 — llama_model_p
        size: ContextSize,
        *,
        n_threads: int,
        capture: Capture | None = None,
        flash_attention: bool = True,
    ) -> None:
        """Create the context; raises BackboneError if llama.cpp cannot.

        Args:
            model: The loaded model.
            size: How large.
            n_threads: Threads that compute.
            capture: What reads its layers; a new one by default.
            flash_attention: Whether llama.cpp may use it, where the model and the device have it.
        """
        cpp = llama()
        self.size = size
        self.capture = capture if capture is not None else open_capture()
        params = cpp.llama_context_default_params()
        params.n_ctx = size.n_ctx
        # One graph per decode: the early exit and the row counts depend on it.
        params.n_batch = params.n_ubatch = size.n_batch
        params.n_seq_max = size.n_sequences
        # llama.cpp insists on one a sequence.
        params.n_outputs_max = max(size.n_outputs, size.n_sequences, _FEWEST_OUTPUTS)
        params.n_threads = params.n_threads_batch = n_threads
        params.kv_unified = True  # rows of several sequences keep the batch's order
        params.swa_full = True  # or old positions of sliding-window layers could not be kept or cut
        params.no_perf = True
        if not flash_attention:
            params.flash_attn_type = cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cb_eval = self.capture.eval_callback
        params.cb_eval_user_data = self.capture.user_data
        params.abort_callback = self.capture.abort_callback
        params.abort_callback_data = self.capture.user_data
        take_errors()
        self._ctx = cpp.llama_init_from_model(model, params)
        if not self._ctx:
            raise BackboneError(
                f"llama.cpp could not create a context of {size.n_ctx} tokens "
                f"({take_errors() or 'no reason given'}) — try a smaller context"
            )
        # llama.cpp has room for a multiple of 256, but learned positions end where they end.
        self.n_ctx: int = min(size.n_ctx, cpp.llama_n_ctx(self._ctx))
        self._n_embd: int = cpp.llama_model_n_embd(model)
        self._batch = _Batch(size.n_batch)

    @property
    def handle(self) -> Any:  # noqa: ANN401
        """The llama_context pointer, for samplers.

        Raises:
            BackboneError: the context was closed; llama.cpp would read freed memory.
        """
        if not self._ctx:
            raise BackboneError("the conversation is closed — open another to continue")
        return self._ctx

    @property
    def memory(self) -> Any:  # noqa: ANN401
        """The llama_memory pointer: the cells; BackboneError as for `handle`."""
        return llama().llama_get_memory(self.handle)

    def decode(
        self,
        tokens: Sequence[int] | NDArray[np.int32],
        positions: Sequence[int] | NDArray[np.int32],
        sequences: Sequence[int] | NDArray[np.int32] | int = 0,
        *,
        outputs: slice | None = None,
    ) -> None:
        """Evaluate at most `n_batch` tokens.

        Args:
            tokens: Token ids, (n,).
            positions: Position of each token in its sequence, (n,).
            sequences: Sequence of each token, (n,), or one for all.
            outputs: The rows whose logits (and last-layer states) to compute.

        Raises:
            DecodeAborted: an abort was requested.
            BackboneError: llama.cpp refused; this decode's positions have been removed.
        """
        n = len(tokens)
        batch = self._batch.fill(tokens, positions, sequences, outputs)
        self.capture.begin(n, self._n_embd)
        code = llama().llama_decode(self.handle, batch)
        if code == 0 and not self.capture.aborted:
            return
        self._remove(positions, sequences)
        if self.capture.aborted or code == 2:
            raise DecodeAborted
        reason = "the context is full" if code == 1 else take_errors() or f"code {code}"
        raise BackboneError(f"llama.cpp refused a batch of {n} tokens: {reason}")

    def _remove(
        self,
        positions: Sequence[int] | NDArray[np.int32],
        sequences: Sequence[int] | NDArray[np.int32] | int,
    ) -> None:
        rows = np.broadcast_to(np.asarray(sequences), len(positions))
        for sequence in np.unique(rows):
            first = int(np.asarray(positions)[rows == sequence].min())
            self.truncate(int(sequence), first)

    def rows(self, name: str) -> NDArray[np.float32]:
        """Return the rows of a captured tensor from the last decode: a view, (rows, n_embd)."""
        return self.capture.rows(name, self._n_embd)

    def truncate(self, sequence: int, position: int) -> bool:
        """Remove the cells of a sequence from `position` on; False if the model cannot.

        Recurrent models cannot remove part of a sequence: the whole sequence is removed.
        """
        cpp = llama()
        if cpp.llama_memory_seq_rm(self.memory, sequence, position, -1):
            return True
        cpp.llama_memory_seq_rm(self.memory, sequence, -1, -1)
        return False

    def shift(self, sequence: int, start: int, end: int) -> None:
        """Remove positions [start, end) of a sequence and shift the rest into the gap.

        The keys are rotated to their new positions. Keys and values still reflect the removed
        context. Only for models where `can_shift` is true.
        """
        cpp = llama()
        cpp.llama_memory_seq_rm(self.memory, sequence, start, end)
        cpp.llama_memory_seq_add(self.memory, sequence, end, -1, start - end)

    def copy(self, source: int, target: int, end: int) -> None:
        """Share the cells of positions [0, end) of one sequence with another."""
        llama().llama_memory_seq_cp(self.memory, source, target, 0, end)

    def state(self, max_bytes: int) -> bytes | None:
        """Return the cells of sequence 0, or None if they exceed `max_bytes`."""
        cpp = llama()
        size = cpp.llama_state_seq_get_size(self.handle, 0)
        if size > max_bytes:
            return None
        buffer = (ctypes.c_uint8 * size)()
        written = cpp.llama_state_seq_get_data(self.handle, buffer, size, 0)
        return bytes(memoryview(buffer)[:written])

    def set_state(self, data: bytes) -> bool:
        """Load cells into sequence 0; False if llama.cpp rejects them.

        The data must come from `state` of the same model and build: llama.cpp does not check it.
        """
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        return bool(llama().llama_state_seq_set_data(self.handle, buffer, len(data), 0))

    def close(self) -> None:
        """Free the context; calling it again does nothing."""
        if self._ctx:
            llama().llama_free(self._ctx)
            self._ctx = None


class _Batch:
    """A llama_batch over NumPy arrays, refilled for each decode.

    typedef struct llama_batch { int32_t n_tokens; llama_token * token; float * embd;
        llama_pos * pos; int32_t * n_seq_id; llama_seq_id ** seq_id; int8_t * logits; } llama_batch;
    """

    def __init__(self, size: int) -> None:
        self._token = np.zeros(size, np.int32)
        self._pos = np.zeros(size, np.int32)
        self._n_seq = np.ones(size, np.int32)
        self._seq = np.zeros(size, np.int32)
        self._seq_pointers = (
            self._seq.ctypes.data + np.arange(size, dtype=np.uintp) * self._seq.itemsize
        )
        self._logits = np.zeros(size, np.int8)
        pointer = ctypes.POINTER
        self._pointers: Mapping[str, Any] = {  # the arrays never move
            "token": self._token.ctypes.data_as(pointer(ctypes.c_int32)),
            "pos": self._pos.ctypes.data_as(pointer(ctypes.c_int32)),
            "n_seq_id": self._n_seq.ctypes.data_as(pointer(ctypes.c_int32)),
            "seq_id": ctypes.cast(self._seq_pointers.ctypes.data, pointer(pointer(ctypes.c_int32))),
            "logits": self._logits.ctypes.data_as(pointer(ctypes.c_int8)),
        }

    def fill(
        self,
        tokens: Sequence[int] | NDArray[np.int32],
        positions: Sequence[int] | NDArray[np.int32],
        sequences: Sequence[int] | NDArray[np.int32] | int,
        outputs: slice | None,
    ) -> Any:  # noqa: ANN401 — llama_batch
        n = len(tokens)
        if not 0 < n <= len(self._token):
            raise ValueError(f"a batch takes 1 to {len(self._token)} tokens, found {n}")
        self._token[:n] = tokens
        self._pos[:n] = positions
        self._seq[:n] = sequences
        self._logits[:n] = 0
        if outputs is not None:
            self._logits[:n][outputs] = 1
        return llama().llama_batch(n_tokens=n, embd=None, **self._pointers)

"""Copy named tensors out of a running graph with llama.cpp's eval callback, in C or in Python.

The scheduler calls back with `ask=True` for every node of a graph, and again with `ask=False` once
a requested node is computed. Returning False from the second call ends the graph there: the early
exit. `CCapture` does this without the GIL; `PythonCapture` does the same through ctypes, for
installations without the extension module. A test checks that both agree.

layers.py decides which tensors to capture and what they mean.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmort_memory.backbone.library import ggml, llama
from lmort_memory.errors import BackboneError

_ABI = 1  # LMORT_CAPTURE_ABI
_NAME_MAX = 64  # GGML_MAX_NAME


class Capture(Protocol):
    """The capture of one context. Belongs to the thread that decodes."""

    eval_callback: Any
    abort_callback: Any

    @property
    def user_data(self) -> ctypes.c_void_p:
        """The user data pointer that llama.cpp passes to both callbacks."""

    def want(self, names: Sequence[str], *, exit_after: str | None) -> None:
        """Choose the tensors to copy, and the one after which graphs stop."""

    def begin(self, n_rows: int, n_embd: int) -> None:
        """Make room for `n_rows` rows of each wanted tensor. Call before each decode."""

    def rows(self, name: str, n_embd: int) -> NDArray[np.float32]:
        """Return the rows of one tensor since `begin`: a view, float32 (rows, n_embd).

        Raises:
            BackboneError: the tensor had more rows than there was room for.
        """

    def set_abort(self, abort: bool) -> None:
        """Ask the running computation to stop as soon as it can. Any thread may call this."""

    @property
    def aborted(self) -> bool:
        """Whether a stop was requested."""


class _Want(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * _NAME_MAX),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
        ("used", ctypes.c_uint64),
    )


class _State(ctypes.Structure):
    _fields_ = (
        ("get_name", ctypes.c_void_p),
        ("nbytes", ctypes.c_void_p),
        ("tensor_get", ctypes.c_void_p),
        ("wants", ctypes.POINTER(_Want)),
        ("n_wants", ctypes.c_int32),
        ("exit_after", ctypes.c_int32),
        ("stopped", ctypes.c_int32),
        ("overflow", ctypes.c_int32),
        ("abort", ctypes.c_int32),
    )


class _Rows:
    """The state shared by both captures, in the layout of fastcapture.c."""

    def __init__(self) -> None:
        self._state = _State(n_wants=0, exit_after=-1)
        self._names: tuple[str, ...] = ()
        self._wants: ctypes.Array[_Want] = (_Want * 0)()
        self._buffers: list[NDArray[np.float32]] = []

    @property
    def user_data(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(ctypes.addressof(self._state))

    def want(self, names: Sequence[str], *, exit_after: str | None) -> None:
        self._state.exit_after = -1 if exit_after is None else tuple(names).index(exit_after)
        if tuple(names) == self._names:  # as for every token of a reply
            return
        self._names = tuple(names)
        self._wants = (_Want * len(names))()
        for want, name in zip(self._wants, names, strict=True):
            want.name = name.encode()
        self._buffers = [np.empty(0, np.float32) for _ in names]
        self._state.wants = ctypes.cast(self._wants, ctypes.POINTER(_Want))
        self._state.n_wants = len(names)

    def begin(self, n_rows: int, n_embd: int) -> None:
        self._state.stopped = self._state.overflow = 0
        for i, want in enumerate(self._wants):
            if self._buffers[i].size < n_rows * n_embd:
                self._buffers[i] = np.empty(n_rows * n_embd, np.float32)
                want.data = self._buffers[i].ctypes.data
            want.size = n_rows * n_embd * 4
            want.used = 0

    def rows(self, name: str, n_embd: int) -> NDArray[np.float32]:
        if self._state.overflow:
            raise BackboneError(
                f"the graph produced more rows of {name!r} than there were tokens — this model's "
                "hidden states cannot be captured; use another model"
            )
        i = self._names.index(name)
        used = int(self._wants[i].used) // 4
        return self._buffers[i][:used].reshape(-1, n_embd)

    def set_abort(self, abort: bool) -> None:
        self._state.abort = int(abort)

    @property
    def aborted(self) -> bool:
        return bool(self._state.abort)


class CCapture(_Rows):
    """Capture through the C callback, which does not take the GIL."""

    def __init__(self) -> None:
        from lmort_memory.backbone import fastcapture

        if fastcapture.ABI != _ABI:
            raise ImportError("lmort_memory.backbone.fastcapture was built for another version")
        super().__init__()
        library, cpp = ggml(), llama()
        for field, function in (
            ("get_name", library.ggml_get_name),
            ("nbytes", library.ggml_nbytes),
            ("tensor_get", library.ggml_backend_tensor_get),
        ):
            setattr(self._state, field, ctypes.cast(function, ctypes.c_void_p).value)
        self.eval_callback = cpp.ggml_backend_sched_eval_callback(fastcapture.EVAL)
        self.abort_callback = cpp.ggml_abort_callback(fastcapture.ABORT)


class PythonCapture(_Rows):
    """Capture through a ctypes callback: portable, but slower (see docs/capture.md)."""

    def __init__(self) -> None:
        super().__init__()
        cpp = llama()
        self._ggml = ggml()
        self._error: Exception | None = None
        self.eval_callback = cpp.ggml_backend_sched_eval_callback(self._eval)
        # A Python abort callback would take the GIL at every node; the eval callback checks.
        self.abort_callback = cpp.ggml_abort_callback()

    def rows(self, name: str, n_embd: int) -> NDArray[np.float32]:
        """Return the rows of a tensor, or raise the exception that the callback stored."""
        if self._error is not None:
            error, self._error = self._error, None
            raise BackboneError(f"capturing {name!r} failed: {error}") from error
        return super().rows(name, n_embd)

    def _eval(self, tensor: int, ask: bool, _user_data: object) -> bool:
        # An exception cannot cross the C frame above and would mean "stop here": store it.
        try:
            return self._answer(tensor, ask)
        except Exception as error:  # noqa: BLE001 — raised again by rows()
            self._error = error
            return not ask

    def _answer(self, tensor: int, ask: bool) -> bool:
        state = self._state
        if state.stopped or state.abort:
            return ask
        name = self._ggml.ggml_get_name(tensor).decode()
        if ask:
            return name in self._names
        i = self._names.index(name)
        want = self._wants[i]
        n = self._ggml.ggml_nbytes(tensor)
        if want.used + n > want.size:
            state.overflow = 1
            return True
        self._ggml.ggml_backend_tensor_get(tensor, want.data + want.used, 0, n)
        want.used += n
        state.stopped = int(i == state.exit_after)
        return not state.stopped


def open_capture() -> CCapture | PythonCapture:
    """Return the C capture, or the portable one if it was not built."""
    try:
        return CCapture()
    except ImportError:
        return PythonCapture()

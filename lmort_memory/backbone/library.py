"""Access to llama.cpp: its functions, and its log as Python logging.

This whole package reaches llama.cpp through `llama()` and `ggml()`, so importing lmort_memory does
not load it, and llama.cpp never prints to stdout.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from lmort_memory.backbone import runtime
from lmort_memory.backbone.runtime import Q8_0, Choice, WeightType

logger = logging.getLogger("lmort_memory.llama_cpp")

# enum ggml_log_level: DEBUG 1, INFO 2, WARN 3, ERROR 4, CONT 5. We raise our own errors, so
# llama.cpp's error lines are logged at level INFO.
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.DEBUG, 4: logging.INFO, 5: logging.DEBUG}
_recent_errors: deque[str] = deque(maxlen=8)
_keep_alive: list[object] = []
_import_lock = threading.RLock()


def llama(types: Sequence[WeightType] = (Q8_0,), *, gpu: bool = False) -> Any:  # noqa: ANN401
    """Return the module of llama.cpp's C functions, initialised once.

    Args:
        types: Types of the weights to run; the first call chooses a library that supports them.
        gpu: Whether to put layers on a graphics card.

    Raises:
        MissingDependencyError: llama-cpp-python is not installed, or there is no llama.cpp library.
        BackboneError: no library runs these types on this processor.
    """
    with _import_lock:
        if runtime.loaded() is None:
            choice_for(types, gpu=gpu)
        return _initialised()


def choice_for(types: Sequence[WeightType], *, gpu: bool = False) -> Choice:
    """Load llama.cpp if necessary, and return how weights of these types are run.

    Raises:
        The same errors as `llama`.
    """
    with _import_lock:
        # On a failed assertion ggml would start gdb on this process: slow, with pages of output.
        os.environ.setdefault("GGML_NO_BACKTRACE", "1")
        choice = runtime.load(types, gpu=gpu)
        _initialised()
        # In a thread of its own: in the caller's, Ctrl-C would be raised inside the callback for
        # llama.cpp's log and be lost.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(runtime.load_modules, choice).result()
        return choice


@cache
def _initialised() -> Any:  # noqa: ANN401
    bound = runtime.loaded()
    assert bound is not None
    llama_cpp = bound.cpp
    _keep_alive.append(llama_cpp.llama_log_callback(_log))  # llama.cpp holds the bare pointer
    llama_cpp.llama_log_set(_keep_alive[-1], None)
    llama_cpp.llama_backend_init()
    return llama_cpp


def take_log_back() -> None:
    """Log as before, after an import of llama-cpp-python's own classes, which print the log."""
    _initialised().llama_log_set(_keep_alive[-1], None)


def _log(level: int, text: bytes, _user_data: object) -> None:
    """Log one line from llama.cpp. Must not raise: the caller is C."""
    line = text.decode("utf-8", "replace").rstrip()
    if level >= 4 and line:
        _recent_errors.append(line)
    if line:
        logger.log(_LEVELS.get(level, logging.DEBUG), "%s", line)


def take_errors() -> str:
    """Return llama.cpp's latest error lines, joined, and clear them."""
    text = "; ".join(_recent_errors)
    _recent_errors.clear()
    return text


@cache
def ggml() -> ctypes.CDLL:
    """Return libggml-base, which has the functions for reading a tensor.

    C prototypes:
        const char * ggml_get_name (const struct ggml_tensor * tensor);
        int64_t      ggml_nelements(const struct ggml_tensor * tensor);
        int64_t      ggml_nrows    (const struct ggml_tensor * tensor);
        size_t       ggml_nbytes   (const struct ggml_tensor * tensor);
        void ggml_backend_tensor_get(const struct ggml_tensor * tensor,
                                     void * data, size_t offset, size_t size);
    """
    llama()
    bound = runtime.loaded()
    assert bound is not None
    found: ctypes.CDLL = bound.ggml
    for name, result in (
        ("ggml_get_name", ctypes.c_char_p),
        ("ggml_nelements", ctypes.c_int64),
        ("ggml_nrows", ctypes.c_int64),
        ("ggml_nbytes", ctypes.c_size_t),
    ):
        function = getattr(found, name)
        function.argtypes, function.restype = [ctypes.c_void_p], result
    found.ggml_backend_tensor_get.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_size_t,
    ]
    found.ggml_backend_tensor_get.restype = None
    return found

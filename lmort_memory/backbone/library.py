"""llama.cpp as the rest of this package uses it: its functions, its log turned into Python's.

Everything in this package reaches llama.cpp through `llama()` and `ggml()`, so that importing
lmort_memory costs nothing and nothing of llama.cpp is ever printed to stdout.
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

# enum ggml_log_level: DEBUG 1, INFO 2, WARN 3, ERROR 4, CONT 5. We raise errors ourselves, so
# llama.cpp's own lines about them are logged as information.
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.DEBUG, 4: logging.INFO, 5: logging.DEBUG}
_recent_errors: deque[str] = deque(maxlen=8)
_keep_alive: list[object] = []
_import_lock = threading.RLock()


def llama(types: Sequence[WeightType] = (Q8_0,), *, gpu: bool = False) -> Any:  # noqa: ANN401
    """Return the module of llama.cpp's C functions, initialised once.

    Args:
        types: Of the weights to be decoded; the first call chooses the library by them.
        gpu: Whether layers are to be put onto a graphics card.

    Raises:
        MissingDependencyError: llama-cpp-python, or any library of llama.cpp, is not installed.
        BackboneError: no library decodes these types on this processor.
    """
    with _import_lock:
        if runtime.loaded() is None:
            choice_for(types, gpu=gpu)
        return _initialised()


def choice_for(types: Sequence[WeightType], *, gpu: bool = False) -> Choice:
    """Load llama.cpp where it is not yet, and return how weights of these types are decoded.

    Raises:
        As `llama` does.
    """
    with _import_lock:
        # On an assertion ggml would start gdb on this process: pages of output, and seconds.
        os.environ.setdefault("GGML_NO_BACKTRACE", "1")
        choice = runtime.load(types, gpu=gpu)
        _initialised()
        # In a thread: in the calling one Ctrl-C would be raised inside the callback that takes the
        # log, and be lost there.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(runtime.load_modules, choice).result()
        return choice


@cache
def _initialised() -> Any:  # noqa: ANN401
    bound = runtime.loaded()
    assert bound is not None
    llama_cpp = bound.cpp
    log_callback = llama_cpp.llama_log_callback(_log)
    _keep_alive.append(log_callback)  # llama.cpp holds the bare pointer for the process's life
    llama_cpp.llama_log_set(log_callback, None)
    llama_cpp.llama_backend_init()
    return llama_cpp


def _log(level: int, text: bytes, _user_data: object) -> None:
    """Take one line of llama.cpp's log. Must not raise: its caller is C."""
    line = text.decode("utf-8", "replace").rstrip()
    if level >= 4 and line:
        _recent_errors.append(line)
    if line:
        logger.log(_LEVELS.get(level, logging.DEBUG), "%s", line)


def take_errors() -> str:
    """Return llama.cpp's last error lines in one, and forget them."""
    text = "; ".join(_recent_errors)
    _recent_errors.clear()
    return text


@cache
def ggml() -> ctypes.CDLL:
    """Return libggml-base, which has the few functions that reading a tensor needs.

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

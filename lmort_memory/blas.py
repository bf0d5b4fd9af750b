"""One thread for matrix products while llama.cpp wants the cores.

OpenBLAS's threads keep spinning for about 25 ms after a product (2 ** 26 cycles), and llama.cpp's
after a forward pass. On shared cores each waits for the other's idle threads. A tuner's products
are too small for threads to help: 40 tokens take 5.6 ms with one and 6.5 ms with two. In a chat on
two cores the waiting cost 0.2 s of a 1.6 s turn (docs/chat.md).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np  # noqa: F401 — threadpoolctl only sees a BLAS that is loaded
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[object]:
    """Limit BLAS to one thread inside the block and restore the caller's setting afterwards.

    The setting is per process and belongs to the first Python thread that asks, for as long as that
    thread lives. For other threads, and for an unknown BLAS (Apple's), this does nothing.
    """
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")

"""One thread for matrix products while llama.cpp wants the cores.

OpenBLAS's threads go on spinning for about 25 ms after a product (2 ** 26 cycles), and llama.cpp's
after a pass; on the same cores each then waits for the other's idle threads. A tuner's products are
too small to gain by threads: 40 tokens take 5.6 ms with one and 6.5 ms with two. In a chat on two
cores it was 0.2 s of a turn of 1.6 s (docs/chat.md).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np  # noqa: F401 — its BLAS must be loaded before it is looked for
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[object]:
    """Give BLAS one thread within a context, and the caller's own number of them after it.

    The first Python thread to ask decides for the process as long as it lives; for others, and for
    a BLAS that is not known (Apple's), this does nothing.
    """
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")

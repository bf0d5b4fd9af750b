"""Limit how long llama.cpp's threads spin at a barrier before they sleep.

libgomp spins for up to 300,000 pauses at each barrier, about 15 ms here. On an idle machine that
limit is never reached. On a busy one, the late thread cannot run until a spinning thread gives up
its core: recall then takes several times as long, or seconds. 10,000 pauses cost an idle machine
3 % at most; with 3,000 a token takes a tenth longer (docs/llama-cpp.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["short_spins"]

_SPINS: Final = "10000"
_VARIABLE: Final = "GOMP_SPINCOUNT"
_USERS: Final = (_VARIABLE, "OMP_WAIT_POLICY")  # if the user sets either, leave both alone


@contextmanager
def short_spins() -> Iterator[None]:
    """Make a libgomp that is loaded inside this block spin only briefly.

    It reads the environment variable once, when loaded; the variable is restored afterwards, so
    other copies of libgomp and child processes are not affected.
    """
    if any(name in os.environ for name in _USERS):
        yield
        return
    os.environ[_VARIABLE] = _SPINS
    try:
        yield
    finally:
        del os.environ[_VARIABLE]

"""How long llama.cpp's threads wait for one another by spinning, before they sleep.

libgomp spins up to 300,000 pauses at each barrier, some 15 ms here. On an idle machine that is
never reached. With other work on the cores the thread that is waited for does not run until the
one that spins gives its core up: recall took 2 to 5 s where it takes 40 ms (docs/benchmarks.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["short_spins"]

_SPINS: Final = "1000"
_VARIABLE: Final = "GOMP_SPINCOUNT"
_USERS: Final = (_VARIABLE, "OMP_WAIT_POLICY")  # who sets either has decided


@contextmanager
def short_spins() -> Iterator[None]:
    """Tell the libgomp that is loaded in this context to spin briefly; it reads this once.

    The environment is as before afterwards: another library's libgomp, or a child process, is not
    concerned.
    """
    if any(name in os.environ for name in _USERS):
        yield
        return
    os.environ[_VARIABLE] = _SPINS
    try:
        yield
    finally:
        del os.environ[_VARIABLE]

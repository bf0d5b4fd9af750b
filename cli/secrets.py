"""Passwords in URLs: out of what `ps` shows, and out of everything that is printed."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["hide_arguments"]

_ARG_START, _ARG_END = 47, 48  # fields of /proc/self/stat, from 0


def hide_arguments() -> None:
    """Overwrite the passwords in this process's arguments, where the system allows it (Linux).

    Another program may have read them before; the docs recommend ~/.pgpass.
    """
    from lmort_memory.paths import is_server
    from lmort_memory.store.postgres.address import parse_address

    secrets = [
        secret.encode()
        for argument in sys.argv
        for url in (argument, argument.partition("=")[2])
        if is_server(url)
        for secret in parse_address(url).secrets
    ]
    if not secrets or not sys.platform.startswith("linux"):
        return
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
        numbers = fields.rpartition(")")[2].split()  # the program's name may hold spaces
        start, end = (int(numbers[one - 2]) for one in (_ARG_START, _ARG_END))
        for secret in secrets:
            _overwrite(start, end, secret)


def _overwrite(start: int, end: int, secret: bytes) -> None:
    if not 0 < start < end:
        return
    arguments = ctypes.string_at(start, end - start)
    place = arguments.find(secret)
    while place >= 0:
        ctypes.memset(start + place, ord("*"), len(secret))
        place = arguments.find(secret, place + len(secret))

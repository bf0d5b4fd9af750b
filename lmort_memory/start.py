"""The program `lmort-mem`: hooks of other agents go past the command line, which takes longer."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run `lmort-mem`."""
    if sys.argv[1:2] == ["hook"] and not {"-h", "--help"} & set(sys.argv):
        from lmort_memory.adapters.hooks import main as hook

        sys.exit(hook(sys.argv[2:]))
    try:
        from lmort_memory.cli import main as command_line

        command_line()
    except KeyboardInterrupt:  # while it was still being loaded
        sys.exit(130)

"""One run of the fuzzer; `__main__.py` starts it again when it ends with a finding."""

from __future__ import annotations

import logging
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

from benchmarks.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz the target named first; the rest goes to libFuzzer."""
    logging.disable()
    name, *rest = sys.argv[1:]
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="lmort-fuzz-", dir=_fast()) as folder:
        # Targets import ours when they are prepared and tried, and only what is imported in this
        # block is seen by the fuzzer.
        with atheris.instrument_imports(include=["lmort_memory"], enable_loader_override=False):
            attempt = target.prepare(Path(folder))
            for seed in target.seeds():
                with suppress(Exception):  # the fuzzer finds it again, and keeps it
                    attempt(seed)
        atheris.Setup([sys.argv[0], *rest], attempt)
        atheris.Fuzz()


def _fast() -> str | None:
    """Files are written at each attempt: in memory, where the system has a place for it."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    main()

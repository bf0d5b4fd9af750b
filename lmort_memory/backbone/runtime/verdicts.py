"""Cached results of trials: one small file per library, processor and type of weights.

The file's name is a hash of the library's code, the processor's features, the types of the weights
and how they are loaded. So a new trial runs when a container moves to another host or pip replaces
a library.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmort_memory.backbone.runtime.backends import code_of
from lmort_memory.paths import cache_dir, make_private_dir, replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmort_memory.backbone.runtime.candidates import Library
    from lmort_memory.backbone.runtime.weights import WeightType

__all__ = ["GOOD", "Attempt", "Verdict", "code_hash", "processor", "recall", "remember"]

GOOD: Final = "good"
_CONTRACT: Final = 1  # version of the trial; increase it when the trial changes


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way of decoding, to be tried.

    Attributes:
        library: The library whose code runs.
        extra_buffers: Whether weights may be repacked for this processor, which AMX requires.
        gpu: Whether layers go to a graphics card.
    """

    library: Library
    extra_buffers: bool = True
    gpu: bool = False

    def __str__(self) -> str:
        how = "" if self.extra_buffers else " without repacked weights"
        return f"{self.library.origin}{how}{' with the graphics card' if self.gpu else ''}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a trial ended.

    Attributes:
        ended: `GOOD`, the name of a signal, or a sentence that says why it cannot be used.
        seconds: Duration of the trial.
        lasts: Whether the same trial would end the same way again.
        refused: Whether the library was found unfit before anything was computed.
        layout: Name of the library's struct layout.
        built_for: The processor features that its code uses, as reported by the library.
    """

    ended: str
    seconds: float = 0.0
    lasts: bool = True
    refused: bool = False
    layout: str = ""
    built_for: str = ""

    @property
    def is_good(self) -> bool:
        """Whether tokens were decoded."""
        return self.ended == GOOD


def recall(attempt: Attempt, types: Sequence[WeightType]) -> Verdict | None:
    """Return the cached verdict on an attempt, or None."""
    try:
        known = json.loads(_path(attempt, types).read_text(encoding="utf-8"))
        return Verdict(**{one.name: known[one.name] for one in fields(Verdict)})
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
    ):  # missing, or damaged: try again
        return None


def remember(attempt: Attempt, types: Sequence[WeightType], verdict: Verdict) -> None:
    """Cache a lasting verdict; if that fails, the next process tries again."""
    if not verdict.lasts:
        return
    path = _path(attempt, types)
    told = {
        "library": str(attempt.library.path),
        "extra_buffers": attempt.extra_buffers,
        "types": [one.name for one in types],
        **asdict(verdict),
    }
    with suppress(OSError):
        make_private_dir(path.parent)
        with replacing(path) as fresh:
            fresh.write_text(json.dumps(told), encoding="utf-8")


def _path(attempt: Attempt, types: Sequence[WeightType]) -> Path:
    key = hashlib.blake2b(digest_size=16)
    key.update(f"{_CONTRACT} {sys.platform} {processor()}".encode())
    key.update(code_hash(attempt.library, gpu=attempt.gpu))
    key.update(repr((attempt.extra_buffers, attempt.gpu, tuple(types))).encode())
    return cache_dir() / "llama.cpp" / f"{key.hexdigest()}.json"


@cache
def code_hash(library: Library, *, gpu: bool) -> bytes:
    """Return a hash of the files whose code may run."""
    digest = hashlib.blake2b()
    for path in code_of(library, gpu=gpu):
        digest.update(path.read_bytes())
    return digest.digest()


@cache
def processor() -> str:
    """Return this processor's features as the operating system reports them."""
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string", "hw.optional.arm64"]
        with suppress(OSError):
            return subprocess.run(asked, capture_output=True, text=True).stdout
    with suppress(OSError), Path("/proc/cpuinfo").open(errors="replace") as lines:
        for line in lines:  # of the first core
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"

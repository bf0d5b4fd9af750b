"""Try hostile GGUF files in child processes, and say what became of each child."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmort_memory.backbone.model import Backbone
from lmort_memory.backbone.sampling import Sampling
from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert import ensure_runnable
from tests.support.mutations import mutant

_MEMORY_BYTES = 8 << 30  # address space; enough for an honest tiny model many times over
_CPU_SECONDS = 10
_SECONDS = 1800  # for a child that waits for what never comes, on however busy a machine
_SUCCESS, _REFUSED, _OTHER = 0, 10, 20


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant: "success", "refused", or anything else, which is a fault.

    `peak_bytes` is the child's largest resident memory, what it shares with its parent included.
    """

    seed: int
    kind: str
    data: bytes
    peak_bytes: int

    @property
    def is_fault(self) -> bool:
        """Whether the interpreter died, hung, or raised something that is not ours."""
        return self.kind not in ("success", "refused")


def outcomes(honest: Sequence[bytes], seeds: Sequence[int], folder: Path) -> Iterator[Outcome]:
    """Try one mutant for each seed, each in a child of its own.

    Children are forks of this process, in which no model may be loaded yet: llama.cpp's threads do
    not survive a fork.
    """
    _import_everything()
    for seed in seeds:
        rng = random.Random(seed)
        data = mutant(rng, rng.choice(honest))
        path = folder / "mutant.gguf"
        path.write_bytes(data)
        kind, peak_bytes = _try_in_child(path, folder / "cache")
        yield Outcome(seed, kind, data, peak_bytes)


def honest_peak(files: Sequence[Path], folder: Path) -> int:
    """Return the largest memory in bytes of children that use these files as they are."""
    _import_everything()
    return max(_try_in_child(path, folder / "cache")[1] for path in files)


def _import_everything() -> None:
    """Load what all children share, so that a fork costs milliseconds."""
    from lmort_memory.backbone.library import ggml, llama

    llama(), ggml()


def _try_in_child(path: Path, cache: Path) -> tuple[str, int]:
    """Return what became of the child, and its peak memory in bytes."""
    pid = os.fork()
    if pid == 0:
        os._exit(_child(path, cache))
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return _name(status), usage.ru_maxrss << 10
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    _, _, usage = os.wait4(pid, 0)
    return "hung", usage.ru_maxrss << 10


def _name(status: int) -> str:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return {_SUCCESS: "success", _REFUSED: "refused", _OTHER: "raised"}.get(code, f"exit {code}")


def _child(path: Path, cache: Path) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where llama.cpp writes its last words
    try:
        _use(ensure_runnable(path, cache))
    except BackboneError:
        return _REFUSED
    except BaseException:  # noqa: BLE001 — the child's verdict is its exit status
        return _OTHER
    return _SUCCESS


def _use(path: Path) -> None:
    """Do with a model what the product does: states of texts, a turn, a few words in reply."""
    with Backbone.open(path, n_threads=1) as backbone:
        layers = [0, backbone.n_layer // 2, backbone.n_layer]
        list(backbone.hidden_states(["two texts, <|im_end|> é", "of unlike length"], layers))
        sequence = backbone.open_sequence(n_ctx=256, layers=layers)
        sequence.extend(backbone.prompts.tokenize("hello there"))
        sampler = sequence.sampler(Sampling())
        for _ in range(3):
            sequence.extend([sequence.sample(sampler)])
        sampler.close()
        sequence.close()

"""Hidden states on disk: each text runs through the backbone once, however many epochs follow.

A cache is a folder with `manifest.json` (which model, which texts), a file of float16 rows per
layer, the token ids, and the lengths of the texts. Files are only appended to. The lengths are
written last, so every text they count is complete, and a killed run resumes from there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.errors import TunerError
from lmort_memory.paths import make_private_dir
from lmort_memory.types import HiddenStates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.types import Progress

__all__ = [
    "Estimate",
    "Manifest",
    "StatesCache",
    "estimate",
    "fill",
    "fill_with",
    "open_cache",
    "texts_digest",
]

_FLUSH_EVERY: Final = 64  # texts; a kill loses a second or two of encoding
_PROBES: Final = 32  # texts encoded to estimate time and tokens
_F16_MAX: Final = 65504.0  # a few dimensions of some models exceed it at the first position


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a cache holds; two caches with equal manifests hold the same states.

    Attributes:
        fingerprint: The backbone's fingerprint.
        layers: Captured layers, ascending.
        n_embd: Width of a state.
        max_tokens: Length at which texts were truncated.
        texts: Hash of the texts, in order.
        n_texts: Number of texts.
        mode: "alone", or another way in which the texts were run.
    """

    fingerprint: str
    layers: tuple[int, ...]
    n_embd: int
    max_tokens: int
    texts: str
    n_texts: int
    mode: str = "alone"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated cost of filling a cache: tokens, bytes of disk, seconds."""

    tokens: int
    nbytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StatesCache:
    """A complete cache, memory-mapped.

    Attributes:
        lengths: int64 (n_texts,): tokens per text.
        offsets: int64 (n_texts,): first row of each text.
        tokens: int32 (rows,): token ids.
        states: float16 (rows, n_embd) for each layer of the manifest, in its order.
    """

    manifest: Manifest
    lengths: NDArray[np.int64]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int32]
    states: tuple[NDArray[np.float16], ...]

    def get(self, index: int) -> HiddenStates:
        """Return the states of one text, rounded to float16."""
        rows = slice(self.offsets[index], self.offsets[index] + self.lengths[index])
        states = np.stack([layer[rows] for layer in self.states]).astype(np.float32)
        tokens = tuple(int(token) for token in self.tokens[rows])
        return HiddenStates(tokens, self.manifest.layers, states)

    def layer(self, number: int) -> NDArray[np.float16]:
        """Return all rows of one layer, float16 (rows, n_embd).

        Raises:
            ValueError: that layer is not in the cache.
        """
        return self.states[self.manifest.layers.index(number)]


def texts_digest(texts: Sequence[str]) -> str:
    """Hash of texts in order; 32 hex digits."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)}\0{text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def estimate(
    backbone: Backbone, texts: Sequence[str], *, layers: Sequence[int], max_tokens: int
) -> Estimate:
    """Encode a sample of the texts and extrapolate; takes about a second."""
    probes = [texts[i] for i in np.linspace(0, len(texts) - 1, min(_PROBES, len(texts)), dtype=int)]
    start = time.perf_counter()
    seen = sum(
        len(states.tokens)
        for states in backbone.hidden_states(probes, layers=layers, max_tokens=max_tokens)
    )
    scale = len(texts) / len(probes)
    tokens = round(seen * scale)
    row = 2 * backbone.facts.n_embd * len(layers) + 4
    return Estimate(tokens, tokens * row, (time.perf_counter() - start) * scale)


def fill(
    folder: Path,
    backbone: Backbone,
    texts: Sequence[str],
    *,
    layers: Sequence[int],
    max_tokens: int,
    progress: Progress | None = None,
) -> StatesCache:
    """Encode the texts that a cache lacks, and open it.

    A cache with more layers than needed is used as it is. After an interruption, the next call
    resumes where this one stopped.

    Raises:
        TunerError: the folder has states of other texts or of another backbone, or the disk has too
            little space.
    """
    manifest = Manifest(
        backbone.fingerprint,
        tuple(sorted(set(layers))),
        backbone.facts.n_embd,
        max_tokens,
        texts_digest(texts),
        len(texts),
    )
    manifest = _claim(folder, manifest)
    done = _complete_texts(folder, manifest)
    if done < len(texts):
        cost = estimate(backbone, texts[done:], layers=manifest.layers, max_tokens=max_tokens)
        _check_disk(folder, cost.nbytes)

    def passes(done: int) -> Iterable[HiddenStates]:
        return backbone.hidden_states(texts[done:], manifest.layers, max_tokens=max_tokens)

    return fill_with(folder, manifest, passes, progress=progress)


def fill_with(
    folder: Path,
    manifest: Manifest,
    passes: Callable[[int], Iterable[HiddenStates]],
    *,
    progress: Progress | None = None,
) -> StatesCache:
    """Complete a cache from any source of states.

    Args:
        folder: The cache's folder.
        manifest: What the cache must hold.
        passes: Given the number of finished texts, yields the states of the others in order.
        progress: Called with (texts done, total texts).

    Raises:
        TunerError: the folder has other states.
    """
    manifest = _claim(folder, manifest)
    done = _repair(folder, manifest)
    if done < manifest.n_texts:
        _append(folder, manifest, passes(done), done=done, progress=progress)
    return open_cache(folder)


def open_cache(folder: Path) -> StatesCache:
    """Open a complete cache.

    Raises:
        TunerError: there is no cache, or it is incomplete.
    """
    manifest = _read_manifest(folder)
    if manifest is None:
        raise TunerError(f"{folder} has no cached states — run `lmort-mem tuner train` first")
    done = _complete_texts(folder, manifest)
    if done < manifest.n_texts:
        raise TunerError(
            f"{folder} has the states of {done} of {manifest.n_texts} texts — run the same command "
            "again to complete them"
        )
    lengths = np.fromfile(folder / "lengths.u32", dtype="<u4").astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    shape = (int(lengths.sum()), manifest.n_embd)
    return StatesCache(
        manifest,
        lengths,
        offsets,
        np.memmap(folder / "tokens.i32", dtype="<i4", mode="r", shape=shape[:1]),
        tuple(
            np.memmap(_layer_file(folder, k), dtype="<f2", mode="r", shape=shape)
            for k in manifest.layers
        ),
    )


def _claim(folder: Path, wanted: Manifest) -> Manifest:
    """Write a folder's manifest, or check that the existing one covers what is needed."""
    found = _read_manifest(folder)
    if found is None:
        make_private_dir(folder)
        (folder / "manifest.json").write_text(json.dumps(asdict(wanted), indent=1))
        return wanted
    same = {**asdict(wanted), "layers": None} == {**asdict(found), "layers": None}
    if same and set(wanted.layers) <= set(found.layers):
        return found
    differing = [key for key, value in asdict(found).items() if value != asdict(wanted)[key]]
    raise TunerError(
        f"{folder} has other states: {', '.join(differing)} differ — "
        "choose another folder, or delete this one"
    )


def _read_manifest(folder: Path) -> Manifest | None:
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text())
        return Manifest(**{**values, "layers": tuple(values["layers"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TunerError(f"{path} is damaged: {error} — delete the folder") from error


def _layer_file(folder: Path, layer: int) -> Path:
    return folder / f"layer-{layer}.f16"


def _data_files(folder: Path, manifest: Manifest) -> list[tuple[Path, int]]:
    """Return the files with one row per token, and their row size in bytes."""
    files = [(_layer_file(folder, k), 2 * manifest.n_embd) for k in manifest.layers]
    return [*files, (folder / "tokens.i32", 4)]


def _complete_texts(folder: Path, manifest: Manifest) -> int:
    """Count the texts that are complete in every file."""
    path = folder / "lengths.u32"
    if not path.is_file():
        return 0
    whole = path.stat().st_size // 4
    ends = np.cumsum(np.fromfile(path, dtype="<u4", count=whole).astype(np.int64))
    rows = min(
        file.stat().st_size // row if file.is_file() else 0
        for file, row in _data_files(folder, manifest)
    )
    return int(np.searchsorted(ends, rows, side="right"))


def _repair(folder: Path, manifest: Manifest) -> int:
    """Truncate what a killed run left incomplete; return the number of complete texts."""
    done = _complete_texts(folder, manifest)
    lengths = folder / "lengths.u32"
    rows = int(np.fromfile(lengths, dtype="<u4", count=done).sum()) if done else 0
    for path, row in [*_data_files(folder, manifest), (lengths, 0)]:
        with path.open("ab") as file:
            file.truncate(rows * row if row else 4 * done)
    return done


def _append(
    folder: Path,
    manifest: Manifest,
    found: Iterable[HiddenStates],
    *,
    done: int,
    progress: Progress | None,
) -> None:
    with ExitStack() as stack:
        layers = [stack.enter_context(_layer_file(folder, k).open("ab")) for k in manifest.layers]
        tokens = stack.enter_context((folder / "tokens.i32").open("ab"))
        lengths = stack.enter_context((folder / "lengths.u32").open("ab"))
        for states in found:
            _write(states, layers, tokens, lengths)
            done += 1
            if done % _FLUSH_EVERY == 0 or done == manifest.n_texts:
                for file in (
                    *layers,
                    tokens,
                    lengths,
                ):  # lengths last: they mark the rest as complete
                    file.flush()
                if progress is not None:
                    progress(done, manifest.n_texts)


def _write(
    states: HiddenStates, layers: Sequence[BinaryIO], tokens: BinaryIO, lengths: BinaryIO
) -> None:
    for file, rows in zip(layers, states.states, strict=True):
        file.write(np.clip(rows, -_F16_MAX, _F16_MAX).astype("<f2").tobytes())
    tokens.write(np.array(states.tokens, dtype="<i4").tobytes())
    lengths.write(np.array([len(states.tokens)], dtype="<u4").tobytes())


def _check_disk(folder: Path, nbytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if nbytes > free:
        raise TunerError(
            f"the states need about {nbytes / 1e9:.1f} GB in {folder}, but {free / 1e9:.1f} GB are "
            "free — choose another folder, fewer texts or fewer layers"
        )

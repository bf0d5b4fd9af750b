"""Word vectors: what the teacher knows of single words, for every model and without a forward pass.

The lower layers of a small model know little of a rare word, and a tuner learns what a text means
from as many texts as it was shown. A table of words learns the same from the teacher alone: no
model is read, so it has seen far more texts than any tuner, once, for all models. A text's vector
is the sum of the vectors of its words plus a bias, in the teacher's space; words that occur
everywhere weigh little (Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence
Embeddings"). A tuner adds it to its own output (`lmort`), in proportion to how much of the text
the table knows: of a text in another language next to nothing.

`benchmarks.make_lexicon` made the file; experiment 48 has the figures.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile

import numpy as np

from lmort_memory.errors import TunerError, TunerMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lmort_memory.encoder.config import TunerConfig

    Array = NDArray[np.float32]

__all__ = ["LONGEST", "Lexicon", "lexicon_of", "load_lexicon", "words_of", "write_lexicon"]

LONGEST: Final = 24
"""Letters of the longest word; a longer one is in no table and may be a page of base64."""

_FILE: Final = "lexicon.npz"
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_ZERO: Final = 8  # code of the step 0
_MOST: Final = 7  # steps to either side
_CUT: Final = 0.8


@dataclass(frozen=True, slots=True)
class Lexicon:
    """A table of words. Immutable and safe to share between threads.

    Attributes:
        rows: Word, in small letters -> its row in the arrays.
        codes: uint8 (n_words, dim / 2): each word's vector times its weight, in units of `scales`:
            two dimensions a byte, of 4 bits each, 8 stands for 0.
        scales: float32 (n_words,).
        weights: float32 (n_words,): from near 0 for words that occur everywhere to 1 for rare ones.
        bias: float32 (dim,).
        identity: Hash of all this, 16 hex digits; part of the identity of vectors made with it.
    """

    rows: Mapping[str, int]
    codes: NDArray[np.uint8]
    scales: Array
    weights: Array
    bias: Array
    identity: str

    @property
    def dim(self) -> int:
        """Width of a text's vector."""
        return len(self.bias)

    def vectors(self, texts: Sequence[str]) -> Array:
        """Return the vectors of texts, float32 (len(texts), dim).

        A row's length is the square of the share of its text that the table knows, weighted as the
        words are: 1 if it knows every word, 0 if none. Squared, because a third of a Spanish or
        German text are function words that also occur in English texts.
        """
        vectors = np.repeat(self.bias[None], len(texts), axis=0)
        known = np.zeros(len(texts), np.float32)
        for index, text in enumerate(texts):
            found = [self._row(word) for word in words_of(text)]
            rows = [row for row in found if row is not None]
            if rows:
                vectors[index] += self.scales[rows] @ _unpacked(self.codes[rows])
                weight = float(self.weights[rows].sum())
                known[index] = weight / (weight + len(found) - len(rows))
        lengths = np.linalg.norm(vectors, axis=1)
        vectors *= (known**2 / np.maximum(lengths, np.finfo(np.float32).tiny))[:, None]
        return vectors

    def _row(self, word: str) -> int | None:
        """Find a word; of "sister's" the part before the apostrophe, if it is not a word itself."""
        row = self.rows.get(word)
        if row is None and not word.isalpha():
            row = self.rows.get(word.partition("'")[0])
        return row


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text in small letters, with straight apostrophes."""
    for found in _WORD.finditer(text):
        yield found[0][: LONGEST + 1].lower().replace("\u2019", "'")


@cache
def load_lexicon(path: Path | None = None) -> Lexicon:
    """Load the table that ships, or another, once.

    Raises:
        TunerError: the file is missing or damaged.
    """
    path = path or Path(__file__).parent / "pretrained" / _FILE
    try:
        data = path.read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            words = stored["words"].tobytes().decode().split("\n")
            codes = stored["codes"]
            scales, weights, bias = (
                stored[name].astype(np.float32) for name in ("scales", "weights", "bias")
            )
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise TunerError(
            f"cannot read the word vectors in {path}: {error} — reinstall lmort-memory"
        ) from error
    shapes = codes.shape, scales.shape, weights.shape
    count = len(words)
    if codes.dtype != np.uint8 or shapes != ((count, len(bias) // 2), (count,), (count,)):
        raise TunerError(f"the word vectors in {path} are damaged: their parts do not fit together")
    rows = {word: row for row, word in enumerate(words)}
    identity = hashlib.sha256(data).hexdigest()[:16]
    return Lexicon(rows, codes, scales, weights, bias, identity)


def lexicon_of(config: TunerConfig) -> Lexicon:
    """Load the table whose vectors a tuner adds.

    Raises:
        TunerMismatchError: this version has another.
        TunerError: the file is missing or damaged.
    """
    lexicon = load_lexicon()
    if (lexicon.identity, lexicon.dim) != (config.lexicon, config.inner_dim):
        raise TunerMismatchError(
            f"the tuner adds the word vectors {config.lexicon} of width {config.inner_dim}, but "
            f"this version has {lexicon.identity} of width {lexicon.dim} — update lmort-memory or "
            "make the tuner again",
            expected=config.lexicon,
            found=lexicon.identity,
        )
    return lexicon


def write_lexicon(
    path: Path, words: Sequence[str], vectors: Array, weights: Array, bias: Array
) -> None:
    """Write a table, reduced to 4 bits a dimension.

    Args:
        path: Destination.
        words: Words in small letters.
        vectors: float32 (len(words), dim): each word's vector times its weight.
        weights: float32 (len(words),).
        bias: float32 (dim,), added once for each text; `dim` is even.
    """
    # The largest of each row are cut, which leaves finer steps for the others.
    largest = np.abs(vectors).max(axis=1) * _CUT
    scales = np.maximum(largest, np.finfo(np.float32).tiny) / _MOST
    steps = np.clip(np.rint(vectors / scales[:, None]), -_MOST, _MOST).astype(np.int8)
    codes = (steps + _ZERO).astype(np.uint8)
    np.savez(
        path,
        words=np.frombuffer("\n".join(words).encode(), np.uint8),
        codes=codes[:, ::2] << 4 | codes[:, 1::2],
        scales=scales.astype(np.float32),
        weights=weights.astype(np.float16),
        bias=bias.astype(np.float32),
    )


def _unpacked(codes: NDArray[np.uint8]) -> Array:
    """Return codes as steps from -8 to 7, float32 (n, dim)."""
    steps = np.empty((len(codes), 2 * codes.shape[1]), np.float32)
    steps[:, ::2] = codes >> 4
    steps[:, 1::2] = codes & 15
    steps -= _ZERO
    return steps

"""A text that does not fit the model's context: the parts of it that the model reads.

People paste a document and ask about it before or after. So the beginning and the end are read, and
between them the chunks that are closest in meaning to what is asked there. Reading a chunk for its
meaning costs a forward pass. Of a text of thousands of chunks only those are read that share the
rarest words with the question, and the vectors of the whole are left for later.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lmort_memory.encoder import chunk_spans
from lmort_memory.memory.kinds import is_question, sentences
from lmort_memory.memory.overlap import stems

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmort_memory.types import Encoded, Encoder, Progress

__all__ = ["AT_ONCE", "Parts", "asked_in", "excerpt", "parts_of"]

# Chunks that are read before the reply: 8,000 tokens, about ten seconds on two slow cores.
AT_ONCE = 64
_SHORT_PARAGRAPH = 300  # characters
_PARAGRAPH = re.compile(r"\n\s*\n")
_WORDS = 0.4  # of a cosine: what all the words that are asked for are worth (experiment 44)
GAP = "\n[…]\n"

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Parts:
    """The chunks of a long text.

    Attributes:
        spans: Where each begins and ends, in characters.
        worth: How close each is to what is asked, by meaning and words; of the chunks read.
        encoded: The vectors of the whole text, or None if only some of its chunks were read.
    """

    spans: Sequence[Span]
    worth: Mapping[int, float]
    encoded: Encoded | None


def parts_of(
    text: str, ends: Sequence[int], encoder: Encoder, *, progress: Progress | None
) -> Parts:
    """Read a long text, or those of its chunks that may matter.

    Args:
        text: The whole.
        ends: For each of its tokens, the character where it ends.
        encoder: Makes the chunks' vectors.
        progress: Called with how many chunks are read.
    """
    spans: Sequence[Span] = chunk_spans(text, ends)
    encoded = None
    if len(spans) <= AT_ONCE:
        encoded = encoder.encode([text], progress=progress)[0]
        spans = encoded.spans  # its own: it may take the text for other tokens than a chat does
    chunks = [text[slice(*span)] for span in spans]
    asked = asked_in(text, chunks)
    words = shared_words(asked, chunks)
    if encoded is not None:
        chosen, vectors = list(words), encoded.vectors
    else:
        chosen = sorted(_ends_first(words)[:AT_ONCE])
        vectors = _read([chunks[i] for i in chosen], encoder, progress)
    nearness = (vectors @ _read(asked, encoder, None).T).max(axis=1)
    worth = {i: float(near) + _WORDS * words[i] for i, near in zip(chosen, nearness, strict=True)}
    return Parts(spans, worth, encoded)


def asked_in(text: str, chunks: Sequence[str]) -> list[str]:
    """Return what a long text asks for: the questions and requests at its beginning and its end.

    A short paragraph of its own there was written by the person. A document may begin with a
    heading and end with a question of its own, so without a question in such a paragraph all of
    these count; and if there are none, both ends.
    """
    ends = [chunks[0], chunks[-1]]
    paragraphs = _PARAGRAPH.split(text.strip())
    own = [one for one in (paragraphs[0], paragraphs[-1]) if len(one) <= _SHORT_PARAGRAPH]
    asking = _questions(own) or [*own, *_questions(ends)]
    return list(dict.fromkeys(asking)) or ends


def _questions(texts: Sequence[str]) -> list[str]:
    return [one for text in texts for one in sentences(text) if is_question(one)]


def shared_words(asked: Sequence[str], chunks: Sequence[str]) -> dict[int, float]:
    """Return by chunk how much of what is asked its words hold, 0 to 1; rare words count more."""
    said = [stems(chunk) for chunk in chunks]
    in_how_many = Counter(stem for own in said for stem in own)
    wanted = frozenset().union(*map(stems, asked))
    rarity = {stem: math.log(1 + len(chunks) / (1 + in_how_many[stem])) for stem in wanted}
    whole = sum(rarity.values())
    return {
        i: sum(rarity[stem] for stem in own & wanted) / whole if whole else 0.0
        for i, own in enumerate(said)
    }


def excerpt(text: str, parts: Parts, *, budget: int, count_tokens: Callable[[str], int]) -> str:
    """Choose the parts of a text that matter most for the question in it.

    Args:
        text: The whole.
        parts: Its chunks, as far as they are read.
        budget: Maximum tokens of the excerpt.
        count_tokens: The model's own count for a text.

    Returns:
        The beginning, the end and the closest chunks in order, with "[…]" for each omission.
    """
    chosen: list[int] = []
    for index in _ends_first(parts.worth):
        with_it = _joined(text, [parts.spans[i] for i in sorted([*chosen, index])])
        if count_tokens(with_it) <= budget:
            chosen.append(index)
        elif len(chosen) > 1:
            break
    if not chosen:  # no room for a single chunk
        return _cut(text[slice(*parts.spans[0])], budget, count_tokens)
    return _joined(text, [parts.spans[i] for i in sorted(chosen)])


def _cut(text: str, budget: int, count_tokens: Callable[[str], int]) -> str:
    """Return the beginning of a text that fits, at least a character."""
    while len(text) > 1 and count_tokens(text) > budget:
        text = text[: len(text) * 3 // 4]
    return text


def _ends_first(worth: Mapping[int, float]) -> list[int]:
    """Return chunks by worth, after the first and the last, which hold what is asked."""
    ends = (min(worth), max(worth))
    return sorted(worth, key=lambda i: (i not in ends, -worth[i], i))


def _read(texts: Sequence[str], encoder: Encoder, progress: Progress | None) -> NDArray[np.float32]:
    """Return the vectors of short texts, float32 (len(texts), dim), before any import goes on."""
    vectors: list[NDArray[np.float32]] = []
    for text in texts:
        if progress is not None:
            progress(len(vectors), len(texts))
        vectors.append(encoder.encode_query(text))
    return np.stack(vectors)


def _joined(text: str, spans: Sequence[Span]) -> str:
    """Merge overlapping stretches of a text."""
    parts: list[list[int]] = []
    for start, end in spans:
        if parts and start <= parts[-1][1]:
            parts[-1][1] = end
        else:
            parts.append([start, end])
    shown = [text[start:end].strip("\n") for start, end in parts]
    if parts and parts[-1][1] < len(text.rstrip()):
        shown.append("")
    return GAP.join(shown)

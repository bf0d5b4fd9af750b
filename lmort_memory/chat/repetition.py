"""What a turn merely repeats from the texts in view, kept as links and not stored again.

A model repeats its notes. Stored as new turns, these copies would be recalled, repeated and stored
again until memory holds little else (mem0ai/mem0#4573 counts 668 copies of one invention). Texts
are compared by words, ignoring case and punctuation.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"\w+")
_RUN = 4  # words in a row, too many for chance; a shorter text must match whole
_PLACES = 256  # most places of one run in one text that are compared: "ha ha ha …" has thousands
_WHOLE = 0.9  # share of a record's letters that a turn shows to stand for it
_SHARE = 0.8  # share of a reply's words found in view; the rest is "you said that"


@dataclass(frozen=True, slots=True)
class Link:
    """The characters [start, end) of a record's text."""

    record_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Words:
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def repeated(
    text: str, shown: Mapping[str, str], *, verbatim: bool, labels: Iterable[str] = ()
) -> tuple[Link | str, ...] | None:
    """Return a text as stretches of shown texts and words of its own, or None if it is new.

    Args:
        text: The text to check.
        shown: Texts in view by the id of their record, the oldest first.
        verbatim: Accept only a word-for-word repetition of one of them: a person who changes a
            single word means that word.
        labels: What stood beside the shown texts, such as "I, yesterday": no words of one's own.
    """
    said = _words(text)
    for label in labels:
        said = _without(said, _words(label).words)
    if not said.words:
        return None
    sources = {id_: _words(source) for id_, source in shown.items()}
    for id_, source in sources.items():
        if source.words == said.words:
            return (Link(id_, 0, len(shown[id_])),)
    if len(said.words) < _RUN:
        return None
    runs = _runs(said.words, sources)
    covered = sum(length for _, length, _, _ in runs)
    whole = len(runs) == 1 and covered == len(said.words)
    if whole or (not verbatim and covered >= _SHARE * len(said.words)):
        return _parts(text, said, runs, sources)
    return None


def join(parts: Sequence[Link | str], texts: Mapping[str, str]) -> str:
    """Return the text of the parts, without stretches of records that are gone."""
    said = (
        part if isinstance(part, str) else texts.get(part.record_id, "")[part.start : part.end]
        for part in parts
    )
    return "".join(said).strip()


def quoted(parts: Sequence[Link | str], texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the records of which the parts show less than the whole text.

    Args:
        parts: A text that repeats others.
        texts: The texts of its records, by id.
    """
    shown: Counter[str] = Counter()
    for part in parts:
        if isinstance(part, Link):
            shown[part.record_id] += part.end - part.start
    return tuple(id_ for id_, n in shown.items() if n < _WHOLE * len(texts.get(id_, "")))


_Run = tuple[int, int, str, int]  # first word, how many words, record, first word there


def _runs(words: Sequence[str], sources: Mapping[str, _Words]) -> list[_Run]:
    """Find the longest stretches from left to right, without overlaps."""
    wanted = {tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)}
    places: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for id_, source in sources.items():
        here: Counter[tuple[str, ...]] = Counter()
        for i in range(len(source.words) - _RUN + 1):
            run = source.words[i : i + _RUN]
            if run in wanted and here[run] < _PLACES:
                here[run] += 1
                places[run].append((id_, i))
    found: list[_Run] = []
    at = 0
    while at <= len(words) - _RUN:
        runs = [
            (at, _alike(words, at, sources[id_].words, there), id_, there)
            for id_, there in places.get(tuple(words[at : at + _RUN]), ())
        ]
        if not runs:
            at += 1
            continue
        best = max(runs, key=lambda run: run[1])
        found.append(best)
        at += best[1]
    return found


def _alike(words: Sequence[str], at: int, others: Sequence[str], there: int) -> int:
    """Return how many words from `at` on are those from `there` on."""
    most = min(len(words) - at, len(others) - there)
    return next((n for n in range(most) if words[at + n] != others[there + n]), most)


def _parts(
    text: str, said: _Words, runs: Sequence[_Run], sources: Mapping[str, _Words]
) -> tuple[Link | str, ...]:
    parts: list[Link | str] = []
    at = 0
    for first, length, id_, there in runs:
        start, end = said.spans[first][0], said.spans[first + length - 1][1]
        spans = sources[id_].spans
        parts += [text[at:start]] if start > at else []
        parts.append(Link(id_, spans[there][0], spans[there + length - 1][1]))
        at = end
    return (*parts, text[at:]) if at < len(text) else tuple(parts)


def _without(said: _Words, label: Sequence[str]) -> _Words:
    """Return the words without every occurrence of a label's."""
    kept: list[int] = []
    at = 0
    while at < len(said.words):
        if said.words[at : at + len(label)] == label:
            at += len(label)
        else:
            kept.append(at)
            at += 1
    return _Words(tuple(said.words[i] for i in kept), tuple(said.spans[i] for i in kept))


@lru_cache(maxsize=128)  # the texts in view are compared with every turn
def _words(text: str) -> _Words:
    found = list(_WORD.finditer(text))
    return _Words(
        tuple(match[0].casefold() for match in found), tuple(match.span() for match in found)
    )

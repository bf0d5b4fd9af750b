"""Identifiers that are written in groups, and the word that each is in one piece.

A telephone number, an IBAN or the number of an order is stored in groups and asked for without, or
the other way round. So the index holds both: the words as they stand and, after the text, the
joined form of what looks like an identifier. A question does the same more freely, because a word
that nobody stored finds nothing, while one in the index makes its text longer for BM25.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

__all__ = ["JOINED", "asked", "halves", "stored"]

MOST_STORED = 200  # joined words of one text; a table of numbers is no list of identifiers
MOST_ASKED = 16
LONGEST = 40  # characters in one piece; an IBAN has 34 at most, a UUID 32
MOST_GROUPS = 12  # with spaces between; more are a row of a table
MOST_PARTS = 20  # with signs between; the address of a machine has 6, its fingerprint 16

# Joined words mean one thing: a date, a path, a version, a name in code. Begun at the start of a
# word alone and never given back, so that a paste of one long word costs its length.
JOINED = re.compile(r"(?<![^\W_])[^\W_]++(?:[-./:_]++[^\W_]++)++")

_PART = re.compile(r"[^\W_]+")
_CODE = r"(?=[^\W\d_]*+\d)[^\W_]++"  # a word with a digit
_CAPITALS = r"[A-Z]{1,4}+(?![^\W_])"
_SHORT = r"[^\W\d_]{1,4}+(?![^\W_])"  # what capitals become in a folded question
_GAP = r"(?:\)?+[-./:_ ]\(?+|\))"
_STORED = re.compile(rf"(?<![^\W_])(?:{_CODE}|{_CAPITALS})(?:{_GAP}(?:{_CODE}|{_CAPITALS}))++")
_ASKED = re.compile(rf"(?<![^\W_])(?:{_CODE}|{_SHORT})(?:{_GAP}(?:{_CODE}|{_SHORT}))++")
# Times, decimals and dates beside other numbers are no groups of one number.
_ALONE = re.compile(r"[.:]|(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_TIMES = re.compile(r"\d?\d:\d\d(?::\d\d)?(?:-\d?\d:\d\d(?::\d\d)?)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_SAME = re.compile(r"\d\n\d|[^\W\d_]\n[^\W\d_]")
_HALF = re.compile(r"\d+|[^\W\d_]+")

_LEAST_DIGITS = 7  # of nothing but digits, with spaces: below are counts beside each other
_LEAST_IN_CODE = 5


def stored(text: str) -> list[str]:
    """Return the identifiers of a text in one piece, each once, as they are written.

    Takes time that grows with the length of the text alone, and returns at most `MOST_STORED`.
    """
    if not re.search(r"\d", text):
        return []
    return list(dict.fromkeys(islice(_stored(text), MOST_STORED)))


def asked(question: str, stop: frozenset[str]) -> list[str]:
    """Return what a folded question may mean by groups of digits and letters, in one piece.

    Words of `stop` are not taken for the letters before or after a number.
    """
    pieces = (
        "".join(piece)
        for run in _ASKED.findall(question)
        for groups in _groups(run)
        for piece in _pieces(groups)
        if len(piece) > 1 and not any(len(end) > 1 and end in stop for end in (piece[0], piece[-1]))
    )
    short = (piece for piece in pieces if len(piece) <= LONGEST)
    return list(dict.fromkeys(islice(short, MOST_ASKED)))


def halves(word: str) -> str | None:
    """Return a word of letters and digits with a space wherever the one becomes the other."""
    parts = _HALF.findall(word) if len(word) <= LONGEST else []
    return " ".join(parts) if 1 < len(parts) <= 4 else None


def _stored(text: str) -> Iterator[str]:
    for one in JOINED.findall(text):
        parts = _PART.findall(one)
        if _is_joined(one, parts):
            yield "".join(parts)
    for run in _STORED.findall(text):
        if " " in run or ")" in run:
            for groups in _groups(run):
                yield from ("".join(piece) for piece in _pieces(groups) if _is_grouped(piece))


def _groups(run: str) -> Iterator[list[str]]:
    """Yield what stands together in a run, without the times, decimals and dates in it."""
    groups: list[str] = []
    for chunk in run.split(" "):
        if _ALONE.search(chunk):
            yield groups
            groups = []
        else:
            groups += _PART.findall(chunk)
    yield groups


def _pieces(groups: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield groups with digits that follow each other, with and without the letters at each end."""
    spans = _spans(groups)
    if len(spans) > 1:
        spans.append((spans[0][0], spans[-1][1]))
    for first, last in spans:
        if last - first <= MOST_GROUPS:
            for start in dict.fromkeys((max(0, first - 1), first)):
                for stop in dict.fromkeys((min(len(groups), last + 1), last)):
                    yield groups[start:stop]


def _spans(groups: Sequence[str]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for i, group in enumerate(groups):
        if group.isalpha():
            continue
        if spans and spans[-1][1] == i:
            spans[-1] = (spans[-1][0], i + 1)
        else:
            spans.append((i, i + 1))
    return spans


def _is_joined(written: str, parts: Sequence[str]) -> bool:
    """Whether words joined by signs are an identifier that is also written in one piece."""
    one = "".join(parts)
    digits = sum(c.isdigit() for c in one)
    if not digits or len(one) > LONGEST or len(parts) > MOST_PARTS:
        return False
    if digits == len(one):
        return digits >= _LEAST_IN_CODE and not _is_amount(written, parts)
    # `halves` finds what only changes between letters and digits; the rest may not be words of
    # a path.
    names = [part for part in parts[1:] if part.isalpha() and len(part) > 4]
    told = digits >= 3 or len(parts) > 2
    return told and not names and _SAME.search("\n".join(parts)) is not None


def _is_amount(written: str, parts: Sequence[str]) -> bool:
    """Whether numbers with signs between are times, a decimal, or years from and to."""
    if len(parts) > 2:
        return _TIMES.fullmatch(written) is not None
    first, second = parts
    until = len(second) <= 2 or _YEAR.fullmatch(second) is not None
    return "." in written or (until and _YEAR.fullmatch(first) is not None)


def _is_grouped(piece: Sequence[str]) -> bool:
    """Whether groups with spaces between are an identifier, and not counts, years or amounts."""
    codes = [group for group in piece if not group.isalpha()]
    one = "".join(piece)
    if len(codes) < 2 or len(one) > LONGEST:
        return False
    if len(codes) == 2 and all(map(str.isdigit, codes)) and any(map(_YEAR.fullmatch, codes)):
        return False
    digits = sum(c.isdigit() for c in one)
    return digits >= (_LEAST_DIGITS if digits == len(one) else _LEAST_IN_CODE)

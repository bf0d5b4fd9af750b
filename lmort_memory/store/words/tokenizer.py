"""Words for FTS5: how a text is folded before it is indexed, and how a query is made of any text.

FTS5's unicode61 finds words where spaces stand between them. Chinese, Japanese, Korean, Thai, Lao,
Khmer and Burmese do without, so a run of their letters is indexed as overlapping pairs (as Lucene's
CJKAnalyzer does): a word of two characters is found, which trigrams cannot, and one table ranks all
scripts together.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["fold", "query_terms", "words_of"]

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "\uac00-\ud7af"  # Hangul
)
RUN = re.compile(f"[{UNSPACED}]+")
# What unicode61 takes for a word under the categories of schema.py, near enough for a query: a
# superset is harmless, because every word is quoted and FTS5 splits it again itself.
WORD = re.compile(r"[^\W_]+(?:[^\W_]|[\u0300-\u036f\u0900-\u0dff\u0610-\u06ff])*")

# SQLite strips accents of Latin letters only. All but the breve: Cyrillic й is no и.
ACCENT = re.compile("[\u0300-\u0305\u0307-\u036f]")

# What somebody joined stands for one thing: a date, a path, a version, a name in code.
JOINED = re.compile(r"\w+(?:[-./:_]+\w+)+")

MAX_TERMS = 64  # a query is a question, not a document; more only costs time

# Words that stand in most English texts and tell none apart. Only where other words remain.
STOP = frozenset(
    """a an and are as at be been by did do does for from had has have he her his how i if in into
    is it its me my no not of on or our she so that the their them then there they this to was we
    were what when where which who why will with would you your""".split()  # noqa: SIM905
)


def fold(text: str) -> str:
    """Return the text as it is indexed: case and accents unified, unspaced runs as pairs.

    The last character of a run follows alone, so that each of them begins some word of the index.
    """
    return RUN.sub(lambda run: f" {_pairs(run.group())} {run.group()[-1]} ", _normal(text))


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, as they are indexed."""
    return WORD.findall(fold(text))


def query_terms(query: str) -> list[str]:
    """Return the words of any text as terms of FTS5, each once; none where it has no words.

    Every word is quoted, so FTS5's own syntax in a query is just text. A lone character of an
    unspaced script finds every pair that it begins. Words joined by `. - / : _` come together as
    well, before the single ones: quoted together they are a phrase, so a text in which they stand
    together scores higher, whatever joins them there.
    """
    spaced = RUN.sub(lambda run: f" {_pairs(run.group())} ", _normal(query))
    words = list(dict.fromkeys(WORD.findall(spaced)))
    telling = [word for word in words if word not in STOP] or words
    joined = (one for one in JOINED.findall(spaced) if len(WORD.findall(one)) > 1)
    return [_quoted(one) for one in [*dict.fromkeys(joined), *telling][:MAX_TERMS]]


def _normal(text: str) -> str:
    """Unify case, compatibility forms and accents; FTS5 would stop reading at a NUL."""
    plain = ACCENT.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", plain).replace("\0", " ")


def _pairs(run: str) -> str:
    return " ".join(run[i : i + 2] for i in range(len(run) - 1)) or run


def _quoted(word: str) -> str:
    return f'"{word}" *' if len(word) == 1 and RUN.match(word) else f'"{word}"'

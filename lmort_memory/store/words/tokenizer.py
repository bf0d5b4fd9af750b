"""Fold text for the FTS5 index, and turn any text into an FTS5 query.

FTS5's unicode61 tokenizer finds words separated by spaces. Chinese, Japanese, Korean, Thai, Lao,
Khmer and Burmese are written without, so a run of their letters is indexed as overlapping pairs (as
in Lucene's CJKAnalyzer). This finds words of two characters, which trigrams cannot, and one table
ranks all scripts together.
"""

from __future__ import annotations

import re
import unicodedata

from lmort_memory.store.words.identifiers import JOINED, asked, halves, stored

__all__ = ["STOP", "fold", "indexed", "query_terms", "words_of"]

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "\uac00-\ud7af"  # Hangul
)
RUN = re.compile(f"[{UNSPACED}]+")
# Approximately what unicode61 treats as a word with the categories in schema.py. A superset is
# harmless, because every word is quoted and FTS5 splits it again.
WORD = re.compile(r"[^\W_]+(?:[^\W_]|[\u0300-\u036f\u0900-\u0dff\u0610-\u06ff])*")

# SQLite only strips accents from Latin letters. We strip all but the breve: й is not и.
ACCENT = re.compile("[\u0300-\u0305\u0307-\u036f]")

# Groups of digits, as in a telephone number.
GROUPS = re.compile(r"(?<![^\W_])[^\W\d_]*+\d{2,}+(?: \d{2,}+)++")

MAX_TERMS = 64  # a query is a question, not a document; more terms only cost time

# Words that occur in most English texts. Dropped only if other words remain.
STOP = frozenset(
    """a an and are as at be been by did do does for from had has have he her his how i if in into
    is it its me my no not of on or our she so that the their them then there they this to was we
    were what when where which who why will with would you your""".split()  # noqa: SIM905
)


def fold(text: str) -> str:
    """Return the text to index: case and accents folded, unspaced runs split into pairs.

    The last character of a run is added alone, so that every character starts an indexed word.
    """
    return RUN.sub(lambda run: f" {_pairs(run.group())} {run.group()[-1]} ", _normal(text))


def indexed(text: str) -> str:
    """Return a folded text and, behind it, its identifiers in one piece.

    Not among its words: those that follow each other are looked for as phrases.
    """
    written = RUN.sub("\n", unicodedata.normalize("NFKC", text))
    return "\n".join([fold(text), *dict.fromkeys(map(_normal, stored(written)))])


def words_of(text: str) -> list[str]:
    """Return the indexed words of a text in order."""
    return WORD.findall(fold(text))


def query_terms(query: str) -> list[str]:
    """Return the words of any text as terms of FTS5, each once; none where it has no words.

    Every word is quoted, so FTS5's own syntax in a query is just text. A lone character of an
    unspaced script matches every pair that starts with it. Words joined by `. - / : _` are also
    searched for as a phrase, before the single words, so a text in which they stand together scores
    higher, whatever joins them there. So are groups of digits, and both as one word: a number is
    written as 978-3-16-148410-0, with spaces, or in one piece. A word such as ops1187 is searched
    for as OPS-1187 too.
    """
    spaced = RUN.sub(lambda run: f" {_pairs(run.group())} ", _normal(query))
    words = list(dict.fromkeys(WORD.findall(spaced)))
    telling = [word for word in words if word not in STOP] or words
    joined = [one for one in JOINED.findall(spaced) if len(WORD.findall(one)) > 1]
    joined += GROUPS.findall(spaced)
    whole = ["".join(WORD.findall(one)) for one in joined if any(c.isdigit() for c in one)]
    whole += asked(spaced, STOP)
    split = [phrase for word in telling if (phrase := halves(word))]
    terms = dict.fromkeys([*joined, *whole, *telling, *split])
    return [_quoted(one) for one in [*terms][:MAX_TERMS]]


def _normal(text: str) -> str:
    """Fold case, compatibility forms and accents; drop NUL, at which FTS5 would stop reading."""
    plain = ACCENT.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", plain).replace("\0", " ")


def _pairs(run: str) -> str:
    return " ".join(run[i : i + 2] for i in range(len(run) - 1)) or run


def _quoted(word: str) -> str:
    return f'"{word}" *' if len(word) == 1 and RUN.match(word) else f'"{word}"'

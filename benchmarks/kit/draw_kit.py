"""Draws the calibration kit: `python -m benchmarks.kit.draw_kit DATA FOLDER`.

DATA is the folder of training text (`text/` and `pairs/` as JSONL); only sources whose licence
lets their text ship are drawn: CC0, public domain, MIT, Apache-2.0 and CC-BY. The same data and
this file give the same kit. Needs the teacher.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.kit import TEXTS_FILE, VECTORS_FILE, KitText, items_digest
from lmort_memory.tuners.jsonl import read_jsonl
from lmort_memory.tuners.train.data import cut_words, split_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["LICENCES", "ORIGINS", "SOURCES", "KitSource", "Origin", "clean", "draw", "write_kit"]

LICENCES: Final = ("CC0-1.0", "public domain", "MIT", "Apache-2.0", "CC-BY-4.0")
N_GROUPS: Final = 96  # of held-out texts: a question, its passage, a turn, a note
_MAX_WORDS: Final = 60  # about 80 tokens: what is longer costs more passes than it teaches
_MIN_WORDS: Final = 4
_SEED: Final = 20261121

_QUOTED: Final = re.compile(r"“([^“”]{20,300})”")  # speech in a novel
_LINE: Final = re.compile(r"^[A-Z][\w .]*?: (.+)$", re.MULTILINE)  # a line of a transcript
_DIARY: Final = re.compile(r"(?:[A-Z][a-z]+ )?\d{1,2}(?:st|nd|rd|th)\b(?: \([^)]*\))?[ .:,]*")
_FOOTNOTE: Final = re.compile(r"(?<=[^\W\d])\d{1,4}\b|(?<=[.,;:])\d{1,4}\b")
_BEFORE_MARK: Final = re.compile(r" +(?=[.,?!;:]|n't\b|'\w)")  # transcripts are tokenised


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file of the data folder comes from: who is to be named, and the licence."""

    title: str
    repository: str
    licence: str


@dataclass(frozen=True, slots=True)
class KitSource:
    """What to draw from one file.

    Attributes:
        path: Relative to the data folder, without ".jsonl.gz".
        kind: "turn", "note", "question" or "passage".
        count: How many texts, at most.
        shape: Which texts a row gives, a key of `_SHAPES`.
    """

    path: str
    kind: str
    count: int
    shape: str = "text"


ORIGINS: Final = {
    "acl_abstracts": Origin(
        "Abstracts of the ACL Anthology, 2016 to 2022",
        "mstelling/acl-anthology@78e27d88f74d, BKHMSI/acl-anthology@5fda6f8c94c7",
        "CC-BY-4.0",
    ),
    "digitalgov": Origin("digital.gov", "GSA/digitalgov.gov@4979583206d9", "CC0-1.0"),
    "fairytaleqa": Origin(
        "FairytaleQA (stories of Project Gutenberg)",
        "uci-soe/FairytaleQAData@a24ddc173646",
        "Apache-2.0",
    ),
    "gds_way": Origin("The GDS Way", "alphagov/gds-way@627911cd6b56", "MIT"),
    "handbook_18f": Origin("TTS Handbook", "18F/handbook@1e4955634d03", "CC0-1.0"),
    "medquad": Origin("MedQuAD", "abachaa/MedQuAD@577bd37b96c0", "CC-BY-4.0"),
    "opensource_guide": Origin(
        "Open Source Guides", "github/opensource.guide@ebc9678e39b5", "CC-BY-4.0"
    ),
    "openstax": Origin(
        "OpenStax textbooks (American Government, Anatomy and Physiology, Astronomy, Psychology, "
        "Sociology, US History, World History and others)",
        "openstax/osbooks-*, in the state under CC-BY-4.0",
        "CC-BY-4.0",
    ),
    "peps": Origin("Python Enhancement Proposals", "python/peps@ba4deeb79695", "public domain"),
    "qmsum": Origin("QMSum", "Yale-LILY/QMSum@83d7768c1f2b", "MIT"),
    "react_docs": Origin("react.dev", "reactjs/react.dev@12d692da47e7", "CC-BY-4.0"),
    "standard_ebooks": Origin(
        "Standard Ebooks: Pepys, Austen, Melville, Twain, Thoreau, Dickens, Shelley, Stoker, "
        "Stevenson, Darwin, Wells, Franklin, Alcott, Emerson, Conan Doyle",
        "standardebooks/* (16 repositories)",
        "CC0-1.0",
    ),
    "taskmaster": Origin(
        "Taskmaster-4", "google-research-datasets/Taskmaster@d92cb6af3005", "CC-BY-4.0"
    ),
    "til_jbranchaud": Origin(
        "Today I Learned, Josh Branchaud", "jbranchaud/til@453e9edbdf2b", "MIT"
    ),
    "til_simonw": Origin(
        "Today I Learned, Simon Willison", "simonw/til@8d908b6d36cd", "Apache-2.0"
    ),
    "tldr_pages": Origin("tldr-pages", "tldr-pages/tldr@08e345f42639", "CC-BY-4.0"),
}
"""Source -> origin; as the data folder's own README states them."""

SOURCES: Final = (
    KitSource("pairs/qmsum", "turn", 1500, "transcript"),
    KitSource("text/standard_ebooks", "turn", 1500, "speech"),
    KitSource("text/taskmaster", "turn", 500, "turns"),
    KitSource("text/standard_ebooks", "note", 600, "diary"),
    KitSource("text/til_jbranchaud", "note", 500),
    KitSource("text/handbook_18f", "note", 350),
    KitSource("text/til_simonw", "note", 250),
    KitSource("text/opensource_guide", "note", 100),
    KitSource("text/gds_way", "note", 100),
    KitSource("pairs/fairytaleqa", "question", 1100, "query"),
    KitSource("pairs/medquad", "question", 400, "query"),
    KitSource("pairs/qmsum", "question", 300, "query"),
    KitSource("text/openstax", "passage", 700),
    KitSource("text/standard_ebooks", "passage", 500),
    KitSource("text/digitalgov", "passage", 400),
    KitSource("text/acl_abstracts", "passage", 300),
    KitSource("text/medquad", "passage", 200),
    KitSource("text/peps", "passage", 150),
    KitSource("text/react_docs", "passage", 100),
    KitSource("pairs/tldr_pages", "passage", 150, "positive"),
)
PAIRS: Final = ("pairs/fairytaleqa", "pairs/medquad", "pairs/openstax", "pairs/handbook_18f")
"""Where held-out questions with their passages come from, in turn."""


def draw(data: Path) -> tuple[list[KitText], int]:
    """Draw the kit's texts; the number is that of those held out, which come first.

    Raises:
        TunerError: a source is missing or damaged.
    """
    pools: dict[str, list[KitText]] = {"turn": [], "note": [], "question": [], "passage": []}
    seen: set[str] = set()
    pairs = _draw_pairs(data, seen)
    for source in SOURCES:
        pools[source.kind] += _draw_source(data, source, seen)
    rng = random.Random(_SEED)
    for kind in ("turn", "note", "question", "passage"):
        rng.shuffle(pools[kind])
    held: list[KitText] = []
    for question, passage in pairs:
        held += [question, passage, pools["turn"].pop(), pools["note"].pop()]
    rest = [item for pool in pools.values() for item in pool]
    rng.shuffle(rest)
    return held + rest, len(held)


def write_kit(
    folder: Path, items: Sequence[KitText], vectors: NDArray[np.float32], *, n_held_out: int
) -> None:
    """Write the kit's three files.

    Args:
        folder: Where to; it must exist.
        items: The texts, held-out ones first.
        vectors: The teacher's, float32 (len(items), dim); unit norm; stored as int8.
        n_held_out: How many texts are held out.
    """
    from lmort_memory.tuners.train.teacher import TEACHER_LICENCE, TEACHER_NAME

    lines = "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items)
    with (folder / TEXTS_FILE).open("wb") as file:  # no time in the header: same kit, same bytes
        file.write(gzip.compress(lines.encode(), compresslevel=9, mtime=0))
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    np.savez_compressed(
        folder / VECTORS_FILE,
        rows=np.rint(vectors / largest * 127).astype(np.int8),
        n_held_out=n_held_out,
        teacher=f"{TEACHER_NAME} ({TEACHER_LICENCE})",
        texts=items_digest(items),
    )
    (folder / "ATTRIBUTION.md").write_text(_attribution(items), encoding="utf-8")


def _draw_pairs(data: Path, seen: set[str]) -> list[tuple[KitText, KitText]]:
    """Draw held-out questions with the passages that answer them, no text twice."""
    pairs: list[tuple[KitText, KitText]] = []
    for path in PAIRS:
        rows = list(read_jsonl(data / f"{path}.jsonl.gz"))
        random.Random(f"{_SEED} pairs {path}").shuffle(rows)
        name = path.split("/")[1]
        wanted = len(pairs) + N_GROUPS // len(PAIRS)
        for row in rows:
            question, passage = clean(str(row["query"])), clean(str(row["positive"]))
            if len(pairs) < wanted and not {question, passage} & seen:
                seen |= {question, passage}
                pairs.append(
                    (KitText(question, "question", name), KitText(passage, "passage", name))
                )
    random.Random(_SEED).shuffle(pairs)
    return pairs


def _draw_source(data: Path, source: KitSource, seen: set[str]) -> list[KitText]:
    """Draw distinct texts of one source, none that another source has given."""
    found: dict[str, None] = {}
    for row in read_jsonl(data / f"{source.path}.jsonl.gz"):
        for text in _SHAPES[source.shape](row):
            cleaned = clean(text)
            if len(cleaned.split()) >= _MIN_WORDS and cleaned not in seen:
                found[cleaned] = None
    rng = random.Random(f"{_SEED} {source.path} {source.shape}")
    drawn = rng.sample(list(found), min(source.count, len(found)))
    seen |= set(drawn)
    return [KitText(text, source.kind, source.path.split("/")[1]) for text in drawn]


def clean(text: str) -> str:
    """Normalise white space and cut after the kit's limit of words."""
    return cut_words(" ".join(text.split()), _MAX_WORDS)


def _transcript(row: dict[str, object]) -> Iterator[str]:
    for line in _LINE.findall(str(row["positive"])):
        yield _BEFORE_MARK.sub("", line)


def _diary(row: dict[str, object]) -> Iterator[str]:
    """Yield a paragraph that opens with a day, its footnote numbers and the day left out."""
    text = str(row["text"])
    if day := _DIARY.match(text):
        yield _FOOTNOTE.sub("", text[day.end() :])


_SHAPES: Final[dict[str, Callable[[dict[str, object]], Iterator[str]]]] = {
    "text": lambda row: iter([str(row["text"])]),
    "query": lambda row: iter([str(row["query"])]),
    "positive": lambda row: iter([str(row["positive"])]),
    "turns": lambda row: iter(split_turns(str(row["text"]))),
    "speech": lambda row: iter(_QUOTED.findall(str(row["text"]))),
    "transcript": _transcript,
    "diary": _diary,
}


def _attribution(items: Sequence[KitText]) -> str:
    counts: dict[str, int] = {}
    for item in items:
        counts[item.source] = counts.get(item.source, 0) + 1
    rows = [
        f"| {ORIGINS[name].title} | {ORIGINS[name].repository} | {ORIGINS[name].licence} "
        f"| {counts[name]} |\n"
        for name in sorted(counts)
    ]
    return (
        "# Sources of the calibration kit\n\n"
        f"`{TEXTS_FILE}` holds short excerpts of the works below, cut after {_MAX_WORDS} words, "
        "white space and\nfootnote marks normalised, speakers left out. Each stays under its own "
        f"licence.\n`{VECTORS_FILE}` holds the vectors that all-MiniLM-L6-v2 gives them "
        "(sentence-transformers,\nApache-2.0).\n\n"
        "| work | repository | licence | texts |\n|---|---|---|---|\n" + "".join(rows)
    )


def main(arguments: Sequence[str]) -> None:
    """Draw the kit, have the teacher encode it, write it."""
    from lmort_memory.tuners.train.teacher import Teacher

    data, folder = Path(arguments[0]), Path(arguments[1])
    items, n_held_out = draw(data)
    vectors = Teacher().encode([item.text for item in items])
    write_kit(folder, items, vectors, n_held_out=n_held_out)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Draws talk about oneself, and a dictionary: what the second stage of the shipped tuner reads.

    python -m benchmarks.kit.draw_talk SYNTHETIC_PERSONA_CHAT WORDNET DATA

The first folder holds `Synthetic-Persona-Chat_valid.csv` and `_test.csv` of
google-research-datasets/Synthetic-Persona-Chat (CC-BY-4.0), the second WordNet 3.0's `data.noun`
and others (Debian's package wordnet-base, WordNet's licence). Beside the training text in DATA come

    text/persona_sentences      what people say of themselves, a sentence each
    text/persona_turns          turns of their conversations
    text/wordnet_glosses        words with what they mean
    text/wordnet_examples       sentences with these words
    pairs/personal              "What do I do for a living?", and the turn that answers it; pairs
                                with the same question are one group

In a conversation one asks the other "What do you do?"; asked of a memory, that is "What do I do?".
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

_SEED = 7
_MOST_ALIKE = 5  # pairs with the same question
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_TO_ONESELF = (
    (r"\bare you\b", "am I"),
    (r"\bwere you\b", "was I"),
    (r"\byou're\b", "I'm"),
    (r"\byou are\b", "I am"),
    (r"\byou've\b", "I've"),
    (r"\byours\b", "mine"),
    (r"\byour\b", "my"),
    (r"\byourself\b", "myself"),
    (r"\byou\b", "I"),
    (
        r"\b(about|for|to|with|of|from|makes?|made|brings?|interests?|gets?) I\b",
        r"\1 me",
    ),
)
_OF_THE_OTHER = re.compile(r"\byou(?:rs?)?\b", re.IGNORECASE)
_OF_ONESELF = re.compile(r"\b(?:I|my|we|our|I'm|me)\b")
_SMALL_TALK = re.compile(
    r"(?:thank|that'?s|that sounds|wow|oh|nice|cool|great|hi|hello"
    r"|i'm (?:good|doing|great|well|fine))",
    re.IGNORECASE,
)
_ONLY_POLITE = re.compile(
    r"(?:how are|how is it|what about|how about|are you there)", re.IGNORECASE
)


def to_oneself(question: str) -> str:
    """Turn a question to somebody into the same question about oneself.

    >>> to_oneself("What do you do for a living?")
    'What do I do for a living?'
    """
    for pattern, mine in _TO_ONESELF:
        question = re.sub(pattern, mine, question, flags=re.IGNORECASE)
    return question[0].upper() + question[1:]


def conversations(folder: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Yield what both people are, and what they say."""
    csv.field_size_limit(10**9)
    for name in ("valid", "test"):
        path = folder / f"Synthetic-Persona-Chat_{name}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for one, other, talk in list(csv.reader(file))[1:]:
                lines = [re.sub(r"^User ?[12]: ?", "", line).strip() for line in talk.split("\n")]
                yield [s.strip() for s in f"{one}\n{other}".split("\n")], [s for s in lines if s]


def answered(turns: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each question about the other with the answer, without politeness."""
    for before, after in pairwise(turns):
        asked = [one for one in _SENTENCE.split(before) if _is_personal(one)]
        said = [
            one
            for one in _SENTENCE.split(after)
            if not one.endswith("?") and not _SMALL_TALK.match(one)
        ]
        answer = " ".join(said)
        if (
            asked
            and 4 <= len(answer.split()) <= 40
            and _OF_ONESELF.search(answer)
            and not _ONLY_POLITE.match(asked[-1])
        ):
            yield to_oneself(asked[-1]), answer


def _is_personal(sentence: str) -> bool:
    asks = sentence.endswith("?") and _OF_THE_OTHER.search(sentence) is not None
    return asks and 4 <= len(sentence.split()) <= 16


def entries(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield WordNet's entries, "spoon: a piece of cutlery ...", each with its examples."""
    for kind in ("noun", "verb", "adj", "adv"):
        with (folder / f"data.{kind}").open(encoding="latin-1") as lines:
            for line in lines:
                if line.startswith(" "):  # the licence
                    continue
                head, gloss = line.split(" | ", 1)
                fields = head.split()
                words = [fields[4 + 2 * i] for i in range(min(4, int(fields[3], 16)))]
                names = ", ".join(re.sub(r"\(.*\)", "", word).replace("_", " ") for word in words)
                meaning = re.split(r';\s*"', gloss)[0].strip()
                examples = re.findall(r'"([^"]+)"', gloss)
                yield f"{names}: {meaning}", [s for s in examples if 4 <= len(s.split()) <= 20]


def main() -> int:
    """Write the files."""
    talk, dictionary, data = map(Path, sys.argv[1:4])
    rng = random.Random(_SEED)
    personas: set[str] = set()
    turns: dict[str, None] = {}
    pairs: dict[str, str] = {}
    for people, said in conversations(talk):
        personas |= {one for one in people if len(one.split()) > 2}
        turns |= dict.fromkeys(one for one in said if 3 <= len(one.split()) <= 60)
        for question, answer in answered(said):
            pairs.setdefault(answer, question)
    found = list(entries(dictionary))
    texts = {
        "persona_sentences": sorted(personas),
        "persona_turns": [one for one in turns if one not in personas],
        "wordnet_glosses": [gloss for gloss, _ in found],
        "wordnet_examples": [one for _, examples in found for one in examples],
    }
    for name, some in texts.items():
        write(data / "text" / f"{name}.jsonl.gz", [{"text": text} for text in some])
    shuffled = list(pairs.items())
    rng.shuffle(shuffled)
    alike: Counter[str] = Counter()
    rows = []
    for answer, question in shuffled:
        alike[question] += 1
        if alike[question] <= _MOST_ALIKE:
            rows.append(
                {"query": question, "positive": answer, "source": "personal", "group": question}
            )
    write(data / "pairs" / "personal.jsonl.gz", rows)
    return 0


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as JSON lines, the same bytes for the same rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))
    print(path, len(rows))


if __name__ == "__main__":
    sys.exit(main())

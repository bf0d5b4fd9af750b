"""What the chat is given from memory in several languages, and what it takes for a question.

    python -m benchmarks.bench_chat_languages --xquad CLONE --out RESULT

`chat_languages.tsv` has the same twenty facts in six languages, fifteen questions, six questions
that no fact answers, and eight turns of small talk. The facts were told on different days; two of
them replace two others. Recall and the chat's choice of notes run as in the chat, without a reply.
Then all questions and the small talk are stored too, each question with the reply that nothing is
known, and asked again. Spanish, German and Chinese were looked at while tables of words were
completed; French and Russian were kept aside.

With a clone of XQuAD (see `benchmarks.xquad`), its questions are looked at with their mark and
without, and the sentences of its paragraphs.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.environment import environment
from lmort_memory import ChatOptions, Memory, Turn
from lmort_memory.blas import one_thread
from lmort_memory.chat.notes import Found, chosen
from lmort_memory.memory.evidence import DEPTH
from lmort_memory.memory.kinds import is_question, only_asks, sentences

DATA = Path(__file__).with_name("chat_languages.tsv")
OPTIONS = ChatOptions()
UNKNOWN = {
    "en": "I don't know.",
    "de": "Das weiß ich leider nicht.",
    "es": "Lo siento, no lo sé.",
    "zh": "抱歉，我不知道。",  # noqa: RUF001
    "fr": "Désolé, je ne sais pas.",
    "ru": "К сожалению, я не знаю.",  # noqa: RUF001
}
XQUAD = "en es de el ru tr ar vi th zh hi"


def ask(memory: Memory, text: str) -> tuple[list[str], list[Found]]:
    """Return the ids of the hits, and what is worth a note, as in the chat."""
    hits = memory.recall(text, top_k=max(DEPTH, OPTIONS.memories), explain=True)
    chances, likelihood = memory.likelihoods(text, hits)
    found: list[Found] = []
    if likelihood >= OPTIONS.min_likelihood:
        found = chosen(memory, hits, chances, seen=(), at_most=OPTIONS.memories)
    return [hit.record.id for hit in hits], found


def asked(memory: Memory, questions: Sequence[dict], ids: Sequence[str]) -> dict:
    """Ask every question that a fact answers."""
    counts = dict.fromkeys(("first", "in five", "given", "notes"), 0)
    for question in questions:
        right = ids[int(question["fact"]) - 1]
        ranked, found = ask(memory, question["text"])
        given = {one.record.id for one in found}
        counts["first"] += ranked[0] == right
        counts["in five"] += right in ranked[:5]
        counts["given"] += right in given
        counts["notes"] += len(found)
    return counts


def with_notes(memory: Memory, turns: Sequence[dict]) -> int:
    """Count the turns that get notes."""
    return sum(bool(ask(memory, turn["text"])[1]) for turn in turns)


def measure(language: str, rows: Sequence[dict]) -> dict:
    """Tell the facts, ask, and ask again when all was asked before."""
    of = {kind: [row for row in rows if row["kind"] == kind] for kind in {r["kind"] for r in rows}}
    questions, unknown, talk = of["question"], of["unknown"], of["small talk"]
    now = datetime.now(UTC)
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory.open(Path(folder) / "m.db") as memory,
        one_thread(),
    ):
        ids = [
            memory.add(
                Turn(row["text"], session=str(day), created_at=now - timedelta(60 - 2 * day))
            )
            for day, row in enumerate(of["fact"])
        ]
        ids = [record.id for record in ids]
        result = {
            "asked": asked(memory, questions, ids),
            "unknown with notes": [with_notes(memory, unknown), len(unknown)],
            "small talk with notes": [with_notes(memory, talk), len(talk)],
        }
        for minutes, row in enumerate(questions):
            when = now - timedelta(15) + timedelta(minutes=5 * minutes)
            memory.add(Turn(row["text"], session="asked", created_at=when))
            reply, then = UNKNOWN[language], when + timedelta(seconds=9)
            memory.add(Turn(reply, role="assistant", session="asked", created_at=then))
        memory.add([Turn(r["text"], session="t", created_at=now - timedelta(10)) for r in talk])
        return result | {"asked again": asked(memory, questions, ids)}


def kinds(clone: Path, language: str) -> dict[str, float]:
    """Return the share of XQuAD's questions and sentences that are taken for questions."""
    articles = json.loads((clone / f"xquad.{language}.json").read_text())["data"]
    paragraphs = [one for article in articles for one in article["paragraphs"]]
    questions = [qa["question"].strip() for one in paragraphs for qa in one["qas"]]
    bare = [one.rstrip("?？؟; ").lstrip("¿") for one in questions]  # noqa: RUF001
    said = [sentence for one in paragraphs for sentence in sentences(one["context"])]
    return {
        "with a mark": round(sum(map(only_asks, questions)) / len(questions), 3),
        "without": round(sum(map(is_question, bare)) / len(bare), 3),
        "sentences": len(said),
        "sentences that ask": round(sum(map(is_question, said)) / len(said), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xquad", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    languages = dict.fromkeys(row["language"] for row in rows)
    result = {
        "environment": environment("benchmarks.bench_chat_languages"),
        "chat": {},
        "kinds": {},
    }
    for one in languages:
        result["chat"][one] = measure(one, [row for row in rows if row["language"] == one])
        print(one, json.dumps(result["chat"][one]))
    for one in XQUAD.split() if options.xquad else ():
        result["kinds"][one] = kinds(options.xquad, one)
        print(one, json.dumps(result["kinds"][one]))
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

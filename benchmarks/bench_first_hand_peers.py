"""What recall finds of the first-hand set, beside words, and beside a second model in its place.

    python -m benchmarks.bench_first_hand_peers --half judge --data DATA --work WORK \
      --out benchmarks/results/first_hand_peers.json

Every question that is answered by something stored is put to `Memory.recall` by itself, at the
moment at which the person asks it, in stores of 5 to 5,000 records: by words alone, by the model's
own vectors and tokens, by all-MiniLM-L6-v2's vectors, and by either with words. The memory is the
same in all; what "MiniLM" finds is what any store finds that compares MiniLM's vectors.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.bench_first_hand import KS, share
from benchmarks.environment import environment
from benchmarks.first_hand import ABSENT, HALVES, Person, Question, load
from benchmarks.first_hand.stores import SIZES, SMALL, Item, Talk, fill, prepared
from benchmarks.minilm import Embedder
from lmort_memory import Memory
from lmort_memory.memory.checks import Mode
from lmort_memory.store import SQLiteStore
from lmort_memory.types import Encoder

DEPTH = 50


@dataclass(frozen=True, slots=True)
class System:
    """Something to ask: its vectors, the talk with these, and how it searches."""

    encoder: Encoder
    talk: Talk
    modes: dict[str, Mode]


def by(embedder: Embedder, talk: Talk) -> Talk:
    """Return the same talk with another model's vectors, each turn by itself."""

    def made(items: Sequence[Item]) -> list[Item]:
        vectors = embedder.encode([item.turn.text for item in items])
        return [replace(item, encoded=one) for item, one in zip(items, vectors, strict=True)]

    own = {key: made(items) for key, items in track(talk.own.items(), "MiniLM: people")}
    return replace(talk, own=own, dialogues=made(talk.dialogues))


def ranks(system: System, person: Person, size: int) -> Iterator[tuple[str, int | None]]:
    """Yield, for each question and way to search, the rank of the first record that answers it."""
    asked = [one for one in person.questions if one.kind not in ABSENT]
    for batch in [[one] for one in asked] if size <= SMALL else [asked]:
        about = batch[0] if size <= SMALL else None
        with (
            tempfile.TemporaryDirectory() as folder,
            Memory(system.encoder, SQLiteStore(Path(folder) / "m.db")) as memory,
        ):
            ids = fill(memory, system.talk, person, size, about)
            for question in batch:
                right = {ids[f"{person.key}/{id_}"] for id_ in question.records}
                for name, mode in system.modes.items():
                    yield name, _rank(memory, question, person, mode, right)


def _rank(
    memory: Memory, question: Question, person: Person, mode: Mode, right: Collection[str]
) -> int | None:
    import time_machine

    with time_machine.travel(person.asked):
        hits = memory.recall(question.ask, top_k=DEPTH, mode=mode)
    return next((hit.rank for hit in hits if hit.record.id in right), None)


def figures(found: Sequence[int | None]) -> dict[str, object]:
    """Return recall and the mean reciprocal rank of one way in one size of store."""
    recall = {f"recall@{k}": share([rank is not None and rank <= k for rank in found]) for k in KS}
    return {
        **recall,
        "mrr": round(statistics.fmean(1 / rank if rank else 0.0 for rank in found), 4),
    }


def show(by_size: dict[str, dict[str, dict[str, object]]]) -> None:
    """Print a line for each size of store and way to search."""
    columns = [f"recall@{k}" for k in KS]
    table = Table("records", "found by", *columns, "mrr")
    for size, ways in by_size.items():
        for name, one in ways.items():
            cells = [f"{one[column]['share']:.3f}" for column in columns]  # type: ignore[index]
            table.add_row(size, name, *cells, str(one["mrr"]))
    Console(width=120).print(table)


def main() -> None:
    """Ask every question in every size of store, in every way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=HALVES, required=True)
    parser.add_argument("--size", type=int, choices=SIZES, nargs="+", default=SIZES)
    parser.add_argument("--data", type=Path, required=True, help="folder with text/*.jsonl.gz")
    parser.add_argument("--work", type=Path, required=True, help="keeps what was encoded")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tuner", type=Path)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    head = environment("benchmarks.bench_first_hand_peers")
    half, embedder = load(chosen.half), Embedder()
    talk = prepared(
        half, data=chosen.data, work=chosen.work, model=chosen.model, tuner=chosen.tuner
    )
    by_size: dict[str, dict[str, dict[str, object]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory.open(Path(folder) / "x.db", model=chosen.model, tuner=chosen.tuner) as opened,
    ):
        assert opened.encoder is not None
        systems = (
            System(
                opened.encoder,
                talk,
                {"words": "lexical", "ours": "dense", "ours + words": "hybrid"},
            ),
            System(embedder, by(embedder, talk), {"MiniLM": "dense", "MiniLM + words": "hybrid"}),
        )
        for size in chosen.size:
            found: dict[str, list[int | None]] = defaultdict(list)
            for person in track(half.people, f"{size} records"):
                for system in systems:
                    for name, rank in ranks(system, person, size):
                        found[name].append(rank)
            by_size[str(size)] = {name: figures(some) for name, some in found.items()}
    show(by_size)
    if chosen.out:
        result = {**head, "half": half.name, "by_size": by_size}
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""What the chat gives its model of what is stored: the first-hand set, by kind and size of store.

    python -m benchmarks.bench_first_hand --half judge --data DATA --work WORK --name NAME \
      --out benchmarks/results/first_hand.json

Every question is put to a real `Chat` in a new session, at the moment at which the person asks it;
nothing is generated. Every row is on disk before the next question, so that the same command goes
on where it was stopped; another setting or version of the code wants another `--name`.

`--half fit` is for choosing thresholds, weights and wordings; figures that are published are of
`--half judge`. `--set min_likelihood=0.2` tries another setting.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.environment import environment
from benchmarks.first_hand import ABSENT, HALVES, KINDS, Half, Person, Question, load
from benchmarks.first_hand.asking import Asked, ask
from benchmarks.first_hand.stores import SIZES, SMALL, Talk, fill, prepared
from lmort_memory import ChatOptions, Memory
from lmort_memory.types import DEFAULT_SCOPE

REPETITIONS = 10
NOTHING_NEW = "Let me think about that."
KS = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Row:
    """What happened to one question in one store.

    Attributes:
        question: Its id.
        kind: Its kind.
        size: Records in the store.
        rank: Rank of the answering record in recall (of the last one where it takes all); None
            beyond the tenth.
        old_rank: Best rank of an outdated record.
        given: Whether the answering record (all of them where it takes all) is among the notes.
        notes: Number of notes.
        newest_first: Update questions: the new record is given, and no outdated one before it.
        old_unmarked: An outdated record is given, without the one that replaced it in its line.
        fact_first: Repeated questions: share of the repetitions with the fact as the best note.
        fact_given: Repeated questions: share of the repetitions with the fact among the notes.
        notes_tokens: Tokens of the notes.
        likelihood: The chat's estimate that the answer is stored.
    """

    question: str
    kind: str
    size: int
    rank: int | None
    old_rank: int | None
    given: bool
    notes: int
    newest_first: bool | None
    old_unmarked: bool | None
    fact_first: float | None
    fact_given: float | None
    notes_tokens: int
    likelihood: float


class Bench:
    """One half's questions, put to one memory that is filled and emptied for each store.

    Args:
        talk: What stores are made of.
        memory: Empty, with its model.
        options: How the chats behave.
    """

    def __init__(self, talk: Talk, memory: Memory, options: ChatOptions) -> None:
        self._talk, self._memory, self._options = talk, memory, options

    def rows(self, size: int, done: Collection[str]) -> Iterator[Row]:
        """Yield a row for each question of the half that is not done."""
        for person in self._talk.half:
            left = [question for question in person.questions if question.id not in done]
            if size > SMALL:
                yield from self._asked(person, size, left, None)
                continue
            for question in left:
                yield from self._asked(person, size, [question], question)

    def _asked(
        self, person: Person, size: int, questions: Sequence[Question], about: Question | None
    ) -> Iterator[Row]:
        if not questions:
            return
        ids = fill(self._memory, self._talk, person, size, about)
        for question in questions:
            yield self._row(person, question, size, ids)
        self._memory.forget(scope=DEFAULT_SCOPE)

    def _row(self, person: Person, question: Question, size: int, ids: dict[str, str]) -> Row:
        right = [ids[f"{person.key}/{id_}"] for id_ in question.records]
        old = [ids[f"{person.key}/{id_}"] for id_ in question.outdated]
        asked = ask(
            self._memory, question.ask, at=person.asked, options=self._options, session=question.id
        )
        self._memory.forget(asked.stored)
        enough = all if question.every else any
        first = given = None
        if question.kind == "repeated":
            first, given = self._repeated(person, question, set(right))
        return Row(
            question=question.id,
            kind=question.kind,
            size=size,
            rank=_rank(asked.found, right, every=question.every),
            old_rank=_rank(asked.found, old, every=False),
            given=bool(right) and enough(id_ in asked.given for id_ in right),
            notes=len(asked.given),
            newest_first=_newest_first(asked, right, old) if old else None,
            old_unmarked=bool(set(old) & set(asked.given)) if old else None,
            fact_first=first,
            fact_given=given,
            notes_tokens=asked.notes_tokens,
            likelihood=round(asked.likelihood, 4),
        )

    def _repeated(self, person: Person, question: Question, right: set[str]) -> tuple[float, float]:
        """Ask ten times, a session and a day apart, in the same words and in others."""
        wordings = (question.ask, *question.again)
        first, given, left = 0, 0, list[str]()
        for number in range(REPETITIONS):
            asked = ask(
                self._memory,
                wordings[number % len(wordings)],
                at=person.asked + timedelta(days=number),
                options=self._options,
                session=f"{question.id}-{number}",
                reply=NOTHING_NEW,
            )
            left += asked.stored
            first += asked.best in right
            given += not right.isdisjoint(asked.given)
        self._memory.forget(left)
        return first / REPETITIONS, given / REPETITIONS


def _rank(found: Sequence[str], wanted: Sequence[str], *, every: bool) -> int | None:
    ranks = [found.index(id_) + 1 for id_ in wanted if id_ in found]
    if not ranks or (every and len(ranks) < len(wanted)):
        return None
    return max(ranks) if every else min(ranks)


def _newest_first(asked: Asked, right: Sequence[str], old: Sequence[str]) -> bool:
    given = [id_ for id_ in asked.given if id_ in right or id_ in old]
    return bool(given) and given[0] in right


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's method."""
    if not n:
        return 0.0, 1.0
    z, share = 1.96, successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def share(values: Sequence[bool | float | None]) -> dict[str, float | int | list[float]] | None:
    """Return the mean of values that are there, with its interval; None where none is."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    low, high = wilson(sum(known), len(known))
    mean = sum(known) / len(known)
    return {"share": round(mean, 3), "interval": [round(low, 3), round(high, 3)], "n": len(known)}


def summary(rows: Sequence[Row]) -> dict[str, object]:
    """Summarise rows of one kind, or of several, in one size of store."""
    stored = [row for row in rows if row.kind not in ABSENT]
    reached = [row for row in stored if row.rank is not None and row.rank <= max(KS)]
    recall = {
        f"recall@{k}": share([row.rank is not None and row.rank <= k for row in stored]) for k in KS
    }
    return {
        **recall,
        "given": share([row.given for row in stored]),
        "given_of_recalled": share([row.given for row in reached]),
        "noted_though_absent": share([row.notes > 0 for row in rows if row.kind in ABSENT]),
        "recall_newest_first": share(
            [
                row.rank is not None and (row.old_rank is None or row.rank < row.old_rank)
                for row in rows
                if row.kind == "update"
            ]
        ),
        "newest_first": share([row.newest_first for row in rows]),
        "old_unmarked": share([row.old_unmarked for row in rows]),
        "fact_first": share([row.fact_first for row in rows]),
        "fact_given": share([row.fact_given for row in rows]),
        "notes_tokens": round(sum(row.notes_tokens for row in rows) / len(rows), 1),
        "n": len(rows),
    }


def summaries(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, object]]]:
    """Summarise by size of store and kind; "stored" and "all" put kinds together."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for size in dict.fromkeys(row.size for row in rows):
        of = [row for row in rows if row.size == size]
        groups = {kind: [row for row in of if row.kind == kind] for kind in KINDS}
        groups["stored"] = [row for row in of if row.kind not in ABSENT]
        groups["absent"] = [row for row in of if row.kind in ABSENT]
        groups["all"] = of
        found[str(size)] = {name: summary(some) for name, some in groups.items() if some}
    return found


def show(found: dict[str, dict[str, dict[str, object]]]) -> None:
    """Print a table for each size of store."""
    columns = {
        "recall@1": "recall@1",
        "recall@3": "@3",
        "recall@5": "@5",
        "given": "given",
        "given_of_recalled": "given of @5",
        "noted_though_absent": "given though absent",
        "newest_first": "newest first",
        "fact_first": "fact first",
    }
    for size, kinds in found.items():
        table = Table("kind", *columns.values(), "tokens", "n", title=f"{size} records")
        for kind, figures in kinds.items():
            cells = [_cell(figures[name]) for name in columns]
            table.add_row(kind, *cells, str(figures["notes_tokens"]), str(figures["n"]))
        Console(width=200).print(table)


def _cell(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    low, high = value["interval"]
    return f"{value['share']:.2f} {low:.2f}-{high:.2f}"


def settings(changes: Sequence[str]) -> ChatOptions:
    """Return the chat's options with changes such as `min_likelihood=0.2`."""
    options = ChatOptions()
    for change in changes:
        name, _, value = change.partition("=")
        kind = type(getattr(options, name))
        options = replace(options, **{name: kind(value)})
    return options


def main() -> None:
    """Ask every question of a half in every size of store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=HALVES, required=True)
    parser.add_argument("--size", type=int, choices=SIZES, nargs="+", default=SIZES)
    parser.add_argument("--each", type=int, help="so many questions of each kind and person")
    parser.add_argument("--data", type=Path, required=True, help="folder with text/*.jsonl.gz")
    parser.add_argument("--work", type=Path, required=True, help="keeps what was encoded")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tuner", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--name", default="first_hand", help="of the run, to go on with it")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    half = some(load(chosen.half), chosen.each)
    head = environment("benchmarks.bench_first_hand")
    path = chosen.work / f"{chosen.name}-{half.name}.jsonl"
    try:
        run(half, chosen, path)
    finally:
        write(half, chosen, head, read_rows(path))


def some(half: Half, each: int | None) -> Half:
    """Return the half with so many questions of each kind and person, or with all."""
    return Half(
        tuple(
            replace(
                person,
                questions=tuple(
                    question
                    for kind in KINDS
                    for question in [q for q in person.questions if q.kind == kind][:each]
                ),
            )
            for person in half
        )
    )


def write(
    half: Half, chosen: argparse.Namespace, head: dict[str, object], rows: Sequence[Row]
) -> None:
    """Print the tables of what is done, and write them with each question's row beside them."""
    found = summaries(rows)
    show(found)
    if chosen.out:
        result = {**head, "half": half.name, "settings": chosen.set, "by_size": found}
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")
        write_rows(rows, chosen.out)


def run(half: Half, chosen: argparse.Namespace, path: Path) -> None:
    """Ask what is not asked yet, and add the rows to a file as they come."""
    talk = prepared(
        load(half.name), data=chosen.data, work=chosen.work, model=chosen.model, tuner=chosen.tuner
    )
    rows = read_rows(path)
    total = sum(len(person.questions) for person in half)
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory.open(Path(folder) / "m.db", model=chosen.model, tuner=chosen.tuner) as memory,
        path.open("a", encoding="utf-8") as file,
    ):
        bench = Bench(replace(talk, half=half), memory, settings(chosen.set))
        for size in chosen.size:
            done = {row.question for row in rows if row.size == size}
            left = bench.rows(size, done)
            for row in track(left, f"{size} records", total=total - len(done)):
                file.write(json.dumps(asdict(row)) + "\n")
                file.flush()


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a run so far."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return sorted((Row(**json.loads(line)) for line in lines), key=lambda row: row.size)


def write_rows(rows: Sequence[Row], result: Path) -> None:
    """Write `questions/RESULT.jsonl.gz` beside a result: a line for each question and size."""
    path = result.parent / "questions" / f"{result.stem}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.write(lines.encode())


if __name__ == "__main__":
    main()

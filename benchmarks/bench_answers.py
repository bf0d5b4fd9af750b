"""What memory is worth in a model's answers, and what the model loses of what it is given.

    python -m benchmarks.bench_answers --model qwen15.gguf --set first_hand --data DATA \
      --work WORK --out benchmarks/results/answers-qwen15-first_hand.json

Each question is answered six ways, by the likeliest forty tokens: without memory, with the last
turns that fit into half the context, with the notes of a real `Chat`, with notes of the same budget
that all-MiniLM-L6-v2 and BM25 find, and with the right records given. The model that remembers is
the packaged one, whichever answers, unless `--remember-with` names another.

Marks are by contains-the-answer, token F1 and, where nothing is stored, by abstaining. Every answer
is on disk before the next question: the same command goes on where it was stopped, and marks what
there is. `python -m benchmarks.tables` writes docs/answers.md from the results.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.answers.cases import Case, Talk, cases_of, first_hand, locomo
from benchmarks.answers.notes import WAYS, Chooser, Given
from benchmarks.answers.replies import Answerer
from benchmarks.answers.scoring import mark
from benchmarks.bench_first_hand import share
from benchmarks.environment import environment
from benchmarks.first_hand import HALVES, load, stores
from lmort_memory import Memory, Turn
from lmort_memory.backbone import Backbone, fast_default_path

SETS = ("first_hand", "locomo")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, by question and way, with its marks.

    Attributes:
        question: Its id.
        kind: Its kind.
        way: One of `WAYS`.
        stored: Whether anything that is stored answers it.
        right_given: Whether a record that answers it is among the notes.
        notes: Number of notes.
        reply: What the model said.
        contains: The reply contains an accepted answer.
        f1: Token F1.
        abstains: The reply says that it does not know.
    """

    question: str
    kind: str
    way: str
    stored: bool
    right_given: bool
    notes: int
    reply: str
    contains: bool
    f1: float
    abstains: bool


def answered(
    case: Case, given: dict[str, Given], plain: Answerer, with_turns: Answerer
) -> Iterator[Answer]:
    """Answer one question every way; the same prompt is evaluated once."""
    replies: dict[str, str] = {}
    for way, notes in given.items():
        if way == "last turns":
            reply = with_turns.answer(case.ask)
        else:
            if notes.text not in replies:
                replies[notes.text] = plain.answer(case.ask, notes.text)
            reply = replies[notes.text]
        marks = mark(reply, case.answers)
        yield Answer(
            question=case.id,
            kind=case.kind,
            way=way,
            stored=bool(case.answers),
            right_given=not set(case.right).isdisjoint(notes.records),
            notes=len(notes.records),
            reply=reply,
            contains=marks.contains,
            f1=marks.f1,
            abstains=marks.abstains,
        )


class Run:
    """One model over one set; answers are kept in a file of JSON lines as they come."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        folder = chosen.work / "answers"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = f"-{chosen.half}" if chosen.set == "first_hand" else ""
        name = Path(chosen.model).stem if chosen.model else "smollm2"
        self.path = folder / f"{name}-{chosen.set}{part}.jsonl"
        self.answers: list[Answer] = []
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            found = [Answer(**json.loads(line)) for line in lines]
            self.answers = list({(one.question, one.way): one for one in found}.values())

    def go_on(self, talks: Sequence[Talk]) -> None:
        """Answer what is not answered yet, until the budget of time is spent."""
        if self._chosen.budget <= 0:
            return
        from lmort_memory.tuners.train.teacher import Teacher

        done = {(one.question, one.way) for one in self.answers}
        began, embed = time.monotonic(), Teacher().encode
        told = self._told() if self._chosen.set == "first_hand" else None
        backbone = Backbone.open(self._chosen.model or fast_default_path())
        ways = {
            case.id: [way for way in self._chosen.ways if (case.id, way) not in done]
            for _, case in cases_of(talks)
        }
        left = [(talk, [case for case in talk.cases if ways[case.id]]) for talk in talks]
        for talk, cases in left:
            if not cases or time.monotonic() - began > self._chosen.budget:
                continue
            with tempfile.TemporaryDirectory() as place, self._opened(Path(place)) as memory:
                chooser = Chooser(talk, memory, self._filled(memory, talk, told), embed)
                with (
                    Answerer(backbone) as plain,
                    Answerer(backbone, earlier=talk.exchanges()) as with_turns,
                ):
                    for case in track(cases, talk.key):
                        if time.monotonic() - began > self._chosen.budget:
                            break
                        given = {way: chooser.given(way, case) for way in ways[case.id]}
                        self._keep(list(answered(case, given, plain, with_turns)))

    def _opened(self, place: Path) -> Memory:
        model = self._chosen.remember_with
        return Memory.open(place / "talk.db", model=model, tuner=self._chosen.tuner)

    def _told(self) -> stores.Talk:
        """Hold the first-hand chats with the model that remembers, or read what was held."""
        return stores.prepared(
            load(self._chosen.half),
            data=self._chosen.data,
            work=self._chosen.work,
            model=self._chosen.remember_with,
            tuner=self._chosen.tuner,
        )

    def _filled(self, memory: Memory, talk: Talk, told: stores.Talk | None) -> list[str | None]:
        """Store a talk: what was held as chats with those vectors, LoCoMo's turns one by one."""
        if told is None:
            turns = [
                Turn(one.text, role=one.role, session=one.session, created_at=one.at)
                for one in talk.said
            ]
            return [record.id for record in memory.add(turns)]
        person = next(one for one in told.half if one.key == talk.key)
        ids = stores.fill(memory, told, person, len(told.own[talk.key]), None)
        return [ids.get(f"{talk.key}/{one.id}") if one.id else None for one in talk.said]

    def _keep(self, answers: Sequence[Answer]) -> None:
        self.answers += answers
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in answers)


def summary(answers: Sequence[Answer]) -> dict[str, object]:
    """Mark each way: all questions, and those of each kind."""
    kinds = dict.fromkeys(one.kind for one in answers)
    return {
        way: {
            "all": _marks([one for one in answers if one.way == way]),
            **{
                kind: _marks([one for one in answers if one.way == way and one.kind == kind])
                for kind in kinds
            },
        }
        for way in dict.fromkeys(one.way for one in answers)
    }


def _marks(answers: Sequence[Answer]) -> dict[str, object]:
    stored = [one for one in answers if one.stored]
    absent = [one for one in answers if not one.stored]
    reached = [one for one in stored if one.right_given]
    return {
        "contains": share([one.contains for one in stored]),
        "f1": round(sum(one.f1 for one in stored) / len(stored), 4) if stored else None,
        "abstains_though_stored": share([one.abstains for one in stored]),
        "right_given": share([one.right_given for one in stored]),
        "contains_of_right_given": share([one.contains for one in reached]),
        "abstains_when_absent": share([one.abstains for one in absent if one.kind != "small_talk"]),
        "noted_when_absent": share([one.notes > 0 for one in absent]),
    }


def show(found: dict[str, object], title: str) -> None:
    """Print a line for each way."""
    names = ("contains", "f1", "right_given", "contains_of_right_given", "abstains_when_absent")
    table = Table("way", *names, title=title)
    for way, kinds in found.items():
        assert isinstance(kinds, dict)
        figures = kinds["all"]
        table.add_row(way, *(_cell(figures[name]) for name in names))
    Console(width=160).print(table)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        low, high = value["interval"]
        return f"{value['share']:.2f} {low:.2f}-{high:.2f} (n {value['n']})"
    return "" if value is None else f"{value:.3f}"


def write(run: Run, chosen: argparse.Namespace, head: dict[str, object]) -> None:
    """Write the marks, and each question's beside them; replies only of the set that is ours."""
    found = summary(run.answers)
    show(found, run.path.stem)
    if not chosen.out:
        return
    result = {
        **head,
        "set": chosen.set,
        "half": chosen.half if chosen.set == "first_hand" else None,
        "model": _named(chosen.model),
        "remembers_with": _named(chosen.remember_with),
        "questions": len({one.question for one in run.answers}),
        "ways": found,
    }
    chosen.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    path = chosen.out.parent / "questions" / f"{chosen.out.stem}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(one) for one in run.answers]
    if chosen.set != "first_hand":
        rows = [{name: value for name, value in row.items() if name != "reply"} for row in rows]
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.write("".join(json.dumps(row) + "\n" for row in rows).encode())


def _named(model: Path | None) -> str:
    return model.name if model else "the packaged model"


def main() -> None:
    """Answer, mark and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", choices=SETS, required=True)
    parser.add_argument("--half", choices=HALVES, default="judge", help="of the first-hand set")
    parser.add_argument("--limit", type=int, help="questions; all, or 200 of LoCoMo")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="answers; the packaged one if none is named")
    parser.add_argument("--remember-with", type=Path, help="its vectors find our notes")
    parser.add_argument("--tuner", type=Path, help="of the model that remembers")
    parser.add_argument("--budget", type=float, default=1e9, help="seconds; 0 marks what is there")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    chosen = parser.parse_args()
    head = environment("benchmarks.bench_answers")
    if chosen.set == "first_hand":
        talks = first_hand(load(chosen.half), limit=chosen.limit)
    else:
        talks = locomo(chosen.data / "eval" / "locomo_dev", limit=chosen.limit or 200)
    run = Run(chosen)
    try:
        run.go_on(talks)
    finally:
        write(run, chosen, head)


if __name__ == "__main__":
    main()

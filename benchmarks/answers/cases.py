"""Questions with the talk that they are about: the first-hand set, and LoCoMo's conversations."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.first_hand import Half, Person
from lmort_memory.tuners.evaluate.beir import load_set

UNANSWERABLE = 5  # LoCoMo's category of questions that its conversation does not answer
_KINDS = {1: "several turns", 2: "time", 3: "inference", 4: "one turn", 5: "unanswerable"}


@dataclass(frozen=True, slots=True)
class Said:
    """One record of a talk; `id` is what questions call it, or empty."""

    id: str
    role: str
    text: str
    at: datetime
    session: str


@dataclass(frozen=True, slots=True)
class Case:
    """A question.

    Attributes:
        id: Unique in its set.
        kind: Its kind or category.
        ask: The question.
        right: Records that answer it.
        answers: Accepted answers; empty where nothing is stored that answers it.
    """

    id: str
    kind: str
    ask: str
    right: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """One memory's worth: everything that was said, and what is asked at one moment afterwards."""

    key: str
    said: tuple[Said, ...]
    asked: datetime
    cases: tuple[Case, ...]

    def exchanges(self) -> list[tuple[str, str]]:
        """Return what was said as pairs of a user's turn and a reply, in order."""
        pairs: list[tuple[str, str]] = []
        for one in self.said:
            if pairs and not pairs[-1][1]:
                pairs[-1] = (pairs[-1][0], one.text)
            else:
                pairs.append((one.text, ""))
        return [pair for pair in pairs if pair[1]]


def first_hand(half: Half, *, limit: int | None = None) -> list[Talk]:
    """Return the people of a half, each with at most `limit` of the questions of the half."""
    share = None if limit is None else -(-limit // len(half.people))
    return [_person(person, share) for person in half]


def locomo(folder: Path, *, limit: int) -> list[Talk]:
    """Return LoCoMo's conversations with `limit` questions in all, a fifth of them unanswerable."""
    dataset = load_set(folder)
    with gzip.open(folder / "queries.jsonl.gz", "rt", encoding="utf-8") as file:
        queries = [json.loads(line) for line in file]
    keys = list(dict.fromkeys(str(d.fields["conversation"]) for d in dataset.documents))
    share = -(-limit // len(keys))
    talks = []
    for key in keys:
        said = tuple(
            Said(d.id, "note", d.text, _date(d.fields, number), str(d.fields["session"]))
            for number, d in enumerate(dataset.documents)
            if d.fields["conversation"] == key
        )
        cases = [
            _locomo_case(query, dataset.qrels.get(query["_id"], {}))
            for query in queries
            if query["conversation"] == key
        ]
        last = max(one.at for one in said)
        talks.append(Talk(key, said, last + timedelta(days=1), _chosen(key, cases, share)))
    return talks


def _person(person: Person, share: int | None) -> Talk:
    cases = [
        Case(q.id, q.kind, q.ask, q.records, q.answer)
        for q in person.questions
        if q.kind != "general_knowledge"  # every model answers those, with memory and without
    ]
    random.Random(person.key).shuffle(cases)  # so that a larger limit goes on with a smaller one's
    said: list[Said] = []
    for one in person.said:
        said.append(Said(one.id, "user", one.text, one.at, one.session))
        said.append(Said("", "assistant", one.reply, one.at, one.session))
    return Talk(person.key, tuple(said), person.asked, tuple(cases[:share]))


def _locomo_case(query: dict[str, Any], right: dict[str, int]) -> Case:
    absent = query["category"] == UNANSWERABLE
    return Case(
        id=query["_id"],
        kind=_KINDS[query["category"]],
        ask=query["text"],
        right=() if absent else tuple(right),
        answers=() if absent else (str(query["answer"]),),
    )


def _chosen(key: str, cases: Sequence[Case], share: int) -> tuple[Case, ...]:
    rng = random.Random(key)
    stored = [case for case in cases if case.answers and case.right]
    absent = [case for case in cases if not case.answers]
    rng.shuffle(stored)
    rng.shuffle(absent)
    n_absent = min(len(absent), share // 5)
    return (*stored[: share - n_absent], *absent[:n_absent])


def _date(fields: Any, number: int) -> datetime:
    """Read "1:56 pm on 8 May, 2023"; turns of a session follow each other by seconds."""
    day = datetime.strptime(f"{fields['date_time']} +0000", "%I:%M %p on %d %B, %Y %z")
    return day.astimezone(UTC) + timedelta(seconds=number)


def cases_of(talks: Sequence[Talk]) -> Iterator[tuple[Talk, Case]]:
    """Yield every question with its talk."""
    for talk in talks:
        yield from ((talk, case) for case in talk.cases)

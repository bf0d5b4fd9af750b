"""People, their sessions and their questions, read from the TOML files beside this one.

    fit/*.toml     thirteen people: thresholds, weights and wordings are chosen on them
    judge/*.toml   five others: every figure that is published is of them

A file holds one person: `sessions` with the turns `[id, what they say, what is replied]`, small
talk without an id, and `questions` by kind. A question names the turns that answer it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

HalfName: TypeAlias = Literal["fit", "judge"]
HALVES: tuple[HalfName, ...] = get_args(HalfName)

KINDS = (
    "direct",
    "paraphrase",
    "inference",
    "two_steps",
    "negation",
    "name",
    "identifier",
    "update",
    "time",
    "repeated",
    "small_talk",
    "general_knowledge",
    "never_stored",
)
ABSENT = ("small_talk", "general_knowledge", "never_stored")
"""Kinds for which nothing is stored: no note should be given."""

_PAUSE = timedelta(minutes=1)  # between one turn of a session and the next
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Utterance:
    """A turn and its reply.

    Attributes:
        id: What questions call it, unique within the person; empty for small talk.
        text: What the person says.
        reply: What is answered.
        at: When it is said, UTC.
        session: Name of the session within the person.
    """

    id: str
    text: str
    reply: str
    at: datetime
    session: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what answers it.

    Attributes:
        id: Unique in the set: `PERSON/KIND-NUMBER`.
        kind: One of `KINDS`.
        ask: The question.
        records: Turns that answer it: any of them, or all of them where `every`.
        outdated: Turns that said otherwise before (kind "update").
        answer: Strings of which a right answer contains one; empty where nothing is stored.
        again: The question in other words (kind "repeated").
        every: Whether the answer takes all of `records` (kind "two_steps").
    """

    id: str
    kind: str
    ask: str
    records: tuple[str, ...]
    outdated: tuple[str, ...]
    answer: tuple[str, ...]
    again: tuple[str, ...]

    @property
    def every(self) -> bool:
        """Whether it takes all of the records to answer."""
        return self.kind == "two_steps"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, what they said, and what they ask at one moment afterwards.

    Attributes:
        key: Name of the file.
        name: Full name.
        half: "fit" or "judge".
        asked: When the questions are asked, UTC.
        said: All turns in order.
        questions: All questions.
    """

    key: str
    name: str
    half: HalfName
    asked: datetime
    said: tuple[Utterance, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Half:
    """People of one half; those of both are never together.

    Raises:
        ValueError: the people are of different halves.
    """

    people: tuple[Person, ...]

    def __post_init__(self) -> None:
        """Refuse a mixture."""
        halves = sorted({person.half for person in self.people})
        if len(halves) != 1:
            raise ValueError(
                f"people of one half at a time; found {' and '.join(halves) or 'nobody'}. What is"
                " fitted on one half is judged on the other"
            )

    @property
    def name(self) -> HalfName:
        """Which half it is."""
        return self.people[0].half

    def others(self, person: Person) -> tuple[Person, ...]:
        """Return everybody else of this half."""
        return tuple(one for one in self.people if one.key != person.key)

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people)


def load(half: HalfName) -> Half:
    """Read the people of one half.

    Raises:
        ValueError: the half does not exist, or a file names a turn or a kind that is not there.
    """
    if half not in HALVES:
        raise ValueError(f"the halves are {' and '.join(HALVES)}; found {half!r}")
    return Half(tuple(_person(path, half) for path in sorted((_FOLDER / half).glob("*.toml"))))


def _person(path: Path, half: HalfName) -> Person:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    said = tuple(_said(content["sessions"]))
    person = Person(
        key=path.stem,
        name=content["name"],
        half=half,
        asked=content["asked"],
        said=said,
        questions=tuple(_questions(path.stem, content["questions"])),
    )
    _check(person)
    return person


def _said(sessions: Sequence[Mapping[str, Any]]) -> Iterator[Utterance]:
    for session in sessions:
        for number, (id_, text, reply) in enumerate(session["turns"]):
            at = session["at"] + number * _PAUSE
            yield Utterance(id_, text, reply, at, session["id"])


def _questions(person: str, groups: Sequence[Mapping[str, Any]]) -> Iterator[Question]:
    for group in groups:
        for number, item in enumerate(group["items"], 1):
            yield Question(
                id=f"{person}/{group['kind']}-{number}",
                kind=group["kind"],
                ask=item["ask"],
                records=tuple(item.get("records", ())),
                outdated=tuple(item.get("outdated", ())),
                answer=tuple(item.get("answer", ())),
                again=tuple(item.get("again", ())),
            )


def _check(person: Person) -> None:
    ids = [one.id for one in person.said if one.id]
    doubled = sorted({id_ for id_ in ids if ids.count(id_) > 1})
    if doubled:
        raise ValueError(f"{person.key}: an id names one turn; found {', '.join(doubled)} again")
    for question in person.questions:
        unknown = {*question.records, *question.outdated} - set(ids)
        if unknown or question.kind not in KINDS:
            raise ValueError(
                f"{question.id}: kind and turns must exist; found {question.kind!r} and"
                f" {', '.join(sorted(unknown)) or 'known turns'}"
            )

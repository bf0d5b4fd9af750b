"""Draws everyday facts and the questions for them, for a third stage of the shipped tuner.

    python -m benchmarks.kit.draw_facts DATA

`facts/*.toml` beside this file hold some 480 things that people tell of themselves: each in ten
or more wordings, with as many questions, half of them in other words, and with statements on the
same subject that answer none. Lists stand for what differs from person to person. In DATA come

    pairs/facts         {"query", "positive", "group", "near"}
    pairs/facts_named   the same, asked by somebody else: "What does Greta do for a living?"

Pairs of one group may answer each other's questions: training does not hold them apart.
"""

from __future__ import annotations

import random
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.kit.draw_talk import write

FACTS: Final = Path(__file__).parent / "facts"
_SEED: Final = 11
_EACH: Final = 2  # times that a wording is used, each with other values
_ASIDE: Final = 0.3  # of the turns say something else besides
_MOST_WORDS: Final = 60
_SLOT: Final = re.compile(r"\{(\w+)\}")
_VERBS: Final = {"do": "does", "am": "is", "have": "has"}
_OF_ONESELF: Final = re.compile(
    r"\b(?P<verb>do|did|am|was|have|had|can|could|should|will|would|might|must) I\b"
    r"|\b(?:my(?:self)?|me|mine)\b",
    re.IGNORECASE,
)
_OTHERWISE: Final = re.compile(
    r"\b(?:I|I'\w+|we|us|ours?|you\w*|tell|told|said|say|mention\w*|remind\w*|help)\b",
    re.IGNORECASE,
)
_LATER: Final = {"my": "their", "me": "them", "mine": "theirs", "myself": "themselves"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A thing that people tell.

    Attributes:
        about: Its name, unique.
        group: Facts of one group may answer each other's questions.
        told: Wordings of it.
        asked: Questions, each of which every wording answers.
        near: Statements on the same subject that answer no question.
        slots: Values for `{slot}`, including those that all facts may use.
    """

    about: str
    group: str
    told: Sequence[str]
    asked: Sequence[str]
    near: Sequence[str]
    slots: Mapping[str, Sequence[str]]

    @property
    def bound(self) -> Sequence[str]:
        """The slots that every question names: with other values it is another fact.

        Empty where the fact shares a group with others, whose questions may name other slots.
        """
        if self.group != self.about:
            return []
        return sorted(set.intersection(*(set(_SLOT.findall(one)) for one in self.asked)))

    def pairs(self, rng: random.Random, asides: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield each wording with as many questions as `_EACH`, with other values each time."""
        for wording in self.told:
            for question in rng.sample(self.asked, _EACH):
                values = {name: rng.choice(some) for name, some in self.slots.items()}
                said = wording.format(**values)
                if rng.random() < _ASIDE:
                    said = _beside(said, rng.choice(asides), rng)
                yield {
                    "query": question.format(**values),
                    "positive": said,
                    "group": " ".join([self.group, *(values[slot] for slot in self.bound)]),
                    "near": [one.format(**values) for one in self.near],
                }


def named(question: str, name: str) -> str | None:
    """Turn a question about oneself into one about somebody.

    Returns None if that needs more than swapping pronouns, or if one would stand before the name.

    >>> named("What do I do for a living, and who is my boss?", "Greta")
    'What does Greta do for a living, and who is their boss?'
    """
    parts: list[str] = []
    end = 0
    for found in _OF_ONESELF.finditer(question):
        verb, word = found["verb"], found[0].lower()
        if verb and parts:
            return None  # two subjects
        parts += [question[end : found.start()], _in_third_person(verb, word, name, bool(parts))]
        end = found.end()
    about = "".join([*parts, question[end:]])
    return about if parts and not _OTHERWISE.search(about) else None


def _in_third_person(verb: str | None, word: str, name: str, later: bool) -> str:
    if verb:
        third = _VERBS.get(verb.lower(), verb.lower())
        return f"{third.capitalize() if verb[0].isupper() else third} {name}"
    if later:
        return _LATER[word]
    return f"{name}'s" if word in ("my", "mine") else name


def facts(folder: Path) -> tuple[list[Fact], dict[str, Sequence[str]]]:
    """Read all facts of a folder, and the values of slots that all of them may use."""
    common = _toml(folder / "common.toml")["slots"]
    found = []
    for path in sorted(folder.glob("*.toml")):
        for one in _toml(path).get("fact", []):
            about = f"{path.stem}/{one['about']}"
            slots = {**common, **one.get("slots", {})}
            group = one.get("group", about)
            found.append(Fact(about, group, one["told"], one["asked"], one["near"], slots))
    return found, common


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _beside(said: str, aside: str, rng: random.Random) -> str:
    """Put something else before or after, unless that gets too long."""
    both = [said, aside] if rng.random() < 0.5 else [aside, said]
    together = " ".join(both)
    return together if len(together.split()) <= _MOST_WORDS else said


def main() -> int:
    """Write the pairs."""
    rng = random.Random(_SEED)
    known, common = facts(FACTS)
    values = {name: rng.choice(some) for name, some in common.items()}
    near = [
        (fact.group, one.format(**values))
        for fact in known
        for one in fact.near
        if set(_SLOT.findall(one)) <= set(common)
    ]
    rows: list[dict[str, Any]] = []
    for fact in known:
        rows += fact.pairs(rng, [one for group, one in near if group != fact.group])
    write(Path(sys.argv[1]) / "pairs" / "facts.jsonl.gz", rows)
    about_others = [(row, named(row["query"], rng.choice(common["name2"]))) for row in rows]
    by_others = [{**row, "query": query} for row, query in about_others if query]
    write(Path(sys.argv[1]) / "pairs" / "facts_named.jsonl.gz", by_others)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Databases of 5 to 5,000 records: a person's own talk, and others' talk around it.

What a person said is held as a chat, turn by turn, each at its own time, so that its vectors are
those of the conversation. Other people's talk is added beside it: the others of the same half,
under their names, and public dialogues. Everything is made once and kept in a work folder.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from rich.progress import track

from benchmarks.first_hand.people import HALVES, Half, HalfName, Person, Question
from lmort_memory import Chat, Encoded, Memory, Turn

SIZES = (5, 50, 500, 5000)
SMALL = 50
"""Up to here a store is made for each question, about it; a larger one is a person's whole talk."""

_DIALOGUES = ("taskmaster", "topical_chat", "sgd_dialogues")
_SPEAKER = re.compile(r"(?:^|\s)(User|Assistant|System|Speaker [12]):\s+")
_USERS = ("User", "Speaker 1")
_BATCH = 64
_OTHERS_SHARE = 3  # of what is added, at most a third is the other people's, the rest dialogues


@dataclass(frozen=True, slots=True)
class Item:
    """A record to be: its turn, its vectors, and `PERSON/ID` where questions name it."""

    key: str
    turn: Turn
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class Talk:
    """Everything that the stores of one half are made of.

    Attributes:
        own: What each person said and was answered, by the person's key, in order of time.
        dialogues: Public dialogues, by nobody of the set.
    """

    half: Half
    own: dict[str, list[Item]]
    dialogues: list[Item]


def prepared(
    half: Half,
    *,
    data: Path,
    work: Path,
    model: Path | None,
    tuner: Path | None,
    dialogues: int = max(SIZES),
) -> Talk:
    """Hold the chats of a half and encode the dialogues, or read what an earlier run has made.

    Args:
        half: Whose talk.
        data: Folder with `text/taskmaster.jsonl.gz` and others.
        work: Where it is kept.
        model: As for `Memory.open`; the vectors are of this model.
        tuner: Likewise.
        dialogues: Turns of public dialogues to encode.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        Memory.open(Path(scratch) / "talk.db", model=model, tuner=tuner) as memory,
    ):
        made_of = f"{memory.status().space} {half} {dialogues}"
        name = hashlib.sha256(made_of.encode()).hexdigest()[:12]
        path = work / f"{half.name}-{name}.pickle"
        talk = _read(path)
        if talk is None:
            talk = _prepare(memory, half, data, dialogues=dialogues)
            partial = path.with_suffix(".partial")
            partial.write_bytes(pickle.dumps(talk))
            partial.replace(path)
        return talk


def _read(path: Path) -> Talk | None:
    """Return what an earlier run has made; None where there is nothing, or of another version."""
    if not path.exists():
        return None
    talk: Talk = pickle.loads(path.read_bytes())
    items = [item for items in talk.own.values() for item in items]
    known = all(hasattr(items[0].encoded, field.name) for field in fields(Encoded))
    return talk if known else None


def _prepare(memory: Memory, half: Half, data: Path, *, dialogues: int) -> Talk:
    own = {one.key: list(_held(memory, one)) for one in track(half.people, "people's chats")}
    turns = list(islice(_dialogue_turns(data, half.name), dialogues))
    return Talk(half, own, list(_added(memory, turns)))


def fill(memory: Memory, talk: Talk, person: Person, size: int, question: Question | None) -> dict:
    """Add `size` records to an empty memory; return the ids of those that questions name, by key.

    Args:
        memory: Empty.
        talk: What to take from.
        person: Whose store it is.
        size: Records in all.
        question: In a small store, the question whose records must be there.
    """
    items = _small(talk, person, size, question) if question else _large(talk, person, size)
    items.sort(key=lambda item: item.turn.created_at or datetime.min.replace(tzinfo=UTC))
    space = memory.status().space
    stored = memory.store.add(
        [item.turn for item in items], space=space, encoded=[item.encoded for item in items]
    )
    named = zip(items, stored, strict=True)
    return {item.key: one.record.id for item, one in named if item.key}


def _held(memory: Memory, person: Person) -> Iterator[Item]:
    """Say everything again in a chat, at the time at which it was said."""
    import time_machine

    for name in dict.fromkeys(one.session for one in person.said):
        with Chat(memory, session=f"{person.key}-{name}", scope=person.key) as chat:
            for one in person.said:
                if one.session != name:
                    continue
                with time_machine.travel(one.at, tick=True):
                    reply = chat.say(one.text, reply=one.reply)
                    for _ in reply:
                        pass
                key = f"{person.key}/{one.id}" if one.id else ""
                yield from _kept(memory, {reply.ledger.turn_id: key})
                yield from _kept(memory, {reply.ledger.reply_id or "": ""})


def _kept(memory: Memory, keys: dict[str, str]) -> Iterator[Item]:
    """Read back records with their vectors; what a chat kept only as a repetition has none."""
    records = memory.store.get(list(keys))
    vectors = memory.store.vectors(memory.status().space or "", list(keys))
    for id_, record in records.items():
        turn = Turn(
            record.text, role=record.role, session=record.session, created_at=record.created_at
        )
        yield Item(keys[id_], turn, vectors[id_])


def _added(memory: Memory, turns: Sequence[Turn]) -> Iterator[Item]:
    assert memory.encoder is not None
    for at in track(range(0, len(turns), _BATCH), "public dialogues"):
        some = turns[at : at + _BATCH]
        encoded = memory.encoder.encode([turn.text for turn in some])
        yield from (Item("", *pair) for pair in zip(some, encoded, strict=True))


def _dialogue_turns(data: Path, half: HalfName) -> Iterator[Turn]:
    """Read dialogues as sessions spread over 2026; each half has its own."""
    rng = random.Random(half)
    files = [_dialogues(data / "text" / f"{name}.jsonl.gz") for name in _DIALOGUES]
    for number, texts in enumerate(zip(*files, strict=False)):
        if number % len(HALVES) != HALVES.index(half):
            continue
        for name, text in zip(_DIALOGUES, texts, strict=True):
            start = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=rng.randrange(310 * 1440))
            parts = _SPEAKER.split(text)[1:]
            for at, (who, said) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
                if said.strip():
                    yield Turn(
                        said.strip(),
                        role="user" if who in _USERS else "assistant",
                        session=f"{name}-{number}",
                        created_at=start + timedelta(minutes=at),
                    )


def _dialogues(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line)["text"] for line in file)


def _small(talk: Talk, person: Person, size: int, question: Question) -> list[Item]:
    """What answers a question, what did before, and anything else that the person said."""
    needed = {f"{person.key}/{id_}" for id_ in (*question.records, *question.outdated)}
    own = talk.own[person.key]
    chosen = [item for item in own if item.key in needed]
    rest = [item for item in own if item.key not in needed]
    return chosen + random.Random(question.id).sample(rest, max(0, size - len(chosen)))


def _large(talk: Talk, person: Person, size: int) -> list[Item]:
    """All of a person's talk, and others' up to the size."""
    own = talk.own[person.key]
    room = size - len(own)
    others = [
        replace(item, key="", turn=_attributed(item.turn, other.name))
        for other in talk.half.others(person)
        for item in talk.own[other.key]
        if item.turn.role == "user"
    ]
    others = random.Random(person.key).sample(others, min(len(others), room // _OTHERS_SHARE))
    dialogues = talk.dialogues[: room - len(others)]
    if len(own) + len(others) + len(dialogues) < size:
        raise ValueError(f"{size} records need {room - len(others)} turns of dialogues")
    return [*own, *others, *dialogues]


def _attributed(turn: Turn, name: str) -> Turn:
    return replace(turn, role=name)

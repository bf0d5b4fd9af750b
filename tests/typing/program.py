"""A small program of a user: never run, only type-checked, against the public names alone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_type

from lmort_memory import (
    Chat,
    ChatOptions,
    Encoded,
    Encoder,
    Hit,
    Ledger,
    LmortError,
    Memory,
    MemoryStatus,
    Receipt,
    Record,
    Sampling,
    Turn,
)


def remember(memory: Memory) -> list[str]:
    """Store one and many; an item alone gives a record, a list gives a list."""
    assert_type(memory.add("The hive by the fence has a new queen."), Record)
    added: list[Record] = memory.add([{"role": "user", "content": "Ferry at nine."}])
    assert len(added) == 1
    turn = Turn("A dated note.", created_at=datetime(2026, 11, 1, tzinfo=UTC), metadata={"n": 1})
    memory.add(turn, session="bees")
    hits = memory.recall("queen", top_k=3, since=datetime(2026, 1, 1, tzinfo=UTC), where={"n": 1})
    assert_type(hits, list[Hit])
    assert_type(hits[0].record.created_at, datetime)
    assert_type(memory.forget(session="bees"), Receipt)
    assert_type(memory.status(), MemoryStatus)
    return [hit.record.text for hit in hits]


def talk(memory: Memory) -> str:
    """Hold one exchange and ask why the reply said what it said."""
    options = ChatOptions(max_tokens=64, sampling=Sampling(temperature=0))
    with Chat(memory, session="talk", options=options) as chat:
        reply = chat.say("Which hive is calm?")
        said = "".join(reply)
        ledger: Ledger = reply.ledger
        notes: Sequence[Record] = [injected.record for injected in ledger.memories]
        return said + str(len(notes))


def encode(encoder: Encoder) -> Encoded:
    """Whatever has the methods of an encoder is one."""
    return encoder.encode(["text"])[0]


def main() -> None:
    """Open, use, and tell errors of ours apart."""
    try:
        with Memory.open("notes.db") as memory:
            print(remember(memory), talk(memory))
    except LmortError as error:
        print(error)

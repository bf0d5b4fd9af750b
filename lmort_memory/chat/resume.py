"""A session's earlier turns, read from the store so that a closed chat can resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmort_memory.chat.ledger import repeats_of
from lmort_memory.chat.message import Message
from lmort_memory.chat.repetition import join, quoted
from lmort_memory.store.values import Filter

if TYPE_CHECKING:
    from lmort_memory.store.protocol import Store

_TURNS = 400  # latest turns to read; a window of 2,048 tokens holds about fifty


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of a session; `records` hold its text, `quoted` are those of which it shows a part."""

    id: str
    role: str
    text: str
    records: tuple[str, ...]
    quoted: tuple[str, ...] = ()


def said_in(store: Store, *, scope: str, session: str) -> list[Said]:
    """Return the latest turns of a session in order, including those that only repeat others."""
    found = [
        Said(record.id, record.role, record.text, (record.id,))
        for record in store.latest(Filter(scope=scope, session=session), limit=_TURNS)
        if record.role in ("user", "assistant")
    ]
    entries = store.ledgers(session=session, limit=_TURNS)
    repeats = [r for e in entries if e.payload.get("scope") == scope for r in repeats_of(e)]
    texts = {
        id_: record.text
        for id_, record in store.get(id_ for repeat in repeats for id_ in repeat.records).items()
    }
    found += [
        Said(repeat.id, repeat.role, text, repeat.records, quoted(repeat.parts, texts))
        for repeat in repeats
        if (text := join(repeat.parts, texts))
    ]
    return sorted(found, key=lambda said: said.id)[-_TURNS:]


def exchanges(
    said: Sequence[Said], tokenize: Callable[[str], Iterable[int]]
) -> list[tuple[Message, Message]]:
    """Pair users' turns with their replies; an unanswered turn has an empty reply."""
    found: list[tuple[Message, Message]] = []
    for turn in said:
        tokens = tuple(tokenize(turn.text))
        message = Message(turn.role, tokens, records=turn.records, quoted=turn.quoted)
        if turn.role == "user":
            found.append((message, Message("assistant", ())))
        elif found and not found[-1][1].tokens:
            found[-1] = (found[-1][0], message)
    return found

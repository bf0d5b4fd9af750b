"""A question put to a real `Chat`, and what it was given to answer with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lmort_memory import Chat, ChatOptions, Memory

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What recall found and what the chat gave to the model.

    Attributes:
        found: Ids of the records that `recall` finds, best first, at most `DEPTH`.
        given: Ids of the records in the notes, in the order of the prompt.
        best: Id of the note that ranked highest; None without notes.
        notes_tokens: Tokens of the notes' lines.
        likelihood: The chat's estimate that the answer is stored.
        stored: Ids that the turn itself left in the memory.
    """

    found: tuple[str, ...]
    given: tuple[str, ...]
    best: str | None
    notes_tokens: int
    likelihood: float
    stored: tuple[str, ...]


def ask(
    memory: Memory, text: str, *, at: datetime, options: ChatOptions, session: str, reply: str = ""
) -> Asked:
    """Ask in a new session at some moment; nothing is generated.

    Args:
        memory: What is asked; it keeps the question and the reply.
        text: The question.
        at: The moment.
        options: How the chat behaves.
        session: Name of the session.
        reply: What is answered; nothing where empty.
    """
    import time_machine

    with time_machine.travel(at, tick=True):
        found = memory.recall(text, top_k=DEPTH)
        with Chat(memory, session=session, options=options) as chat:
            said = chat.say(text, reply=reply)
            for _ in said if reply else ():
                pass
            said.close()  # without a reply the notes are chosen and never evaluated
            ledger = said.ledger
    best = max(ledger.memories, key=lambda one: one.score, default=None)
    return Asked(
        found=tuple(hit.record.id for hit in found),
        given=tuple(one.record.id for one in ledger.memories),
        best=best.record.id if best else None,
        notes_tokens=sum(one.tokens for one in ledger.memories),
        likelihood=ledger.likelihood or 0.0,
        stored=tuple(id_ for id_ in (ledger.turn_id, ledger.reply_id) if id_),
    )

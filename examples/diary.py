"""An offline diary that answers back: what is written today comes up again when it matters.

    python examples/diary.py "Slept badly, too much coffee after six."

One model on this machine reads the entry, remembers it, and replies with its own earlier entries at
hand. Nothing is sent anywhere.
"""

import sys
from pathlib import Path

from lmort_memory import Chat, ChatOptions, Memory, Sampling

SYSTEM = (
    "You are the user's diary. Answer an entry in one or two sentences. Notes at the end of a "
    "message are earlier entries; mention one where it helps."
)


def write_entry(text: str, database: Path | None = None, *, max_tokens: int = 80) -> str:
    """Keep an entry and return the reply, with the earlier entries that it was given."""
    options = ChatOptions(
        system=SYSTEM,
        max_tokens=max_tokens,
        min_likelihood=0,  # an entry asks nothing: the nearest earlier ones are always welcome
        memories=2,
        sampling=Sampling(temperature=0.3, seed=1),
    )
    with Memory.open(database) as memory, Chat(memory, scope="diary", options=options) as chat:
        reply = chat.say(text)
        spoken = "".join(reply)
    earlier = [
        f"({memory.record.created_at:%Y-%m-%d}: {memory.record.text})" for memory in reply.memories
    ]
    return "\n".join([*earlier, spoken])


if __name__ == "__main__":
    entry = " ".join(sys.argv[1:]) or sys.stdin.read()
    if not entry.strip():
        sys.exit(f"usage: {sys.argv[0]} ENTRY")
    print(write_entry(entry))

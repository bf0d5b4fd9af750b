"""A model that talks to itself for 500 turns: does memory fill with copies?

    python -m benchmarks.bench_mirror --out benchmarks/results/mirror.json

Each reply is the next turn of the user. Small models soon go round in circles then, and notes from
memory tempt them to: what is stored is recalled, said and would be stored again. Held with the
guard of `lmort_memory/chat/repetition.py` and without it, greedily and with the default sampling.
A stored turn counts as a copy where its words are those of an earlier one, and as a near copy
where four fifths of its runs of four words stand in one of them. Runs that are in the output stay.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environment import environment
from lmort_memory import Chat, ChatOptions, Memory, Sampling
from lmort_memory import chat as chat_module

OPENING = "Tell me a story about Ada, who keeps bees on a roof in Trondheim."
SETTINGS = {"sampled": Sampling(seed=7), "greedy": Sampling(temperature=0)}
RUN = 4
NEAR = 0.8


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold()))


def runs(said: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(said[i : i + RUN]) for i in range(len(said) - RUN + 1)}


def copies(texts: Sequence[str]) -> dict[str, int]:
    """Count stored turns that say what an earlier one says."""
    seen: set[tuple[str, ...]] = set()
    before: list[set[tuple[str, ...]]] = []
    exact = near = 0
    for text in texts:
        said = words(text)
        own = runs(said)
        if said in seen:
            exact += 1
        elif own and any(len(own & other) >= NEAR * len(own) for other in before):
            near += 1
        seen.add(said)
        before.append(own)
    return {"copies": exact, "near_copies": near}


def converse(memory: Memory, exchanges: int, sampling: Sampling, max_tokens: int) -> dict:
    """Let the model answer itself; what is said first is said again after an empty reply."""
    options = ChatOptions(max_tokens=max_tokens, sampling=sampling)
    text, repeats, notes = OPENING, 0, 0
    with Chat(memory, session="mirror", options=options) as chat:
        for _ in range(exchanges):
            reply = chat.say(text)
            for _ in reply:
                pass
            repeats += len(reply.ledger.repeats)
            notes += len(reply.ledger.memories)
            text = reply.text.strip() or OPENING
    stored = [record.text for record in memory.records(session="mirror")]
    return {"stored": len(stored), "links": repeats, "notes": notes, **copies(stored)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--turns", type=int, default=500)
    parser.add_argument("--max-tokens", type=int, default=24)
    options = parser.parse_args()
    before = json.loads(options.out.read_text())["runs"] if options.out.exists() else {}
    result = environment("benchmarks.bench_mirror") | {"turns": options.turns, "runs": before}
    guard = chat_module.repeated
    for name, sampling in SETTINGS.items():
        for guarded in (True, False):
            run = f"{name}, {'guard' if guarded else 'no guard'}"
            if run in before:
                continue
            chat_module.repeated = guard if guarded else lambda *_, **__: None
            with (
                tempfile.TemporaryDirectory() as folder,
                Memory.open(Path(folder) / "mirror.db", model=options.model) as memory,
            ):
                found = converse(memory, options.turns // 2, sampling, options.max_tokens)
            result["runs"][run] = found
            print(run, found, flush=True)
            options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""LoCoMo's development conversations, replayed through a live chat as one conversation.

    python -m benchmarks.replay_locomo --data DATA/eval/locomo_dev --work WORK --out RESULT.json

Every turn goes the way of a live chat: it is prefilled in a context of 2,048 tokens, recall runs,
notes are injected and dropped, old turns leave, vectors come from these very passes. Replies are
given, not generated. The same turns are then encoded offline: windows of the same size, roles as
in the replay, no notes, nothing moved. Both sets of vectors are judged on the same questions.

The work folder keeps the database, the chat's state and one line a turn: the same command goes on
where it stopped. `--turns` replays only so many; `--memories 0` injects nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.environment import environment
from lmort_memory import Chat, ChatOptions, Memory
from lmort_memory.backbone import model as backbone_model
from lmort_memory.tuners.evaluate.beir import EvalItem, EvalSet, load_set
from lmort_memory.tuners.evaluate.metrics import bootstrap_interval
from lmort_memory.tuners.evaluate.report import SetVectors, evaluate
from lmort_memory.tuners.states.sessions import session_states

N_CTX = 2048
SAVE_EVERY = 100  # exchanges
NAME = "locomo"


@dataclass(frozen=True)
class Exchange:
    """A turn and its answer; None where a session ends with a question."""

    user: EvalItem
    assistant: EvalItem | None


def exchanges(documents: Sequence[EvalItem]) -> Iterator[Exchange]:
    """Pair turns: the first speaker of a session is the user."""
    at = 0
    while at < len(documents):
        user = documents[at]
        following = documents[at + 1] if at + 1 < len(documents) else None
        same = following is not None and (
            (following.fields["conversation"], following.fields["session"])
            == (user.fields["conversation"], user.fields["session"])
        )
        yield Exchange(user, following if same else None)
        at += 2 if same else 1


def first_turns(dataset: EvalSet, count: int | None) -> EvalSet:
    """Keep the first turns, and the questions whose evidence is among them."""
    documents = dataset.documents[:count]
    there = {document.id for document in documents}
    queries = tuple(q for q in dataset.queries if there >= dataset.qrels[q.id].keys())
    return replace(
        dataset,
        documents=documents,
        queries=queries,
        qrels={query.id: dataset.qrels[query.id] for query in queries},
    )


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def replay(memory: Memory, todo: Sequence[Exchange], work: Path, options: ChatOptions) -> None:
    """Say what has not been said yet; one line of the log for each exchange."""
    log = work / "turns.jsonl"
    done = len(read_lines(log))
    with Chat(memory, session=NAME, scope=NAME, options=options) as chat, log.open("a") as file:
        for number, exchange in enumerate(todo[done:], done):
            line = {"n": number, **say(chat, exchange)}
            if number % SAVE_EVERY == SAVE_EVERY - 1:
                chat.save()
            if number % 5 == 0:
                line["store_bytes"] = memory.status().store.size_bytes
            file.write(json.dumps(line) + "\n")
            file.flush()


def say(chat: Chat, exchange: Exchange) -> dict:
    started, cpu = time.perf_counter(), time.process_time()
    answer = "" if exchange.assistant is None else exchange.assistant.text
    reply = chat.say(exchange.user.text, reply=answer)
    for _ in reply:
        pass
    ledger = reply.ledger
    repeats = {repeat.id: repeat.records for repeat in ledger.repeats}
    kept = {exchange.user.id: repeats.get(ledger.turn_id, (ledger.turn_id,))}
    if exchange.assistant is not None and ledger.reply_id is not None:
        kept[exchange.assistant.id] = repeats.get(ledger.reply_id, (ledger.reply_id,))
    return {
        "kept": kept,
        "wall_s": round(time.perf_counter() - started, 5),
        "cpu_s": round(time.process_time() - cpu, 5),
        "evaluated": ledger.evaluated_tokens,
        "notes": ledger.notes_tokens,
        "memories": len(ledger.memories),
        "likelihood": ledger.likelihood,
    }


def live_vectors(memory: Memory, dataset: EvalSet, log: list[dict]) -> list[np.ndarray]:
    """The vectors that the chat has stored, float32 (chunks, dim) for each document."""
    kept = {doc: ids for line in log for doc, ids in line["kept"].items()}
    wanted = {id_ for ids in kept.values() for id_ in ids}
    found = memory.store.vectors(memory.encoder.space, wanted)
    return [
        np.concatenate([found[id_].vectors for id_ in kept[document.id]])
        for document in dataset.documents
    ]


def offline_vectors(memory: Memory, todo: Sequence[Exchange], work: Path) -> list[np.ndarray]:
    """Vectors of the same turns from fresh windows without notes."""
    cached = work / "offline.npz"
    if cached.exists():
        with np.load(cached) as data:
            return [data[name] for name in sorted(data.files)]
    said = [
        (role, item.text)
        for one in todo
        for role, item in (("user", one.user), ("assistant", one.assistant))
        if item is not None
    ]
    backbone_model._STANDALONE_CTX = N_CTX  # this bench alone needs windows of the chat's size
    states = session_states(
        memory.backbone,
        [role for role, _ in said],
        [text for _, text in said],
        layers=memory.encoder.layers,
        max_tokens=N_CTX,
    )
    found = [
        memory.encoder.encode_states(text, one.tokens, one.states).vectors
        for (_, text), one in zip(said, states, strict=True)
    ]
    np.savez(cached, **{f"{i:06d}": vectors for i, vectors in enumerate(found)})
    return found


def to_set(documents: list[np.ndarray], queries: np.ndarray) -> SetVectors:
    owners = np.repeat(np.arange(len(documents)), [len(vectors) for vectors in documents])
    return SetVectors(np.concatenate(documents), owners, queries)


def judge(dataset: EvalSet, live: SetVectors, offline: SetVectors) -> dict:
    report = evaluate(dataset, {"dense_live": live, "dense_offline": offline})
    found: dict = {"means": report.means(), "queries": len(dataset.queries)}
    for name in ("dense", "hybrid"):
        ours, theirs = (report.rows[f"{name}_{kind}"]["recall@10"] for kind in ("live", "offline"))
        found[f"{name}_difference"] = float((ours - theirs).mean())
        found[f"{name}_difference_95"] = bootstrap_interval(ours - theirs)
    return found


def cosines(live: list[np.ndarray], offline: list[np.ndarray]) -> dict:
    """How far the live vector of a turn is from the offline one (turns of one chunk each)."""
    both = [float(a[0] @ b[0]) for a, b in zip(live, offline, strict=True) if len(a) == len(b) == 1]
    low, middle = np.percentile(both, [5, 50])
    return {"mean": float(np.mean(both)), "median": float(middle), "p5": float(low), "n": len(both)}


def flatness(log: list[dict]) -> list[dict]:
    """Time and size around the 10th, the 500th and the last turn (two turns an exchange)."""
    rows = []
    for turn in (10, 500, 2700):
        at = turn // 2
        part = log[max(0, at - 15) : at + 15]
        if at >= len(log):
            continue
        sizes = [line["store_bytes"] for line in part if "store_bytes" in line]
        rows.append(
            {
                "turn": turn,
                "cpu_s_per_turn": float(np.mean([line["cpu_s"] for line in part])) / 2,
                "cpu_ms_per_token": 1e3
                * sum(line["cpu_s"] for line in part)
                / sum(line["evaluated"] for line in part),
                "wall_s_per_turn_median": float(np.median([line["wall_s"] for line in part])) / 2,
                "store_bytes": sizes[len(sizes) // 2],
            }
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tuner", type=Path)
    parser.add_argument("--turns", type=int)
    parser.add_argument("--memories", type=int, default=4)
    parser.add_argument("--old-notes", default="shift", choices=("shift", "evaluate", "keep"))
    options = parser.parse_args()
    options.work.mkdir(mode=0o700, exist_ok=True)
    dataset = first_turns(load_set(options.data), options.turns)
    todo = list(exchanges(dataset.documents))
    chosen = ChatOptions(
        n_ctx=N_CTX, max_tokens=64, memories=options.memories, old_notes=options.old_notes
    )
    database = options.work / "replay.db"
    with Memory.open(database, model=options.model, tuner=options.tuner) as memory:
        replay(memory, todo, options.work, chosen)
        log = read_lines(options.work / "turns.jsonl")
        live = live_vectors(memory, dataset, log)
        offline = offline_vectors(memory, todo, options.work)
        queries = np.stack([memory.encoder.encode_query(q.text) for q in dataset.queries])
        result = {
            **environment("benchmarks.replay_locomo"),
            "turns": len(dataset.documents),
            "exchanges": len(log),
            "quality": judge(dataset, to_set(live, queries), to_set(offline, queries)),
            "cosine_live_offline": cosines(live, offline),
            "flat": flatness(log),
            "notes_tokens": sum(line["notes"] for line in log),
            "exchanges_with_notes": sum(line["memories"] > 0 for line in log),
            "repeated_turns": len(dataset.documents) - memory.status().store.records,
            "records": memory.status().store.records,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "packages"}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

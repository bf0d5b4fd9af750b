"""What memory costs in a chat, against no memory and against a separate embedder.

    python -m benchmarks.bench_chat --out benchmarks/results/chat.json

The same conversation is held in processes of their own, in turn, `--repeat` times each:

    off      the model alone: prompt, prefill, generation; nothing captured, stored or recalled
    on       `Chat`: capture, tuner, recall, notes, both turns stored
    told     the model alone, given the notes that `on` was given: what reading them costs, and
             attending to them, whoever finds them
    embedder the model alone, and all-MiniLM-L6-v2 beside it that encodes both turns; the same
             store, recall, notes and window

Every reply is given, and evaluated token by token with sampling in between: the tokens generated
are the same in all four. Memory's own share is what a turn of `on` takes longer than one of `told`.
What the embedder's notes say differs, so their evaluation is left out on both sides. Peak memory is
that of the process; what is recalled was stored by a process before it. `imports` is `on` in a
process that imports those texts itself, for its peak.

`--clock processor` times every phase in processor time, which other programs on the machine hardly
change; with it, LMORT_THREADS=1 keeps threads that wait for one another out of the figures.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.environment import environment
from benchmarks.minilm import Embedder
from lmort_memory import Backbone, Chat, ChatOptions, Encoded, Memory, Sampling
from lmort_memory.backbone import fast_default_path
from lmort_memory.chat.message import Message
from lmort_memory.chat.notes import pack_notes, worth_a_note
from lmort_memory.chat.window import Window, WindowOptions
from lmort_memory.memory.evidence import DEPTH
from lmort_memory.store import SQLiteStore

OPTIONS = ChatOptions(n_ctx=2048, max_tokens=64, min_likelihood=0.0, sampling=Sampling(seed=1))
MODES = ("off", "on", "told", "embedder")
ALONE = ("imports", "store-on", "store-embedder")  # not timed
NOTES = "notes.json"
WARM_UP = 2  # turns that are not counted
PEOPLE = ("Ada", "Bea", "Carl", "Dora", "Egil", "Fay", "Gus", "Hana", "Ivo", "June")
THINGS = (
    ("keeps bees on the roof of the old harbour office", "bees"),
    ("is learning to play the cello with a teacher from Bergen", "cello"),
    ("broke a wrist while skating and cannot write until May", "wrist"),
    ("moved into a yellow house behind the station last winter", "house"),
    ("bakes bread with rye and cardamom every Saturday morning", "bread"),
    ("is allergic to walnuts and always carries a pen for it", "walnuts"),
    ("drives the number nine tram and knows every stop by heart", "tram"),
    ("is writing a book about the lighthouses of the north", "book"),
)
FACTS = [f"{who} {what}." for what, _ in THINGS for who in PEOPLE]
ANSWER = (
    "I remember that you told me about it some time ago. From what is in my notes I would say that "
    "it is as you think, but you may want to ask again before you rely on it, since things change "
    "and what was true in winter"
)


def asked(n: int) -> Iterator[str]:
    for i in range(n):
        who, (_, thing) = PEOPLE[i * 3 % len(PEOPLE)], THINGS[i % len(THINGS)]
        yield f"Tell me again what {who} has to do with the {thing}, and since when it is so."


def stepwise(self: Window, tokens: Sequence[int], keep: Callable[[np.ndarray], None]):
    """Generation's work on given tokens: sample, then evaluate one."""
    sampler = self._sequence.sampler(OPTIONS.sampling)
    try:
        for token in tokens:
            self._sequence.sample(sampler)
            keep(self._sequence.extend([token]))
            yield token, self._vocabulary.piece(token)
    finally:
        sampler.close()


Window.dictate = stepwise


def on(memory: Memory, texts: Sequence[str], told: list[str]) -> Iterator[dict[str, float]]:
    """A chat with memory; its notes are appended to `told`."""
    opening = Window.open_reply

    def heard(self: Window, notes: str, records: Sequence[str] = ()) -> int:
        told.append(notes)
        return opening(self, notes, records)

    Window.open_reply = heard
    with Chat(memory, options=OPTIONS) as chat:
        for text in texts:
            started, cpu = time.perf_counter(), time.process_time()
            reply = chat.say(text, reply=ANSWER)
            for _ in reply:
                pass
            taken, ledger = time.perf_counter() - started, reply.ledger
            times = ledger.timings
            yield {
                "turn_s": taken,
                "cpu_s": time.process_time() - cpu,
                "first_token_s": times.first_token_s,
                "prefill_s": times.prefill_s,
                "recall_s": times.recall_s,
                "store_s": times.store_s,
                "open_s": times.notes_s,
                "generate_s": times.generate_s,
                "notes_tokens": ledger.notes_tokens,
                "reply_tokens": ledger.reply_tokens,
            }


def alone(
    backbone: Backbone,
    memory: Memory | None,
    texts: Sequence[str],
    told: Sequence[str] = (),
) -> Iterator[dict[str, float]]:
    """The model without capture; with a memory, its encoder makes the vectors.

    `told` are the notes of each turn where there is no memory.
    """
    window = Window(
        backbone,
        backbone.prompts,
        layers=(),
        options=WindowOptions(OPTIONS.n_ctx, OPTIONS.system, "shift"),
    )
    answer = backbone.prompts.tokenize(ANSWER)
    for place, text in enumerate(texts):
        started, cpu = time.perf_counter(), time.process_time()
        tokens = backbone.prompts.tokenize(text)
        window.make_room(Message("user", tuple(tokens)), OPTIONS.memory_tokens + len(answer))
        window.enter(tokens)
        prefilled = time.perf_counter()
        notes, record = told[place] if told else "", ()
        if memory is not None:
            vector = memory.encoder.encode_query(text)
            hits = memory.recall(
                text, vector=vector, top_k=DEPTH, exclude=window.record_ids, explain=True
            )
            chances, _ = memory.likelihoods(text, hits)
            notes = pack_notes(
                worth_a_note(hits, chances, at_most=OPTIONS.memories),
                budget=OPTIONS.memory_tokens,
                count_tokens=lambda line: len(backbone.vocabulary.tokenize(line)),
                now=datetime.now(UTC).astimezone(),
            ).text
        recalled = time.perf_counter()
        if memory is not None:
            encoded = Encoded(vector[None, :], ((0, len(text)),))
            record = (memory.add({"content": text, "session": "s"}, encoded=encoded).id,)
        stored = time.perf_counter()
        window.name_last(record)
        n_notes = window.open_reply(notes)
        opened = time.perf_counter()
        first = 0.0
        for _ in window.dictate(answer, lambda states: None):
            first = first or time.perf_counter()
        generated = time.perf_counter()
        if memory is not None:
            said = {"content": ANSWER, "role": "assistant", "session": "s"}
            record = (memory.add(said).id,)
        window.close_reply(answer, record)
        ended = time.perf_counter()
        yield {
            "turn_s": ended - started,
            "cpu_s": time.process_time() - cpu,
            "first_token_s": first - started,
            "prefill_s": prefilled - started,
            "recall_s": recalled - prefilled,
            "store_s": stored - recalled + ended - generated,
            "open_s": opened - stored,
            "generate_s": generated - opened,
            "notes_tokens": n_notes,
            "reply_tokens": len(answer),
        }
    window.close()


def run(mode: str, folder: Path, options: argparse.Namespace) -> dict:
    """Hold one conversation in this process, or store what it recalls."""
    if options.clock == "processor":
        time.perf_counter = time.process_time  # the library's own clock too
    texts = list(asked(options.turns + WARM_UP))
    notes: list[str] = []
    if mode in ("off", "told"):
        told = json.loads((folder / NOTES).read_text()) if mode == "told" else []
        turns = list(alone(Backbone.open(options.model or fast_default_path()), None, texts, told))
    elif mode in ("on", "imports", "store-on"):
        with Memory.open(folder / "on.db", model=options.model, tuner=options.tuner) as memory:
            if mode != "on":
                memory.add_many(FACTS)
            turns = [] if mode == "store-on" else list(on(memory, texts, notes))
    else:
        with Memory(Embedder(), SQLiteStore(folder / "embedder.db")) as memory:
            if mode == "store-embedder":
                memory.add_many(FACTS)
                turns = []
            else:
                backbone = Backbone.open(options.model or fast_default_path())
                turns = list(alone(backbone, memory, texts))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"mode": mode, "peak_rss_mb": peak, "turns": turns[WARM_UP:], "notes": notes}


def in_a_process(mode: str, folder: Path, options: argparse.Namespace) -> dict:
    command = [sys.executable, "-m", "benchmarks.bench_chat", "--mode", mode, "--out", str(folder)]
    command += ["--turns", str(options.turns), "--clock", options.clock]
    command += ["--model", str(options.model)] if options.model else []
    command += ["--tuner", str(options.tuner)] if options.tuner else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def summary(runs: Sequence[dict]) -> dict:
    """Medians over all turns of a mode, and how far its runs' medians are apart."""
    turns = [turn for one in runs for turn in one["turns"]]
    medians = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    spread = {
        name: [statistics.median(turn[name] for turn in one["turns"]) for one in runs]
        for name in ("turn_s", "cpu_s", "first_token_s")
    }
    return {
        "median": medians,
        "by_run": spread,
        "peak_rss_mb": [one["peak_rss_mb"] for one in runs],
        "turns": len(turns),
    }


def overhead(mode: dict, told: dict) -> float:
    """Seconds that a turn takes longer than one that is told its notes."""
    return mode["median"]["turn_s"] - told["median"]["turn_s"]


def overhead_elsewhere(mode: dict, told: dict) -> float:
    """As `overhead`, with the evaluation of the notes, which are others, left out."""
    opened = mode["median"]["open_s"] - told["median"]["open_s"]
    return overhead(mode, told) - opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mode", choices=(*MODES, *ALONE))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tuner", type=Path)
    parser.add_argument("--turns", type=int, default=16)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--budget", type=float, default=600, help="seconds after which none begins")
    options = parser.parse_args()
    if options.mode is not None:
        print(json.dumps(run(options.mode, options.out, options)))
        return
    head = environment("benchmarks.bench_chat")
    began = time.monotonic()
    runs: dict[str, list[dict]] = {mode: [] for mode in MODES}
    with tempfile.TemporaryDirectory() as stored:
        for mode in ("store-on", "store-embedder"):
            in_a_process(mode, Path(stored), options)
        for _ in range(options.repeat):
            if runs["off"] and time.monotonic() - began > options.budget:
                break
            for mode in MODES:
                with tempfile.TemporaryDirectory() as folder:
                    shutil.copytree(stored, folder, dirs_exist_ok=True)
                    one = in_a_process(mode, Path(folder), options)
                    if mode == "on":
                        (Path(stored) / NOTES).write_text(json.dumps(one["notes"]))
                    runs[mode].append(one)
    with tempfile.TemporaryDirectory() as folder:
        imports = in_a_process("imports", Path(folder), options)["peak_rss_mb"]
    found = {mode: summary(of) for mode, of in runs.items()}
    ours, told, theirs = (found[mode] for mode in MODES[1:])
    result = {**head, "clock": options.clock, "modes": found, "repetitions": len(runs["off"])}
    own, other = overhead(ours, told), overhead_elsewhere(theirs, told)
    result["own_share"] = own / ours["median"]["turn_s"]
    result["overhead_ms"] = {"on": 1e3 * own, "embedder": 1e3 * other}
    result["overhead_ratio"] = other / own
    peaks = {mode: statistics.median(found[mode]["peak_rss_mb"]) for mode in MODES}
    peaks_and_imports = {**peaks, "on, after an import": imports}
    result["memory_above_off_mb"] = {k: v - peaks["off"] for k, v in peaks_and_imports.items()}
    result["memory_ratio"] = (peaks["embedder"] - peaks["off"]) / (peaks["on"] - peaks["off"])
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "packages"}, indent=1))


if __name__ == "__main__":
    main()

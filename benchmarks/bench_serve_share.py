"""How much of a reply's processor time is the model's, and how much is the server's own.

    python -m benchmarks.bench_serve_share [--rounds 3] [--tokens 64] [--model GGUF] [--out JSON]

The time of each thread of the server, from /proc, over a streamed reply, plain and with memory. The
threads that compute are the busiest, as many as llama.cpp was given; all others run Python: HTTP,
JSON, server-sent events, recall, SQLite. Shares stay meaningful on a busy machine; wall clocks do
not, and processor times hardly: of models loaded from one file into one process, the first took up
to 40 % more for a token than the others. Wants the extra `serve`.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bench_serve import story, streamed
from benchmarks.environment import environment, show
from tests.suites.serve.servers import start


def thread_seconds(pid: int) -> dict[str, float]:
    """Return the processor time of each thread of a process."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


def share(server: Any, prompt: str, tokens: int, suffix: str, computing: int) -> dict[str, float]:
    """Return the seconds of a reply, and the share of the threads that do not compute."""
    before = thread_seconds(server.process.pid)
    streamed(server, prompt, tokens, suffix)
    after = thread_seconds(server.process.pid)
    spent = sorted((s - before.get(task, 0.0) for task, s in after.items()), reverse=True)
    return {
        "cpu_s": round(sum(spent), 3),
        "others_percent": round(100 * sum(spent[computing:]) / sum(spent), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--words", type=int, default=10, help="words of a prompt")
    parser.add_argument("--model")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    computing = min(4, len(os.sched_getaffinity(0)))
    found: dict[str, list[dict[str, float]]] = {"plain": [], "memory": []}
    with tempfile.TemporaryDirectory() as folder:
        model = ["--model", options.model] if options.model else []
        server = start(Path(folder) / "home", *model)
        for round_ in range(options.rounds + 1):
            prompt = story(random.Random(round_), options.words)
            for name, suffix in (("plain", ""), ("memory", "+memory")):
                one = share(server, prompt, options.tokens, suffix, computing)
                if round_:  # the first warms up
                    found[name].append(one)
        server.stop()
    settings = {"tokens": options.tokens, "words": options.words}
    show({**settings, **found, **environment("benchmarks.bench_serve_share")}, options.out)


if __name__ == "__main__":
    main()

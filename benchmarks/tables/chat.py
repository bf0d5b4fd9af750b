"""A turn by its length, and whole turns of a chat."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables.markdown import (
    Result,
    load,
    number,
    percent,
    ranged,
    spread,
    table,
    with_source,
)

_MODES = {
    "off": "the model alone, no memory",
    "on": "`Chat`: one pass, capture, tuner, recall, both turns stored",
    "told": "the model alone, given the notes of that chat",
    "embedder": "the same with all-MiniLM-L6-v2 (torch) that reads both turns again",
}


def turn_length(results: Path, name: str = "turn-length") -> str:
    """Return what remembering and recalling add to a turn, by its tokens, in milliseconds."""
    found = load(results, name)
    head = (
        "tokens",
        "prefill (range)",
        "capture",
        "tuner (range)",
        "embedder (range)",
        "recall",
        "store",
        "added, one pass",
        "added, embedder",
    )
    rows = [[length, *_pieces(steps)] for length, steps in found["lengths"].items()]
    held = "; ".join(
        f"{part} {number(mib)} MiB"
        for part, mib in found["held_mib"].items()
        if "bench" not in part  # what only the bench needs
    )
    runs = {steps["prefill"]["runs"] for steps in found["lengths"].values()}
    below = f"{found['model']}, {max(runs)} repetitions. Memory held: {held}."
    return with_source(f"{table(head, rows)}\n\n{below}", found)


def _pieces(steps: Result) -> list[str]:
    prefill = steps["prefill"]["median_ms"]

    def taken(step: str) -> str:
        one = steps[step]
        return ranged(one["median_ms"], one["min_ms"], one["max_ms"])

    def added(way: str) -> str:
        more = steps["added 0"][way]
        return f"{number(more)}, {percent(more / prefill)}"

    return [
        taken("prefill"),
        number(max(0.0, steps["capture"]["of_fastest_ms"])),
        taken("tuner 0"),
        taken("embedder"),
        number(steps["recall 0"]["median_ms"]),
        number(steps["store 0"]["median_ms"]),
        added("one_pass_ms"),
        added("embedder_ms"),
    ]


def chat(results: Path) -> str:
    """Return whole turns without memory, with ours, and with a separate embedder."""
    found = load(results, "chat")
    head = ("", "turn, s", "to the first token, s", "processor, s", "peak memory, MiB")
    rows = []
    for mode, label in _MODES.items():
        one = found["modes"][mode]
        rows.append(
            [
                label,
                _pooled(one, "turn_s"),
                _pooled(one, "first_token_s"),
                number(one["median"]["cpu_s"]),
                number(max(one["peak_rss_mb"])),
            ]
        )
    on, told, off = (found["modes"][mode]["median"] for mode in ("on", "told", "off"))
    own, other = (found["overhead_ms"][mode] for mode in ("on", "embedder"))
    more, reading = (one["turn_s"] - off["turn_s"] for one in (on, told))
    below = (
        f"Medians of {found['modes']['on']['turns']} turns in {found['repetitions']} conversations "
        f"of each, held in turn (range of their medians). Of the {more:.2f} s that a turn takes "
        f"longer with memory, the model needs {reading:.2f} s to read {on['notes_tokens']:.0f} "
        "tokens of notes and to attend to them, whoever finds them. What is left is memory's own: "
        f"{own:.0f} ms, {percent(found['own_share'])} of the turn, and {other:.0f} ms with the "
        "embedder, most of it because llama.cpp's threads sleep at every barrier beside torch's."
    )
    return with_source(f"{table(head, rows)}\n\n{below}", found)


def _pooled(mode: Result, step: str) -> str:
    """Return the median of all turns, and the range of the conversations' medians."""
    runs = mode["by_run"][step]
    return ranged(mode["median"][step], min(runs), max(runs))


def pieces(results: Path) -> str:
    """Return what the parts of a turn take without memory, with it, and with an embedder."""
    found = load(results, "chat")
    modes = [found["modes"][mode] for mode in _MODES]
    steps = {
        "turn_s": "a turn",
        "first_token_s": "first token after",
        "prefill_s": "reading the user's turn",
        "recall_s": "vector, recall, choice of notes",
        "open_s": "evaluating the notes, and the reply's opening",
        "generate_s": "the reply",
        "store_s": "storing both turns, and the ledger",
    }
    rows = [
        [label, *(_milliseconds(one["median"][step]) for one in modes)]
        for step, label in steps.items()
    ]
    beyond, above = found["overhead_ms"], found["memory_above_off_mb"]
    rows += [
        ["beyond notes told", "", number(beyond["on"]), "", number(beyond["embedder"])],
        [
            "peak memory above no memory, MiB",
            *("", number(above["on"]), number(above["told"]), number(above["embedder"])),
        ],
    ]
    runs = [[1e3 * turn for turn in one["by_run"]["turn_s"]] for one in modes]
    rows.append(
        ["a turn, each conversation's median", *(", ".join(map(number, of)) for of in runs)]
    )
    head = ("ms", "no memory", "memory", "notes told", "separate embedder")
    return with_source(table(head, rows), found)


def _milliseconds(seconds: float) -> str:
    return number(1e3 * seconds) if seconds > 1e-4 else ""


def types(results: Path) -> str:
    """Return how fast the packaged model is read and speaks, by the type of its matrices."""
    found = load(results, "types")
    packaged = next(iter(found["types"].values()))["read_median"]
    rows = [
        [
            name,
            f"{one['bytes'] / 1e6:.0f}",
            spread(one["read_tokens_per_s"]),
            f"{one['read_median'] / packaged:.2f}",
            spread(one["ms_per_token"]),
        ]
        for name, one in found["types"].items()
    ]
    head = ("", "MB", "reading, tokens/s", "beside the packaged file", "speaking, ms a token")
    runs = len(next(iter(found["types"].values()))["ms_per_token"])
    return with_source(f"{table(head, rows)}\n\n{runs} rounds, the files in turn.", found)

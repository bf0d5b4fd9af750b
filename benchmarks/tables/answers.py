"""What the chat gives its model, by kind and size of store, and what that is worth in answers."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables.markdown import Result, load, table, with_source

_FIGURES = {
    "recall@1": "recall@1",
    "recall@3": "@3",
    "recall@5": "@5",
    "given": "among the notes",
    "given_of_recalled": "of those in recall@5",
    "noted_though_absent": "notes though nothing is stored",
    "newest_first": "updates: newest first",
    "old_unmarked": "updates: old without a mark",
    "fact_first": "repeated: fact first",
}
_RECALL = {name: title for name, title in _FIGURES.items() if name.startswith("recall@")}
_MARKS = {
    "contains": "contains the answer",
    "right_given": "right record given",
    "contains_of_right_given": "answered of those",
    "abstains_when_absent": "abstains, nothing stored",
}


def given(results: Path, name: str) -> str:
    """Return all kinds together: a row for each size of store."""
    found = load(results, name)
    rows = []
    for size, kinds in found["by_size"].items():
        figures = kinds["all"]
        cells = [_share(figures[figure]) for figure in _FIGURES]
        rows.append([f"{int(size):,}", *cells, f"{figures['notes_tokens']:.0f}"])
    head = ("records", *_FIGURES.values(), "tokens of notes")
    return with_source(table(head, rows), found)


def recalled(results: Path, name: str) -> str:
    """Return what recall finds by words, by our vectors and by MiniLM's: a row for each store."""
    found = load(results, name)
    rows = [
        [f"{int(size):,}", way, *(_share(one[figure]) for figure in _RECALL), f"{one['mrr']:.3f}"]
        for size, ways in found["by_size"].items()
        for way, one in ways.items()
    ]
    return with_source(table(("records", "found by", *_RECALL.values(), "MRR"), rows), found)


def given_by_kind(results: Path, name: str) -> str:
    """Return the share with the answering record among the notes, by kind and size of store.

    For the kinds of which nothing is stored it is the share with any note at all.
    """
    found = load(results, name)
    sizes = found["by_size"]
    kinds = dict.fromkeys(kind for size in sizes.values() for kind in size)
    rows = []
    for kind in kinds:
        cells = []
        for size in sizes.values():
            figures = size.get(kind, {})
            cells.append(_share(figures.get("given") or figures.get("noted_though_absent")))
        rows.append([kind.replace("_", " "), *cells])
    head = ("kind", *(f"{int(size):,} records" for size in sizes))
    return with_source(table(head, rows), found)


def answers(results: Path, of: str) -> str:
    """Return the marks of every model over one set: a row for each model and way."""
    files = sorted(results.glob(f"answers-*-{of}.json"))
    found = [load(results, path.stem) for path in files]
    rows = [row for one in found for row in _ways(one)]
    head = ("model", "given", *_MARKS.values(), "token F1")
    below = "; ".join(f"{one['model']}: {one['questions']} questions" for one in found)
    return with_source(f"{table(head, rows)}\n\n{below}.", *found)


def _ways(found: Result) -> list[list[str]]:
    rows = []
    for way, kinds in found["ways"].items():
        marks = kinds["all"]
        f1 = marks["f1"]
        cells = [_share(marks[name]) for name in _MARKS]
        rows.append([found["model"], way, *cells, "" if f1 is None else f"{f1:.2f}"])
    return rows


def wordings(results: Path, name: str) -> str:
    """Return how often a model answers from the same notes in different wordings."""
    found = load(results, name)
    rows = [
        [wording, _share(one["contains"]), _share(one["abstains"]), f"{one['f1']:.2f}"]
        for wording, one in found["wordings"].items()
    ]
    head = ("wording", "contains the answer", "abstains", "token F1")
    return with_source(f"{table(head, rows)}\n\n{found['model']}.", found)


def _share(figure: Result | None) -> str:
    if not figure:
        return ""
    low, high = figure["interval"]
    return f"{figure['share']:.2f} ({low:.2f} to {high:.2f})"

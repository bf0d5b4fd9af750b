"""Imports: how fast notes get vectors, a killed vault, a large export."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables.markdown import load, number, of_summary, table, with_source

_WAYS = {
    "limit": "the model reads every fourth note to its last layer, captures and stores nothing",
    "lmort-memory": "lmort-memory: read up to the tuner's upper layer, stored",
    "MiniLM, torch": "all-MiniLM-L6-v2 through torch, no store",
    "MiniLM, onnxruntime": "all-MiniLM-L6-v2 through onnxruntime, no store",
    "chromadb": "chromadb's default (the same through onnxruntime, padded to 256 tokens), stored",
}


def speed(results: Path) -> str:
    """Return texts and tokens a second, and the time until 10,000 notes are found."""
    few, every = load(results, "import-speed"), load(results, "import-all")
    runs = few["lmort-memory"]["vectors_s"]["runs"]
    head = (
        "",
        f"notes/s, {few['notes']} notes",
        "tokens/s",
        f"seconds, {runs} rounds",
        "times a full pass",
        f"{every['notes']:,} notes, measured once",
    )
    limit = few["limit"]["tokens_per_s"]
    rows = []
    for way, label in _WAYS.items():
        one, whole = few[way], every[way]
        seconds = number(whole["vectors_s"]["median"])
        of_all = f"{seconds} s for a quarter" if way == "limit" else None
        rows.append(
            [
                label,
                number(one["texts_per_s"]),
                number(one["tokens_per_s"]),
                of_summary(one["vectors_s"]),
                f"{one['tokens_per_s'] / limit:.1f}",
                of_all or f"{seconds} s",
            ]
        )
    words = few["words"]
    below = (
        f"{few['tokens']:,} and {every['tokens']:,} tokens of the model. By its words everything "
        "is found much earlier: of 10,000 notes the first "
        f"{of_summary(words['first_hit_s'])} s after opening, the last after "
        f"{of_summary(words['last_hit_s'])} s."
    )
    return with_source(f"{table(head, rows)}\n\n{below}", few, every)


def vault(results: Path) -> str:
    """Return the steps of a vault's import that is killed twice."""
    found = load(results, "import-vault")
    steps = found["vault"]["steps"]
    head = ("step", "seconds", "processor", "peak memory", "afterwards stored")
    rows = [
        [
            step,
            number(one["wall_s"]),
            number(one["processor_s"]),
            f"{one['peak_mb']:.0f} MB",
            f"{one['sources']:,} files, {one['records']:,} turns, {one['vectors']:,} vectors"
            if "records" in one
            else "",
        ]
        for step, one in steps.items()
    ]
    same = found["vault"]["same_as_uninterrupted"]
    below = (
        f"{found['vault']['notes']:,} files, {found['vault']['bytes'] / 1e6:.2f} MB, one run. The "
        f"turns, their files and spans are {'' if same else 'NOT '}equal, row by row, to those of "
        "an import that nobody killed."
    )
    return with_source(f"{table(head, rows)}\n\n{below}", found)


def export(results: Path) -> str:
    """Return the import of a large ChatGPT export, and that of the same again."""
    found = load(results, "import-export")
    head = ("step", "seconds", "processor", "peak memory", "afterwards stored")
    one, again = found["export"]["first"], found["export"]["unchanged"]
    stored = f"{one['records']:,} turns; {one['size_bytes'] / 1e6:.0f} MB"
    rows = [
        [
            label,
            number(step["wall_s"]),
            number(step["processor_s"]),
            f"{step['peak_mb']:.0f} MB",
            stored,
        ]
        for label, step in (("first import", one), ("again, nothing changed", again))
    ]
    below = (
        f"{found['export']['json_bytes'] / 1e6:.0f} MB of JSON, "
        f"{found['export']['zip_bytes'] / 1e6:.0f} MB as zip, "
        f"{found['export']['conversations']:,} conversations; one run, texts only (`--no-vectors`)."
    )
    return with_source(f"{table(head, rows)}\n\n{below}", found)


def redaction(results: Path) -> str:
    """Return what of secrets is found by kind, and of texts that look like them."""
    found = load(results, "redaction")
    hard = found["hard"]
    missed = [kind for kind, is_found in hard.items() if not is_found]
    kinds = found["secrets"].values()
    groups = (
        ("secrets", "kinds", "found", "taken for secrets"),
        (
            f"{sum(one['secrets'] for one in kinds)} secrets in common places",
            f"{len(kinds)}",
            f"{sum(one['found'] for one in kinds)}",
            "",
        ),
        (
            f"{len(hard)} in hard places",
            f"{len(hard)}",
            f"{sum(hard.values())}; missed: {', '.join(missed)}",
            "",
        ),
        (
            f"{sum(one['texts'] for one in found['alike'].values())} look-alikes: "
            + ", ".join(found["alike"]),
            f"{len(found['alike'])}",
            "",
            f"{len(found['taken'])}",
        ),
    )
    below = f"Precision {found['precision']:.2f}, recall {found['recall']:.2f} in common places."
    return with_source(f"{table(groups[0], groups[1:])}\n\n{below}", found)


def large(results: Path) -> str:
    """Return the import of very many notes and of a very large export, each killed on the way."""
    head = ("what", "step", "seconds", "processor", "peak memory", "afterwards stored")
    rows, sources = [], []
    for name, what in (("vault", "notes"), ("export", "conversations")):
        found = load(results, f"import-large-{name}")
        sources.append(found)
        one = found[name]
        size = one.get("json_bytes", one.get("bytes", 0)) / 1e6
        for step, done in one["steps"].items():
            rows.append(
                [
                    f"{one[what]:,} {what}, {size:,.0f} MB",
                    step,
                    number(done["wall_s"]),
                    number(done["processor_s"]),
                    f"{done['peak_mb']:.0f} MB",
                    f"{done['sources']:,} sources, {done['records']:,} turns",
                ]
            )
    below = (
        "Texts only (`--no-vectors`), one run each: the notes on a machine that was busy with "
        "other work (load 20 to 50 on two cores), so their seconds say little, and their processor "
        "seconds are too many; the export on an idle one. Killed with SIGKILL at two fifths; the "
        "same command finishes."
    )
    return with_source(f"{table(head, rows)}\n\n{below}", *sources)

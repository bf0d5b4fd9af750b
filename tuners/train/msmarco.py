"""Read MS MARCO passage ranking from its public files, with sentence-transformers' hard negatives.

    collection.tsv                       pid <tab> passage
    queries.train.tsv                    qid <tab> query
    qrels.train.tsv                      qid 0 pid 1
    msmarco-hard-negatives.jsonl.gz      {"qid": 1, "pos": [2], "neg": {"bm25": [3, …], …}}

Each file may be gzip-compressed (`….gz`). The collection (8.8 million passages) is streamed; only
the passages of the chosen queries are kept.
"""

from __future__ import annotations

import csv
import gzip
import random
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.errors import TunerError

from ..jsonl import read_jsonl
from .data import TrainingData, cut_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .recipe import DataRecipe

__all__ = ["load_msmarco"]

_LICENCE: Final = "MS MARCO terms: non-commercial research"

Group = tuple[str, str, tuple[str, ...]]  # query id, positive pid, negative pids


def load_msmarco(folder: Path, recipe: DataRecipe) -> TrainingData:
    """Read queries, one positive per relevance judgement, and sampled hard negatives.

    Skips queries without hard negatives.

    Raises:
        TunerError: a file is missing, damaged, or lacks ids.
    """
    groups = _groups(folder, recipe)
    queries = _table(folder, "queries.train.tsv", {qid for qid, _, _ in groups})
    wanted = {pid for _, positive, negatives in groups for pid in (positive, *negatives)}
    passages = _table(folder, "collection.tsv", wanted)
    index: dict[str, int] = {}

    def number(text: str) -> int:
        return index.setdefault(cut_words(text, recipe.max_words), len(index))

    anchors = [number(queries[qid]) for qid, _, _ in groups]
    positives = [number(passages[pid]) for _, pid, _ in groups]
    negatives = [[number(passages[pid]) for pid in pids] for _, _, pids in groups]
    return TrainingData(
        tuple(index),
        np.array(anchors, dtype=np.int64),
        np.array(positives, dtype=np.int64),
        np.array(negatives, dtype=np.int64).reshape(len(groups), recipe.n_negatives),
        (("msmarco", "pairs", len(groups), _LICENCE),),
    )


def _groups(folder: Path, recipe: DataRecipe) -> list[Group]:
    """Sample queries and their negatives with the seed."""
    rng = random.Random(recipe.seed)
    relevant = _qrels(folder)
    groups: list[Group] = []
    for row in read_jsonl(_file(folder, "msmarco-hard-negatives.jsonl")):
        qid = str(row.get("qid"))
        pool = sorted(_negatives(row) - set(relevant.get(qid, ())))
        if qid not in relevant or not pool:
            continue
        for positive in relevant[qid]:
            picked = rng.sample(pool, min(recipe.n_negatives, len(pool)))
            picked += rng.choices(pool, k=recipe.n_negatives - len(picked))
            groups.append((qid, positive, tuple(picked)))
    if recipe.max_pairs and len(groups) > recipe.max_pairs:
        groups = rng.sample(groups, recipe.max_pairs)
    return groups


def _negatives(row: Mapping[str, object]) -> set[str]:
    """Merge the negatives of the different systems."""
    found = row.get("neg")
    if not isinstance(found, dict):
        raise TunerError(
            f"'neg' of hard negatives must be an object; found {found!r} — download the file again"
        )
    return {str(pid) for pids in found.values() for pid in pids}


def _qrels(folder: Path) -> dict[str, list[str]]:
    relevant: dict[str, list[str]] = {}
    for row in _rows(_file(folder, "qrels.train.tsv"), columns=4):
        if row[3] != "0":
            relevant.setdefault(row[0], []).append(row[2])
    return relevant


def _table(folder: Path, name: str, wanted: set[str]) -> dict[str, str]:
    """Read the requested rows of an id-to-text file."""
    path = _file(folder, name)
    found = {row[0]: row[1] for row in _rows(path, columns=2) if row[0] in wanted}
    missing = wanted - set(found)
    if missing:
        raise TunerError(
            f"{path} lacks {len(missing)} of {len(wanted)} ids, such as {min(missing)} — download "
            "all files from the same release"
        )
    return found


def _rows(path: Path, *, columns: int) -> Iterator[list[str]]:
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            for number, row in enumerate(reader, 1):
                if len(row) != columns:
                    raise TunerError(
                        f"{path}, line {number}: {len(row)} columns, expected {columns} — repair it"
                    )
                yield row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise TunerError(f"{path} cannot be read: {error} — download it again") from error


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise TunerError(f"{folder} has no {name} (nor {name}.gz) — download MS MARCO there")

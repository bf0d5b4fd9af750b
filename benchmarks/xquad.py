"""Make evaluation sets of XQuAD's languages: the same paragraphs and questions in each. By hand.

    git clone https://github.com/google-deepmind/xquad CLONE
    python -m benchmarks.xquad CLONE --language es --language zh --out SETS

writes SETS/xquad_es and so on in BEIR layout, for `bench_quality`: the first `--paragraphs` of each
of the first `--articles` articles, so that every question has paragraphs of its own article beside
the right one, and all of their questions. The data is CC BY-SA 4.0.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable
from pathlib import Path


def write_set(source: Path, folder: Path, *, articles: int, paragraphs: int) -> None:
    """Write one language's set."""
    chosen = [
        paragraph
        for article in json.loads(source.read_text())["data"][:articles]
        for paragraph in article["paragraphs"][:paragraphs]
    ]
    documents = [
        {"_id": f"p{number}", "title": "", "text": paragraph["context"]}
        for number, paragraph in enumerate(chosen)
    ]
    asked = [
        (question, f"p{number}")
        for number, paragraph in enumerate(chosen)
        for question in paragraph["qas"]
    ]
    folder.mkdir(parents=True, exist_ok=True)
    _write_lines(folder / "corpus.jsonl.gz", documents)
    _write_lines(
        folder / "queries.jsonl.gz",
        ({"_id": question["id"], "text": question["question"]} for question, _ in asked),
    )
    judged = "".join(f"{question['id']}\t{right}\t1\n" for question, right in asked)
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    (folder / "meta.json").write_text(json.dumps({"set": folder.name}))


def _write_lines(path: Path, rows: Iterable[dict[str, str]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--language", action="append", required=True, dest="languages")
    parser.add_argument("--articles", type=int, default=48)
    parser.add_argument("--paragraphs", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for language in options.languages:
        write_set(
            options.clone / f"xquad.{language}.json",
            options.out / f"xquad_{language}",
            articles=options.articles,
            paragraphs=options.paragraphs,
        )


if __name__ == "__main__":
    main()

"""What every single question got: a file for each set, beside the result that has the means."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from lmort_memory.tuners.evaluate.report import Report

SHOWN = ("recall@1", "recall@5", "recall@10", "recall@50", "mrr@10", "ndcg@10")


def write_questions(report: Report, result: Path) -> None:
    """Write `questions/RESULT-SET.jsonl.gz` beside a result: a line for each question.

    A line has the question's id and, by system, its figures in the order of `SHOWN`.
    """
    lines = []
    for index, query in enumerate(report.query_ids):
        rows = {
            row: [round(float(values[metric][index]), 4) for metric in SHOWN]
            for row, values in report.rows.items()
        }
        lines.append(json.dumps({"query": query, "figures": SHOWN, "rows": rows}) + "\n")
    path = result.parent / "questions" / f"{result.stem}-{report.set}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.write("".join(lines).encode())

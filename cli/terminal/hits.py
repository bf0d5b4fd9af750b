"""How a hit of `recall` is shown: a note's headings, the matching part, and its source."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .output import day, is_terminal, one_line, say, terminal_width, visible

if TYPE_CHECKING:
    from lmort_memory.types import Hit, Record, Scores

__all__ = ["parts_of", "say_hit", "snippet"]

_INDENT = "   "
_SNIPPET_CHARS = 240  # three lines of a terminal


def say_hit(hit: Hit, query: str, *, full: bool, explain: bool) -> None:
    """Print a hit: heading, the question that it answers, matching part or whole text, facts."""
    record = hit.record
    heading, body = _split(record)
    lines = [one_line(heading, terminal_width() - 6)] if heading else []
    if hit.asked is not None:
        lines.append(f'"{snippet(hit.asked.record.text, query, terminal_width() - 8)}"')
    if full:
        lines += visible(body).splitlines()
    else:
        start, end = hit.span or (0, len(record.text))
        offset = len(record.text) - len(body)
        part = body[max(0, start - offset) : max(0, end - offset)] or body
        lines += _wrapped(snippet(part, query, _SNIPPET_CHARS))
    for number, line in enumerate(lines):
        say(f"{hit.rank}. {line}" if number == 0 else f"{_INDENT}{line}".rstrip())
    role = one_line(record.role, sys.maxsize)
    facts = [day(record.created_at), role, record.id, _score(hit)]
    if explain:
        facts += _ranks(hit.scores)
    if record.valid_to is not None:
        facts.append(f"held until {day(record.valid_to)}")
    if record.source is not None:
        facts.append(one_line(record.source.uri, sys.maxsize))
    say(f"{_INDENT}{'  '.join(facts)}", faint=True)


def snippet(text: str, query: str, width: int) -> str:
    """Return the part of a text with most of a question's words: one line, at most `width`.

    If no word is found, the beginning is returned.
    """
    from lmort_memory.memory.passages import best_start

    line = one_line(text, len(text) + 1)
    if len(line) <= width:
        return line
    start = best_start(line, query, width - 2)
    if start:
        start = line.find(" ", start) + 1 or start  # at a word
    cut = line[start : start + width - 2]
    if start + len(cut) < len(line):
        cut = f"{cut.rpartition(' ')[0] or cut}…"
    return f"…{cut}" if start else cut


def _split(record: Record) -> tuple[str, str]:
    """Return a note's path of headings, or its title, and its own text."""
    form = record.metadata.get("note_format", record.metadata.get("format"))
    if form == "markdown":
        heading, gap, body = record.text.partition("\n\n")
        return (heading, body) if gap else ("", record.text)
    title = record.metadata.get("title")
    return (title, record.text) if isinstance(title, str) and title.strip() else ("", record.text)


def _wrapped(line: str) -> list[str]:
    """Wrap a line for a terminal; in a pipe a snippet stays on one line."""
    if not is_terminal(sys.stdout):
        return [line]
    from rich.console import Console
    from rich.text import Text

    width = max(40, terminal_width() - len(_INDENT))
    return [part.plain.rstrip() for part in Text(line).wrap(Console(width=width), width)]


def parts_of(scores: Scores) -> list[str]:
    """Describe a score's parts: the cosines of meaning and of tokens, and BM25 of words."""
    dense, tokens, words = scores.dense, scores.tokens, scores.bm25
    return [
        *([] if dense is None else [f"meaning {dense:.2f}"]),
        *([] if tokens is None else [f"tokens {tokens:.2f}"]),
        *([] if words is None else [f"words {words:.1f}"]),
    ]


def _score(hit: Hit) -> str:
    return f"score {hit.score:.2f} ({', '.join(parts_of(hit.scores))})"


def _ranks(scores: Scores) -> list[str]:
    """Give the hit's rank in each of the two rankings, if it has one."""
    ranks = {"meaning": scores.dense_rank, "words": scores.bm25_rank}
    said = [f"{'unranked' if rank is None else rank} by {name}" for name, rank in ranks.items()]
    halved = [] if scores.recency is None else [f"recency {scores.recency:.2f}"]
    moved = [f"boosted {scores.boost:+.0%}"] if scores.boost else []
    return [f"rank {', '.join(said)}", *halved, *moved, *_weights(scores)]


def _weights(scores: Scores) -> list[str]:
    """Give the weight of each part for this question."""
    parts = {
        "meaning": scores.dense_weight,
        "tokens": scores.tokens_weight,
        "words": scores.bm25_weight,
    }
    said = [f"{name} {weight:.0%}" for name, weight in parts.items() if weight]
    return [f"weights {', '.join(said)}"] if said else []

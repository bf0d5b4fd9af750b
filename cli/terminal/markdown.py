"""Markdown rendered while it streams."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["complete_length", "stream_markdown"]

_FENCE = re.compile(r" {0,3}(?:```|~~~)")


def complete_length(text: str) -> int:
    """Return how much of a text is complete blocks: up to the last blank line outside a fence."""
    complete = at = 0
    fenced = False
    for line in text.splitlines(keepends=True):
        at += len(line)
        if _FENCE.match(line):
            fenced = not fenced
        elif not line.strip() and line.endswith("\n") and not fenced:
            complete = at
    return complete


def stream_markdown(pieces: Iterable[str]) -> None:
    """Print Markdown as it arrives: the unfinished block raw, complete blocks formatted.

    Only the last block is redrawn, so a long reply scrolls like any other text.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.markdown import Markdown
    from rich.text import Text

    console = Console(highlight=False)
    text = ""
    with Live(console=console, transient=True, refresh_per_second=12) as live:
        try:
            for piece in pieces:
                text += piece
                if length := complete_length(text):
                    console.print(Markdown(text[:length], hyperlinks=False))
                    text = text[length:]
                live.update(Text(text))
        finally:
            live.update(Text(""))
            console.print(Markdown(text, hyperlinks=False))

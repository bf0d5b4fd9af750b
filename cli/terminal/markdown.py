"""Markdown rendered while it streams."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

__all__ = ["complete_length", "stream_markdown"]

_REDRAW_S = 1 / 12  # the shortest time between two redraws
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

    Only the last block is redrawn, so a long reply scrolls like any other text. It is redrawn when
    a piece arrives and not on a timer: a slow model's terminal stays quiet between two words.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.markdown import Markdown
    from rich.text import Text

    console = Console(highlight=False)
    text, drawn = "", 0.0
    with Live(console=console, transient=True, auto_refresh=False) as live:
        try:
            for piece in pieces:
                text += piece
                if length := complete_length(text):
                    console.print(Markdown(text[:length], hyperlinks=False))
                    text = text[length:]
                now = time.monotonic()
                live.update(Text(text), refresh=now - drawn >= _REDRAW_S)
                drawn = now if now - drawn >= _REDRAW_S else drawn
        finally:
            live.update(Text(""), refresh=True)
            console.print(Markdown(text, hyperlinks=False))

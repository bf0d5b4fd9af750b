"""Markdown rendered while it streams."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.text import Text

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
    Nothing is drawn before the first piece, so what comes before it can be printed as usual.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    pieces = iter(pieces)
    if (first := next(pieces, None)) is None:
        return
    console = Console(highlight=False)
    text, drawn = "", 0.0
    with Live(console=console, transient=True, auto_refresh=False) as live:
        try:
            for piece in chain([first], pieces):
                text += piece
                if length := complete_length(text):
                    console.print(_formatted(text[:length]))
                    text = text[length:]
                now = time.monotonic()
                if now - drawn >= _REDRAW_S:
                    live.update(_last_lines(text, console), refresh=True)
                    drawn = now
        finally:
            live.update(Text(""), refresh=True)
            console.print(_formatted(text))


def _formatted(text: str) -> Markdown:
    """Format Markdown so that no word of it is lost.

    Rich shows neither HTML nor the address of an image, and both may be what was asked for:
    `List<String>`, `<think>`, a page of HTML. A line that ends stays a line, as in a poem or an
    address: models do not wrap paragraphs.
    """
    from markdown_it import MarkdownIt
    from rich.markdown import Markdown

    made = Markdown("", hyperlinks=False)
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    made.parsed = parser.disable("image").parse(text)
    for token in made.parsed:
        for part in token.children or ():
            if part.type == "softbreak":
                part.type = "hardbreak"
    return made


def _last_lines(text: str, console: Console) -> Text:
    """Return the end of an unfinished block: more lines than the terminal has cannot be redrawn."""
    from rich.text import Text

    # No more characters than fill the screen, so that a long block is not wrapped again and again.
    end = text[-console.width * console.height :]
    lines = Text(end).wrap(console, console.width)
    return Text("\n").join(lines[-max(1, console.height - 1) :])

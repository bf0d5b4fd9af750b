"""What a chat shows at a terminal: Markdown, reasoning, memories, and that there is work."""

import io
import re
import time
from datetime import UTC, datetime

import pytest
from rich.console import Console

from lmort_memory import Memory
from lmort_memory.chat.reply import ReplyPiece
from lmort_memory.cli.terminal.markdown import _last_lines, complete_length, stream_markdown
from lmort_memory.cli.terminal.output import one_line, visible
from lmort_memory.cli.terminal.progress import Waiting
from lmort_memory.cli.terminal.screen import Terminal
from lmort_memory.types import Turn


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", ""),
        ("half a block", ""),
        ("one\n\ntwo", "one\n\n"),
        ("one\n\n```\ncode\n\nmore", "one\n\n"),
        ("```\ncode\n\nmore\n```\n\nrest", "```\ncode\n\nmore\n```\n\n"),
    ],
)
def test_complete_blocks(text, complete):
    """A block is complete at a blank line, but not at one inside a code fence."""
    assert text[: complete_length(text)] == complete


def test_remembered_text_cannot_drive_the_terminal():
    """Escape sequences in memories and replies are shown as text, or not at all."""
    assert visible("a\x1b[2Jb\rc\x07\n\td") == "a[2Jbc\n\td"
    assert one_line("a\x1b]0;title\x07\nb   c", 20) == "a ]0;title b c"
    assert one_line("abcdefgh", 5) == "abcd…"


@pytest.mark.parametrize(
    "text",
    [
        "A List<String> and a <think> tag.",
        "<div>\nall of it\n</div>",
        "Roses are red\nViolets are blue",
        "![a map](https://example.org/map.png)",
    ],
)
def test_no_word_of_a_reply_is_lost_on_a_terminal(capsys, monkeypatch, text):
    """HTML, addresses and the ends of lines are shown, as they are over a pipe."""
    monkeypatch.setenv("COLUMNS", "80")
    stream_markdown(text)
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    words = re.findall(r"[\w<>/]+", text)
    assert all(word in "\n".join(shown) for word in words)
    assert len(shown) == len(text.splitlines())


def test_the_end_of_a_long_block_is_what_a_terminal_shows():
    """A program of a hundred lines is seen as it is written, not its first lines alone."""
    console = Console(width=20, height=10)
    shown = _last_lines("\n".join(map(str, range(100))), console).plain.split("\n")
    assert shown == [str(n) for n in range(91, 100)]


def test_reasoning_flows_like_any_other_text(capsys, monkeypatch):
    """A thought of many tokens is shown as one text, not a line for each; brackets are text."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal, where the answer is redrawn
    pieces = [ReplyPiece("", "\nHe asks"), ReplyPiece("", " of [/b] bees"), ReplyPiece("Bees.", "")]
    Terminal().show_reply(pieces)
    assert capsys.readouterr().out.startswith("He asks of [/b] bees\n")
    Terminal().show_reply(pieces[:2])
    assert capsys.readouterr().out == "He asks of [/b] bees\n"


def until_in(text, stream):
    """Wait until a text was written to a stream."""
    end = time.monotonic() + 60
    while text not in stream.getvalue():
        assert time.monotonic() < end, stream.getvalue()
        time.sleep(0.05)


def test_a_wait_is_shown_from_its_second_second():
    """A person who waits sees that something is done; what is shown next takes its place."""
    shown = io.StringIO()
    shown.isatty = lambda: True
    with Waiting("reading", shown) as waiting:
        until_in("(reading, ", shown)
        waiting.pause()
        assert shown.getvalue().endswith("\r\x1b[K")
        before = shown.getvalue()
        time.sleep(0.3)
        assert shown.getvalue() == before
        waiting.go_on()
        waiting.count("reading", 0, 9)
        until_in("(reading, part 0 of 9)", shown)
        waiting.count("reading", 2, 1009)
        until_in("(reading, part 2 of 1,009, ", shown)
        until_in(" left)", shown)
    assert shown.getvalue().endswith("\r\x1b[K")
    with Waiting("reading", io.StringIO()) as waiting:  # no terminal
        assert waiting._thread is None


def records(n):
    """Return n records of one day."""
    day = datetime(2026, 11, 26, tzinfo=UTC)
    text = "Ada keeps bees in Trondheim, behind the house."
    made = [Turn(text, created_at=day) for _ in range(n)]
    with Memory.open(with_model=False) as memory:
        return memory.add(made)


@pytest.mark.parametrize(("width", "n", "lines"), [(80, 1, 1), (80, 2, 1), (80, 3, 3), (40, 2, 2)])
def test_memories_share_a_line_only_where_they_can_be_read(capsys, monkeypatch, width, n, lines):
    """Each shows some of its text, at every width, and none is wrapped."""
    monkeypatch.setenv("COLUMNS", str(width))
    Terminal().show_memories(records(n))
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == lines and all(len(line) <= width for line in shown)
    assert sum(line.count("Ada") for line in shown) == n

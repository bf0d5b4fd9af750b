"""The two ways a chat is shown: to a person at a terminal, and to a program over a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from .output import day, json_text, note, one_line, say, terminal_width, visible

if TYPE_CHECKING:
    from lmort_memory.chat import Reply
    from lmort_memory.chat.reply import ReplyPiece
    from lmort_memory.types import Record

__all__ = ["Pipe", "Screen", "Terminal"]

_BLOCK_MARK = '"""'


class Screen(Protocol):
    """What a conversation needs of its user's side."""

    def read(self) -> str | None:
        """Return the next thing that the user says; None when there is no more."""

    def say(self, text: str) -> None:
        """Show a line about the conversation, not of it."""

    def show_memories(self, records: Sequence[Record]) -> None:
        """Show what was recalled for the reply that comes."""

    def show_reply(self, pieces: Iterable[ReplyPiece]) -> None:
        """Show a reply as it is made, and the reasoning before it."""

    def end_reply(self, reply: Reply) -> None:
        """Take note that a reply is finished, or was stopped."""

    def remember_lines(self, lines: Iterable[str]) -> None:
        """Let earlier lines be called back."""


class Pipe:
    """Lines in, plain text out, or with `as_json` one object for each reply."""

    def __init__(self, *, json_lines: bool = False) -> None:
        self._json = json_lines

    def read(self) -> str | None:
        """Return the next line of stdin."""
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None

    def say(self, text: str) -> None:
        """Print a line, on stderr where stdout holds JSON."""
        note(text) if self._json else say(text, flush=True)

    def show_memories(self, records: Sequence[Record]) -> None:
        """Print a line for each memory."""
        if not self._json:
            for number, record in enumerate(records, 1):
                text = one_line(record.text, sys.maxsize)
                self.say(f"[{number}] recalled {day(record.created_at)}, {record.role}: {text}")

    def show_reply(self, pieces: Iterable[ReplyPiece]) -> None:
        """Print the pieces as they come, without the reasoning."""
        for piece in pieces:
            if not self._json:
                print(visible(piece.text), end="", flush=True)
        if not self._json:
            print(flush=True)

    def end_reply(self, reply: Reply) -> None:
        """Print the reply's object."""
        if self._json:
            print(json_text({"text": reply.text, "ledger": reply.ledger}), flush=True)

    def remember_lines(self, lines: Iterable[str]) -> None:
        """Do nothing: nobody types here."""


def _answer(pieces: Iterable[ReplyPiece]) -> Iterator[str]:
    """Print the reasoning as it comes, and pass the answer on."""
    thinking = False
    for piece in pieces:
        if piece.thought:
            text = piece.thought if thinking else piece.thought.lstrip()
            say(text, faint=True, flush=True, end="")
            thinking = True
        if piece.text:
            if thinking:
                say()
            thinking = False
            yield piece.text


@contextmanager
def _typing_unseen() -> Iterator[None]:
    """Keep what is typed meanwhile out of the reply; the next prompt shows it."""
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    unseen = [*before]
    unseen[3] &= ~termios.ECHO  # local modes
    termios.tcsetattr(keyboard, termios.TCSANOW, unseen)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)


class Terminal:
    """Line editing with history, faint notes, Markdown as it streams."""

    def __init__(self) -> None:
        try:
            import readline
        except ImportError:  # Windows: the console edits lines itself
            self._readline = None
        else:
            self._readline = readline
            readline.set_auto_history(False)  # commands stay out of it
            # A pasted text of many lines then arrives as one; libedit has no such setting.
            if "libedit" not in (readline.__doc__ or ""):
                readline.parse_and_bind("set enable-bracketed-paste on")

    def read(self) -> str | None:
        """Return what is typed at the prompt; lines between two \"\"\" are one."""
        while True:
            try:
                text = self._typed()
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print()
                self.say("Ctrl-D or /quit leaves")
                continue
            if text.strip():
                self.remember_lines([] if text.startswith("/") else [text])
                return text

    def _typed(self) -> str:
        line = input("> ")
        if not line.startswith(_BLOCK_MARK):
            return line
        lines = [line.removeprefix(_BLOCK_MARK)]
        while not lines[-1].rstrip().endswith(_BLOCK_MARK):
            lines.append(input("… "))
        lines[-1] = lines[-1].rstrip().removesuffix(_BLOCK_MARK)
        return "\n".join(lines).strip("\n")

    def say(self, text: str) -> None:
        """Print a faint line."""
        say(text, faint=True, flush=True)

    def show_memories(self, records: Sequence[Record]) -> None:
        """Print one faint line with the day, the speaker and the beginning of each memory."""
        if records:
            width = max(24, terminal_width() // len(records) - 4)
            parts = [
                one_line(f"[{n}] {day(r.created_at)} {r.role}: {r.text}", width)
                for n, r in enumerate(records, 1)
            ]
            self.say("  ".join(parts))

    def show_reply(self, pieces: Iterable[ReplyPiece]) -> None:
        """Print reasoning faintly and the reply as Markdown, each block once it is complete."""
        from .markdown import stream_markdown

        with _typing_unseen():
            stream_markdown(visible(text) for text in _answer(pieces))

    def end_reply(self, reply: Reply) -> None:
        """Say so if the reply was stopped."""
        if not reply.ledger.complete:
            self.say("(stopped)")

    def remember_lines(self, lines: Iterable[str]) -> None:
        """Let earlier lines be called back with the arrow keys. They are in memory only.

        A file of them would be a second copy of what the user may ask to forget.
        """
        for line in lines:
            if self._readline is not None:
                self._readline.add_history(line)

"""The two displays of a chat: for a person at a terminal, and for a program over a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from ..options import read_stdin
from .output import day, json_text, note, one_line, say, say_text, terminal_width, visible
from .progress import Waiting

if TYPE_CHECKING:
    from lmort_memory.chat import Reply
    from lmort_memory.chat.reply import ReplyPiece
    from lmort_memory.types import Record

__all__ = ["Pipe", "Screen", "Terminal"]

_BLOCK_MARK = '"""'
_LEAST_SHARE = 36  # columns of a memory that shares a line: 21 are its number, day and speaker


class Screen(Protocol):
    """What a conversation needs from the user's side."""

    def read(self) -> str | None:
        """Return the user's next line; None at the end of the input."""

    def say(self, text: str) -> None:
        """Show a line about the conversation, not part of it."""

    def show_memories(self, records: Sequence[Record]) -> None:
        """Show what was recalled for the coming reply."""

    def show_reply(self, pieces: Iterable[ReplyPiece]) -> None:
        """Show a reply as it streams, and the reasoning before it."""

    def end_reply(self, reply: Reply) -> None:
        """Note that a reply is finished, was stopped, or has used up its tokens."""

    def remember_lines(self, lines: Iterable[str]) -> None:
        """Make earlier lines available again."""

    def working(self) -> AbstractContextManager[None]:
        """Say that a line is being answered until the block ends."""

    def reading(self, done: int, total: int | None) -> None:
        """Say how much of a long text was read."""


class Pipe:
    """Lines in, plain text out, or with `as_json` one object per reply."""

    def __init__(self, *, json_lines: bool = False) -> None:
        self._json = json_lines
        # A person at a terminal that edits no lines, or whose replies go to a file.
        self._prompts = sys.stdin.isatty() and sys.stderr.isatty()

    def read(self) -> str | None:
        """Return the next line of stdin."""
        if self._prompts:
            print("> ", end="", file=sys.stderr, flush=True)
        line = read_stdin(sys.stdin.readline)
        return line.rstrip("\n") if line else None

    def say(self, text: str) -> None:
        """Print a line; on stderr if stdout holds JSON."""
        note(text) if self._json else say(text, flush=True)

    def show_memories(self, records: Sequence[Record]) -> None:
        """Print one line per memory."""
        if not self._json:
            for number, record in enumerate(records, 1):
                text = one_line(record.text, sys.maxsize)
                self.say(f"[{number}] recalled {day(record.created_at)}, {record.role}: {text}")

    def show_reply(self, pieces: Iterable[ReplyPiece]) -> None:
        """Print the pieces as they arrive, without the reasoning."""
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

    def working(self) -> AbstractContextManager[None]:
        """Do nothing, as above."""
        return nullcontext()

    def reading(self, done: int, total: int | None) -> None:
        """Do nothing, as above."""


def _answer(pieces: Iterable[ReplyPiece]) -> Iterator[str]:
    """Print the reasoning as it arrives, and pass the answer on."""
    thinking = False
    try:
        for piece in pieces:
            thought = piece.thought if thinking else piece.thought.lstrip()
            if thought:
                say_text(thought, faint=True, flush=True, end="")
                thinking = True
            if piece.text:
                if thinking:
                    say()
                thinking = False
                yield visible(piece.text)
    finally:
        if thinking:  # it was cut short; what follows begins a line
            say()


@contextmanager
def _typing_unseen() -> Iterator[None]:
    """Keep text typed meanwhile out of what is shown; the next prompt shows it."""
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
        self._waiting: Waiting | None = None
        try:
            import readline
        except ImportError:  # Windows: the console edits lines itself
            self._readline = None
        else:
            self._readline = readline
            readline.set_auto_history(False)  # without commands
            # A pasted text of many lines then arrives as one; libedit has no such setting.
            if "libedit" not in (readline.__doc__ or ""):
                readline.parse_and_bind("set enable-bracketed-paste on")

    def read(self) -> str | None:
        """Return a line typed at the prompt; lines between two \"\"\" count as one."""
        while True:
            try:
                text = self._typed()
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print()
                self.say("leave with Ctrl-D or /quit")
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
            try:
                lines.append(input("… "))
            except EOFError:  # Ctrl-D ends the block; what was typed is not thrown away
                print()
                break
        lines[-1] = lines[-1].rstrip().removesuffix(_BLOCK_MARK)
        return "\n".join(lines).strip("\n")

    def say(self, text: str) -> None:
        """Print a faint line."""
        if self._waiting is not None:
            self._waiting.pause()
        say(text, faint=True, flush=True)
        if self._waiting is not None:
            self._waiting.go_on()

    def show_memories(self, records: Sequence[Record]) -> None:
        """Print each memory faintly: day, speaker and the beginning of the text.

        They share a line if that leaves some of the text of each.
        """
        share = terminal_width() // max(1, len(records)) - 4
        width = share if share >= _LEAST_SHARE else terminal_width()
        parts = [
            one_line(f"[{n}] {day(r.created_at)} {r.role}: {r.text}", width)
            for n, r in enumerate(records, 1)
        ]
        for line in ["  ".join(parts)] if parts and width == share else parts:
            self.say(line)

    def show_reply(self, pieces: Iterable[ReplyPiece]) -> None:
        """Print reasoning faintly and the reply as Markdown, each block once it is complete."""
        from .markdown import stream_markdown

        stream_markdown(_answer(self._from_the_first(pieces)))

    def _from_the_first(self, pieces: Iterable[ReplyPiece]) -> Iterator[ReplyPiece]:
        """Pass a reply on, and say no longer that it is awaited."""
        for piece in pieces:
            if self._waiting is not None:
                self._waiting.pause()
            yield piece

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keep what is typed ahead out of what is shown, and say that there is work to wait for."""
        with _typing_unseen(), Waiting("working") as waiting:
            self._waiting = waiting
            try:
                yield
            finally:
                self._waiting = None

    def reading(self, done: int, total: int | None) -> None:
        """Say how much of a long text was read, and how long the rest will take."""
        if self._waiting is not None and total is not None:
            self._waiting.count("reading", done, total)

    def end_reply(self, reply: Reply) -> None:
        """Say why the reply ends here, if it was not the model that ended it."""
        if not reply.ledger.complete:
            self.say("(stopped)")
        elif reply.used_up:
            where = "cut off here" if reply.text else "no answer: it was still reasoning"
            self.say(f"({where}, its tokens were used up; --max-tokens N gives it more)")

    def remember_lines(self, lines: Iterable[str]) -> None:
        """Make earlier lines available with the arrow keys. They are kept in RAM only.

        A file of them would be a second copy of what the user may ask to forget.
        """
        for line in lines:
            if self._readline is not None:
                self._readline.add_history(line)

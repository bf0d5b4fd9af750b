"""The chat loop: lines go to the model, except commands, which begin with a slash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmort_memory.errors import LmortError

from .commands import Commands
from .lines import is_command, leaves

if TYPE_CHECKING:
    from lmort_memory.chat import Reply

    from ..terminal.screen import Screen
    from .current import CurrentChat

__all__ = ["Conversation"]


class Conversation:
    """A chat with a person or a program.

    Args:
        current: The chat, which commands may exchange for another.
        screen: The user's side of it.
    """

    def __init__(self, current: CurrentChat, screen: Screen) -> None:
        self._screen = screen
        self._current = current
        self._commands = Commands(current, screen)
        self._failed = False

    @property
    def failed(self) -> bool:
        """Whether any command failed, or a conversation could not be saved."""
        return self._failed or self._current.failed

    def run(self, session: str | None) -> None:
        """Talk until the user leaves."""
        try:
            self._current.open(session)
            while (line := self._screen.read()) is not None:
                if leaves(line):
                    break
                if line.strip():
                    with self._screen.working():
                        self._answer(line)
        finally:
            self._current.close()
            if self._current.left_vectors and self._current.memory.status().pending:
                self._screen.say(
                    "(a long text can be found only by its words so far;"
                    " to finish it, run: lmort-mem reencode)"
                )

    def _answer(self, line: str) -> None:
        try:
            if is_command(line):
                self._commands.run(line)
            else:
                self._reply(line)
        except LmortError as error:
            self._fail(str(error))
        except BrokenPipeError:
            raise  # nobody reads any more
        except OSError as error:
            named = f": {error.filename}" if error.filename else ""
            self._fail(f"{error.strerror or error}{named}")

    def _fail(self, text: str) -> None:
        self._failed = True
        self._screen.say(text)

    def _reply(self, text: str) -> None:
        """Let the model answer. Ctrl-C ends the reply; what was said so far is kept."""
        reply: Reply | None = None
        try:
            reply = self._current.chat.say(text, progress=self._screen.reading)
            if reply.unread_tokens:
                self._screen.say(
                    f"(too long for the model's context: {reply.unread_tokens:,} tokens of it were"
                    " not read, but all of it is remembered; --ctx N gives more room)"
                )
            self._commands.listed = [memory.record for memory in reply.memories]
            self._screen.show_memories(self._commands.listed)
            self._screen.show_reply(reply.pieces())
        except KeyboardInterrupt:
            if reply is None:
                self._screen.say(
                    "(stopped)"
                    if self._current.has_stored(text)
                    else "(stopped before it was read; say it again to have it remembered)"
                )
                return
        finally:
            if reply is not None:
                reply.close()
        self._current.ledger = reply.ledger
        self._screen.end_reply(reply)

"""The chat that is open in a conversation, and its exchange for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lmort_memory.errors import LmortError, RecordNotFoundError

if TYPE_CHECKING:
    from lmort_memory.chat import Chat, ChatOptions, Ledger
    from lmort_memory.memory import Memory

    from ..terminal.screen import Screen

__all__ = ["CurrentChat"]

_HISTORY = 200


class CurrentChat:
    """One chat at a time over one memory at a time.

    Args:
        memory: The memory to talk with; `change_model` closes it and continues with another.
        screen: Takes the lines said earlier, and what fails when a chat is closed.
        scope: Turns are stored and recalled here.
        options: The chat's settings.
        reopen: Opens the same database with another model.

    Attributes:
        memory: The memory now.
        ledger: That of the last reply; None before the first one.
        failed: Whether the state of a chat could not be saved.
        left_vectors: Whether vectors of a long text were left to be made in the background.
    """

    def __init__(
        self,
        memory: Memory,
        screen: Screen,
        *,
        scope: str,
        options: ChatOptions,
        reopen: Callable[[str], Memory],
    ) -> None:
        self.memory = memory
        self.scope = scope
        self.ledger: Ledger | None = None
        self.failed = False
        self.left_vectors = False
        self._screen = screen
        self._options = options
        self._reopen = reopen
        self._chat: Chat | None = None
        self._last_session: str | None = None
        self._named = False

    @property
    def chat(self) -> Chat:
        """The open chat; the last one, opened again, if another could not be opened."""
        if self._chat is None:
            self._chat = self._new_chat(self.memory, self._last_session)
        return self._chat

    def open(self, session: str | None, memory: Memory | None = None) -> None:
        """Close the chat and open another; if that fails, the next line opens the old one again.

        Its context goes first: two may not fit into memory.
        """
        memory = memory or self.memory
        self.close()
        chat = self._new_chat(memory, session)
        self._chat, self.memory, self._last_session = chat, memory, chat.session
        self._named = session is not None
        self.ledger = self._last_ledger()
        self._screen.remember_lines(self._said_before())

    def close(self) -> None:
        """Close the chat. A named session's state is saved, since it is meant to be resumed."""
        chat, self._chat = self._chat, None
        if chat is None:
            return
        try:
            self.left_vectors |= chat.has_left_vectors
            if self._named:
                chat.save()
        except LmortError as error:
            self._report(str(error))
        finally:
            chat.close()

    def has_stored(self, text: str) -> bool:
        """Return whether a text is the last turn of this session: its reply had not begun."""
        from lmort_memory.store.values import Filter

        chosen = Filter(scope=self.scope, session=self.chat.session)
        last = self.memory.store.latest(chosen, limit=1)
        return any(record.text == text for record in last)

    def change_model(self, other: str) -> None:
        """Continue this session with another model."""
        old, new = self.memory, self._reopen(other)
        try:
            self.open(self._last_session, new)
        finally:
            (old if self.memory is new else new).close()

    def _new_chat(self, memory: Memory, session: str | None) -> Chat:
        from lmort_memory.chat import Chat

        return Chat(memory, session=session, scope=self.scope, options=self._options)

    def _last_ledger(self) -> Ledger | None:
        try:
            return self.chat.ledger()
        except RecordNotFoundError:
            return None

    def _said_before(self) -> list[str]:
        """Return the lines typed last in this scope, for the arrow keys, without imported turns."""
        from lmort_memory.store.values import Filter

        said = self.memory.store.latest(Filter(scope=self.scope, role="user"), limit=_HISTORY)
        return [record.text for record in said if record.source is None]

    def _report(self, text: str) -> None:
        self.failed = True
        self._screen.say(text)

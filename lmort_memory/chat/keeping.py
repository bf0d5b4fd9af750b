"""How a turn is kept: as a record, as links if it only repeats what is in view, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lmort_memory.chat.ledger import Repeat
from lmort_memory.chat.repetition import quoted, repeated
from lmort_memory.chat.reply import Kept
from lmort_memory.store.ulid import new_id
from lmort_memory.types import Encoded, JsonValue, Record, Turn

if TYPE_CHECKING:
    from lmort_memory.chat.notes import Notes
    from lmort_memory.memory import Memory

__all__ = ["Keeper"]

_REMEMBERED = 64  # recently shown texts to compare a turn with; about two windows of 2,048


class Keeper:
    """Keeps the turns of one conversation, and knows which texts were shown in it lately.

    Args:
        memory: Where turns are stored.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._shown: dict[str, str] = {}
        self._labels: tuple[str, ...] = ()  # of the present notes

    def begin_with(self, records: Collection[str]) -> None:
        """Take the records in view as all that was shown: a conversation begins with them."""
        shown = self._memory.store.get(records)
        self._shown = {id_: record.text for id_, record in shown.items()}

    def show_notes(self, notes: Notes) -> None:
        """Note that a turn is shown with these notes."""
        self._show({record.id: record.text for record in notes.records})
        self._labels = notes.labels

    def drop(self, records: Iterable[str]) -> None:
        """Remove records that were forgotten from what was shown."""
        for id_ in records:
            self._shown.pop(id_, None)

    def held_by(self, records: Sequence[str]) -> Kept | None:
        """Return the turn that a record already holds, if the record still exists."""
        found = self._memory.store.get(records[:1])
        return Kept(found[records[0]]) if found else None

    def keep(
        self,
        role: str,
        text: str,
        encoded: Encoded | None,
        *,
        scope: str,
        session: str,
        remember: bool | Callable[[str, str], bool],
        metadata: Mapping[str, JsonValue],
        defer: bool = False,
    ) -> Kept:
        """Store a turn, or only links if it repeats what was shown recently.

        Args:
            role: Who said it; the turns of tools are never stored.
            text: The turn.
            encoded: Its vectors, if known.
            scope: Where it is stored.
            session: The conversation's name.
            remember: As in `ChatOptions`.
            metadata: What is stored with it.
            defer: Leave its vectors to `Memory.encode_pending`.
        """
        if not _is_remembered(role, text, remember):
            return Kept(_unstored(new_id(), role, text, scope, session), stored=False)
        # Links are offsets in what is stored, and a ledger has the turn's own words.
        turn = self._memory.cleaned(
            Turn(text, role=role, scope=scope, session=session, metadata=metadata)
        )
        parts = repeated(turn.text, self._shown, verbatim=role == "user", labels=self._labels)
        repeat = None if parts is None else Repeat(new_id(), role, parts)
        if repeat is not None and (texts := self._texts(repeat.records)):
            unstored = _unstored(repeat.id, role, turn.text, scope, session)
            return Kept(unstored, repeat, quoted=quoted(repeat.parts, texts))
        record = self._memory.add(turn, encoded=encoded if turn.text == text else None, defer=defer)
        self._show({record.id: record.text})
        return Kept(record)

    def _texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts of records; none if one was forgotten since it was shown."""
        found = self._memory.store.get(ids)
        return {id_: one.text for id_, one in found.items()} if len(found) == len(ids) else {}

    def _show(self, texts: Mapping[str, str]) -> None:
        """Note the texts now in view, the latest last."""
        before = {id_: text for id_, text in self._shown.items() if id_ not in texts}
        self._shown = dict([*before.items(), *texts.items()][-_REMEMBERED:])


def _is_remembered(role: str, text: str, remember: bool | Callable[[str, str], bool]) -> bool:
    if role not in ("user", "assistant"):
        return False
    return remember if isinstance(remember, bool) else remember(role, text)


def _unstored(id_: str, role: str, text: str, scope: str, session: str) -> Record:
    now = datetime.now(UTC)
    return Record(
        id=id_,
        text=text,
        role=role,
        scope=scope,
        session=session,
        created_at=now,
        updated_at=now,
        metadata={},
        source=None,
        expires_at=None,
    )

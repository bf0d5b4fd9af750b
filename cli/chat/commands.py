"""What the commands of a conversation do."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lmort_memory.errors import LmortError, RecordNotFoundError

from ..terminal.hits import parts_of
from ..terminal.output import day, duration_ms, one_line, size, terminal_width
from .lines import GOODBYES

if TYPE_CHECKING:
    from lmort_memory.chat import Ledger
    from lmort_memory.types import Record

    from ..terminal.screen import Screen
    from .current import CurrentChat

__all__ = ["Commands"]

_ALONE = ("/why", "/clear")  # whoever writes more behind them means something else
_WIDTH = 100
_NARROWEST = 30
_RECALLED = 5
_SESSIONS = 20


class Commands:
    """The commands of one conversation.

    Args:
        current: The chat that they are about, or exchange for another.
        screen: Shows what they answer.

    Attributes:
        listed: The memories listed last, which `/forget N` and `/correct N` count from 1.
    """

    def __init__(self, current: CurrentChat, screen: Screen) -> None:
        self.listed: list[Record] = []
        self._current = current
        self._screen = screen
        self._commands: dict[str, tuple[str, Callable[[str], None]]] = {
            "/why": ("what the last reply was given, and why", self._why),
            "/recall": ("TEXT: search the memory", self._recall),
            "/add": ("TEXT: remember something without talking about it", self._add),
            "/forget": ("N: forget memory [N] of the last list", self._forget),
            "/correct": ("N TEXT: correct memory [N] of the last list", self._correct),
            "/session": ("[NAME]: show this session, or switch to another", self._session),
            "/sessions": (f"list the last {_SESSIONS} sessions", self._sessions),
            "/clear": ("leave this conversation and start a new one", self._clear),
            "/export": ("FILE: export everything in this scope to a new file", self._export),
            "/model": (
                "[GGUF]: show the model, or switch to another",
                self._model,
            ),
            "/help": ("this list", self._help),
        }

    def run(self, line: str) -> None:
        """Follow a command.

        Raises:
            LmortError: there is no such command, it needs other arguments, or it failed.
        """
        named, *more = line.strip().split(maxsplit=1)
        name, rest = named.casefold(), more[0] if more else ""
        if rest and name in _ALONE:
            raise LmortError(f"{name} takes no argument; found {rest!r:.40}")
        if name not in self._commands:
            known = [*self._commands, *(f"/{word}" for word in sorted(GOODBYES))]
            close = get_close_matches(name, known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise LmortError(f"unknown command {name}{meant} (/help lists the commands)")
        self._commands[name][1](rest)

    def _why(self, _: str) -> None:
        ledger = self._current.ledger
        if ledger is None:
            self._screen.say("nothing has been said yet")
            return
        self.listed = [memory.record for memory in ledger.memories]
        for number, memory in enumerate(ledger.memories, 1):
            parts = [f"score {memory.score:.3f}", f"{memory.tokens} tokens"]
            parts += parts_of(memory.scores)
            self._screen.say(_listed(number, memory.record, ", ".join(parts)))
        if not ledger.memories:
            self._screen.say("no memory was given to the model")
        for record in ledger.dropped:
            self._screen.say(_fitted("left out for lack of room: ", record))
        if ledger.likelihood is not None:
            self._screen.say(f"likelihood that the answer is remembered: {ledger.likelihood:.2f}")
        for repeat in ledger.repeats:
            whose = "your words" if repeat.role == "user" else "the reply"
            self._screen.say(f"{whose} only repeated earlier text: stored as a link, not a copy")
        self._say_costs(ledger)

    def _say_costs(self, ledger: Ledger) -> None:
        times = ledger.timings
        self._screen.say(
            f"tokens: {ledger.user_tokens} yours, {ledger.notes_tokens} of notes,"
            f" {ledger.reply_tokens} of reply; {ledger.evaluated_tokens} evaluated"
        )
        first = "none" if times.first_token_s is None else duration_ms(times.first_token_s)
        self._screen.say(
            f"time: recall {duration_ms(times.recall_s)}, notes {duration_ms(times.notes_s)},"
            f" reading {duration_ms(times.prefill_s)}, first token {first};"
        )
        self._screen.say(
            f"      reply {duration_ms(times.generate_s)}, storing {duration_ms(times.store_s)}"
        )

    def _recall(self, query: str) -> None:
        if not query:
            raise LmortError("/recall needs a text to search for")
        hits = self._current.memory.recall(query, top_k=_RECALLED, scope=self._current.scope)
        self.listed = [hit.record for hit in hits]
        for hit in hits:
            self._screen.say(_listed(hit.rank, hit.record, f"score {hit.score:.3f}"))
        if not hits:
            self._screen.say("nothing found")

    def _forget(self, number: str) -> None:
        if not self.listed:
            raise LmortError(
                "no memories are listed yet; list some with /recall TEXT, then /forget N"
            )
        at = self._place(number)
        if at is None:
            raise LmortError(
                f"/forget needs a number from 1 to {len(self.listed)}, from the last list"
            )
        receipt = self._current.chat.forget(self.listed[at].id)
        if not receipt.records:
            raise LmortError(f"memory [{at + 1}] is already forgotten")
        self._screen.say(f"forgotten: {receipt.records} record, {receipt.vectors} vectors")
        self._list_quotes(receipt.quoted_by)

    def _list_quotes(self, ids: Sequence[str]) -> None:
        """List what repeats a forgotten text, so that /forget N can delete it too."""
        if not ids:
            return
        self.listed = list(self._current.memory.store.get(ids).values())
        self._screen.say("other memories repeat some of it and still exist:")
        for number, record in enumerate(self.listed, 1):
            self._screen.say(_fitted(f"[{number}] ", record))

    def _correct(self, rest: str) -> None:
        number, text = [*rest.split(maxsplit=1), "", ""][:2]  # in a block, a line may part them
        if not self.listed:
            raise LmortError(
                "no memories are listed yet; list some with /recall TEXT, then /correct N TEXT"
            )
        at = self._place(number)
        if at is None or not text:
            raise LmortError(
                f"/correct needs a number from 1 to {len(self.listed)}, from the last list, and"
                " then the corrected text"
            )
        old = self.listed[at]
        if text.strip() == old.text.strip():
            raise LmortError(f"memory [{at + 1}] says so already")
        try:
            new = self._current.chat.correct(old.id, text.strip())
        except RecordNotFoundError as error:
            raise LmortError(f"memory [{at + 1}] is already forgotten") from error
        self.listed[at] = new
        self._screen.say(_fitted(f"[{at + 1}] ", new))
        self._screen.say(_fitted("    before: ", old))

    def _place(self, number: str) -> int | None:
        """Return the place in the last list of the memory that a number names, written [1] or 1."""
        digits = number.removeprefix("[").removesuffix("]")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(len(self.listed))):
            return None
        return int(digits) - 1 if 1 <= int(digits) <= len(self.listed) else None

    def _add(self, text: str) -> None:
        if not text:
            raise LmortError("/add needs a text to remember")
        record = self._current.memory.add(text, scope=self._current.scope)
        self.listed = [record]
        self._screen.say(_listed(1, record, "remembered"))

    def _clear(self, _: str) -> None:
        self._current.open(None)
        self._screen.say(f"a new conversation: session {self._current.chat.session}")

    def _export(self, path: str) -> None:
        path = _unquoted(path)
        if path in ("", "-"):
            raise LmortError("/export needs the name of a new file")
        count = self._current.memory.export(path, scope=self._current.scope)
        self._screen.say(f"{count} records written to {path}")

    def _session(self, name: str) -> None:
        if name:
            self._current.open(name)
        self._screen.say(f"session {self._current.chat.session}")

    def _sessions(self, _: str) -> None:
        from lmort_memory.store.values import Filter

        found = self._current.memory.store.sessions(
            Filter(scope=self._current.scope), limit=_SESSIONS
        )
        for one in found:
            mark = "*" if one.first.session == self._current.chat.session else " "
            about = f"{one.turns} turns, last {day(one.last_at)}, began "
            name = one_line(one.first.session or "", _WIDTH)
            self._screen.say(_fitted(f"{mark} {name}: {about}", one.first))
        if not found:
            self._screen.say("no sessions yet")

    def _model(self, other: str) -> None:
        if other:
            self._current.change_model(_unquoted(other))
        backbone = self._current.memory.backbone
        assert backbone is not None, "a chat needs a model"
        facts = backbone.facts
        self._screen.say(
            f"{facts.name}: {facts.architecture}, {facts.n_layer} blocks of {facts.n_embd},"
            f" {facts.quantisation}, {size(facts.size_bytes)}, {facts.path}"
        )
        encoder = self._current.memory.encoder
        self._screen.say(f"vectors: {encoder.space if encoder else 'none, recall is by words'}")
        self._screen.say(f"tokens evaluated in this chat: {self._current.chat.tokens_evaluated}")

    def _help(self, _: str) -> None:
        for name, (text, _function) in self._commands.items():
            self._screen.say(f"{name:<10} {text}")
        self._screen.say("/quit      leave (exit and Ctrl-D do too); Ctrl-C stops a reply")
        self._screen.say('"""        starts and ends a text of several lines')


def _unquoted(path: str) -> str:
    """Return a path as a shell would read it: a file dropped on a terminal comes with its quotes.

    Some terminals write a backslash before each space instead. Several words are one path without
    quotes, and what no shell can read is taken as it is.
    """
    try:
        words = shlex.split(path, posix=os.name != "nt")  # there a backslash parts folders
    except ValueError:
        return path
    return words[0].strip("\"'") if len(words) == 1 else path


def _listed(number: int, record: Record, facts: str) -> str:
    return _fitted(f"[{number}] ", record, f" ({facts})")


def _fitted(before: str, record: Record, after: str = "") -> str:
    """Write a record in one line that no terminal wraps, with what stands before and after it."""
    room = terminal_width() - len(before) - len(after) if sys.stdout.isatty() else _WIDTH
    said = f"{day(record.created_at)} {record.role}: {record.text}"
    return f"{before}{one_line(said, max(_NARROWEST, room))}{after}"

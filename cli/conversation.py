"""The chat loop: lines go to the model, except commands, which begin with a slash."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lmort_memory.errors import LmortError, RecordNotFoundError

from .terminal.hits import parts_of
from .terminal.output import day, duration_ms, one_line, size, terminal_width

if TYPE_CHECKING:
    from lmort_memory.chat import Chat, ChatOptions, Ledger, Reply
    from lmort_memory.memory import Memory
    from lmort_memory.types import Record

    from .terminal.screen import Screen

__all__ = ["Conversation"]

_GOODBYES = {"exit", "quit", "bye", "goodbye"}
_EDITORS = {":q", ":q!", ":wq", ":x"}  # what leaves vi
# "/etc/hosts is wrong" is said to the model; "/" and "/nosuch" are slips.
_COMMAND = re.compile(r"/[^/.]*")
_ALONE = ("/why", "/clear")  # whoever writes more behind them means something else
_TAKE_LINES = ("/add", "/correct", "/recall")
_WIDTH = 100
_NARROWEST = 30
_RECALLED = 5
_HISTORY = 200
_SESSIONS = 20


class Conversation:
    """A chat with a person or a program.

    Args:
        memory: The memory to talk with; `/model` closes it and continues with another.
        screen: The user's side of the chat.
        scope: Turns are stored and recalled here.
        options: The chat's settings.
        reopen: Opens the same database with another model.

    Attributes:
        failed: Whether any command failed.
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
        self.failed = False
        self._reopen = reopen
        self._memory = memory
        self._screen = screen
        self._scope = scope
        self._options = options
        self._chat: Chat | None = None
        self._last_session: str | None = None
        self._named = False
        self._left_vectors = False
        self._shown: list[Record] = []
        self._ledger: Ledger | None = None
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

    def run(self, session: str | None) -> None:
        """Talk until the user leaves."""
        try:
            self._open(session)
            while (line := self._screen.read()) is not None:
                if _leaves(line):
                    break
                if line.strip():
                    with self._screen.working():
                        self._answer(line)
        finally:
            self._close()
            if self._left_vectors and self._memory.status().pending:
                self._screen.say(
                    "(a long text can be found only by its words so far;"
                    " to finish it, run: lmort-mem reencode)"
                )

    def _answer(self, line: str) -> None:
        try:
            name, *rest = line.strip().split(maxsplit=1)
            slip = line.strip() == "//"  # with words behind it, it is a line of a program
            if slip or (_COMMAND.fullmatch(name) and _may_be_command(line)):
                self._command(name.casefold(), rest[0] if rest else "")
            else:
                self._reply(line)
        except LmortError as error:
            self._fail(str(error))
        except BrokenPipeError:
            raise  # nobody reads any more
        except OSError as error:
            named = f": {error.filename}" if error.filename else ""
            self._fail(f"{error.strerror or error}{named}")

    def _command(self, name: str, rest: str) -> None:
        if rest and name in _ALONE:
            self._fail(f"{name} takes no argument; found {rest!r:.40}")
        elif name in self._commands:
            self._commands[name][1](rest)
        else:
            known = [*self._commands, *(f"/{word}" for word in sorted(_GOODBYES))]
            close = get_close_matches(name, known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            self._fail(f"unknown command {name}{meant} (/help lists the commands)")

    def _fail(self, text: str) -> None:
        self.failed = True
        self._screen.say(text)

    def _open(self, session: str | None, memory: Memory | None = None) -> None:
        """Close the chat and open another; if that fails, the next line opens the old one again.

        Its context goes first: two may not fit into memory.
        """
        memory = memory or self._memory
        self._close()
        chat = self._new_chat(memory, session)
        self._chat, self._memory, self._last_session = chat, memory, chat.session
        self._named = session is not None
        self._ledger = self._last_ledger()
        self._screen.remember_lines(self._said_before())

    def _new_chat(self, memory: Memory, session: str | None) -> Chat:
        from lmort_memory.chat import Chat

        return Chat(memory, session=session, scope=self._scope, options=self._options)

    def _said_before(self) -> list[str]:
        """Return the lines typed last in this scope, for the arrow keys, without imported turns."""
        from lmort_memory.store.values import Filter

        said = self._memory.store.latest(Filter(scope=self._scope, role="user"), limit=_HISTORY)
        return [record.text for record in said if record.source is None]

    def _close(self) -> None:
        """Close the chat. A named session's state is saved, since it is meant to be resumed."""
        chat, self._chat = self._chat, None
        if chat is None:
            return
        try:
            self._left_vectors |= chat.has_left_vectors
            if self._named:
                chat.save()
        except LmortError as error:
            self._fail(str(error))
        finally:
            chat.close()

    def _last_ledger(self) -> Ledger | None:
        try:
            return self.chat.ledger()
        except RecordNotFoundError:
            return None

    @property
    def chat(self) -> Chat:
        """The open chat; the last one, opened again, if another could not be opened."""
        if self._chat is None:
            self._chat = self._new_chat(self._memory, self._last_session)
        return self._chat

    def _reply(self, text: str) -> None:
        """Let the model answer. Ctrl-C ends the reply; what was said so far is kept."""
        reply: Reply | None = None
        try:
            reply = self.chat.say(text, progress=self._screen.reading)
            if reply.unread_tokens:
                self._screen.say(
                    f"(too long for the model's context: {reply.unread_tokens:,} tokens of it were"
                    " not read, but all of it is remembered; --ctx N gives more room)"
                )
            self._show([memory.record for memory in reply.memories])
            self._screen.show_reply(reply.pieces())
        except KeyboardInterrupt:
            if reply is None:
                self._screen.say(
                    "(stopped)"
                    if self._is_stored(text)
                    else "(stopped before it was read; say it again to have it remembered)"
                )
                return
        finally:
            if reply is not None:
                reply.close()
        self._ledger = reply.ledger
        self._screen.end_reply(reply)

    def _is_stored(self, text: str) -> bool:
        """Return whether a text is the last turn of this session: its reply had not begun."""
        from lmort_memory.store.values import Filter

        chosen = Filter(scope=self._scope, session=self.chat.session)
        last = self._memory.store.latest(chosen, limit=1)
        return any(record.text == text for record in last)

    def _show(self, records: Sequence[Record]) -> None:
        self._shown = list(records)
        self._screen.show_memories(self._shown)

    def _why(self, _: str) -> None:
        ledger = self._ledger
        if ledger is None:
            self._screen.say("nothing has been said yet")
            return
        self._shown = [memory.record for memory in ledger.memories]
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
            self._fail("/recall needs a text to search for")
            return
        hits = self._memory.recall(query, top_k=_RECALLED, scope=self._scope)
        self._shown = [hit.record for hit in hits]
        for hit in hits:
            self._screen.say(_listed(hit.rank, hit.record, f"score {hit.score:.3f}"))
        if not hits:
            self._screen.say("nothing found")

    def _forget(self, number: str) -> None:
        if not self._shown:
            self._fail("no memories are listed yet; list some with /recall TEXT, then /forget N")
            return
        at = self._place(number)
        if at is None:
            self._fail(f"/forget needs a number from 1 to {len(self._shown)}, from the last list")
            return
        receipt = self.chat.forget(self._shown[at].id)
        if not receipt.records:
            self._fail(f"memory [{at + 1}] is already forgotten")
            return
        self._screen.say(f"forgotten: {receipt.records} record, {receipt.vectors} vectors")
        self._list_quotes(receipt.quoted_by)

    def _list_quotes(self, ids: Sequence[str]) -> None:
        """List what repeats a forgotten text, so that /forget N can delete it too."""
        if not ids:
            return
        self._shown = list(self._memory.store.get(ids).values())
        self._screen.say("other memories repeat some of it and still exist:")
        for number, record in enumerate(self._shown, 1):
            self._screen.say(_fitted(f"[{number}] ", record))

    def _correct(self, rest: str) -> None:
        number, _, text = rest.partition(" ")
        if not self._shown:
            self._fail(
                "no memories are listed yet; list some with /recall TEXT, then /correct N TEXT"
            )
            return
        at = self._place(number)
        if at is None or not text.strip():
            self._fail(
                f"/correct needs a number from 1 to {len(self._shown)}, from the last list, and"
                " then the corrected text"
            )
            return
        old = self._shown[at]
        if text.strip() == old.text.strip():
            self._fail(f"memory [{at + 1}] says so already")
            return
        new = self.chat.correct(old.id, text.strip())
        self._shown[at] = new
        self._screen.say(_fitted(f"[{at + 1}] ", new))
        self._screen.say(_fitted("    before: ", old))

    def _place(self, number: str) -> int | None:
        """Return the place in the last list of the memory that a number names, written [1] or 1."""
        digits = number.removeprefix("[").removesuffix("]")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(len(self._shown))):
            return None
        return int(digits) - 1 if 1 <= int(digits) <= len(self._shown) else None

    def _add(self, text: str) -> None:
        if not text:
            self._fail("/add needs a text to remember")
            return
        record = self._memory.add(text, scope=self._scope)
        self._shown = [record]
        self._screen.say(_listed(1, record, "remembered"))

    def _clear(self, _: str) -> None:
        self._open(None)
        self._screen.say(f"a new conversation: session {self.chat.session}")

    def _export(self, path: str) -> None:
        path = _unquoted(path)
        if path in ("", "-"):
            self._fail("/export needs the name of a new file")
            return
        count = self._memory.export(path, scope=self._scope)
        self._screen.say(f"{count} records written to {path}")

    def _session(self, name: str) -> None:
        if name:
            self._open(name)
        self._screen.say(f"session {self.chat.session}")

    def _sessions(self, _: str) -> None:
        from lmort_memory.store.values import Filter

        found = self._memory.store.sessions(Filter(scope=self._scope), limit=_SESSIONS)
        for one in found:
            here = "*" if one.first.session == self.chat.session else " "
            about = f"{one.turns} turns, last {day(one.last_at)}, began "
            self._screen.say(_fitted(f"{here} {one.first.session}: {about}", one.first))
        if not found:
            self._screen.say("no sessions yet")

    def _model(self, other: str) -> None:
        if other:
            self._change_model(_unquoted(other))
        backbone = self._memory.backbone
        assert backbone is not None, "a chat needs a model"
        facts = backbone.facts
        self._screen.say(
            f"{facts.name}: {facts.architecture}, {facts.n_layer} blocks of {facts.n_embd},"
            f" {facts.quantisation}, {size(facts.size_bytes)}, {facts.path}"
        )
        encoder = self._memory.encoder
        self._screen.say(f"vectors: {encoder.space if encoder else 'none, recall is by words'}")
        self._screen.say(f"tokens evaluated in this chat: {self.chat.tokens_evaluated}")

    def _change_model(self, other: str) -> None:
        """Continue this session with another model."""
        old, new = self._memory, self._reopen(other)
        try:
            self._open(self._last_session, new)
        finally:
            (old if self._memory is new else new).close()

    def _help(self, _: str) -> None:
        for name, (text, _function) in self._commands.items():
            self._screen.say(f"{name:<10} {text}")
        self._screen.say("/quit      leave (exit and Ctrl-D do too); Ctrl-C stops a reply")
        self._screen.say('"""        starts and ends a text of several lines')


def _leaves(line: str) -> bool:
    """Return whether a line is a goodbye: "/quit", with anything behind it, or "Exit." alone."""
    said = line.strip().casefold()
    if said.startswith("/"):
        return said.split()[0][1:] in _GOODBYES and _may_be_command(line)
    return said in _EDITORS or said.rstrip(".!") in _GOODBYES


def _may_be_command(line: str) -> bool:
    """Return whether a line can be a command: a pasted text may begin with a slash."""
    said = line.strip()
    return "\n" not in said or said.split()[0].casefold() in _TAKE_LINES


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

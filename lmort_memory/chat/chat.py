"""`Chat`: one pass over a turn talks, remembers and recalls.

    user's words ──► prefill ──► states ──► vector ──► recall
                                                         │
    reply ◄── generate ◄── notes appended to the same message

The user's turn is prefilled once; its states are its vector and the query's. The recalled notes
follow it in the same message, so the K/V cache before them stays valid. The reply's states come
from the steps that generated it. No text goes through the model twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lmort_memory.backbone import Backbone
from lmort_memory.chat.keeping import Keeper
from lmort_memory.chat.ledger import Ledger, from_entry, to_entry
from lmort_memory.chat.long_text import Parts, excerpt
from lmort_memory.chat.message import Message
from lmort_memory.chat.options import ChatOptions
from lmort_memory.chat.recalling import Recaller
from lmort_memory.chat.reply import Kept, Reply, TurnSoFar, in_thread
from lmort_memory.chat.resume import exchanges, said_in
from lmort_memory.chat.stream import ReplyStream
from lmort_memory.chat.turn_vectors import TurnVectors
from lmort_memory.chat.window import Window, WindowOptions
from lmort_memory.closing import Closing
from lmort_memory.errors import RecordNotFoundError
from lmort_memory.messages import Said, said_text
from lmort_memory.text import valid
from lmort_memory.thoughts import without_thoughts
from lmort_memory.types import DEFAULT_SCOPE, Encoded, JsonValue, Progress, Record, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.store.values import Receipt

__all__ = ["Chat"]

Resumed: TypeAlias = Literal["restored", "evaluated again"]

_LEAST_READ = 64  # tokens: a turn of which fewer are read would not be understood
_BROKEN_OFF: Mapping[str, JsonValue] = {"broken_off": True}


class Chat(Closing):
    """A conversation with memory. Not thread-safe: one conversation, one caller at a time.

    Attributes:
        session: Name of the session.
        scope: Turns are stored and recalled here.
        prompts: Writes prompts with this chat's template.
        resumed: How the session's earlier turns came back: "restored" (from a saved state, without
            a forward pass), "evaluated again" (with the next turn), or None if there were none.
        has_left_vectors: Whether a text was so long that its vectors are made in the background.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        session: str | None = None,
        scope: str = DEFAULT_SCOPE,
        options: ChatOptions | None = None,
    ) -> None:
        """Start or resume a conversation over a memory that has a model.

        Args:
            memory: A memory opened with a model; the chat uses the same weights.
            session: Name of the session; None names it by the current time. If the memory holds
                turns of that session, the conversation resumes with the latest of them.
            scope: Turns are stored and recalled here.
            options: The chat's settings.

        Raises:
            ValueError: the memory has no model, or the speakers are not two different names.
            BackboneError: llama.cpp could not create the context, or the template is not valid
                Jinja.
        """
        if memory.backbone is None:
            raise ValueError("a chat needs a model; this memory was opened without one")
        self.options = options or ChatOptions()
        self.session = valid(session or "") or f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        self.scope = scope
        self._memory = memory
        self._backbone: Backbone = memory.backbone
        self._vectors = TurnVectors(memory.encoder)
        self.prompts = self._backbone.prompts_with(
            self.options.template, speakers=self.options.speakers
        )
        self._window = Window(
            self._backbone,
            self.prompts,
            layers=self._vectors.layers,
            options=WindowOptions(self.options.n_ctx, self.options.system, self.options.old_notes),
        )
        self._recaller = Recaller(memory, self._window, self._backbone.vocabulary)
        self._keeper = Keeper(memory)
        self._last: str | None = None
        self._unrecorded = False  # whether notes were shown that no ledger names
        self.has_left_vectors = self._left_for_later = False
        self._open: Reply | None = None
        self.resumed: Resumed | None = None
        try:
            if session is not None:
                self.resumed = self._resume()
        except BaseException:
            self._window.close()  # nobody else could
            raise

    @property
    def tokens_evaluated(self) -> int:
        """Tokens run through the model by this conversation since it was opened."""
        return self._window.tokens_evaluated

    def take_over(
        self,
        messages: Sequence[Message],
        *,
        session: str,
        scope: str,
        options: ChatOptions,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Replace the current conversation with one that the caller keeps.

        The next `say` evaluates only what the context does not hold yet. Nothing is stored.

        Args:
            messages: The conversation so far, system prompt first (the client's own, or none).
            session: Name of the session.
            scope: Where turns are stored and recalled from now on.
            options: Settings from now on; `n_ctx`, `template` and `speakers` stay as they are.
            tools: Descriptions of tools, in OpenAI's form.
        """
        if self._open is not None:
            self._open.close()
        self.session, self.scope, self.options = session, scope, options
        self._window.replace(messages, tools)
        self._window.capture(options.remember is not False or options.memories > 0)
        self._keeper.begin_with(self._window.record_ids)
        self._last = None

    def say(
        self,
        text: Said,
        *,
        reply: str | None = None,
        role: str = "user",
        records: Sequence[str] = (),
        lead: str = "",
        more: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Reply:
        """Prefill and store the user's turn, and recall notes for it.

        The reply is generated as you iterate the result. A text too long for the context is stored
        whole; the model reads its beginning, its end and the parts closest in meaning to them.

        Args:
            text: What the user says: a text, content parts, or a whole message in OpenAI's,
                Anthropic's or Gemini's format, whose text is used.
            reply: The answer, if already known: it is evaluated in one pass and stored as if it had
                been generated. Empty for a turn without an answer.
            role: "user", or "tool" for a tool's result, which is not stored and recalls nothing.
            records: Records that already hold this turn: it is not stored again, and they are not
                recalled.
            lead: Text before the turn in the same message but not part of it: a system prompt when
                the template has no other place for one.
            more: Further fields of the message for the chat template.
            progress: Called with how many chunks of a text too long for the context are read. Of a
                very long one only some are; its vectors are made in the background after the reply,
                and until then it is found by words.

        Raises:
            ValueError: the user's text is empty.
            BackboneError: llama.cpp failed, or the given reply leaves no room for the turn; then
                nothing has changed.
        """
        text = valid(said_text(text))
        if role == "user" and not text.strip():
            raise ValueError("a turn's text must not be empty or only white space")
        started = time.perf_counter()
        # Only a user's turn gets notes.
        notes_room = self._window.longest_notes(self.options.memory_tokens if role == "user" else 0)
        given = None if reply is None else self._given(reply)
        tokens, before_it = self.prompts.tokenize(text), self.prompts.tokenize(lead)
        if given:
            beside = len(before_it) + min(len(tokens), _LEAST_READ) + notes_room
            self._window.check_reply(len(given), beside)
        if self._open is not None:
            self._open.close()
        self._drop_forgotten()
        before = self.tokens_evaluated
        longest = (
            self._window.longest_reply(self.options.max_tokens) if given is None else len(given)
        )
        reserve = notes_room + longest
        n_tokens, read = len(tokens), text
        long: Parts | None = None
        room = self._window.longest_message(reserve) - len(before_it)
        if role == "user" and n_tokens > room:
            ends = self._backbone.vocabulary.character_ends(text, tokens)
            long = self._vectors.long(text, ends, progress)
            read = excerpt(text, long, budget=room, count_tokens=self._count_tokens)
            tokens = self.prompts.tokenize(read)
        message = Message(role, (*before_it, *tokens), more=more or {})
        left = self._window.make_room(message, reserve)
        try:
            states = self._window.enter(tokens, role=role, lead=before_it, more=more)
            prefilled = time.perf_counter()
            encoded = self._vectors.from_states(read, tokens, states)
            asked = self._vectors.asked(tokens, states) if role == "user" else None
            likelihood, notes = self._recaller.recall(
                read,
                encoded,
                asked,
                role=role,
                options=self.options,
                scope=self.scope,
                exclude=records,
            )
            recalled = time.perf_counter()
            deferred = long is not None and long.encoded is None
            kept = self._keeper.held_by(records) or self._keep(
                role, text, encoded if long is None else long.encoded, defer=deferred
            )
            self._left_for_later = deferred and kept.stored and kept.repeat is None
        except BaseException:
            self._window.leave()
            raise
        self._window.name_last(kept.shown, kept.quoted)
        turn = TurnSoFar(
            kept=kept,
            notes=notes,
            likelihood=likelihood,
            given=given,
            user_tokens=n_tokens,
            unread_tokens=n_tokens - len(tokens),
            evaluated_before=before,
            left_window=left,
            room=self._window.room,
            started=started,
            prefill_s=prefilled - started,
            recall_s=recalled - prefilled,
            store_s=time.perf_counter() - recalled,
        )
        self._keeper.show_notes(notes)
        self._open = Reply(
            turn, self._window, options=self.options, keep=self._keep_reply, on_end=self._end
        )
        return self._open

    async def say_async(self, text: Said, *, reply: str | None = None) -> Reply:
        """Like `say`, without blocking the event loop; iterate the result with `async for`.

        A cancelled task waits for the running forward pass. What was said so far is kept.
        """
        return await in_thread(lambda: self.say(text, reply=reply), _nothing)

    def ledger(self, turn_id: str | None = None) -> Ledger:
        """Return the ledger of a turn, by the id of the question or of the answer.

        Ledgers are stored, so those of earlier conversations are found too. None means the last
        turn of this session.

        Raises:
            RecordNotFoundError: no chat turn has that id.
        """
        turn_id = turn_id or self._last
        if turn_id is None:  # without an id, the store would return every ledger
            raise RecordNotFoundError("")
        store = self._memory.store
        for entry in reversed(store.ledgers(record_id=turn_id)):
            if turn_id in (entry.payload.get("turn_id"), entry.payload.get("reply_id")):
                return from_entry(entry, store.get(entry.record_ids))
        raise RecordNotFoundError(turn_id)

    def forget(self, ids: str | Iterable[str]) -> Receipt:
        """Forget records, as `Memory.forget` does, and drop them from this conversation."""
        chosen = [ids] if isinstance(ids, str) else list(ids)
        if self._open is not None:
            self._open.close()
        receipt = self._memory.forget(chosen)
        self._window.remove(chosen)
        self._keeper.drop(chosen)
        return receipt

    def correct(self, record_id: str, text: str) -> Record:
        """Store a correction of a record in this session, and return the new record.

        The old record is kept as outdated; see `Memory.supersede`.

        Raises:
            RecordNotFoundError: there is no such record.
            ValueError: the text is empty, or identical to the record's.
        """
        old = self._memory.get(record_id)
        if valid(text).strip() == old.text.strip():
            raise ValueError(f"the correction of {record_id} is identical to its text")
        if self._open is not None:
            self._open.close()
        new = self._memory.add(Turn(text, scope=old.scope, session=self.session))
        self._memory.supersede(old, new)
        return self._memory.get(new.id)

    def save(self) -> bool:
        """Save the state of this conversation, so that it can resume without a forward pass.

        The file is as large as the context's K/V cells (SmolLM2-135M: 23 KB per token). It is
        deleted when anything in the session, or shown in it, is forgotten.

        Returns:
            False if the state is too large for a file, the store keeps none, or a turn that was not
            to be remembered has seen notes: no ledger would lead a forget to the file.

        Raises:
            BackboneError: the file cannot be written.
        """
        if self._open is not None:
            self._open.close()
        path = self._memory.store.state_path(self.session)
        if path is None or self._last is None or self._unrecorded:
            return False
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._drop_forgotten()
        saved = self._window.save(path, label=[self.scope, self._last])
        if saved and self._forgotten():  # by another process, while the file was written
            path.unlink(missing_ok=True)
            return False
        return saved

    def close(self) -> None:
        """Finish an open reply and free the context; closing twice is harmless."""
        if self._open is not None:
            self._open.close()
            self._open = None
        self._window.close()

    def _forgotten(self) -> list[str]:
        """Return the records in view that have been forgotten since, by any process."""
        shown = self._window.record_ids
        return sorted(shown - self._memory.store.get(shown).keys())

    def _drop_forgotten(self) -> None:
        """Remove from the conversation what was forgotten elsewhere while it was open."""
        if gone := self._forgotten():
            self._window.remove(gone)
            self._keeper.drop(gone)

    def _resume(self) -> Resumed | None:
        """Bring the session's latest turns back into the window, from a saved state or the store.

        A state is valid only for exactly the turns in the store: another process may have continued
        the session.
        """
        said = said_in(self._memory.store, scope=self.scope, session=self.session)
        if not said:
            return None
        self._last = said[-1].id
        path = self._memory.store.state_path(self.session)
        how: Resumed = "restored"
        if path is None or not self._window.restore(path, label=[self.scope, self._last]):
            how = "evaluated again"
            self._window.take(exchanges(said, self.prompts.tokenize))
        self._keeper.begin_with(self._window.record_ids)
        return how

    def _given(self, reply: str) -> tuple[int, ...]:
        """Return the tokens of an answer that exists already: another program may keep thoughts."""
        return tuple(self.prompts.tokenize(without_thoughts(valid(reply))))

    def _count_tokens(self, text: str) -> int:
        return len(self.prompts.tokenize(text))

    def _keep(
        self,
        role: str,
        text: str,
        encoded: Encoded | None,
        metadata: Mapping[str, JsonValue] | None = None,
        *,
        defer: bool = False,
    ) -> Kept:
        """Keep a turn as this chat is set at present: `take_over` may change where and whether."""
        return self._keeper.keep(
            role,
            text,
            encoded,
            scope=self.scope,
            session=self.session,
            remember=self.options.remember,
            metadata=metadata or {},
            defer=defer,
        )

    def _keep_reply(self, spoken: ReplyStream, complete: bool) -> Kept | None:
        text = spoken.text.strip()
        if not text:
            return None
        encoded = self._vectors.from_states(text, spoken.tokens, spoken.states)
        return self._keep("assistant", text, encoded, metadata={} if complete else _BROKEN_OFF)

    def _end(self, ledger: Ledger, stored: bool) -> None:
        self._open = None
        self._last = ledger.reply_id or ledger.turn_id
        if self._left_for_later:
            self._memory.encode_in_background()
            self.has_left_vectors, self._left_for_later = True, False
        if stored:
            self._memory.store.add_ledger(to_entry(ledger, scope=self.scope, session=self.session))
        elif ledger.memories:
            self._unrecorded = True


def _nothing() -> None:
    """Let a prefill finish: it is a single pass."""

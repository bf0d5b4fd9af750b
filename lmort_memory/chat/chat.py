"""`Chat`: one pass over a turn talks, remembers and recalls.

    user's words ──► prefill ──► states ──► vector ──► recall
                                                         │
    reply ◄── generate ◄── notes appended to the same message

The user's turn is prefilled once; its states are its vector and the query's. What is recalled
follows it in the same message, so the K/V cache before it stays valid. The reply's states come from
the steps that generated it. No text goes through the model twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from lmort_memory.backbone import Backbone
from lmort_memory.blas import one_thread
from lmort_memory.chat.excerpt import excerpt
from lmort_memory.chat.ledger import Ledger, Repeat, from_entry, to_entry
from lmort_memory.chat.notes import Found, Notes, pack_notes, worth_a_note
from lmort_memory.chat.options import ChatOptions
from lmort_memory.chat.repetition import repeated
from lmort_memory.chat.reply import Kept, Reply, TurnSoFar, in_thread
from lmort_memory.chat.resume import exchanges, said_in
from lmort_memory.chat.stream import ReplyStream
from lmort_memory.chat.window import Message, Window, WindowOptions
from lmort_memory.closing import Closing
from lmort_memory.encoder import mean_vector
from lmort_memory.encoder.chunking import chunk_tokens
from lmort_memory.errors import RecordNotFoundError
from lmort_memory.memory.evidence import DEPTH
from lmort_memory.messages import Said, said_text
from lmort_memory.store.ulid import new_id
from lmort_memory.text import valid
from lmort_memory.types import (
    DEFAULT_SCOPE,
    AskedTokens,
    Encoded,
    JsonValue,
    Record,
    StateEncoder,
    TokenEncoder,
    Turn,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmort_memory.memory import Memory
    from lmort_memory.store.values import Receipt

__all__ = ["Chat"]

Resumed: TypeAlias = Literal["restored", "evaluated again"]

_REMEMBERED = 64  # texts shown lately that a turn is compared with; about two windows of 2,048
_BROKEN_OFF: Mapping[str, JsonValue] = {"broken_off": True}


class Chat(Closing):
    """A conversation with memory. Not thread-safe: one conversation, one caller at a time.

    Attributes:
        session: Name of the run of turns.
        scope: Turns are stored and recalled here.
        resumed: How the session's earlier turns came back: "restored" (from a saved state, at no
            pass), "evaluated again" (with the next turn), or None where there were none.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        session: str | None = None,
        scope: str = DEFAULT_SCOPE,
        options: ChatOptions | None = None,
    ) -> None:
        """Open a conversation over a memory that has a model, or go on with one.

        Args:
            memory: Opened with its model; the chat uses the same weights.
            session: Name of the run of turns; None makes one of the time. Where the memory holds
                turns of that session, the conversation goes on with the latest of them.
            scope: Turns are stored and recalled here.
            options: How to behave.

        Raises:
            ValueError: the memory has no model, or the speakers are not two different names.
            BackboneError: llama.cpp could not make the context, or the template is no Jinja.
        """
        if memory.backbone is None:
            raise ValueError("a chat needs a model; this memory was opened without one")
        self.options = options or ChatOptions()
        self.session = valid(session or "") or f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        self.scope = scope
        self._memory = memory
        self._backbone: Backbone = memory.backbone
        encoder = memory.encoder
        self._encoder = encoder if isinstance(encoder, StateEncoder) else None
        self._prompts = self._backbone.prompts_with(
            self.options.template, speakers=self.options.speakers
        )
        self._window = Window(
            self._backbone,
            self._prompts,
            layers=self._encoder.layers if self._encoder else (),
            options=WindowOptions(self.options.n_ctx, self.options.system, self.options.old_notes),
        )
        self._shown: dict[str, str] = {}
        self._last: str | None = None
        self._open: Reply | None = None
        self.resumed: Resumed | None = None if session is None else self._resume()

    @property
    def tokens_evaluated(self) -> int:
        """Tokens that this conversation ran through the model since it was opened."""
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
        """Go on with a conversation that somebody else keeps, in place of the present one.

        The next `say` evaluates only what the context does not hold of it. Nothing is stored.

        Args:
            messages: What was said, the system prompt first; a client's own, or none.
            session: Name of the run of turns.
            scope: Where turns are stored and recalled from now on.
            options: How to behave from now on; `n_ctx`, `template` and `speakers` stay as they are.
            tools: Descriptions of tools, in OpenAI's form.
        """
        if self._open is not None:
            self._open.close()
        self.session, self.scope, self.options = session, scope, options
        self._window.replace(messages, tools)
        self._window.capture(options.remember is not False or options.memories > 0)
        shown = self._memory.store.get(self._window.record_ids)
        self._shown = {id_: record.text for id_, record in shown.items()}
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
    ) -> Reply:
        """Take the user's turn: prefill it, store it, recall for it.

        The reply is generated as the result is iterated. A text that is too long for the context is
        stored whole; the model reads its beginning, its end and the parts nearest to them.

        Args:
            text: What the user says: a text, content parts, or a whole message of OpenAI's,
                Anthropic's or Gemini's dialect, of which the words are taken.
            reply: What is answered, where that is known already: it is evaluated, in one pass, and
                stored as if it had been generated. Empty for a turn that nobody answers.
            role: "user", or "tool" for what a tool returned, which is not stored and recalls
                nothing.
            records: Records that hold this turn already: it is neither stored again nor recalled.
            lead: What stands before the text in its message and is not part of the turn: a system
                prompt where the template has no other place for it.
            more: Further fields of the message for the chat template.

        Raises:
            ValueError: the text of a user is empty.
            BackboneError: llama.cpp refused.
        """
        text = valid(said_text(text))
        if role == "user" and not text.strip():
            raise ValueError("a turn needs text; found only white space")
        if self._open is not None:
            self._open.close()
        started = time.perf_counter()
        self._drop_forgotten()
        before = self.tokens_evaluated
        tokens = self._prompts.tokenize(text)
        given = None if reply is None else tuple(self._prompts.tokenize(valid(reply)))
        longest = self.options.max_tokens if given is None else len(given)
        before_it = self._prompts.tokenize(lead)
        reserve = self.options.memory_tokens + longest
        n_tokens, whole, read = len(tokens), None, text
        room = self._window.longest_message(reserve) - len(before_it)
        if role == "user" and n_tokens > room:
            whole = self._whole(text, tokens)
            read = excerpt(text, whole, budget=room, count_tokens=self._count_tokens)
            tokens = self._prompts.tokenize(read)
        left = self._window.make_room(len(before_it) + len(tokens), reserve)
        try:
            states = self._window.enter(tokens, role=role, lead=before_it, more=more)
            prefilled = time.perf_counter()
            encoded = self._encode(read, tokens, states)
            asked = self._asked(tokens, states) if role == "user" else None
            likelihood, notes = self._recall(read, encoded, asked, role=role, exclude=records)
            recalled = time.perf_counter()
            kept = self._kept(records) or self._keep(
                role, text, encoded if whole is None else whole
            )
        except BaseException:
            self._window.leave()
            raise
        self._window.name_last(kept.shown)
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
        self._show({one.record.id: one.record.text for one in notes.memories})
        self._open = Reply(
            turn, self._window, options=self.options, keep=self._keep_reply, on_end=self._end
        )
        return self._open

    async def say_async(self, text: Said, *, reply: str | None = None) -> Reply:
        """Like `say`, without blocking the event loop; iterate the result with `async for`.

        A cancelled task waits for the pass that is under way. What was said until then is kept.
        """
        return await in_thread(lambda: self.say(text, reply=reply), _nothing)

    def ledger(self, turn_id: str | None = None) -> Ledger:
        """Return the ledger of a turn, by the id of the question or of the answer.

        Ledgers are stored: those of earlier conversations are found too. None means the last turn
        of this session.

        Raises:
            RecordNotFoundError: no turn of a chat has that id.
        """
        turn_id = turn_id or self._last or ""
        store = self._memory.store
        for entry in reversed(store.ledgers(record_id=turn_id, limit=-1)):
            if turn_id in (entry.payload.get("turn_id"), entry.payload.get("reply_id")):
                return from_entry(entry, store.get(entry.record_ids))
        raise RecordNotFoundError(turn_id)

    def forget(self, ids: str | Iterable[str]) -> Receipt:
        """Forget records as `Memory.forget` does, and what this conversation shows of them."""
        chosen = [ids] if isinstance(ids, str) else list(ids)
        if self._open is not None:
            self._open.close()
        receipt = self._memory.forget(chosen)
        self._window.remove(chosen)
        for id_ in chosen:
            self._shown.pop(id_, None)
        return receipt

    def correct(self, record_id: str, text: str) -> Record:
        """Store what holds in place of a record, in this session, and return it.

        The record stays as what was so before, see `Memory.supersede`.

        Raises:
            RecordNotFoundError: there is no such record.
            ValueError: the text is empty, or word for word what the record says.
        """
        old = self._memory.get(record_id)
        if self._open is not None:
            self._open.close()
        new = self._memory.add(Turn(text, scope=old.scope, session=self.session))
        self._memory.supersede(old, new)
        return self._memory.get(new.id)

    def save(self) -> bool:
        """Save the state of this conversation, so that the session goes on at no pass.

        The file is as large as the cells of the context (SmolLM2-135M: 23 KB a token) and is
        deleted when something of the session, or shown in it, is forgotten.

        Returns:
            False where the state is too large for a file, or the store keeps none.

        Raises:
            BackboneError: the file cannot be written.
        """
        if self._open is not None:
            self._open.close()
        path = self._memory.store.state_path(self.session)
        if path is None or self._last is None:
            return False
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._drop_forgotten()
        saved = self._window.save(path, label=[self.scope, self._last])
        if saved and self._forgotten():  # by another process, while the file was written
            path.unlink(missing_ok=True)
            return False
        return saved

    def close(self) -> None:
        """Finish an open reply and free the context; calling it again does nothing."""
        if self._open is not None:
            self._open.close()
            self._open = None
        self._window.close()

    def _forgotten(self) -> list[str]:
        """Return the records in view that somebody has forgotten since, in whatever process."""
        shown = self._window.record_ids
        return sorted(shown - self._memory.store.get(shown).keys())

    def _drop_forgotten(self) -> None:
        """Take out of the conversation what was forgotten elsewhere while it was open."""
        if gone := self._forgotten():
            self._window.remove(gone)
            for id_ in gone:
                self._shown.pop(id_, None)

    def _resume(self) -> Resumed | None:
        """Bring the session's latest turns back into the window, from a saved state or the store.

        A state is only good for the very turns that the store holds: another process may have gone
        on with the session.
        """
        said = said_in(self._memory.store, scope=self.scope, session=self.session)
        if not said:
            return None
        self._last = said[-1].id
        path = self._memory.store.state_path(self.session)
        how: Resumed = "restored"
        if path is None or not self._window.restore(path, label=[self.scope, self._last]):
            how = "evaluated again"
            self._window.take(exchanges(said, self._prompts.tokenize))
        shown = self._memory.store.get(self._window.record_ids)
        self._shown = {id_: record.text for id_, record in shown.items()}
        return how

    def _encode(
        self, text: str, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> Encoded | None:
        if self._encoder is None or not tokens or not states.size:
            return None
        return self._encoder.encode_states(text, tokens, states)

    def _whole(self, text: str, tokens: Sequence[int]) -> Encoded:
        """Encode a text that does not fit the context; without an encoder only cut it."""
        if self._encoder is not None:
            return self._encoder.encode([text])[0]
        ends = self._backbone.vocabulary.character_ends(text, tokens)
        spans = tuple(
            (ends[start - 1] if start else 0, ends[stop - 1])
            for start, stop in chunk_tokens(text, ends)
        )
        return Encoded(np.zeros((len(spans), 1), np.float32), spans)

    def _count_tokens(self, text: str) -> int:
        return len(self._prompts.tokenize(text))

    def _asked(self, tokens: Sequence[int], states: NDArray[np.float32]) -> AskedTokens | None:
        if not isinstance(self._encoder, TokenEncoder) or not tokens:
            return None
        return self._encoder.asked_tokens(tokens, states)

    def _recall(
        self,
        text: str,
        encoded: Encoded | None,
        asked: AskedTokens | None,
        *,
        role: str,
        exclude: Iterable[str],
    ) -> tuple[float | None, Notes]:
        if not self.options.memories or role != "user":
            return None, Notes("", (), ())
        with one_thread():
            hits = self._memory.recall(
                text,
                vector=None if encoded is None else mean_vector(encoded),
                tokens=asked,
                top_k=max(DEPTH, self.options.memories),
                scope=self.scope,
                exclude=self._window.record_ids.union(exclude),
                explain=True,
            )
            chances, likelihood = self._memory.likelihoods(text, hits)
        found: list[Found] = []
        if likelihood >= self.options.min_likelihood:
            found = worth_a_note(hits, chances, at_most=self.options.memories)
        notes = pack_notes(
            self._with_earlier(found),
            budget=self.options.memory_tokens,
            count_tokens=lambda line: len(self._backbone.vocabulary.tokenize(line)),
            now=datetime.now(UTC).astimezone(),
        )
        return likelihood, notes

    def _with_earlier(self, found: Sequence[Found]) -> list[Found]:
        """Add to each what it took the place of."""
        if not found:
            return []
        earlier = self._memory.predecessors(one.record.id for one in found)
        return [replace(one, earlier=tuple(earlier.get(one.record.id, ()))) for one in found]

    def _keep(
        self,
        role: str,
        text: str,
        encoded: Encoded | None,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> Kept:
        """Store a turn, or, where it only repeats what was shown lately, links to that."""
        if not self._is_remembered(role, text):
            return Kept(_unstored(new_id(), role, text, self.scope, self.session), stored=False)
        parts = repeated(text, self._shown, verbatim=role == "user")
        turn = Turn(
            text, role=role, scope=self.scope, session=self.session, metadata=metadata or {}
        )
        repeat = None if parts is None else Repeat(new_id(), role, parts)
        # Somebody may have forgotten the records since: then it is said for the first time.
        if repeat is not None and len(self._memory.store.get(repeat.records)) == len(
            repeat.records
        ):
            return Kept(_unstored(repeat.id, role, text, self.scope, self.session), repeat)
        record = self._memory.add(turn, encoded=encoded)
        self._show({record.id: text})
        return Kept(record)

    def _kept(self, records: Sequence[str]) -> Kept | None:
        """Return the turn that a record holds already, if it is still there."""
        found = self._memory.store.get(records[:1])
        return Kept(found[records[0]]) if found else None

    def _is_remembered(self, role: str, text: str) -> bool:
        if role not in ("user", "assistant"):
            return False
        chosen = self.options.remember
        return chosen if isinstance(chosen, bool) else chosen(role, text)

    def _show(self, texts: Mapping[str, str]) -> None:
        """Take note of texts that are now in view, the latest last."""
        before = {id_: text for id_, text in self._shown.items() if id_ not in texts}
        self._shown = dict([*before.items(), *texts.items()][-_REMEMBERED:])

    def _keep_reply(self, spoken: ReplyStream, complete: bool) -> Kept | None:
        text = spoken.text.strip()
        if not text:
            return None
        encoded = self._encode(text, spoken.tokens, spoken.states)
        return self._keep("assistant", text, encoded, metadata={} if complete else _BROKEN_OFF)

    def _end(self, ledger: Ledger, stored: bool) -> None:
        self._open = None
        self._last = ledger.reply_id or ledger.turn_id
        if stored:
            self._memory.store.add_ledger(to_entry(ledger, scope=self.scope, session=self.session))


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


def _nothing() -> None:
    """Let a prefill come to its end: it is one pass."""

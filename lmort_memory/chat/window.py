"""The window: the turns of a conversation that are in the model's context, token for token."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lmort_memory.backbone.sequence import common_prefix
from lmort_memory.backbone.thinking import Thinking
from lmort_memory.errors import BackboneError
from lmort_memory.memory.follow_ups import Earlier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone, Sampling
    from lmort_memory.backbone.prompt import Prompt, PromptWriter
    from lmort_memory.backbone.thread import Pending

# After an overflow this share of the context stays filled: whole old turns leave together, so
# the rest is moved or evaluated again once in a while and not at every turn.
_KEEP = 0.5
_LAST_WORDS = 64  # tokens of an earlier turn that a question may refer to

RoomMade: TypeAlias = Literal["shifted", "evaluated again"]
OldNotes: TypeAlias = Literal["shift", "evaluate", "keep"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the window.

    Attributes:
        role: "system", "user", "assistant" or "tool".
        tokens: Its tokens.
        notes: Notes from memory that follow it.
        records: The records that hold its text.
        quoted: Those of them of which it shows a part.
        noted: The records that the notes show.
        more: Further fields for the template, such as `tool_calls` in OpenAI's format.
    """

    role: str
    tokens: tuple[int, ...]
    notes: tuple[int, ...] = ()
    records: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        """The records whose text the model sees in this message, or a part of it."""
        return self.records + self.noted

    @property
    def shown_whole(self) -> frozenset[str]:
        """The records whose whole text the model sees in this message."""
        return frozenset(self.records).difference(self.quoted).union(self.noted)


_EMPTY = Message("user", ())  # stands for the user's next words


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """Settings of a window.

    Attributes:
        n_ctx: Context size in tokens, at most what the model was trained for.
        system: System prompt; empty for none.
        old_notes: What happens to notes after their reply, see `ChatOptions`.
    """

    n_ctx: int
    system: str
    old_notes: OldNotes


class Window:
    """Keeps messages, prompt and K/V cache in step.

    `room` says how room was made for the last message: the rest was moved up, or evaluated again if
    the model's positions cannot move; None if no turn had to leave.
    """

    def __init__(
        self,
        backbone: Backbone,
        prompts: PromptWriter,
        *,
        layers: Sequence[int],
        options: WindowOptions,
    ) -> None:
        """Open a context; BackboneError if llama.cpp cannot."""
        self._prompts = prompts
        self._vocabulary = backbone.vocabulary
        n_ctx = min(options.n_ctx, backbone.facts.n_ctx_train or options.n_ctx)
        self._sequence = backbone.open_sequence(n_ctx=n_ctx, layers=layers)
        self._old_notes = options.old_notes
        self._messages: list[Message] = []
        if options.system and self._prompts.template.takes_system:
            self._messages.append(Message("system", tuple(self._prompts.tokenize(options.system))))
        self._n_fixed = len(self._messages)
        self._tools: tuple[Mapping[str, Any], ...] = ()
        self._dropped_for_room = False
        self._reply_start = 0
        self.room: RoomMade | None = None

    @property
    def tokens_evaluated(self) -> int:
        """Tokens this window ran through the model."""
        return self._sequence.tokens_evaluated

    @property
    def thinking(self) -> Thinking:
        """The markers around this model's reasoning."""
        return self._prompts.template.thinking

    @property
    def n_tokens(self) -> int:
        """Tokens with cells in the K/V cache: the prompt's and the reply's so far."""
        return len(self._sequence.tokens)

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end a reply with this model's template."""
        return self._prompts.template.stops

    @property
    def record_ids(self) -> frozenset[str]:
        """Records of whose text anything is in the window."""
        return frozenset(id_ for message in self._messages for id_ in message.shown)

    @property
    def in_view(self) -> frozenset[str]:
        """Records whose whole text is in the window, so that the model sees them anyway."""
        return frozenset(id_ for message in self._messages for id_ in message.shown_whole)

    def said_before(self) -> Iterator[Earlier]:
        """Yield what the user said before the last message, the latest first."""
        text, reply = self._vocabulary.detokenize, ""
        for message in reversed(self._messages[:-1]):
            if message.role == "user":
                yield Earlier(text(message.tokens[-_LAST_WORDS:]), reply)
            reply = text(message.tokens[:_LAST_WORDS]) if message.role == "assistant" else ""

    def longest_reply(self, max_tokens: int) -> int:
        """Return the most tokens of a reply: the other half is for what was said before."""
        return min(max_tokens, self._sequence.n_ctx // 2)

    def room_for_reply(self, max_tokens: int) -> int:
        """Return the most tokens of the reply that `open_reply` has opened."""
        left = self._sequence.n_ctx - self._reply_start
        return max(0, min(self.longest_reply(max_tokens), left))

    def longest_notes(self, memory_tokens: int) -> int:
        """Return the most tokens of notes."""
        return min(memory_tokens, self._sequence.n_ctx // 4)

    def longest_message(self, reserve: int) -> int:
        """Return the most tokens that a message may have in an otherwise empty window."""
        fixed = self._size([*self._messages[: self._n_fixed], _EMPTY])
        return max(0, self._sequence.n_ctx - fixed - reserve)

    def check_reply(self, n_tokens: int, beside: int) -> None:
        """Refuse a given reply that does not fit with `beside` tokens of its turn and notes.

        Raises:
            BackboneError: it does not fit even with nothing before the turn.
        """
        n_ctx = self._sequence.n_ctx
        needed = self._size([*self._messages[: self._n_fixed], _EMPTY]) + beside + n_tokens
        if needed > n_ctx:
            raise BackboneError(
                f"a given reply of {n_tokens} tokens with its turn and notes needs a context of"
                f" {needed}; this one has {n_ctx} — shorten the reply or open a larger context"
            )

    def make_room(self, message: Message, reserve: int) -> int:
        """Drop the oldest turns until a message and `reserve` more tokens fit.

        A tool's result means nothing without its question and the call: that exchange stays.

        Returns:
            How many messages left.

        Raises:
            BackboneError: it does not fit even then; nothing has left.
        """
        n_ctx = self._sequence.n_ctx
        self._dropped_for_room = self._size([*self._messages, message]) + reserve > n_ctx
        if not self._dropped_for_room:
            return 0
        stay = self._messages[self._last_exchange() :] if message.role == "tool" else []
        least = self._size([*self._messages[: self._n_fixed], *stay, message]) + reserve
        if least > n_ctx:
            said = "a tool's result" if stay else "a message"
            beside = "question, call and reply" if stay else "reply and notes"
            raise BackboneError(
                f"{said} of {len(message.tokens)} tokens with its {beside} needs a context of"
                f" {least}; this one has {n_ctx} — shorten it or open a larger context"
            )
        target = max(n_ctx * _KEEP, least)
        gone = 0
        while self._size([*self._messages, message]) + reserve > target:
            gone += self._drop_exchange(self._n_fixed)
        return gone

    def capture(self, wanted: bool) -> None:
        """Turn the capture of states on or off; passes are faster without."""
        self._sequence.capturing = wanted

    def replace(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> None:
        """Replace the messages; the next `enter` keeps the cached prefix that they share.

        Args:
            messages: The messages, system messages first; those never leave the window.
            tools: Tool descriptions in OpenAI's format.
        """
        self._messages = list(messages)
        self._tools = tuple(tools)
        fixed = (i for i, message in enumerate(self._messages) if message.role != "system")
        self._n_fixed = next(fixed, len(self._messages))

    def enter(
        self,
        tokens: Sequence[int],
        *,
        role: str = "user",
        lead: Sequence[int] = (),
        more: Mapping[str, Any] | None = None,
    ) -> NDArray[np.float32]:
        """Evaluate a user's words or a tool's result as the last message.

        `lead` precedes them in the same message: a system prompt that the template has no other
        place for.

        Returns:
            Their states, float32 (layers, len(tokens), n_embd). No layers if none are captured:
            then `open_reply` evaluates the words with what follows them, in one pass.
        """
        self._messages.append(Message(role, (*lead, *tokens), more=more or {}))
        prompt = self._write(self._messages, reply=True)
        start, end = prompt.spans[-1]
        # Without capture the words may keep their cells; their states would be missing otherwise.
        known = prompt.tokens[: start + 1] if self._sequence.capturing else prompt.tokens
        synced = self._sequence.sync(known)
        self.room = None
        if self._dropped_for_room:
            self.room = "shifted" if synced.moved else "evaluated again"
        if not self._sequence.capturing:
            return self._sequence.extend(())
        states = self._sequence.extend(prompt.tokens[synced.kept : end], logits=False)
        return states[:, start + len(lead) - synced.kept :]

    def leave(self) -> None:
        """Remove a user's message that `enter` could not evaluate."""
        if self._messages[self._n_fixed :] and self._messages[-1].role in ("user", "tool"):
            self._messages.pop()

    def name_last(self, records: Sequence[str], quoted: Sequence[str] = ()) -> None:
        """Set the records that hold the last message, and those of them that it shows a part of."""
        self._messages[-1] = replace(
            self._messages[-1], records=tuple(records), quoted=tuple(quoted)
        )

    def open_reply(self, notes: str, records: Sequence[str] = ()) -> int:
        """Append notes to the user's message and evaluate up to the reply's first token.

        Args:
            notes: What follows the user's words.
            records: The records that the notes show.

        Returns:
            Tokens of the notes.
        """
        tokens = tuple(self._vocabulary.tokenize(notes))
        self._messages[-1] = replace(self._messages[-1], notes=tokens, noted=tuple(records))
        prompt = self._write(self._messages, reply=True)
        kept = self._sequence.sync(prompt.tokens).kept
        self._sequence.extend(prompt.tokens[kept:])
        self._reply_start = len(self._sequence.tokens)
        return len(tokens)

    def generate(
        self, sampling: Sampling, max_tokens: int, keep: Callable[[NDArray[np.float32]], None]
    ) -> Generator[tuple[int, bytes], None, None]:
        """Yield each token of a reply and its bytes, while the token is evaluated.

        Ends at the model's end of turn, at `max_tokens`, or when the context is full. However it
        ends, every token is evaluated and `keep` has got its states, float32 (layers, 1, n_embd).
        """
        left = self.room_for_reply(max_tokens)
        if not left:
            return
        sampler = self._sequence.sampler(sampling)
        waiting: int | None = None  # chosen, and not evaluated yet

        def evaluated(states: NDArray[np.float32]) -> None:
            nonlocal waiting
            waiting = None
            keep(states)

        pending: Pending[int] | None = None
        try:
            pending = self._sequence.advance(None, sampler, evaluated)
            while left and not self._vocabulary.is_end(token := pending.result()):
                waiting = token
                left -= 1
                if left:
                    pending = self._sequence.advance(token, sampler, evaluated)
                yield token, self._piece(token)
        finally:
            try:
                if pending is not None:
                    pending.wait()  # it uses the sampler
            finally:
                sampler.close()
                if waiting is not None:
                    evaluated(self._sequence.extend([waiting], logits=False))

    def _piece(self, token: int) -> bytes:
        """Return the text of a token; for control tokens only what may mark reasoning."""
        piece = self._vocabulary.piece(token)
        if piece or not self._vocabulary.is_control(token):
            return piece
        control = self._vocabulary.piece(token, special=True)
        return control if self.thinking.may_be_part(control.decode("utf-8", "replace")) else b""

    def dictate(
        self, tokens: Sequence[int], keep: Callable[[NDArray[np.float32]], None]
    ) -> Generator[tuple[int, bytes], None, None]:
        """Evaluate a given reply in one pass; yields what `generate` would."""
        states = self._sequence.extend(tokens, logits=False)
        for i, token in enumerate(tokens):
            keep(states[:, i : i + 1])
            yield token, self._vocabulary.piece(token)

    def close_reply(
        self,
        tokens: Sequence[int],
        records: Sequence[str],
        *,
        quoted: Sequence[str] = (),
        n_before: int = 0,
    ) -> None:
        """Add the reply's tokens to the window; drop the reasoning and notes before it.

        Args:
            tokens: The reply's own.
            records: The records that hold its text.
            quoted: Those of them of which it shows a part.
            n_before: Number of reasoning tokens generated before them.
        """
        self._messages.append(
            Message("assistant", tuple(tokens), records=tuple(records), quoted=tuple(quoted))
        )
        if n_before:
            start = self._reply_start
            move = self._old_notes != "evaluate"
            self._sequence.cut(start, start + n_before, move=move)
        self._drop_notes()

    def take(self, exchanges: Sequence[tuple[Message, Message]]) -> None:
        """Start with earlier exchanges: the latest ones that fit half the context.

        They are evaluated with the next message.
        """
        latest: list[Message] = []
        for exchange in reversed(exchanges):
            size = self._size([*self._messages, *exchange, *latest, _EMPTY])
            if size > self._sequence.n_ctx * _KEEP:
                break
            latest[:0] = exchange
        self._messages += latest

    def remove(self, records: Collection[str]) -> None:
        """Drop every exchange that shows one of these records, and all cells computed after it."""
        at, found = self._n_fixed, False
        while at < len(self._messages):
            shown = {id_ for m in self._messages[at : self._end(at)] for id_ in m.shown}
            if shown.isdisjoint(records):
                at = self._end(at)
            else:
                found = bool(self._drop_exchange(at))
        if found:
            prompt = self._write(self._messages, reply=False)
            have = self._sequence.tokens
            self._sequence.cut(common_prefix(have, prompt.tokens), len(have), move=False)

    def save(self, path: Path, *, label: Sequence[str]) -> bool:
        """Write messages and cells to a file; False if they are too large for one.

        `label` identifies what they are the state of; `restore` accepts no other.
        """
        messages = [asdict(message) for message in self._messages]
        written = json.dumps({"label": [*label], "messages": messages})
        return self._sequence.save(path, label=written)

    def restore(self, path: Path, *, label: Sequence[str]) -> bool:
        """Load messages and cells from a file; False if it has another label or window."""
        written = self._sequence.restore(path)
        saved = {} if written is None else json.loads(written)
        messages = [_message(fields) for fields in saved.get("messages", [])]
        if saved.get("label") != [*label] or messages[: self._n_fixed] != self._messages:
            return False  # the next `enter` drops cells loaded before the failure
        self._messages = messages
        return True

    def close(self) -> None:
        """Free the context."""
        self._sequence.close()

    def _drop_notes(self) -> None:
        """Remove the notes of the last exchange from the prompt and the cache.

        "evaluate" is the reference: what follows them is evaluated again with the next message.
        "shift" moves it up without a forward pass; its cells still carry what they saw of the
        notes.
        """
        at = len(self._messages) - 2
        notes = self._messages[at].notes
        if not notes or self._old_notes == "keep":
            return
        prompt = self._write(self._messages, reply=False)
        end = prompt.spans[at][1]
        self._messages[at] = replace(self._messages[at], notes=(), noted=())
        # A stopped pass may have left fewer tokens: the next `sync` handles that.
        if self._sequence.tokens[:end] == prompt.tokens[:end]:
            self._sequence.cut(end - len(notes), end, move=self._old_notes == "shift")

    def _drop_exchange(self, at: int) -> int:
        """Drop a user's message with its reply: templates require alternating roles."""
        gone = self._end(at) - at
        del self._messages[at : at + gone]
        return gone

    def _last_exchange(self) -> int:
        """Return where the user's last message is, and what it has led to so far begins."""
        users = (i for i, message in enumerate(self._messages) if message.role == "user")
        return max(users, default=self._n_fixed)

    def _end(self, at: int) -> int:
        end = at + 1
        while end < len(self._messages) and self._messages[end].role != "user":
            end += 1
        return end

    def _size(self, messages: Sequence[Message]) -> int:
        """Return a prompt's token count: these messages and a reply without words."""
        return len(self._write([*messages, Message("assistant", ())], reply=False).tokens)

    def _write(self, messages: Sequence[Message], *, reply: bool) -> Prompt:
        return self._prompts.write(
            [m.role for m in messages],
            [m.tokens + m.notes for m in messages],
            reply=reply,
            more=[m.more for m in messages],
            tools=self._tools,
        )


def _message(fields: Mapping[str, Any]) -> Message:
    return Message(
        role=str(fields["role"]),
        tokens=tuple(fields["tokens"]),
        notes=tuple(fields["notes"]),
        records=tuple(fields["records"]),
        noted=tuple(fields.get("noted", ())),
        quoted=tuple(fields.get("quoted", ())),
        more=fields.get("more", {}),
    )

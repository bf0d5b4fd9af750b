"""The window: the turns of a conversation that are in the model's context, token for token."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lmort_memory.backbone.sequence import common_prefix
from lmort_memory.backbone.thinking import Thinking
from lmort_memory.chat.exchanges import Exchanges
from lmort_memory.chat.generating import Keep, Spoken, dictate, generate
from lmort_memory.chat.message import Message, dump_messages, load_messages
from lmort_memory.errors import BackboneError
from lmort_memory.memory.follow_ups import Earlier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone, Sampling
    from lmort_memory.backbone.prompt import PromptWriter

# After an overflow this share of the context stays filled: whole old turns leave together, so
# the rest is moved or evaluated again once in a while and not at every turn.
_KEEP = 0.5
_LAST_WORDS = 64  # tokens of an earlier turn that a question may refer to

RoomMade: TypeAlias = Literal["shifted", "evaluated again"]
OldNotes: TypeAlias = Literal["shift", "evaluate", "keep"]


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
        system: list[Message] = []
        if options.system and prompts.template.takes_system:
            system.append(Message("system", tuple(prompts.tokenize(options.system))))
        self._exchanges = Exchanges(prompts, system)
        self._dropped_for_room = False
        self._reply_start = 0
        self.room: RoomMade | None = None

    @property
    def messages(self) -> Sequence[Message]:
        """The messages, system messages first."""
        return tuple(self._exchanges.messages)

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
        return self._exchanges.record_ids

    @property
    def in_view(self) -> frozenset[str]:
        """Records whose whole text is in the window, so that the model sees them anyway."""
        return self._exchanges.in_view

    def said_before(self) -> Iterator[Earlier]:
        """Yield what the user said before the last message, the latest first."""
        text, reply = self._vocabulary.detokenize, ""
        for message in reversed(self.messages[:-1]):
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
        return max(0, self._sequence.n_ctx - self._exchanges.least_size - reserve)

    def check_reply(self, n_tokens: int, beside: int) -> None:
        """Refuse a given reply that does not fit with `beside` tokens of its turn and notes.

        Raises:
            BackboneError: it does not fit even with nothing before the turn.
        """
        n_ctx = self._sequence.n_ctx
        needed = self._exchanges.least_size + beside + n_tokens
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
        self._dropped_for_room = self._exchanges.size_with([message]) + reserve > n_ctx
        if not self._dropped_for_room:
            return 0
        stay = self._exchanges.needed_by(message)
        least = self._exchanges.size_alone([*stay, message]) + reserve
        if least > n_ctx:
            said = "a tool's result" if stay else "a message"
            beside = "question, call and reply" if stay else "reply and notes"
            raise BackboneError(
                f"{said} of {len(message.tokens)} tokens with its {beside} needs a context of"
                f" {least}; this one has {n_ctx} — shorten it or open a larger context"
            )
        target = max(n_ctx * _KEEP, least)
        gone = 0
        while self._exchanges.size_with([message]) + reserve > target:
            gone += self._exchanges.drop_oldest()
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
        self._exchanges.replace(messages, tools)

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
        self._exchanges.messages.append(Message(role, (*lead, *tokens), more=more or {}))
        prompt = self._exchanges.prompt(reply=True)
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
        self._exchanges.take_back()

    def name_last(self, records: Sequence[str], quoted: Sequence[str] = ()) -> None:
        """Set the records that hold the last message, and those of them that it shows a part of."""
        self._exchanges.change(-1, records=tuple(records), quoted=tuple(quoted))

    def open_reply(self, notes: str, records: Sequence[str] = ()) -> int:
        """Append notes to the user's message and evaluate up to the reply's first token.

        Args:
            notes: What follows the user's words.
            records: The records that the notes show.

        Returns:
            Tokens of the notes.
        """
        tokens = tuple(self._vocabulary.tokenize(notes))
        self._exchanges.change(-1, notes=tokens, noted=tuple(records))
        prompt = self._exchanges.prompt(reply=True)
        kept = self._sequence.sync(prompt.tokens).kept
        self._sequence.extend(prompt.tokens[kept:])
        self._reply_start = len(self._sequence.tokens)
        return len(tokens)

    def generate(self, sampling: Sampling, max_tokens: int, keep: Keep) -> Spoken:
        """Yield each token of a reply and its bytes, while the token is evaluated.

        Ends at the model's end of turn, at `max_tokens`, or when the context is full. However it
        ends, every token is evaluated and `keep` has got its states, float32 (layers, 1, n_embd).
        """
        return generate(
            self._sequence,
            self._vocabulary,
            sampling=sampling,
            thinking=self.thinking,
            at_most=self.room_for_reply(max_tokens),
            keep=keep,
        )

    def dictate(self, tokens: Sequence[int], keep: Keep) -> Spoken:
        """Evaluate a given reply in one pass; yields what `generate` would."""
        return dictate(self._sequence, self._vocabulary, tokens=tokens, keep=keep)

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
        self._exchanges.messages.append(
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
        self._exchanges.take(exchanges, at_most=self._sequence.n_ctx * _KEEP)

    def remove(self, records: Collection[str]) -> None:
        """Drop every exchange that shows one of these records, and all cells computed after it."""
        if self._exchanges.drop_showing(records) and (have := self._sequence.tokens):
            prompt = self._exchanges.prompt(reply=False)
            self._sequence.cut(common_prefix(have, prompt.tokens), len(have), move=False)

    def save(self, path: Path, *, label: Sequence[str]) -> bool:
        """Write messages and cells to a file; False if they are too large for one.

        `label` identifies what they are the state of; `restore` accepts no other.
        """
        return self._sequence.save(path, label=dump_messages(self._exchanges.messages, label=label))

    def restore(self, path: Path, *, label: Sequence[str]) -> bool:
        """Load messages and cells from a file; False if it has another label or window."""
        written = self._sequence.restore(path)
        messages = None if written is None else load_messages(written, label=label)
        # Where it is False, the next `enter` drops the cells that were loaded.
        return messages is not None and self._exchanges.restore(messages)

    def close(self) -> None:
        """Free the context."""
        self._sequence.close()

    def _drop_notes(self) -> None:
        """Remove the notes of the last exchange from the prompt and the cache.

        "evaluate" is the reference: what follows them is evaluated again with the next message.
        "shift" moves it up without a forward pass; its cells still carry what they saw of the
        notes.
        """
        at = len(self._exchanges.messages) - 2
        notes = self._exchanges.messages[at].notes
        if not notes or self._old_notes == "keep":
            return
        prompt = self._exchanges.prompt(reply=False)
        end = prompt.spans[at][1]
        self._exchanges.change(at, notes=(), noted=())
        # A stopped pass may have left fewer tokens: the next `sync` handles that.
        if self._sequence.tokens[:end] == prompt.tokens[:end]:
            self._sequence.cut(end - len(notes), end, move=self._old_notes == "shift")

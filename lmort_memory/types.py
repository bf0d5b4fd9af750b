"""The values that the packages exchange, and the `Encoder` protocols.

Frozen, slotted dataclasses: no llama.cpp, no SQL, no torch. Arrays are float32 unless a docstring
says otherwise; spans of text count characters (Python `str` indices).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from lmort_memory.text import valid, valid_json
from lmort_memory.times import check_time, representable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ALL_SCOPES",
    "DEFAULT_SCOPE",
    "AskedTokens",
    "ChatEncoder",
    "Encoded",
    "Encoder",
    "HiddenStates",
    "Hit",
    "JsonValue",
    "Progress",
    "Record",
    "ScopeTree",
    "Scores",
    "Source",
    "StateEncoder",
    "TokenCodes",
    "TokenEncoder",
    "Turn",
    "one_scope",
]

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with (done, total) as work progresses; total is None if it is not known in advance."""

DEFAULT_SCOPE = "default"
ALL_SCOPES = "*"
"""What command line and server take for every scope; nothing is stored under this name."""


def one_scope(scope: str) -> str:
    """Return a scope to store in.

    Raises:
        ValueError: it is "*": what is stored there could not be told from everything.
    """
    if scope == ALL_SCOPES:
        raise ValueError(
            'what is stored has one scope, and "*" means all scopes — name one to store in'
        )
    return scope


@dataclass(frozen=True, slots=True)
class ScopeTree:
    """A scope with every scope below it: "team/ada" includes "team/ada/work"."""

    root: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text came from: a URI or path, and the span of characters in it."""

    uri: str
    start: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        """Make the URI valid Unicode, like every other stored string."""
        object.__setattr__(self, "uri", valid(self.uri))


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said or written, as passed to `Memory.add`.

    `scope` is the isolation boundary and matches exactly; `session` is an ordered run of turns
    within it. `created_at` must be timezone-aware; None means now. After `expires_at` the record is
    hidden. `role` is free text, usually "user", "assistant", "system" or "note".
    """

    text: str
    role: str = "user"
    scope: str = DEFAULT_SCOPE
    session: str | None = None
    created_at: datetime | None = None
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    source: Source | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Make every string valid Unicode and every time valid in all time zones.

        A lone surrogate or NUL becomes U+FFFD (see `lmort_memory.text`). A time at either end of
        the calendar moves inwards by a day.

        Raises:
            ValueError: the text is empty, the scope is "*", a time is naive, or the metadata is
                not JSON.
            TypeError: text, role, scope or session is not a string, a time is not a datetime, or
                the metadata is not a mapping.
        """
        for name in ("text", "role", "scope", "session"):
            value = getattr(self, name)
            if not isinstance(value, str) and not (value is None and name == "session"):
                raise TypeError(f"{name} must be a string; found {value!r:.80}")
            if value is not None:
                object.__setattr__(self, name, valid(value))
        if not self.text.strip():
            raise ValueError("a turn's text must not be empty or only white space")
        one_scope(self.scope)
        if not isinstance(self.metadata, Mapping):
            raise TypeError(f"metadata must be a mapping; found {self.metadata!r:.80}")
        if self.metadata:
            object.__setattr__(self, "metadata", valid_json(self.metadata))
        for name in ("created_at", "expires_at"):
            when: datetime | None = getattr(self, name)
            if when is not None:
                check_time(name, when)
                object.__setattr__(self, name, representable(when))


@dataclass(frozen=True, slots=True)
class Record:
    """A turn as the store keeps it. Ids are ULIDs: they sort by the time the record was created.

    All times are timezone-aware, in UTC. The content is valid from `valid_from` (None: since it was
    said) to `valid_to` (None: still valid). `superseded_by` is the id of the record that replaced
    this one, see `Memory.supersede`.
    """

    id: str
    text: str
    role: str
    scope: str
    session: str | None
    created_at: datetime
    updated_at: datetime
    metadata: Mapping[str, JsonValue]
    source: Source | None
    expires_at: datetime | None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """The parts of a hit's score; None if that ranking did not contain the record.

    In a hybrid ranking, a turn's score also includes a share of the previous turn's score.

    Attributes:
        dense: Cosine of the query's vector and the record's best chunk, in [-1, 1].
        bm25: BM25 score of the record; higher is better (the negative of SQLite's `bm25()`).
        dense_rank: Rank in the dense ranking, from 1.
        bm25_rank: Rank in the lexical ranking, from 1.
        recency: Factor in (0, 1] from the half-life.
        tokens: Weighted mean, over the question's tokens, of the cosine to the nearest token of the
            record; in [-1, 1].
        dense_weight: Weight of the scaled cosine in a score of several parts. Weights are the same
            for all hits of a question and sum to 1.
        tokens_weight: Weight of the scaled `tokens`.
        bm25_weight: Weight of the scaled BM25 score.
        boost: Share of the best score that was added or taken away: by the time that the question
            names, by who says it, and by whether a turn asks or says much.
    """

    dense: float | None = None
    bm25: float | None = None
    dense_rank: int | None = None
    bm25_rank: int | None = None
    recency: float | None = None
    tokens: float | None = None
    dense_weight: float | None = None
    tokens_weight: float | None = None
    bm25_weight: float | None = None
    boost: float | None = None


@dataclass(frozen=True, slots=True)
class AskedTurn:
    """A turn that asks, before the turn of a hit.

    Attributes:
        record: The turn.
        scores: The components of its own recall score.
    """

    record: Record
    scores: Scores


@dataclass(frozen=True, slots=True)
class Hit:
    """A recalled record. A higher `score` is better; `rank` counts from 1.

    A score of several parts is from 0 to 1: the weighted sum of the parts, each scaled so that its
    best is 1, times the best cosine of any candidate. A score from a single ranking is its cosine
    or BM25, scaled if the question names a time and a record of that time is the best.

    `span` is the best chunk's place in the text, or, of a long text found by words alone, where
    most of the question's words stand. `neighbours`, if requested, are the surrounding turns of its
    session, in order; for a note, the neighbours in its file and the notes that link to it. `asked`
    is the turn before it, if that asks and was found too: "Rex." says little without it.
    """

    record: Record
    score: float
    rank: int
    scores: Scores
    span: tuple[int, int] | None = None
    neighbours: tuple[Record, ...] = ()
    asked: AskedTurn | None = None


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """Hidden states of one text at the requested layers, without the template's tokens.

    Attributes:
        tokens: The text's own tokens, length T.
        layers: Layer numbers as in transformers' `hidden_states`: 0 enters block 0, k leaves block
            k-1, n_layer is the state after the final norm.
        states: float32 (len(layers), T, n_embd), in the order of `layers`, owned by the caller.
    """

    tokens: tuple[int, ...]
    layers: tuple[int, ...]
    states: NDArray[np.float32]

    def layer(self, number: int) -> NDArray[np.float32]:
        """Return the states of one layer, float32 (T, n_embd).

        Raises:
            ValueError: that layer was not captured.
        """
        found: NDArray[np.float32] = self.states[self.layers.index(number)]
        return found


@dataclass(frozen=True, slots=True)
class TokenCodes:
    """A small code for each token of a text; only the encoder that made it can interpret it.

    Attributes:
        kind: Identity of the map that made the codes. Codes of different kinds are never compared.
        chunks: uint8 (n_tokens, n_bytes), one array per row of `Encoded.vectors`.
    """

    kind: str
    chunks: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True, slots=True)
class AskedTokens:
    """The tokens of a question, for late interaction.

    Attributes:
        vectors: float32 (n_tokens, width), unit norm.
        weights: float32 (n_tokens,): weight of each token; they sum to 1.
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of one text in one space, one row per chunk.

    Attributes:
        vectors: float32 (n_chunks, dim), each row of unit norm.
        spans: For each row, the characters [start, end) that it represents.
        tokens: Codes of the text's tokens, for late interaction; None if the encoder makes none.
    """

    vectors: NDArray[np.float32]
    spans: tuple[tuple[int, int], ...]
    tokens: TokenCodes | None = None


@runtime_checkable
class Encoder(Protocol):
    """Turns text into vectors. This is all that the store and `Memory` need of a model."""

    @property
    def space(self) -> str:
        """Identity of the vectors: backbone, tuner and contract. Spaces never mix."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Encoded]:
        """Encode texts to be stored; a long text becomes several chunks."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a question to one unit vector, float32 (dim,)."""


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that also compares texts token by token (late interaction)."""

    @property
    def token_kind(self) -> str | None:
        """Identity of its token codes; None if it makes none."""

    def encode_question(self, text: str) -> tuple[NDArray[np.float32], AskedTokens]:
        """Encode a question to the vector of `encode_query` and its tokens, in one forward pass."""

    def asked_tokens(
        self, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> AskedTokens | None:
        """Encode a question's tokens from states captured while chatting."""

    def token_scores(self, asked: AskedTokens, codes: Sequence[TokenCodes]) -> NDArray[np.float32]:
        """Compare a question with texts, float32 (len(codes),): at most 1, higher is closer."""


@runtime_checkable
class StateEncoder(Encoder, Protocol):
    """An encoder that also accepts hidden states captured while chatting."""

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers to capture, ascending, numbered as in transformers' `hidden_states`."""

    def encode_states(
        self, text: str, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> Encoded:
        """Encode a text from its tokens' states, float32 (len(layers), T, n_embd)."""


@runtime_checkable
class ChatEncoder(StateEncoder, Protocol):
    """An encoder that knows what the context of a chat adds to the states of a turn."""

    def without_chat(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Subtract from a turn's states, float32 (len(layers), T, n_embd), what the chat adds."""

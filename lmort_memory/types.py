"""The values that travel between the parts, and the Protocol at the model seam.

Frozen, slotted dataclasses and nothing else: no llama.cpp, no SQL, no torch. Arrays are float32
unless a docstring says otherwise; text spans count characters (Python `str` indices).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from lmort_memory.text import valid, valid_json
from lmort_memory.times import representable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DEFAULT_SCOPE",
    "AskedTokens",
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
]

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called as work goes on with (done, total); total is None where it is not known beforehand."""

DEFAULT_SCOPE = "default"


@dataclass(frozen=True, slots=True)
class ScopeTree:
    """A scope and every scope below it, to search or list: "team/ada" includes "team/ada/work"."""

    root: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text came from: a URI or path, and the span of characters inside it."""

    uri: str
    start: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        """Make the URI valid Unicode, as every string that enters."""
        object.__setattr__(self, "uri", valid(self.uri))


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance or note, as offered to `Memory.add`.

    `scope` is the isolation boundary and matches exactly; `session` is an ordered run of turns
    inside it. `created_at` must be aware; None means now. `expires_at` hides the record from then
    on. `role` is free text; "user", "assistant", "system" and "note" are the usual ones.
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
        """Make every string valid Unicode and every time one that all zones can show.

        A lone surrogate or NUL becomes U+FFFD (see `lmort_memory.text`). A time at the very ends of
        the calendar moves inside by a day.

        Raises:
            ValueError: the text is empty, a time is naive, or the metadata is not JSON.
            TypeError: text, role, scope or session is not a string.
        """
        for name in ("text", "role", "scope", "session"):
            value = getattr(self, name)
            if not isinstance(value, str) and not (value is None and name == "session"):
                raise TypeError(f"{name} must be a string; found {value!r:.80}")
            if value is not None:
                object.__setattr__(self, name, valid(value))
        if not self.text.strip():
            raise ValueError("a turn needs text; found only white space")
        if self.metadata:
            object.__setattr__(self, "metadata", valid_json(self.metadata))
        for name in ("created_at", "expires_at"):
            when: datetime | None = getattr(self, name)
            if when is not None and when.tzinfo is None:
                raise ValueError(f"{name} must carry a time zone; found the naive {when}")
            if when is not None:
                object.__setattr__(self, name, representable(when))


@dataclass(frozen=True, slots=True)
class Record:
    """What the store keeps of a turn; `id` sorts by time of creation of the record (ULID).

    All times are aware UTC. What a record says holds from `valid_from` (None: since it was said)
    until `valid_to` (None: still). `superseded_by` is the id of the record that took its place, see
    `Memory.supersede`.
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
    """The parts of a hit's score; None where that ranking did not see the record.

    In a hybrid ranking the score of a turn also has a share of that of the turn before it.

    Attributes:
        dense: Cosine of the query's vector and the record's best chunk, in [-1, 1].
        bm25: BM25 of the record, higher is better (SQLite's sign turned around).
        dense_rank: Rank in the dense ranking, from 1.
        bm25_rank: Rank in the lexical ranking, from 1.
        recency: Factor in (0, 1] that the half-life gave.
        tokens: Mean over the question's tokens, by how much each tells, of the cosine to the
            nearest token of the record; in [-1, 1].
        dense_weight: What the cosine, scaled, counts in a score of several parts. The weights are
            those of the question, the same for all its hits, and sum to 1.
        tokens_weight: The same of `tokens`.
        bm25_weight: The same of BM25.
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


@dataclass(frozen=True, slots=True)
class Hit:
    """A recalled record: `score` is higher for better, `rank` counts from 1.

    A score made of several parts is from 0 to 1: the best cosine that anything had with the
    question, times the weighted sum of the parts, each scaled so that its best is 1. Where one
    ranking alone decides it is that cosine or BM25.

    `span` is the best chunk's part of the text, `neighbours` the turns around it in its session,
    in order, where they were asked for; of a note those in its file, and notes that link to it.
    """

    record: Record
    score: float
    rank: int
    scores: Scores
    span: tuple[int, int] | None = None
    neighbours: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """States of the wanted layers for the tokens of one text, template tokens excluded.

    Attributes:
        tokens: The text's own tokens, length T.
        layers: DESIGN's layer numbers: 0 enters block 0, k leaves block k-1, n_layer is the state
            after the final norm.
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
    """A small code for each token of a text: opaque bytes to all but the encoder that made them.

    Attributes:
        kind: Identity of the map that made the codes. Codes of different kinds are never compared.
        chunks: uint8 (n_tokens, n_bytes) for each row of `Encoded.vectors`.
    """

    kind: str
    chunks: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True, slots=True)
class AskedTokens:
    """The tokens of a question, for late interaction.

    Attributes:
        vectors: float32 (n_tokens, width), unit norm.
        weights: float32 (n_tokens,): how much each token tells; they sum to 1.
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of one text in one space: one row for each chunk.

    Attributes:
        vectors: float32 (n_chunks, dim), each row of unit norm.
        spans: The characters [start, end) of the text that each row stands for.
        tokens: Codes of the text's tokens, for late interaction; None where the encoder makes none.
    """

    vectors: NDArray[np.float32]
    spans: tuple[tuple[int, int], ...]
    tokens: TokenCodes | None = None


@runtime_checkable
class Encoder(Protocol):
    """Text to vectors. The store and `Memory` know a model by this and nothing else."""

    @property
    def space(self) -> str:
        """Identity of the vectors: backbone, tuner and contract. Spaces are never mixed."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Encoded]:
        """Encode texts to be stored; long ones become several chunks."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a question to one unit vector, float32 (dim,)."""


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that also compares texts token by token (late interaction)."""

    @property
    def token_kind(self) -> str | None:
        """Identity of its token codes; None if it makes none."""

    def encode_question(self, text: str) -> tuple[NDArray[np.float32], AskedTokens]:
        """Encode a question in one pass: what `encode_query` returns, and its tokens."""

    def asked_tokens(
        self, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> AskedTokens | None:
        """Take a question's tokens from the states that a chat's own pass has made."""

    def token_scores(self, asked: AskedTokens, codes: Sequence[TokenCodes]) -> NDArray[np.float32]:
        """Compare a question with texts, float32 (len(codes),); at most 1, higher is nearer."""


@runtime_checkable
class StateEncoder(Encoder, Protocol):
    """An encoder that also takes the states which a chat's own pass has made."""

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers to capture, ascending, in DESIGN's numbers."""

    def encode_states(
        self, text: str, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> Encoded:
        """Encode a text from the states of its tokens, float32 (len(layers), T, n_embd)."""

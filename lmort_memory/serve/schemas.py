"""The requests and replies of the memory API: what is decoded, checked, and described by OpenAPI.

One definition serves all three. A request with an unknown field, a wrong type or a value out of
range is refused with the place of the mistake.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

# Python's $ takes a line end after it, that of JSON Schema, in which this is described, does not.
_NAME = r"^[^\x00-\x1f\x7f]+$(?!\n)"
# Python's \s has more white space than that of JSON Schema.
_TEXT = r"[^\s\x1c-\x1f\x85]"
WHEN = (
    r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"([Zz]|[+-](0[0-9]|1[0-4]):[0-5][0-9])$(?!\n)"
)
FORMS = {
    _NAME: "a name without control characters",
    _TEXT: "a text that is not only white space",
    WHEN: "a time with its zone, such as 2024-05-01T09:30:00Z",
}
Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=_NAME)]
Text = Annotated[str, Meta(min_length=1, max_length=1_000_000, pattern=_TEXT)]
Where = dict[str, Any]


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what clients send."""


class Reply(Struct, frozen=True, kw_only=True):
    """Base of what clients get."""


class Source(Reply, frozen=True):
    """Where a text came from."""

    uri: str
    start: int | None
    end: int | None


class Record(Reply, frozen=True):
    """What is remembered; it holds until `valid_to`, when `superseded_by` took its place."""

    id: str
    text: str
    role: str
    scope: str
    session: str | None
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, Any]
    source: Source | None
    expires_at: datetime | None
    valid_from: datetime | None
    valid_to: datetime | None
    superseded_by: str | None


class Scores(Reply, frozen=True):
    """The parts of a hit's score: cosine, BM25 and tokens, their ranks and weights."""

    dense: float | None
    bm25: float | None
    dense_rank: int | None
    bm25_rank: int | None
    recency: float | None
    tokens: float | None
    dense_weight: float | None
    tokens_weight: float | None
    bm25_weight: float | None
    boost: float | None


class AskedTurn(Reply, frozen=True):
    """A turn that asks, before the turn of a hit."""

    record: Record
    scores: Scores


class Hit(Reply, frozen=True):
    """A record that was found; `span` is the part of its text that matches best.

    `asked` is the turn before it, if that asks and was found too.
    """

    record: Record
    score: float
    rank: int
    scores: Scores
    span: tuple[int, int] | None
    neighbours: list[Record]
    asked: AskedTurn | None


class Hits(Reply, frozen=True):
    """What was found, best first; `likelihood` is the estimate that the answer is stored."""

    hits: list[Hit]
    likelihood: float | None


class RecordPage(Reply, frozen=True):
    """Records, newest first; pass `next` as `before` for the page that follows."""

    records: list[Record]
    next: str | None


class Count(Reply, frozen=True):
    """How many records there are, in all, by scope and by role, and how many sessions."""

    total: int
    scopes: dict[str, int]
    roles: dict[str, int]
    sessions: int


class Vectors(Reply, frozen=True):
    """The vectors of a record in one space."""

    space: str
    chunks: int
    spans: list[tuple[int, int]]


class LedgerLine(Reply, frozen=True):
    """A record that a reply was given, with its share of the prompt."""

    record: Record
    score: float
    scores: Scores
    tokens: int


class Timings(Reply, frozen=True):
    """Seconds of a turn's phases."""

    prefill_s: float
    recall_s: float
    store_s: float
    notes_s: float
    first_token_s: float | None
    generate_s: float


class Ledger(Reply, frozen=True):
    """Why a reply said what it said."""

    turn_id: str
    reply_id: str | None
    memories: list[LedgerLine]
    dropped: list[Record]
    likelihood: float | None
    user_tokens: int
    unread_tokens: int
    notes_tokens: int
    reply_tokens: int
    evaluated_tokens: int
    left_window: int
    room: str | None
    complete: bool
    timings: Timings


class LedgerList(Reply, frozen=True):
    """Ledgers, newest first."""

    ledgers: list[Ledger]


class RecordDetail(Reply, frozen=True):
    """A record with everything that is known about it.

    `pending` says that its vectors are still to be made; `used_in` are the replies that were given
    the record, newest first.
    """

    record: Record
    history: list[Record]
    neighbours: list[Record]
    vectors: list[Vectors]
    pending: bool
    used_in: list[Ledger]


class Session(Reply, frozen=True):
    """A run of turns."""

    session: str
    scope: str
    turns: int
    first: Record
    last_at: datetime


class SessionPage(Reply, frozen=True):
    """Sessions, the one spoken in last first; pass `next` as `offset` for the page that follows."""

    sessions: list[Session]
    next: int | None


class SourceState(Reply, frozen=True):
    """A file or a conversation of an export that was imported whole."""

    uri: str
    size_bytes: int


class SourcePage(Reply, frozen=True):
    """Sources in order of URI; pass `next` as `offset` for the page that follows."""

    sources: list[SourceState]
    next: int | None


class Added(Reply, frozen=True):
    """The records as they are stored; one that was there already is returned as it is."""

    records: list[Record]


class Receipt(Reply, frozen=True):
    """What a forget removed; `verified` says that no byte of the texts was found afterwards.

    `quoted_by` are ids of records that repeat some of the texts and stay; at most 100. `limits` is
    what the store cannot promise, in sentences.
    """

    records: int
    vectors: int
    history: int
    ledger: int
    states: int
    verified: bool
    quoted_by: list[str]
    limits: list[str] = []


class Forgotten(Reply, frozen=True):
    """The receipt; or, of a preview, how many records are meant and some of them.

    `quoted_by` are other records that repeat some of what these say; a preview shows at most 100.
    """

    receipt: Receipt | None
    records: int
    examples: list[Record]
    quoted_by: list[Record]


class Point(Reply, frozen=True):
    """A memory on the map."""

    id: str
    x: float
    y: float
    session: str | None
    source: str | None
    role: str
    text: str


class Map(Reply, frozen=True):
    """Memories placed by the two principal components of their vectors.

    `explained` is each component's share of the variance; `total` counts the records that have
    vectors, of which `points` is an even sample, newest first.
    """

    points: list[Point]
    explained: tuple[float, float]
    total: int
    space: str | None


class Import(Reply, frozen=True):
    """An import. `done` counts turns while reading, then records that have vectors."""

    id: str
    name: str
    scope: str
    state: Literal["waiting", "reading", "encoding", "done", "failed", "cancelled"]
    done: int
    total: int | None
    added: int
    kept: int
    removed: int
    unchanged: int
    problems: list[str]
    left_out: dict[str, int]


class ImportList(Reply, frozen=True):
    """Imports since the server was started, newest first."""

    imports: list[Import]


class Space(Reply, frozen=True):
    """A space of vectors."""

    name: str
    dim: int
    vectors: int
    pending: int
    indexed: int


class Queue(Reply, frozen=True):
    """What the server is doing.

    `conversations` are held in contexts of which at most `contexts` exist; `answering` have a reply
    under way and `waiting` requests have no context yet.
    """

    contexts: int
    conversations: int
    answering: int
    waiting: int
    imports: int


class Status(Reply, frozen=True):
    """The server, its model, its memory; of these nothing is known while it is loading."""

    version: str
    state: Literal["loading", "ready", "failed"]
    uptime_s: float
    n_ctx: int
    queue: Queue
    database: str | None = None
    model: str | None = None
    tier: str | None = None
    space: str | None = None
    pending: int = 0
    notice: str | None = None
    records: int = 0
    sources: int = 0
    size_bytes: int = 0
    index_bytes: int = 0
    spaces: list[Space] = []


class EncoderFacts(Reply, frozen=True):
    """The encoder that other programs of this user may borrow."""

    space: str
    dim: int
    tier: str
    model: str
    tuner: str | None
    provenance: dict[str, str]
    token_codes: bool
    token_kind: str | None


class CodesOfTokens(Reply, frozen=True):
    """Codes of a text's tokens: for each of its spans, base64 of uint8 (tokens, width)."""

    kind: str
    width: int
    chunks: list[str]


class TokensOfQuery(Reply, frozen=True):
    """A query's tokens: base64 of float32, little-endian, (tokens, …) and (tokens,)."""

    vectors: str
    weights: str


class EncodedText(Reply, frozen=True):
    """The vectors of a text: base64 of float32, little-endian, (len(spans), dim)."""

    vectors: str
    spans: list[tuple[int, int]]
    codes: CodesOfTokens | None = None
    asked: TokensOfQuery | None = None


class EncodedTexts(Reply, frozen=True):
    """The vectors of every text, in order."""

    encoded: list[EncodedText]


class Mistake(Reply, frozen=True):
    """What went wrong, in OpenAI's form."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failure(Reply, frozen=True):
    """An error."""

    error: Mistake

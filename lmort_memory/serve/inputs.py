"""The JSON bodies that the memory API takes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from lmort_memory.serve.schemas import WHEN, Name, Request, Text, Where

When = Annotated[
    str,
    Meta(pattern=WHEN, examples=["2099-05-01T09:30:00Z"]),
]
"""A time with its zone, RFC 3339; `at` reads it."""


def at(when: str | UnsetType | None) -> datetime | None:
    """Read a time.

    Raises:
        ValueError: there is no such day.
    """
    return datetime.fromisoformat(when.upper()) if isinstance(when, str) else None


class AddRecord(Request, frozen=True):
    """A text to remember; without a scope, in the server's."""

    text: Text
    role: Name = "user"
    scope: Name | UnsetType = UNSET
    session: Name | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    created_at: When | None = None
    expires_at: When | None = None


class AddRecords(Request, frozen=True):
    """Texts to remember, stored in one transaction."""

    records: Annotated[list[AddRecord], Meta(min_length=1, max_length=1000)]


class EditRecord(Request, frozen=True):
    """A change; what is left out stays as it was, and the old version is kept as history."""

    text: Text | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    expires_at: When | UnsetType = UNSET


class Supersede(Request, frozen=True):
    """What takes the place of a record: a record that is there (`by`), or a new text."""

    by: str | None = None
    text: Text | None = None


class Search(Request, frozen=True):
    """A question; filters are applied before ranking. Without a scope, the server's is searched."""

    query: Annotated[str, Meta(max_length=100_000)]
    top_k: Annotated[float, Meta(ge=1, le=200, multiple_of=1)] = 10  # JSON's 10.0 is an integer
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    scope: Name | UnsetType | None = UNSET
    session: Name | None = None
    role: Name | None = None
    source: Annotated[str, Meta(min_length=1)] | None = None
    since: When | None = None
    until: When | None = None
    where: Where | None = None
    exclude: Annotated[list[str], Meta(max_length=1000)] = field(default_factory=list)
    neighbours: Annotated[float, Meta(ge=0, le=20, multiple_of=1)] = 0
    diversity: Annotated[float, Meta(ge=0, le=1)] = 0.0
    include_superseded: bool = False
    explain: bool = False


class Forget(Request, frozen=True):
    """What to forget. Conditions narrow each other down; at least one is needed.

    With `preview` nothing is forgotten: the reply says how many records it would be, and shows
    some.
    """

    ids: Annotated[list[str], Meta(min_length=1, max_length=10_000)] | None = None
    scope: Name | None = None
    session: Name | None = None
    source: Annotated[str, Meta(min_length=1)] | None = None
    where: Annotated[Where, Meta(min_length=1)] | None = None
    preview: bool = False


class Encode(Request, frozen=True):
    """Texts to be made vectors: those to be stored in chunks, a query as one vector.

    With `tokens`, each text also gets what late interaction compares: codes of its tokens, or the
    vectors of a query's tokens. With `space`, vectors of another space are refused: the server may
    serve another model by now.
    """

    texts: Annotated[list[Text], Meta(min_length=1, max_length=1000)]
    query: bool = False
    tokens: bool = False
    space: str | None = None

"""The query parameters of the memory API, decoded and described like its bodies."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lmort_memory.serve.inputs import When, at
from lmort_memory.serve.schemas import Name, Request, Where
from lmort_memory.store.values import Filter


class Chosen(Request, frozen=True):
    """Filters of a list; `scope` "*" is all of them, `where` is JSON."""

    scope: Name | None = None
    session: Name | None = None
    role: Name | None = None
    source: Annotated[str, Meta(min_length=1)] | None = None
    since: When | None = None
    until: When | None = None
    where: Where | None = None

    def filter(self, *, before: str | None = None) -> Filter:
        """Return the store's filter."""
        return Filter(
            scope=None if self.scope == "*" else self.scope,
            session=self.session,
            role=self.role,
            source=self.source,
            since=at(self.since),
            until=at(self.until),
            where=self.where,
            before=before,
        )


class ListQuery(Chosen, frozen=True):
    """A page of records."""

    before: str | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class DetailQuery(Request, frozen=True):
    """How much of a record's surroundings to show."""

    neighbours: Annotated[int, Meta(ge=0, le=50)] = 3


class PageQuery(Request, frozen=True):
    """A page of sessions or sources."""

    scope: Name | None = None
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class MapQuery(Chosen, frozen=True):
    """Which records to place, and at most how many."""

    limit: Annotated[int, Meta(ge=2, le=20_000)] = 3000


class LedgerQuery(Request, frozen=True):
    """Which ledgers to list."""

    record: str | None = None
    session: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 20


class ExportQuery(Request, frozen=True):
    """What to export."""

    scope: Name | None = None
    vectors: bool = False


class ImportQuery(Request, frozen=True):
    """The file that the body is."""

    name: Annotated[str, Meta(min_length=1, max_length=2000)]
    scope: Name | None = None

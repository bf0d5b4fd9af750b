"""The memory over HTTP: add, search, list, get, edit, supersede, forget, ledger."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import UnsetType
from starlette.responses import Response

from lmort_memory.chat.ledger import from_entry
from lmort_memory.errors import RecordNotFoundError, StoreError
from lmort_memory.serve import inputs, schemas, shown
from lmort_memory.serve.components import map_of
from lmort_memory.serve.http import ApiError, decode, json_reply, query_of
from lmort_memory.serve.queries import (
    Chosen,
    DetailQuery,
    LedgerQuery,
    ListQuery,
    MapQuery,
    PageQuery,
)
from lmort_memory.store.values import Filter
from lmort_memory.types import Turn, one_scope

if TYPE_CHECKING:
    from starlette.requests import Request

    from lmort_memory.memory import Memory, MemoryStatus
    from lmort_memory.serve.engine import Engine

__all__ = ["MemoryAPI"]

T = TypeVar("T")

_USED_IN = 50  # replies that a record's page lists
_EXAMPLES = 20  # records that a preview of a forget shows


class MemoryAPI:
    """The handlers under /api; each takes a request and returns a response."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def status(self, _: Request) -> Response:
        """Say how the server, its model and its memory are; answers while the model is loaded."""
        engine, memory = self._engine, None
        if engine.state == "ready":
            memory = await engine.memory()
        found = None if memory is None else await engine.run(memory.status)
        return json_reply(_status(engine, found))

    async def add(self, request: Request) -> Response:
        """Remember a text; it is on disk when the reply comes."""
        asked = await decode(request, inputs.AddRecord)
        record = await self._engine.on_memory(lambda memory: memory.add(self._turn(asked)))
        return json_reply(shown.record(record), 201)

    async def add_many(self, request: Request) -> Response:
        """Remember up to 1,000 texts; their vectors follow in the background."""
        asked = await decode(request, inputs.AddRecords)
        turns = [self._turn(one) for one in asked.records]

        def add(memory: Memory) -> schemas.Added:
            added = memory.add(turns, defer=True)
            memory.encode_in_background()
            return schemas.Added(records=shown.records(added))

        return json_reply(await self._engine.on_memory(add), 201)

    async def search(self, request: Request) -> Response:
        """Find records by meaning and by words, best first."""
        asked = await decode(request, inputs.Search)
        scope = self._engine.options.scope if isinstance(asked.scope, UnsetType) else asked.scope

        def search(memory: Memory) -> schemas.Hits:
            hits = memory.recall(
                asked.query,
                top_k=int(asked.top_k),
                mode=asked.mode,
                scope=None if scope == "*" else scope,
                session=asked.session,
                role=asked.role,
                source=asked.source,
                since=inputs.at(asked.since),
                until=inputs.at(asked.until),
                where=asked.where,
                exclude=asked.exclude,
                neighbours=int(asked.neighbours),
                diversity=asked.diversity,
                include_superseded=asked.include_superseded,
                explain=asked.explain,
            )
            likely = memory.likelihood(asked.query, hits) if asked.explain else None
            return schemas.Hits(hits=[shown.hit(hit) for hit in hits], likelihood=likely)

        return json_reply(await self._engine.on_memory(search))

    async def list(self, request: Request) -> Response:
        """List records, newest first, a page at a time."""
        asked = query_of(request, ListQuery)

        def page(memory: Memory) -> schemas.RecordPage:
            chosen = asked.filter(before=asked.before)
            found = memory.store.latest(chosen, limit=asked.limit)[::-1]
            more = len(found) == asked.limit
            return schemas.RecordPage(
                records=shown.records(found), next=found[-1].id if more else None
            )

        return json_reply(await self._engine.on_memory(page))

    async def count(self, request: Request) -> Response:
        """Count records in all, by scope and by role."""
        chosen = query_of(request, Chosen).filter()

        def count(memory: Memory) -> schemas.Count:
            return msgspec.convert(memory.store.facets(chosen), schemas.Count, from_attributes=True)

        return json_reply(await self._engine.on_memory(count))

    async def get(self, request: Request) -> Response:
        """Show a record with its history, neighbours, vectors, and the replies it was used in."""
        id_ = request.path_params["id"]
        asked = query_of(request, DetailQuery)

        def detail(memory: Memory) -> schemas.RecordDetail:
            record, store = memory.get(id_), memory.store
            vectors = [
                schemas.Vectors(space=space.name, chunks=len(found.spans), spans=list(found.spans))
                for space in store.spaces()
                if (found := store.vectors(space.name, [id_]).get(id_)) is not None
            ]
            present = None if memory.encoder is None else memory.encoder.space
            around = store.around(id_, asked.neighbours).all if asked.neighbours else ()
            return schemas.RecordDetail(
                record=shown.record(record),
                history=shown.records(memory.history(id_)),
                neighbours=shown.records(around),
                vectors=vectors,
                pending=present is not None and all(v.space != present for v in vectors),
                used_in=_ledgers(memory, record=id_, session=None, limit=_USED_IN),
            )

        return json_reply(await self._engine.on_memory(detail))

    async def edit(self, request: Request) -> Response:
        """Change a record; its old version is kept as history."""
        id_ = request.path_params["id"]
        asked = await decode(request, inputs.EditRecord)
        if asked == inputs.EditRecord():
            raise ApiError(422, "give a text, metadata or expires_at")
        changed = await self._engine.on_memory(
            lambda memory: memory.update(
                id_,
                _given(asked.text),
                metadata=_given(asked.metadata),
                expires_at=inputs.at(asked.expires_at),
            )
        )
        return json_reply(shown.record(changed))

    async def supersede(self, request: Request) -> Response:
        """Let another record take the place of this one, which stays but is no longer recalled."""
        id_ = request.path_params["id"]
        asked = await decode(request, inputs.Supersede)
        if (asked.by is None) == (asked.text is None):
            raise ApiError(422, "give either by, the id of a record, or text")

        def supersede(memory: Memory) -> schemas.Record:
            old = memory.get(id_)
            turn = Turn(asked.text or old.text, role=old.role, scope=old.scope, session=old.session)
            try:
                new = memory.add(turn) if asked.by is None else memory.get(asked.by)
                memory.supersede(old.id, new.id)
            except (RecordNotFoundError, ValueError) as error:  # the record itself, say
                raise ApiError(409, str(error), code="no_successor") from error
            return shown.record(new)

        return json_reply(await self._engine.on_memory(supersede), 201)

    async def forget_one(self, request: Request) -> Response:
        """Forget a record and every trace of it."""
        id_ = request.path_params["id"]

        def forget(memory: Memory) -> schemas.Receipt:
            receipt = memory.forget(id_)
            if not receipt.records:
                raise RecordNotFoundError(id_)
            return shown.receipt(receipt)

        return json_reply(await self._engine.on_memory(forget))

    async def forget(self, request: Request) -> Response:
        """Forget what some conditions choose; with `preview`, only say what that would be."""
        asked = await decode(request, inputs.Forget)
        chosen = Filter(
            ids=None if asked.ids is None else tuple(asked.ids),
            scope=asked.scope,
            session=asked.session,
            source=asked.source,
            where=asked.where,
            expired=True,
        )
        if chosen == Filter(expired=True):
            raise ApiError(422, "give ids or a condition: none would mean everything")

        def forget(memory: Memory) -> schemas.Forgotten:
            if asked.preview:
                examples = memory.store.latest(chosen, limit=_EXAMPLES)[::-1]
                found = memory.store.get(memory.store.quoting(chosen))
                return schemas.Forgotten(
                    receipt=None,
                    records=memory.store.facets(chosen).total,
                    examples=shown.records(examples),
                    quoted_by=shown.records(found.values()),
                )
            receipt = memory.forget(
                asked.ids,
                scope=asked.scope,
                session=asked.session,
                source=asked.source,
                where=asked.where,
            )
            return schemas.Forgotten(
                receipt=shown.receipt(receipt),
                records=receipt.records,
                examples=[],
                quoted_by=shown.records(memory.store.get(receipt.quoted_by).values()),
            )

        return json_reply(await self._engine.on_memory(forget))

    async def sessions(self, request: Request) -> Response:
        """List sessions, the one spoken in last first."""
        asked = query_of(request, PageQuery)
        chosen = Filter(scope=None if asked.scope == "*" else asked.scope)
        end = asked.offset + asked.limit

        def page(memory: Memory) -> schemas.SessionPage:
            found = memory.store.sessions(chosen, limit=end + 1)[::-1]
            return schemas.SessionPage(
                sessions=[shown.session(one) for one in found[asked.offset : end]],
                next=end if len(found) > end else None,
            )

        return json_reply(await self._engine.on_memory(page))

    async def sources(self, request: Request) -> Response:
        """List what was imported."""
        asked = query_of(request, PageQuery)
        end = asked.offset + asked.limit

        def page(memory: Memory) -> schemas.SourcePage:
            scopes = (
                list(memory.store.facets(Filter()).scopes)
                if asked.scope in (None, "*")
                else [asked.scope]
            )
            found = [state for scope in scopes for state in memory.store.sources(scope=scope)]
            return schemas.SourcePage(
                sources=[
                    schemas.SourceState(uri=one.uri, size_bytes=one.size_bytes)
                    for one in found[asked.offset : end]
                ],
                next=end if len(found) > end else None,
            )

        return json_reply(await self._engine.on_memory(page))

    async def ledgers(self, request: Request) -> Response:
        """List why replies said what they said: of a session, or those given a record."""
        asked = query_of(request, LedgerQuery)
        found = await self._engine.on_memory(
            lambda memory: _ledgers(
                memory, record=asked.record, session=asked.session, limit=asked.limit
            )
        )
        return json_reply(schemas.LedgerList(ledgers=found))

    async def ledger(self, request: Request) -> Response:
        """Say why a reply said what it said, by the id of the question or of the answer."""
        id_ = request.path_params["id"]

        def find(memory: Memory) -> schemas.Ledger:
            for one in _ledgers(memory, record=id_, session=None, limit=None):
                if id_ in (one.turn_id, one.reply_id):
                    return one
            raise ApiError(404, f"no reply has the id {id_!r}", code="ledger_not_found")

        return json_reply(await self._engine.on_memory(find))

    async def map(self, request: Request) -> Response:
        """Place records by the principal components of their vectors."""
        asked = query_of(request, MapQuery)
        found = await self._engine.on_memory(
            lambda memory: map_of(memory, asked.filter(), most=asked.limit)
        )
        return json_reply(found)

    def _turn(self, asked: inputs.AddRecord) -> Turn:
        usual = self._engine.options.scope
        until = inputs.at(asked.expires_at)
        if until is not None and until <= datetime.now(UTC):
            raise ApiError(400, f"expires_at is in the past: {asked.expires_at}")
        return Turn(
            asked.text,
            role=asked.role,
            scope=usual if isinstance(asked.scope, UnsetType) else one_scope(asked.scope),
            session=asked.session,
            created_at=inputs.at(asked.created_at),
            metadata=asked.metadata,
            expires_at=until,
        )


def _status(engine: Engine, found: MemoryStatus | None) -> schemas.Status:
    queue = schemas.Queue(
        contexts=engine.seats.most,
        conversations=engine.seats.opened,
        answering=engine.seats.answering,
        waiting=engine.seats.waiting,
        imports=engine.imports.active,
    )
    status = schemas.Status(
        version=engine.version,
        state=engine.state,
        uptime_s=round(time.monotonic() - engine.started, 3),
        n_ctx=engine.options.n_ctx,
        queue=queue,
    )
    if found is None:
        return status
    return msgspec.structs.replace(
        status,
        database=found.store.place,
        model=found.model,
        tier=found.tier,
        space=found.space,
        pending=found.pending,
        notice=found.notice,
        records=found.store.records,
        sources=found.store.sources,
        size_bytes=found.store.size_bytes,
        index_bytes=found.store.index_bytes,
        spaces=msgspec.convert(list(found.store.spaces), list[schemas.Space], from_attributes=True),
    )


def _given(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


def _ledgers(
    memory: Memory, *, record: str | None, session: str | None, limit: int | None
) -> list[schemas.Ledger]:
    entries = memory.store.ledgers(record_id=record, session=session, limit=limit)
    named = {id_ for entry in entries for id_ in entry.record_ids}
    found: dict[str, Any] = memory.store.get(named)
    listed = []
    for entry in reversed(entries):
        with suppress(StoreError):  # one that is damaged hides no other
            listed.append(shown.ledger(from_entry(entry, found)))
    return listed

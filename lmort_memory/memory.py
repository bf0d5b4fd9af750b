"""`Memory`: add, recall, forget, over an encoder and a store that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, overload

from lmort_memory._offered import Offered, to_turn
from lmort_memory._ranking import Ranked, fuse, with_recency
from lmort_memory.errors import RecordNotFoundError, SpaceMismatchError
from lmort_memory.store.values import DenseMatch, Filter, LexicalMatch, Receipt, Store, StoreStatus
from lmort_memory.types import DEFAULT_SCOPE, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.types import Encoded, Encoder, JsonValue, Progress, Record

__all__ = ["Memory", "MemoryStatus", "Mode"]

Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]

DEPTH = 100  # records that each ranking gives to the fusion; deeper changes no top 50
BATCH = 64


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """What a memory holds and how it can be recalled.

    Attributes:
        store: Sizes and counts of the database.
        model: File name of the loaded model, or None.
        space: The space of vectors in use, or None where recall is by words only.
        pending: Records without vectors in that space.
        notice: One line for the user about the model, or None.
    """

    store: StoreStatus
    model: str | None
    space: str | None
    pending: int
    notice: str | None


class Memory:
    """What was said and written, kept in one file and found by meaning and by words.

    Without an encoder everything works by words alone, and what is added waits for vectors
    (`encode_pending`). Any thread may call any method.

    Args:
        encoder: Makes vectors, or None.
        store: Keeps everything; closed with the memory.
    """

    def __init__(self, encoder: Encoder | None, store: Store) -> None:
        self.encoder = encoder
        self.store = store
        self._opened: OpenedEncoder | None = None

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        model: str | Path | None = None,
        tuner: str | Path | None = None,
        with_model: bool = True,
    ) -> Self:
        """Open a database, created where it is missing, and the model that makes its vectors.

        Nothing is written if either fails.

        Args:
            path: The database; None takes `$LMORT_DB` or the platform's data folder.
            model: A GGUF file; None takes `$LMORT_MODEL` or the packaged default.
            tuner: A tuner file; None looks for one made for the model.
            with_model: False loads no model, for work that needs no vectors.

        Raises:
            StoreError: not a database of ours, or of a newer schema.
            BackboneError: no usable model.
            TunerError: the tuner is damaged or belongs to another model.
        """
        from lmort_memory.paths import default_db
        from lmort_memory.store import SQLiteStore
        from lmort_memory.store.connection import refuse_foreign

        place = default_db() if path is None else Path(path).expanduser()
        refuse_foreign(place)
        if not with_model:
            return cls(None, SQLiteStore(place))
        from lmort_memory.encoder import open_encoder

        opened = open_encoder(model, tuner)
        try:
            memory = cls(opened.encoder, SQLiteStore(place))
        except BaseException:
            opened.close()
            raise
        memory._opened = opened
        return memory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and free the model; harmless when repeated."""
        self.store.close()
        if self._opened is not None:
            self._opened.close()

    @property
    def backbone(self) -> Backbone | None:
        """The model that `open` loaded, for a chat to talk to; None without one."""
        return None if self._opened is None else self._opened.backbone

    @overload
    def add(  # type: ignore[overload-overlap] # a str is one item, though also a Sequence of str
        self,
        item: Offered,
        *,
        scope: str | None = None,
        session: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        encoded: Encoded | None = None,
        defer: bool = False,
    ) -> Record: ...

    @overload
    def add(
        self,
        item: Sequence[Offered],
        *,
        scope: str | None = None,
        session: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        encoded: None = None,
        defer: bool = False,
    ) -> list[Record]: ...

    def add(
        self,
        item: Offered | Sequence[Offered],
        *,
        scope: str | None = None,
        session: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        encoded: Encoded | None = None,
        defer: bool = False,
    ) -> Record | list[Record]:
        """Store a text, a message, a turn, or a list of them, and return what is kept.

        The text is safe on disk before its vector is computed. The same content of the same origin
        is stored once: the record that was there is returned (`store.rows.origin_of` has the rule).

        Args:
            item: `"…"`, `{"role": …, "content": …}`, a `Turn`, or a list of these.
            scope: Takes the place of the item's own scope; `session` and `metadata` likewise.
            session: An ordered run of turns inside the scope.
            metadata: Any JSON mapping.
            encoded: The vectors of a single item, where they are known already.
            defer: Leave the vectors to `encode_pending`.

        Raises:
            ValueError: an item without text, metadata that is not JSON, or a naive time.
            SpaceMismatchError: `encoded` without an encoder, or of another width.
        """
        single = isinstance(item, str | Mapping) or not isinstance(item, Sequence)
        items: Sequence[Offered] = [item] if single else item  # type: ignore[list-item, assignment]
        turns = [to_turn(one, scope=scope, session=session, metadata=metadata) for one in items]
        if encoded is not None:
            self._check_space(encoded)
            stored = self.store.add(turns, space=self._space(), encoded=[encoded])
        else:
            stored = self.store.add(turns)
            if self.encoder is not None and not defer:
                self._encode([one.record for one in stored if one.new])
        records = [one.record for one in stored]
        return records[0] if single else records

    def add_many(
        self,
        items: Iterable[Offered],
        *,
        scope: str | None = None,
        session: str | None = None,
        defer: bool = False,
        progress: Progress | None = None,
    ) -> int:
        """Store any number of items in batches, never all in memory; returns how many were new.

        Each batch is on disk, and found by words, before the next is read; vectors follow when all
        are stored (not with `defer`). After a kill, call it again with the same items.
        """
        new = done = 0
        rest = iter(items)
        while batch := list(islice(rest, BATCH)):
            turns = [to_turn(one, scope=scope, session=session) for one in batch]
            new += sum(one.new for one in self.store.add(turns))
            done += len(batch)
            if progress is not None:
                progress(done, None)
        if self.encoder is not None and not defer:
            self.encode_pending(progress=progress)
        return new

    def encode_pending(self, *, progress: Progress | None = None, batch_size: int = BATCH) -> int:
        """Give vectors to every record that lacks them; returns how many got some.

        Each batch is on disk before the next begins, so it can be stopped and called again.
        Without an encoder it does nothing.
        """
        if self.encoder is None:
            return 0
        space = self.encoder.space
        total = self._pending()
        done, last = 0, None
        while batch := self.store.pending(space, limit=batch_size, after=last):
            self._encode(batch)
            done, last = done + len(batch), batch[-1].id
            if progress is not None:
                progress(done, max(total, done))
        return done

    def get(self, record_id: str) -> Record:
        """Return a record.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
        """
        found = self.store.get([record_id])
        if record_id not in found:
            raise RecordNotFoundError(record_id)
        return found[record_id]

    def records(
        self,
        *,
        scope: str | None = None,
        session: str | None = None,
        role: str | None = None,
        where: Mapping[str, JsonValue] | None = None,
        after: str | None = None,
    ) -> Iterator[Record]:
        """Iterate over records in order of id, each once, even while others write.

        `after` continues behind an id, which makes stable pages with `itertools.islice`.
        """
        chosen = Filter(scope=scope, session=session, role=role, where=where)
        return self.store.records(chosen, after=after)

    def recall(
        self,
        query: str,
        *,
        top_k: int = 10,
        scope: str | None = DEFAULT_SCOPE,
        session: str | None = None,
        role: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JsonValue] | None = None,
        mode: Mode = "hybrid",
        min_score: float | None = None,
        vector: NDArray[np.float32] | None = None,
        half_life: timedelta | None = None,
        exclude: Iterable[str] = (),
    ) -> list[Hit]:
        """Find records by meaning and by words, best first.

        Filters are applied before ranking. Without an encoder, and with no vector given, the
        words alone decide.

        Args:
            query: Any text.
            top_k: The most hits to return.
            scope: Only this scope; None is all of them.
            session: Only this session.
            role: Only this role.
            since: Only records created then or later.
            until: Only records created before.
            where: Conditions on the metadata, see `lmort_memory.store.filters`.
            mode: "hybrid" fuses both rankings, "dense" and "lexical" use one.
            min_score: Leave out hits below it: a share of the best possible fused rank (hybrid), a
                cosine (dense), or BM25 (lexical).
            vector: The query's vector, where it is known already; float32 (dim,).
            half_life: Halve a score for each such time that a record is old.
            exclude: Ids of records to leave out, such as those a conversation still shows.
        """
        chosen = Filter(
            exclude=tuple(exclude),
            scope=scope,
            session=session,
            role=role,
            since=since,
            until=until,
            where=where,
        )
        depth = max(DEPTH, top_k)
        dense = [] if mode == "lexical" else self._dense(query, vector, chosen, depth)
        lexical: list[LexicalMatch] | None = None
        if mode != "dense":
            lexical = self.store.lexical(query, chosen, limit=depth)
        ranked = fuse(dense, lexical)
        if half_life is not None:
            ranked = self._aged(ranked, half_life)
        return self._hits(
            [one for one in ranked if min_score is None or one.score >= min_score][:top_k]
        )

    def forget(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        scope: str | None = None,
        session: str | None = None,
        source: str | None = None,
        where: Mapping[str, JsonValue] | None = None,
    ) -> Receipt:
        """Delete records and every trace of them; returns what was removed.

        Conditions narrow each other down; all scopes are meant unless one is named.

        Raises:
            ValueError: no condition at all, which would be everything.
        """
        chosen_ids = (ids,) if isinstance(ids, str) else ids if ids is None else tuple(ids)
        chosen = Filter(
            ids=chosen_ids, scope=scope, session=session, source=source, where=where, expired=True
        )
        if chosen == Filter(expired=True):
            raise ValueError("forget needs ids or a condition; found none, which means everything")
        return self.store.forget(chosen)

    def status(self) -> MemoryStatus:
        """Return what the memory holds and how it can be recalled."""
        opened = self._opened
        return MemoryStatus(
            store=self.store.status(),
            model=None if opened is None else opened.backbone.facts.path.name,
            space=self._space(),
            pending=self._pending(),
            notice=None if opened is None else opened.notice,
        )

    remember = add
    search = recall
    delete = forget

    def _space(self) -> str | None:
        return None if self.encoder is None else self.encoder.space

    def _check_space(self, encoded: Encoded) -> None:
        expected = None if self.encoder is None else self.encoder.dim
        if encoded.vectors.shape[1:] != (expected,):
            raise SpaceMismatchError(
                f"cannot add vectors of shape {encoded.vectors.shape}: expected rows of {expected}"
                " numbers — take the vectors from this memory's own encoder",
                expected=str(expected),
                found=str(encoded.vectors.shape),
            )

    def _pending(self) -> int:
        if self.encoder is None:
            return 0
        for space in self.store.spaces():
            if space.name == self.encoder.space:
                return space.pending
        return self.store.status().records

    def _encode(self, records: Sequence[Record]) -> None:
        if self.encoder is not None and records:
            encoded = self.encoder.encode([record.text for record in records])
            self.store.put_vectors(self.encoder.space, records, encoded)

    def _dense(
        self, query: str, vector: NDArray[np.float32] | None, chosen: Filter, depth: int
    ) -> list[list[DenseMatch]]:
        if self.encoder is None or (vector is None and not query.strip()):
            return []
        if vector is None:
            vector = self.encoder.encode_query(query)
        return [self.store.dense(self.encoder.space, vector, chosen, limit=depth)]

    def _aged(self, ranked: Sequence[Ranked], half_life: timedelta) -> list[Ranked]:
        found = self.store.get(one.id for one in ranked)
        created = {id_: record.created_at for id_, record in found.items()}
        kept = [one for one in ranked if one.id in created]
        return with_recency(kept, created, now=datetime.now(UTC), half_life=half_life)

    def _hits(self, ranked: Sequence[Ranked]) -> list[Hit]:
        found = self.store.get(one.id for one in ranked)
        kept = [one for one in ranked if one.id in found]  # the others were forgotten meanwhile
        return [
            Hit(found[one.id], one.score, rank, one.scores, one.span)
            for rank, one in enumerate(kept, 1)
        ]

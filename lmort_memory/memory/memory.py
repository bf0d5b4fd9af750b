"""`Memory`: add, recall, forget, over an encoder and a store that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, overload

from lmort_memory.closing import Closing
from lmort_memory.errors import ImportFileError, RecordNotFoundError
from lmort_memory.memory.encoding import Encoding
from lmort_memory.memory.items import Item, to_turn
from lmort_memory.memory.likelihood import WORDS_ONLY, Calibration, Described, evidence
from lmort_memory.memory.recall import Recall
from lmort_memory.memory.transfer import export_records, restore_records, salvage_records
from lmort_memory.paths import expanded
from lmort_memory.store.protocol import Store
from lmort_memory.store.values import Filter, Receipt, StoreStatus
from lmort_memory.text import valid
from lmort_memory.types import DEFAULT_SCOPE, Hit, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.types import Encoded, Encoder, JsonValue, Progress, Record

__all__ = ["Memory", "MemoryStatus", "Mode"]

Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]

BATCH = 64


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """What a memory holds and how it can be recalled.

    Attributes:
        store: Sizes and counts of the database.
        model: File name of the loaded model, or None.
        space: The space of vectors in use, or None where recall is by words only.
        tier: How the loaded model's tuner was made: "at once" is of the model's layers as they
            are, and `lmort-mem tuner make` makes a better one; None without a model.
        pending: Records without vectors in that space.
        notice: One line for the user about the model, or None.
    """

    store: StoreStatus
    model: str | None
    space: str | None
    tier: str | None
    pending: int
    notice: str | None


class Memory(Closing):
    """What was said and written, kept in one file and found by meaning and by words.

    Without an encoder everything works by words alone, and what is added waits for vectors
    (`encode_pending`). Any thread may call any method.

    Args:
        encoder: Makes vectors, or None.
        store: Keeps everything; closed with the memory.
        previous: Encoders of older vectors, asked too until no record waits for new ones.
    """

    def __init__(
        self, encoder: Encoder | None, store: Store, *, previous: Sequence[Encoder] = ()
    ) -> None:
        self.encoder = encoder
        self.store = store
        self._encoding = Encoding(encoder, store, previous=previous)
        self._opened: tuple[OpenedEncoder, ...] = ()

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        model: str | Path | None = None,
        tuner: str | Path | None = None,
        previous: tuple[str | Path | None, str | Path | None] | None = None,
        with_model: bool = True,
    ) -> Self:
        """Open a database, created where it is missing, and the model that makes its vectors.

        Nothing is written if either fails.

        Args:
            path: The database; None takes `$LMORT_DB` or the platform's data folder.
            model: A GGUF file; None takes `$LMORT_MODEL` or the packaged default.
            tuner: A tuner file; None looks for one made for the model.
            previous: Model and tuner, as above, that made the vectors so far: they answer too until
                `reencode` is done. Without them those records are found by words.
            with_model: False loads no model, for work that needs no vectors.

        Raises:
            StoreError: not a database of ours, or of a newer schema.
            BackboneError: no usable model.
            TunerError: the tuner is damaged or belongs to another model.
        """
        from lmort_memory.paths import default_db
        from lmort_memory.store import SQLiteStore
        from lmort_memory.store.connection import refuse_foreign

        place = default_db() if path is None else expanded(path)
        refuse_foreign(place)  # before minutes of loading, and before anything is created
        if not with_model:
            return cls(None, SQLiteStore(place))
        from lmort_memory.encoder import open_encoder

        opened = [open_encoder(model, tuner)]
        try:
            if previous is not None:
                opened.append(open_encoder(*previous))
            store = SQLiteStore(place)
            older = [*_still_asked(opened[0], store), *(one.encoder for one in opened[1:])]
            memory = cls(opened[0].encoder, store, previous=older)
        except BaseException:
            for one in opened:
                one.close()
            raise
        memory._opened = tuple(opened)
        memory.store.sweep()
        return memory

    def close(self) -> None:
        """Close the database and free the model; harmless when repeated.

        Work in the background ends after its present batch; the next open goes on with it.
        """
        self._encoding.close()
        self.store.close()
        for opened in self._opened:
            opened.close()

    @property
    def backbone(self) -> Backbone | None:
        """The model that `open` loaded, for a chat to talk to; None without one."""
        return self._opened[0].backbone if self._opened else None

    @property
    def notice(self) -> str | None:
        """One line for the user about the model, or about trouble in the background, or None."""
        return self._encoding.trouble or (self._opened[0].notice if self._opened else None)

    @overload
    def add(  # type: ignore[overload-overlap] # a str is one item, though also a Sequence of str
        self,
        item: Item,
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
        item: Sequence[Item],
        *,
        scope: str | None = None,
        session: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        encoded: None = None,
        defer: bool = False,
    ) -> list[Record]: ...

    def add(
        self,
        item: Item | Sequence[Item],
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
        items: Sequence[Item] = [item] if single else item  # type: ignore[list-item, assignment]
        turns = [to_turn(one, scope=scope, session=session, metadata=metadata) for one in items]
        if encoded is not None:
            self._encoding.check(encoded)
            stored = self.store.add(turns, space=self._encoding.space, encoded=[encoded])
        else:
            stored = self.store.add(turns)
            if not defer:
                self._encoding.encode([one.record for one in stored if one.new])
        records = [one.record for one in stored]
        return records[0] if single else records

    def add_many(
        self,
        items: Iterable[Item],
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
        if not defer:
            self.encode_pending(progress=progress)
        return new

    def encode_pending(self, *, progress: Progress | None = None, batch_size: int = BATCH) -> int:
        """Give vectors to every record that lacks them; returns how many got some.

        Each batch is on disk before the next begins, so it can be stopped and called again.
        Without an encoder it does nothing.
        """
        return self._encoding.catch_up(progress=progress, batch_size=batch_size)

    def encode_in_background(self) -> None:
        """Let `encode_pending` run beside everything else; `status` shows how far it is."""
        self._encoding.begin(batch_size=BATCH)

    def reencode(self, *, progress: Progress | None = None, drop_old: bool = False) -> int:
        """Give every record vectors of the present model; returns how many got some.

        It can be stopped and called again. Until it is done, records are found by words and, where
        the memory was given their encoder, by their old vectors.

        Args:
            progress: Told of records done and in all.
            drop_old: Delete the vectors of other spaces once all is done.
        """
        done = self.encode_pending(progress=progress)
        if drop_old:
            self._encoding.drop_others()
        return done

    def recall(
        self,
        query: str,
        *,
        top_k: int = 10,
        scope: str | None = DEFAULT_SCOPE,
        session: str | None = None,
        role: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JsonValue] | None = None,
        exclude: Iterable[str] = (),
        mode: Mode = "hybrid",
        min_score: float | None = None,
        vector: NDArray[np.float32] | None = None,
        half_life: timedelta | None = None,
        diversity: float = 0.0,
        neighbours: int = 0,
        explain: bool = False,
    ) -> list[Hit]:
        """Find records by meaning and by words, best first.

        Filters are applied before ranking. Without an encoder the words alone decide.

        Args:
            query: Any text; white space finds nothing.
            top_k: The most hits to return.
            scope: Only this scope; None is all of them.
            session: Only this session.
            role: Only this role.
            source: Only what was imported from this URI.
            since: Only records created then or later.
            until: Only records created before.
            where: Conditions on the metadata, see `lmort_memory.store.filters`.
            exclude: Ids of records to leave out, such as those a conversation still shows.
            mode: "hybrid" fuses both rankings, "dense" and "lexical" use one.
            min_score: Leave out hits below it: a share of the best possible fused rank (hybrid), a
                cosine (dense), or BM25 (lexical).
            vector: The query's vector, where it is known already; float32 (dim,).
            half_life: Halve a score for each such time that a record is old.
            diversity: From 0 to 1: how far what resembles a better hit is put off.
            neighbours: Turns before and after each hit in its session to return with it.
            explain: Give every hit both its cosine and its BM25, however low it ranked.

        Raises:
            ValueError: a filter that is not of the grammar, a naive time, or a number out of range.
            SpaceMismatchError: `vector` has another width than this memory's space.
        """
        if top_k < 1 or neighbours < 0 or not 0 <= diversity <= 1:
            raise ValueError(
                f"found top_k={top_k}, neighbours={neighbours}, diversity={diversity}; expected"
                " at least 1, at least 0, and from 0 to 1"
            )
        query = valid(query)
        if not query.strip() and vector is None:
            return []
        asked = Recall(
            store=self.store,
            query=None if mode == "dense" and self.encoder is not None else query,
            vectors={} if mode == "lexical" else self._encoding.queries(query, vector),
            chosen=Filter(
                exclude=tuple(exclude),
                scope=scope,
                session=session,
                role=role,
                source=source,
                since=since,
                until=until,
                where=where,
            ),
            top_k=top_k,
        )
        ranked = asked.ranked(half_life=half_life, diversity=diversity)
        ranked = [one for one in ranked if min_score is None or one.score >= min_score][:top_k]
        if explain:
            vectors = asked.vectors or self._encoding.queries(query, vector)
            ranked = replace(asked, query=query, vectors=vectors).explained(ranked)
        return asked.hits(ranked, neighbours=neighbours)

    def likelihood(self, query: str, hits: Sequence[Hit]) -> float:
        """Estimate how likely it is that what was asked for is stored, from 0 to 1.

        The estimate is calibrated on questions of which half had their answer stored (experiment 9
        of docs/experiments.md).

        Args:
            query: What was asked.
            hits: What `recall` found with `explain=True` and its usual `top_k`.
        """
        found = evidence(query, hits)
        fitted = None
        if isinstance(self.encoder, Described) and any(hit.scores.dense for hit in hits):
            fitted = self.encoder.notes.get("likelihood")
        calibration = WORDS_ONLY if fitted is None else Calibration.from_text(fitted)
        return calibration.likelihood(found) if hits else 0.0

    def get(self, record_id: str) -> Record:
        """Return a record.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
        """
        record_id = valid(record_id)
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

    def update(
        self,
        record_id: str,
        text: str | None = None,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
        expires_at: datetime | None = None,
    ) -> Record:
        """Change a record, keep its old version as history, and encode a new text.

        What is None stays as it was.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
            ValueError: a text of white space, metadata that is not JSON, or a naive time.
        """
        old = self.get(record_id)
        turn = Turn(
            text=old.text if text is None else text,
            role=old.role,
            scope=old.scope,
            session=old.session,
            # A note of no time and place is stored once whenever it is added: see `origin_of`.
            created_at=old.created_at if old.session or old.source else None,
            metadata=old.metadata if metadata is None else metadata,
            source=old.source,
            expires_at=old.expires_at if expires_at is None else expires_at,
        )
        new = self.store.update(record_id, turn)
        if new.text != old.text:
            self._encoding.encode([new])
        return new

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first, the present one last.

        Raises:
            RecordNotFoundError: there is none.
        """
        return self.store.history(record_id)

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

    def export(self, path: str | Path, *, vectors: bool = False, scope: str | None = None) -> int:
        """Write records to a new JSONL file, mode 0600, that `restore` reads; returns how many.

        Args:
            path: The file; it must not exist.
            vectors: With their vectors, which takes 4 bytes a number instead of encoding again.
            scope: Only this scope; None is all.

        Raises:
            StoreError: the file exists or cannot be written.
        """
        return export_records(self.store, expanded(path), scope=scope, vectors=vectors)

    def salvage(self, path: str | Path, *, scope: str | None = None) -> int:
        """Write what can be read of a damaged database to a new file, as `export` does.

        Vectors stay behind; `restore` brings the records into a new database. Returns how many.

        Raises:
            StoreError: the file exists or cannot be written.
        """
        return salvage_records(self.store, expanded(path), scope=scope)

    def restore(self, path: str | Path, *, progress: Progress | None = None) -> int:
        """Bring back what `export` wrote, ids and times included; returns how many were new.

        Records that are there are kept as they are. Each batch is on disk before the next is read.
        The file may be gzipped.

        Raises:
            ImportFileError: the file cannot be read, or lines of it are not records. All others
                were restored.
        """
        place = expanded(path)
        done = restore_records(self.store, place, progress=progress)
        if done.damage:
            raise ImportFileError(done.describe(place), path=str(place))
        return done.new

    def backup(self, path: str | Path) -> None:
        """Copy the database to a new file while it is in use.

        Raises:
            StoreError: the file exists, its folder does not, or it cannot be written.
        """
        self.store.backup(expanded(path))

    def status(self) -> MemoryStatus:
        """Return what the memory holds and how it can be recalled."""
        return MemoryStatus(
            store=self.store.status(),
            model=self.backbone.facts.path.name if self.backbone else None,
            space=self._encoding.space,
            tier=self._opened[0].encoder.tier if self._opened else None,
            pending=self._encoding.pending(),
            notice=self.notice,
        )


def _still_asked(opened: OpenedEncoder, store: Store) -> list[Encoder]:
    """Return the at-once encoder where it made vectors that the model's tuner has yet to replace.

    So a tuner that was made costs nothing of what was found before: both answer until
    `Memory.reencode` is done.
    """
    spaces = {space.name: space for space in store.spaces()}
    if opened.earlier is None or opened.earlier.space not in spaces:
        return []
    present = spaces.get(opened.encoder.space)
    return [opened.earlier] if present is None or present.pending else []

"""`Memory`: add, recall, forget, over an encoder and a store that know nothing of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack, overload

from lmort_memory.closing import Closing
from lmort_memory.errors import ImportFileError, RecordNotFoundError
from lmort_memory.memory.checks import Mode, check_recall
from lmort_memory.memory.conditions import Conditions, to_filter
from lmort_memory.memory.encoding import Encoding
from lmort_memory.memory.items import Added, Item, nothing_in, to_turns
from lmort_memory.memory.likelihood import likelihoods
from lmort_memory.memory.recall import Question, Recall
from lmort_memory.memory.transfer import (
    export_records,
    refuse_plain,
    restore_records,
    restoring,
    salvage_records,
)
from lmort_memory.paths import expanded
from lmort_memory.redaction import Redactor
from lmort_memory.store.filters import names_nothing
from lmort_memory.store.protocol import Store
from lmort_memory.store.values import Filter, Receipt, StoreStatus
from lmort_memory.text import valid
from lmort_memory.types import DEFAULT_SCOPE, Hit, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.types import AskedTokens, Encoded, Encoder, JsonValue, Progress, Record

__all__ = ["Memory", "MemoryStatus", "Mode"]

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
        redactor: Replaces secrets in all that is stored, and counts them; None stores texts as
            they are.
    """

    def __init__(
        self,
        encoder: Encoder | None,
        store: Store,
        *,
        previous: Sequence[Encoder] = (),
        redactor: Redactor | None = None,
    ) -> None:
        self.encoder = encoder
        self.store = store
        self.redactor = redactor
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
        token_codes: bool = True,
        redact: bool = False,
        passphrase: str | None = None,
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
            token_codes: False stores and compares no codes of tokens: the file is smaller, some 16
                bytes for each token, and less is found. `reencode` brings what is stored into line.
            redact: Replace keys, tokens, passwords and card numbers before anything is stored.
            passphrase: What opens an encrypted database; a new one is encrypted with it. Needs the
                extra `encrypt`.

        Raises:
            PassphraseError: the passphrase is missing or wrong, or the database is not encrypted.
            StoreError: not a database of ours, or of a newer schema.
            BackboneError: no usable model.
            TunerError: the tuner is damaged or belongs to another model.
        """
        from lmort_memory.paths import default_db
        from lmort_memory.store import SQLiteStore
        from lmort_memory.store.unlocking import check_passphrase

        place = default_db() if path is None else expanded(path)
        # Before minutes of loading, and before anything is created.
        key = check_passphrase(place, passphrase)
        if not with_model:
            return cls(None, SQLiteStore(place, key=key), redactor=Redactor() if redact else None)
        from lmort_memory.encoder import open_encoder

        opened = [open_encoder(model, tuner, tokens=token_codes)]
        try:
            if previous is not None:
                opened.append(open_encoder(*previous))
            store = SQLiteStore(place, key=key)
            older = [*_still_asked(opened[0], store), *(one.encoder for one in opened[1:])]
            redactor = Redactor() if redact else None
            memory = cls(opened[0].encoder, store, previous=older, redactor=redactor)
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
    ) -> Added: ...

    def add(
        self,
        item: Item | Sequence[Item],
        *,
        scope: str | None = None,
        session: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        encoded: Encoded | None = None,
        defer: bool = False,
    ) -> Record | Added:
        """Store a text, a message, a turn, or a list of them, and return what is kept.

        The text is safe on disk before its vector is computed. The same content of the same origin
        is stored once: the record that was there is returned (`store.rows.origin_of` has the rule).

        Args:
            item: `"…"`, `{"role": …, "content": …}`, a `Turn`, or a list of these. Messages may be
                of OpenAI's, Anthropic's or Gemini's dialect, with content parts and tools: text is
                kept, results of tools too; what holds no text is left out, and a list's result
                counts it (`left_out`).
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
        left_out: Counter[str] = Counter()
        turns = [
            turn
            for one in items
            for turn in to_turns(one, left_out, scope=scope, session=session, metadata=metadata)
        ]
        if single and not turns:
            raise nothing_in(left_out)
        cleaned = [self.cleaned(turn) for turn in turns]
        if encoded is not None and cleaned == turns:
            self._encoding.check(encoded)
            stored = self.store.add(turns, space=self._encoding.space, encoded=[encoded])
        else:
            stored = self.store.add(cleaned)
            if not defer:
                self._encoding.encode([one.record for one in stored if one.new])
        records = [one.record for one in stored]
        return records[-1] if single else Added(records, +left_out)

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
        are stored (not with `defer`). Messages without text are passed over. After a kill, call it
        again with the same items.
        """
        new = done = 0
        rest = iter(items)
        while batch := list(islice(rest, BATCH)):
            turns = [
                self.cleaned(turn)
                for one in batch
                for turn in to_turns(one, Counter(), scope=scope, session=session)
            ]
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

        Codes of tokens too, where they are wanted and were not made; where they are not wanted,
        those there are deleted. It can be stopped and called again. Until it is done, records are
        found by words and, where the memory was given their encoder, by their old vectors.

        Args:
            progress: Told of records done and in all.
            drop_old: Delete the vectors of other spaces once all is done.
        """
        done = self.encode_pending(progress=progress)
        done += self._encoding.add_tokens(progress=progress, batch_size=BATCH)
        if drop_old:
            self._encoding.drop_others()
        return done

    def recall(
        self,
        query: str,
        *,
        top_k: int = 10,
        mode: Mode = "hybrid",
        min_score: float | None = None,
        vector: NDArray[np.float32] | None = None,
        tokens: AskedTokens | None = None,
        half_life: timedelta | None = None,
        diversity: float = 0.0,
        neighbours: int = 0,
        explain: bool = False,
        **conditions: Unpack[Conditions],
    ) -> list[Hit]:
        """Find records by meaning and by words, best first.

        Conditions are applied before ranking. Without an encoder the words alone decide. A question
        that was stored as a turn comes after what answers it, unless `role` is given or the query
        asks for it ("what did I ask you about the ferry?"). A time that a query names ("last
        week", "in March") lifts records of that time.

        Args:
            query: Any text; white space finds nothing.
            top_k: The most hits to return.
            mode: "hybrid" fuses vectors and words, "dense" uses vectors and the tokens compared one
                by one, "lexical" words.
            min_score: Leave out hits below it; see `Hit` for what a score is.
            vector: The query's vector, where it is known already; float32 (dim,).
            tokens: The query's tokens, where its vector is given; without them records are not
                compared with it token by token.
            half_life: Halve a score for each such time that a record is old.
            diversity: From 0 to 1: how far what resembles a better hit is put off.
            neighbours: Turns before and after each hit in its session to return with it.
            explain: Give every hit both its cosine and its BM25, however low it ranked.
            **conditions: Which records may be found, see `Conditions`: `scope` is "default" where
                it is not named, and records that no longer hold are left out.

        Raises:
            TypeError: an argument that does not exist, or of the wrong type.
            ValueError: a filter that is not of the grammar, a naive time, or a value out of range.
            SpaceMismatchError: `vector` has another width than this memory's space.
        """
        check_recall(
            top_k=top_k,
            mode=mode,
            vector=vector,
            half_life=half_life,
            diversity=diversity,
            neighbours=neighbours,
        )
        chosen = to_filter(conditions, call="recall", scope=DEFAULT_SCOPE, include_superseded=False)
        query = valid(query)
        if not query.strip() and vector is None:
            return []
        asked = Recall(
            store=self.store,
            asked=query,
            query=None if mode == "dense" and self.encoder is not None else query,
            question=Question({})
            if mode == "lexical"
            else self._encoding.ask(query, vector, tokens),
            chosen=chosen,
            top_k=top_k,
        )
        ranked = asked.ranked(half_life=half_life, diversity=diversity)
        ranked = [one for one in ranked if min_score is None or one.score >= min_score][:top_k]
        if explain:
            question = (
                asked.question
                if asked.question.vectors
                else self._encoding.ask(query, vector, tokens)
            )
            ranked = replace(asked, query=query, question=question).explained(ranked)
        return asked.hits(ranked, neighbours=neighbours)

    def likelihood(self, query: str, hits: Sequence[Hit]) -> float:
        """Estimate how likely it is that the answer to a query is stored, from 0 to 1.

        Args:
            query: What was asked.
            hits: What `recall` found with `explain=True`; 15 hits say more than fewer.
        """
        return self.likelihoods(query, hits)[1]

    def likelihoods(self, query: str, hits: Sequence[Hit]) -> tuple[list[float], float]:
        """Estimate how likely each hit answers a query, and how likely some record does.

        The estimates are calibrated on questions of which half had their answer stored (experiment
        20 of docs/experiments.md).

        Args:
            query: What was asked.
            hits: What `recall` found with `explain=True`; 15 hits say more than fewer.
        """
        return likelihoods(query, hits, self.encoder, now=datetime.now(UTC).astimezone())

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
        self, *, after: str | None = None, **conditions: Unpack[Conditions]
    ) -> Iterator[Record]:
        """Iterate over records in order of id, each once, even while others write.

        `after` continues behind an id, which makes stable pages with `itertools.islice`. The
        conditions are those of `recall`; where none is named every record of every scope is meant,
        those that no longer hold included.
        """
        chosen = to_filter(conditions, call="records", include_superseded=True)
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
        new = self.store.update(record_id, self.cleaned(turn))
        if new.text != old.text:
            self._encoding.encode([new])
        return new

    def supersede(
        self, old: str | Record, new: str | Record, *, at: datetime | None = None
    ) -> Record:
        """Let one record take the place of another; nothing is deleted.

        The old one holds until `at`, the new one from then on. `recall` leaves the old one out
        unless it is asked with `include_superseded=True`, and a chat gives it to its model as what
        was so before.

        Args:
            old: The record that no longer holds, or its id.
            new: The record that holds in its place, or its id.
            at: Since when; None is when the new one was said.

        Returns:
            The old record as it is now.

        Raises:
            RecordNotFoundError: one of them does not exist.
            ValueError: a record would take its own place, or the time is naive.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError(f"at must carry a time zone; found the naive {at}")
        old_id, new_id = (one if isinstance(one, str) else one.id for one in (old, new))
        return self.store.supersede(old_id, new_id, at=at)[0]

    def predecessors(self, ids: Iterable[str]) -> dict[str, list[Record]]:
        """Return the records whose place each of these has taken, the latest first."""
        return self.store.predecessors(ids)

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first, the present one last.

        Raises:
            RecordNotFoundError: there is none.
        """
        return self.store.history(record_id)

    def forget(
        self,
        ids: str | Iterable[str] | None = None,
        **conditions: Unpack[Conditions],
    ) -> Receipt:
        """Delete records and every trace of them; returns what was removed.

        Conditions narrow each other down and are those of `recall`; all scopes are meant unless one
        is named, and records that no longer hold are meant too.

        Raises:
            ValueError: no condition at all, or a `where` that holds for every record.
        """
        chosen_ids = (ids,) if isinstance(ids, str) else ids if ids is None else tuple(ids)
        named = to_filter(conditions, call="forget", include_superseded=True)
        chosen = replace(named, ids=chosen_ids, expired=True)
        if names_nothing(named.where):
            raise ValueError(
                f"where={named.where!r} holds for every record — leave it out, or name"
                " what the records have in common"
            )
        if replace(chosen, exclude=()) == Filter(expired=True):
            raise ValueError("forget needs ids or a condition; found none, which means everything")
        return self.store.forget(chosen)

    def export(
        self,
        path: str | Path,
        *,
        vectors: bool = False,
        scope: str | None = None,
        plain: bool = False,
    ) -> int:
        """Write records to a new JSONL file, mode 0600, that `restore` reads; returns how many.

        Args:
            path: The file; it must not exist.
            vectors: With their vectors, which takes 4 bytes a number instead of encoding again.
            scope: Only this scope; None is all.
            plain: Needed for an encrypted memory, whose texts anybody can read in an export.

        Raises:
            StoreError: the file exists or cannot be written, or `plain` is missing.
        """
        refuse_plain(self.store, plain=plain)
        return export_records(self.store, expanded(path), scope=scope, vectors=vectors)

    def salvage(self, path: str | Path, *, scope: str | None = None, plain: bool = False) -> int:
        """Write what can be read of a damaged database to a new file, as `export` does.

        Vectors stay behind; `restore` brings the records into a new database. Returns how many.

        Raises:
            StoreError: the file exists or cannot be written.
        """
        refuse_plain(self.store, plain=plain)
        return salvage_records(self.store, expanded(path), scope=scope)

    def restore(self, path: str | Path, *, progress: Progress | None = None) -> int:
        """Bring back what `export` or `backup` wrote, ids and times included.

        Returns how many records were new; those that are there are kept as they are. Each batch is
        on disk before the next is read.
        The file may be gzipped.

        Raises:
            ImportFileError: the file cannot be read, or lines of it are not records. All others
                were restored.
        """
        place = expanded(path)
        done = restore_records(restoring(self.store, self.redactor), place, progress=progress)
        if done.damage:
            raise ImportFileError(done.describe(place), path=str(place))
        return done.new

    def cleaned(self, turn: Turn) -> Turn:
        """Return a turn as it will be stored: without secrets, if this memory redacts."""
        return turn if self.redactor is None else self.redactor.clean(turn)

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

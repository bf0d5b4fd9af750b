"""`Memory`: add, recall, forget, over an encoder and a store that are independent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack, overload

from lmort_memory.closing import Closing
from lmort_memory.errors import ImportFileError, RecordNotFoundError
from lmort_memory.memory.checks import Mode, as_vector, check_recall, id_of
from lmort_memory.memory.conditions import Conditions, to_filter
from lmort_memory.memory.encoding import Encoding
from lmort_memory.memory.items import Added, Item, nothing_in, to_turns
from lmort_memory.memory.later import later
from lmort_memory.memory.likelihood import background_of, likelihoods
from lmort_memory.memory.recall import Question, Recall
from lmort_memory.memory.syncing import replica_of, sync_memory
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
from lmort_memory.times import check_time
from lmort_memory.types import DEFAULT_SCOPE, Hit, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.store.replica.state import Replica
    from lmort_memory.sync import SyncReport
    from lmort_memory.types import AskedTokens, Encoded, Encoder, JsonValue, Progress, Record

__all__ = ["Memory", "MemoryStatus", "Mode"]

BATCH = 64


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """What a memory holds and how recall works.

    Attributes:
        store: Sizes and counts of the database.
        model: File name of the loaded model, or None.
        space: The vector space in use, or None if recall is by words only.
        tier: How the loaded model's tuner was made; "at once" uses the model's layers as they are
            and vectors of words, and `lmort-mem tuner make` fits a tuner. None without a model.
        pending: Records without vectors in that space.
        notice: One line for the user about the model, or None.
        replica: This device among those it is synced with; None if it never was.
    """

    store: StoreStatus
    model: str | None
    space: str | None
    tier: str | None
    pending: int
    notice: str | None
    replica: Replica | None = None


class Memory(Closing):
    """A memory of texts and conversations, stored in one file and searched by meaning and words.

    Without an encoder, recall uses words alone, and new records get their vectors later
    (`encode_pending`). All methods are thread-safe.

    Args:
        encoder: Makes vectors, or None.
        store: Keeps everything; closed with the memory.
        previous: Encoders of older vectors, also searched until every record has new ones.
        redact: Replace keys, tokens, passwords and card numbers before anything is stored; the
            attribute `redactor` counts them.
    """

    def __init__(
        self,
        encoder: Encoder | None,
        store: Store,
        *,
        previous: Sequence[Encoder] = (),
        redact: bool = False,
    ) -> None:
        self.encoder = encoder
        self.store = store
        self.redactor = Redactor() if redact else None
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
        """Open a database, created if missing, and the model that makes its vectors.

        Nothing is written if either fails.

        Args:
            path: The database: a file, or `postgresql://…`, which needs the extra `postgres`;
                None takes `$LMORT_DB` or the platform's data folder.
            model: A GGUF file; None takes `$LMORT_MODEL` or the packaged default.
            tuner: A tuner file; None looks for one made for the model.
            previous: Model and tuner, as above, that made the existing vectors; they are also
                searched until `reencode` is done. Without them those records are found by words
                only.
            with_model: False to load no model, for work that needs no vectors.
            token_codes: False to store and compare no token codes: the file is smaller, by about 16
                bytes per token, and recall is worse. `reencode` applies a change to existing
                records.
            redact: Replace keys, tokens, passwords and card numbers before anything is stored.
            passphrase: Opens an encrypted database; a new one is encrypted with it. Needs the extra
                `encrypt`.

        Raises:
            PassphraseError: the passphrase is missing or wrong, or the database is not encrypted.
            StoreError: not a database of this library, or one with a newer schema.
            BackboneError: no usable model.
            TunerError: the tuner is damaged or belongs to another model.
        """
        from lmort_memory.paths import chosen_db
        from lmort_memory.store.places import find_store

        # Before minutes of loading, and before creating anything.
        open_store = find_store(chosen_db(path), passphrase)
        if not with_model:
            return cls(None, open_store(), redact=redact)
        from lmort_memory.encoder import open_encoder

        with ExitStack() as undo:
            opened = [undo.enter_context(closing(open_encoder(model, tuner, tokens=token_codes)))]
            if previous is not None:
                opened.append(undo.enter_context(closing(open_encoder(*previous))))
            store = undo.enter_context(closing(open_store()))
            older = [*_still_asked(opened[0], store), *(one.encoder for one in opened[1:])]
            memory = cls(opened[0].encoder, store, previous=older, redact=redact)
            memory._opened = tuple(opened)
            store.sweep()
            undo.pop_all()
        return memory

    def close(self) -> None:
        """Close the database and free the model; closing twice is harmless.

        Background work stops; `encode_pending` or `encode_in_background` goes on with it later.
        """
        with ExitStack() as closed:  # whatever fails, the rest is closed
            for opened in self._opened:
                closed.callback(opened.close)
            closed.callback(self.store.close)
            closed.callback(self._encoding.close)

    @property
    def backbone(self) -> Backbone | None:
        """The model that `open` loaded, for use by a chat; None without one."""
        return self._opened[0].backbone if self._opened else None

    @property
    def notice(self) -> str | None:
        """One line for the user about the model, old vectors or a background failure, or None."""
        drift = self._encoding.drift()
        return (
            self._encoding.trouble
            or (drift and drift.describe())
            or self._encoding.stale()
            or (self._opened[0].notice if self._opened else None)
        )

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
        """Store a text, a message, a turn, or a list of them, and return the stored records.

        The text is safe on disk before its vector is computed. The same content from the same
        origin is stored once; adding it again returns the existing record (see
        `store.rows.origin_of`). Where that was superseded, what has neither source nor time is
        stored anew, and holds again.

        Args:
            item: `"…"`, `{"role": …, "content": …}`, a `Turn`, or a list of these. Messages may be
                in OpenAI's, Anthropic's or Gemini's format, with content parts and tools. Text and
                tool results are kept; parts without text are left out and counted in a list's
                result (`left_out`).
            scope: Overrides the item's own scope; likewise `session` and `metadata`.
            session: An ordered run of turns inside the scope.
            metadata: Any JSON mapping.
            encoded: The vectors of a single item, if already known. They are those of the whole
                text, so nothing in a `Turn` is then taken for reasoning.
            defer: Leave the vectors to `encode_pending`.

        Raises:
            ValueError: an item without text, metadata that is not JSON, or a naive time.
            SpaceMismatchError: `encoded` has another width, or there is no encoder.
        """
        single = isinstance(item, str | Mapping) or not isinstance(item, Sequence)
        items: Sequence[Item] = [item] if single else item  # type: ignore[list-item, assignment]
        left_out: Counter[str] = Counter()
        turns = [
            turn
            for one in items
            for turn in to_turns(
                one,
                left_out,
                scope=scope,
                session=session,
                metadata=metadata,
                as_it_is=encoded is not None,
            )
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
        """Store any number of items in batches, never all in RAM; returns how many were new.

        Each batch is on disk, and can be found by words, before the next is read. Vectors are made
        after all items are stored (unless `defer`). Messages without text are skipped. After an
        interruption, call it again with the same items.
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

        Each batch is on disk before the next begins, so you can stop it and call it again. Without
        an encoder it does nothing.
        """
        return self._encoding.catch_up(progress=progress, batch_size=batch_size)

    def encode_in_background(self) -> None:
        """Run `encode_pending` in the background; `status` shows its progress."""
        self._encoding.begin(batch_size=BATCH)

    def reencode(self, *, progress: Progress | None = None, drop_old: bool = False) -> int:
        """Give every record vectors of the current model; returns how many got some.

        Vectors that another build or weight type made, and that have drifted, are made anew. Also
        makes missing token codes, or deletes existing ones if the memory was opened without
        them. You can stop it and call it again. Until it is done, records are found by words and,
        if the memory has their encoder, by their old vectors.

        Args:
            progress: Called with the number of records done and the total.
            drop_old: Delete the vectors of other spaces at the end.
        """
        done = self._encoding.renew(progress=progress, batch_size=BATCH)
        done += self.encode_pending(progress=progress)
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

        Conditions are applied before ranking. Without an encoder, ranking is by words alone. A
        stored question ranks below its answers, unless `role` is given or the query asks for it
        ("what did I ask you about the ferry?"). A time named in the query ("last week", "before we
        moved") boosts records of that time; an event does so only if words are searched too.

        Args:
            query: Any text; only white space finds nothing.
            top_k: Maximum number of hits.
            mode: "hybrid" fuses vectors and words, "dense" uses vectors and the tokens compared one
                by one, "lexical" words.
            min_score: Leave out hits below it; see `Hit` for what a score is.
            vector: The query's vector, if already known; float32 (dim,).
            tokens: The query's tokens, to go with `vector`; without them there is no token-by-token
                comparison.
            half_life: Halve a record's score for each such period of its age.
            diversity: How strongly to demote hits that resemble better ones (MMR), 0 to 1.
            neighbours: Number of turns before and after each hit in its session to return with it.
            explain: Give every hit its cosine, its BM25 and its comparison by tokens, however low
                it ranks. The query is encoded for that in mode "lexical" too, if need be.
            **conditions: Which records to search, see `Conditions`. By default `scope` is
                "default", and outdated records are left out.

        Raises:
            TypeError: an argument does not exist or has the wrong type.
            ValueError: an invalid filter, a naive time, or a value out of range.
            SpaceMismatchError: the width of `vector` differs from this memory's space.
        """
        if vector is not None:
            vector = as_vector(vector)
        check_recall(
            top_k=top_k,
            mode=mode,
            vector=vector,
            half_life=half_life,
            diversity=diversity,
            neighbours=neighbours,
            min_score=min_score,
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
        questions = asked.questions(ranked)
        if explain:
            question = (
                asked.question
                if asked.question.vectors
                else self._encoding.ask(query, vector, tokens)
            )
            explaining = replace(asked, query=query, question=question)
            explained = explaining.explained([*ranked, *questions.values()])
            questions = dict(zip(questions, explained[len(ranked) :], strict=True))
            ranked = explained[: len(ranked)]
        return asked.hits(ranked, questions, neighbours=neighbours)

    def likelihood(self, query: str, hits: Sequence[Hit]) -> float:
        """Estimate the probability that the answer to a query is stored, 0 to 1.

        Args:
            query: What was asked.
            hits: What `recall` found with `explain=True`; 15 hits say more than fewer.
        """
        return self.likelihoods(query, hits)[1]

    def likelihoods(self, query: str, hits: Sequence[Hit]) -> tuple[list[float], float]:
        """Estimate the probability that each hit answers a query, and that any record does.

        The estimates are calibrated on questions half of which had a stored answer (experiment 20
        in docs/experiments.md).

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

        `after` continues after an id; use it with `itertools.islice` for stable pages. The
        conditions are those of `recall`; without any, all records of all scopes are returned,
        including outdated ones.
        """
        chosen = to_filter(conditions, call="records", include_superseded=True)
        return self.store.records(chosen, after=None if after is None else valid(after))

    def update(
        self,
        record_id: str,
        text: str | None = None,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
        expires_at: datetime | None = None,
    ) -> Record:
        """Change a record, keep its old version as history, and encode a new text.

        Arguments that are None leave the field unchanged.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
            ValueError: a text of only white space, metadata that is not JSON, or a naive time.
        """
        old = self.get(record_id)
        turn = Turn(
            text=old.text if text is None else text,
            role=old.role,
            scope=old.scope,
            session=old.session,
            # A note without time and place is stored once, whenever it is added: see `origin_of`.
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
        """Replace one record by another; nothing is deleted.

        The old one is valid until `at`, the new one from then on. `recall` leaves the old one out
        unless called with `include_superseded=True`, and a chat passes it to its model as the
        earlier state.

        Args:
            old: The outdated record, or its id.
            new: The record that replaces it, or its id.
            at: Since when; None takes the time when the new one was said.

        Returns:
            The updated old record.

        Raises:
            RecordNotFoundError: one of them does not exist.
            ValueError: a record would replace itself, or the time is naive.
        """
        if at is not None:
            check_time("at", at)
        return self.store.supersede(id_of(old), id_of(new), at=at)[0]

    def predecessors(self, ids: Iterable[str]) -> dict[str, list[Record]]:
        """Return the records that each of these has replaced, the latest first."""
        return self.store.predecessors(ids)

    def later(self, records: Collection[Record]) -> dict[str, Record]:
        """Find what the speakers of records said later about the same thing.

        It may be what is true now: a chat gives both to its model, the later first. One search
        among the stored vectors for each record, and no forward pass.

        Args:
            records: What was said. For an assistant's reply nothing is found.

        Returns:
            The later record by the id of the earlier one, for those that have one.
        """
        if self.encoder is None:
            return {}
        return later(self.store, self.encoder.space, background_of(self.encoder), records)

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first, the current one last.

        Raises:
            RecordNotFoundError: there is none.
        """
        return self.store.history(valid(record_id))

    def forget(
        self,
        ids: str | Iterable[str] | None = None,
        **conditions: Unpack[Conditions],
    ) -> Receipt:
        """Delete records and every trace of them; returns what was removed.

        The conditions are those of `recall`, and a record must meet all of them. Without `scope`,
        all scopes are searched; outdated records are included.

        Raises:
            ValueError: no ids and no condition, or a `where` that matches every record.
        """
        chosen_ids = (ids,) if isinstance(ids, str) else ids if ids is None else tuple(ids)
        named = to_filter(conditions, call="forget", include_superseded=True)
        chosen = replace(named, ids=chosen_ids, expired=True)
        if names_nothing(named.where):
            raise ValueError(
                f"where={named.where!r} matches every record — leave it out, or name a condition"
                " that selects the records to forget"
            )
        if replace(chosen, exclude=()) == Filter(expired=True):
            raise ValueError(
                "forget needs ids or a condition; got neither, which would delete everything"
            )
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
            vectors: Include the vectors (4 bytes per number), which saves encoding again.
            scope: Only this scope; None for all.
            plain: Required for an encrypted memory, because anyone can read an export.

        Raises:
            StoreError: the file exists or cannot be written, or `plain` is missing.
        """
        refuse_plain(self.store, plain=plain)
        return export_records(self.store, expanded(path), scope=scope, vectors=vectors)

    def salvage(self, path: str | Path, *, scope: str | None = None, plain: bool = False) -> int:
        """Write what can be read of a damaged database to a new file, as `export` does.

        Vectors are not included. `restore` reads the file into a new database. Returns how many
        records were written.

        Raises:
            StoreError: the file exists or cannot be written.
        """
        refuse_plain(self.store, plain=plain)
        return salvage_records(self.store, expanded(path), scope=scope)

    def restore(self, path: str | Path, *, progress: Progress | None = None) -> int:
        """Restore what `export` or `backup` wrote, including ids and times.

        Returns how many records were new; existing ones stay unchanged. Each batch is on disk
        before the next is read.
        The file may be gzipped.

        Raises:
            ImportFileError: the file cannot be read, or some lines are not records; all others were
                restored.
        """
        place = expanded(path)
        done = restore_records(restoring(self.store, self.redactor), place, progress=progress)
        if done.damage:
            raise ImportFileError(done.describe(place), path=str(place))
        return done.new

    def sync(
        self,
        folder: str | Path,
        *,
        passphrase: str,
        defer: bool = False,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Exchange changes with the same memory on other devices, through a folder.

        Any tool may replicate the folder. What this device has changed since the last sync is
        written there, encrypted; what others have written is merged, in whatever order it arrives.
        Forgetting wins, for ever and on every device. If two devices edit a record at the same
        time, the later version holds and the other is in its history. Vectors travel where the
        space is the same. Needs the extra `sync`.

        Args:
            folder: The folder; it must exist. Each device writes only to its own part of it.
            passphrase: The same on every device; nobody can read the folder without it.
            defer: Leave missing vectors to `encode_pending`.
            progress: Called with the number of bundles done and the total, then with the number of
                records encoded.

        Raises:
            PassphraseError: the passphrase is wrong; nothing was changed.
            StoreError: the folder cannot be read or written, another sync of this database runs,
                or it is not an SQLite database.
        """
        report = sync_memory(
            self.store,
            expanded(folder),
            passphrase,
            space=self._encoding.space,
            redactor=self.redactor,
            progress=progress,
        )
        encoded = 0 if defer else self.encode_pending(progress=progress)
        return replace(report, encoded=encoded)

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
        """Return what the memory holds and how recall works."""
        return MemoryStatus(
            store=self.store.status(),
            model=self.backbone.facts.path.name if self.backbone else None,
            space=self._encoding.space,
            tier=self._opened[0].encoder.tier if self._opened else None,
            pending=self._encoding.pending(),
            notice=self.notice,
            replica=replica_of(self.store),
        )


def _still_asked(opened: OpenedEncoder, store: Store) -> list[Encoder]:
    """Return the at-once encoder if the model's tuner has yet to replace vectors that it made.

    So making a tuner loses nothing that was found before: both are searched until `Memory.reencode`
    is done.
    """
    if opened.earlier is None:
        return []  # before the vectors of every space are counted
    spaces = {space.name: space for space in store.spaces()}
    if opened.earlier.space not in spaces:
        return []
    present = spaces.get(opened.encoder.space)
    return [opened.earlier] if present is None or present.pending else []

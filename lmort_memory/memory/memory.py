"""`Memory`: add, recall, forget, over an encoder and a store that are independent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack, overload

from lmort_memory.closing import Closing
from lmort_memory.memory.checks import Mode, as_vector, check_recall
from lmort_memory.memory.conditions import Conditions, to_filter
from lmort_memory.memory.copying import MemoryCopies
from lmort_memory.memory.encoding import BATCH, Encoding
from lmort_memory.memory.items import Added, Item, nothing_in, to_turns
from lmort_memory.memory.later import later
from lmort_memory.memory.likelihood import background_of, likelihoods
from lmort_memory.memory.opening import open_all
from lmort_memory.memory.recall import Question, Recall
from lmort_memory.memory.records import MemoryRecords
from lmort_memory.memory.status import MemoryStatus
from lmort_memory.memory.syncing import replica_of
from lmort_memory.redaction import Redactor
from lmort_memory.store.protocol import Store
from lmort_memory.text import valid
from lmort_memory.types import DEFAULT_SCOPE, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.types import AskedTokens, Encoded, Encoder, JsonValue, Progress, Record

__all__ = ["Memory"]

_ONE = (str, bytes, Mapping)  # one item, although Python could walk through it


class Memory(MemoryRecords, MemoryCopies, Closing):
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
        opened = open_all(open_store, model, tuner, previous=previous, token_codes=token_codes)
        memory = cls(
            opened.encoders[0].encoder, opened.store, previous=opened.previous, redact=redact
        )
        memory._opened = opened.encoders
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
        single = isinstance(item, _ONE) or not isinstance(item, Sequence)
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

        Raises:
            TypeError: a single text or message, whose letters or fields would be the items.
        """
        if isinstance(items, _ONE):
            found = type(items).__name__
            raise TypeError(f"add_many takes several items; got one {found}, which `add` takes")
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
        self._encoding.begin()

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
        done = self._encoding.renew(progress=progress)
        done += self.encode_pending(progress=progress)
        done += self._encoding.add_tokens(progress=progress)
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

"""Any order of adding, changing, forgetting and reopening leaves store and dictionary equal."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.vectors import refresh
from lmort_memory.types import Encoded, Turn

SPACE = "machine"
DIM = 8
GRAPH_FROM = 12
SCOPES = ["a", "b"]


@dataclass
class Kept:
    """What the dictionary knows of a record."""

    text: str
    scope: str
    vectors: np.ndarray


def _vectors(seed, chunks):
    drawn = np.random.default_rng(seed).standard_normal((chunks, DIM)).astype(np.float32)
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit.astype(np.float16).astype(np.float32)


class StoreMachine(RuleBasedStateMachine):
    """A store, a second one on the same file, a dictionary, and brute force."""

    records = Bundle("records")

    @initialize()
    def begin(self):
        """Open two stores that build and save graphs of a dozen vectors."""
        self.folder = Path(tempfile.mkdtemp())
        self.numbers = (refresh.SAVE_LEAST, refresh.MAX_TAIL)
        refresh.SAVE_LEAST, refresh.MAX_TAIL = 3, 3
        self.kept: dict[str, Kept] = {}
        self.made = 0
        self.stores = [self.open_store(), self.open_store()]

    def teardown(self):
        """Close and delete everything."""
        if hasattr(self, "stores"):
            for store in self.stores:
                store.close()
            refresh.SAVE_LEAST, refresh.MAX_TAIL = self.numbers
            shutil.rmtree(self.folder)

    def open_store(self):
        """Open one more store on the same database."""
        return SQLiteStore(self.folder / "memory.db", graph_from=GRAPH_FROM)

    def _new(self, scope, chunks):
        self.made += 1
        return Kept(f"word{self.made}x bees", scope, _vectors(self.made, chunks))

    @rule(
        target=records,
        which=st.integers(0, 1),
        scope=st.sampled_from(SCOPES),
        chunks=st.lists(st.integers(1, 3), min_size=1, max_size=8),
    )
    def add(self, which, scope, chunks):
        """Add some records with vectors through either store."""
        new = [self._new(scope, n) for n in chunks]
        turns = [Turn(one.text, scope=scope) for one in new]
        encoded = [
            Encoded(one.vectors, tuple((i, i + 1) for i in range(len(one.vectors)))) for one in new
        ]
        stored = self.stores[which].add(turns, space=SPACE, encoded=encoded)
        assert all(one.new for one in stored)
        ids = [one.record.id for one in stored]
        self.kept.update(zip(ids, new, strict=True))
        return multiple(*ids)

    @rule(which=st.integers(0, 1), record=records)
    def add_again(self, which, record):
        """Adding the same content again gives the record that is there."""
        kept = self.kept[record]
        [stored] = self.stores[which].add([Turn(kept.text, scope=kept.scope)])
        assert (stored.new, stored.record.id) == (False, record)

    @rule(which=st.integers(0, 1), record=records)
    def update(self, which, record):
        """A new text loses the old vectors and gets its own."""
        kept = self._new(self.kept[record].scope, 1)
        new = self.stores[which].update(record, Turn(kept.text, scope=kept.scope))
        assert [one.id for one in self.stores[1 - which].pending(SPACE, limit=9)] == [record]
        encoded = Encoded(kept.vectors, ((0, 1),))
        assert self.stores[which].put_vectors(SPACE, [new], [encoded]) == 1
        self.kept[record] = kept

    @rule(which=st.integers(0, 1), record=consumes(records))
    def forget(self, which, record):
        """A forgotten record is gone for both stores."""
        assert self.stores[which].forget(Filter(ids=(record,), expired=True)).records == 1
        del self.kept[record]

    @rule(which=st.integers(0, 1))
    def reopen(self, which):
        """Close a store and open it again."""
        self.stores[which].close()
        self.stores[which] = self.open_store()

    @rule(which=st.integers(0, 1))
    def build(self, which):
        """Bring the caches up to date at once."""
        self.stores[which].build_index()

    @rule()
    def delete_the_index(self):
        """Delete the folder of caches under the running stores."""
        shutil.rmtree(self.folder / "memory.db.index", ignore_errors=True)

    @invariant()
    def records_are_those_of_the_dictionary(self):
        """Both stores list exactly what the dictionary holds."""
        for store in getattr(self, "stores", []):
            found = {one.id: (one.text, one.scope) for one in store.records(Filter())}
            assert found == {id_: (one.text, one.scope) for id_, one in self.kept.items()}

    @invariant()
    def rankings_are_those_of_brute_force(self):
        """Both stores rank as a loop over all vectors does, ties forgiven; scopes never leak."""
        for store in getattr(self, "stores", []):
            query = _vectors(10**6 + self.made, 1)[0]
            for scope in (None, "a"):
                expected = {
                    id_: float((one.vectors @ query).max())
                    for id_, one in self.kept.items()
                    if scope in (None, one.scope)
                }
                found = store.dense(SPACE, query, Filter(scope=scope), limit=5)
                assert {match.id for match in found} <= expected.keys()
                best = sorted(expected.values(), reverse=True)[:5]
                assert np.allclose([match.score for match in found], best, atol=2e-3)
                for match in found:
                    assert abs(match.score - expected[match.id]) < 2e-3

    @invariant()
    def words_find_their_record(self):
        """The newest text is found by its own word, and by nobody else's."""
        for store in getattr(self, "stores", []):
            for id_, one in list(self.kept.items())[-2:]:
                word = one.text.split()[0]
                assert [m.id for m in store.lexical(word, Filter(), limit=5)] == [id_]


StoreMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
TestStore = StoreMachine.TestCase
TestStore.__doc__ = "A store equals a dictionary and brute force after any sequence of steps."

"""Exact cosine in float16: the bit trick, views that do not change, selection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmort_memory.store.vectors.matrix import Matrix, descending, dots, to_halves, top


def _units(n, dim=16, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _matrix_of(vectors, first=1):
    matrix = Matrix(vectors.shape[1])
    matrix.extend(range(first, first + len(vectors)), [to_halves(row) for row in vectors])
    return matrix


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=64))
def test_shifted_halves_are_the_numbers_that_numpy_reads(bits):
    """For every finite float16, the shifted bits give NumPy's own product."""
    halves = np.asarray(bits, np.uint16)
    halves = halves[np.isfinite(halves.view(np.float16))]
    rows = halves.view(np.int16).reshape(-1, 1)
    expected = halves.view(np.float16).astype(np.float32) * np.float32(0.5)
    assert np.array_equal(dots(rows, np.asarray([0.5], np.float32)), expected)


def test_best_is_what_numpy_ranks_best():
    """The best rows and their cosines are those of a float32 product, over a chunk's border."""
    vectors = _units(3000)
    query = _units(1, seed=9)[0]
    ids, scores = _matrix_of(vectors).view().best(query, 25)
    exact = vectors.astype(np.float16).astype(np.float32) @ query
    assert ids.tolist() == (np.argsort(-exact, kind="stable")[:25] + 1).tolist()
    assert np.allclose(scores, np.sort(exact)[::-1][:25], atol=1e-6)


def test_a_view_never_changes():
    """Rows appended and rows killed later are not seen by a view that was given before."""
    vectors = _units(10)
    matrix = _matrix_of(vectors)
    view = matrix.view()
    matrix.extend(range(11, 3011), [to_halves(row) for row in _units(3000, seed=1)])
    matrix.keep_only(np.arange(2, 3011))
    assert len(view) == 10 and view.best(vectors[0], 1)[0].tolist() == [1]
    assert len(matrix.view()) == 3010 and 1 not in matrix.view().best(vectors[0], 3010)[0]


def test_only_wanted_rows_are_ranked():
    """Selection by id ranks exactly the wanted rows that exist and are alive."""
    vectors = _units(20)
    matrix = _matrix_of(vectors, first=5)
    matrix.keep_only(np.arange(5, 20))
    wanted = np.asarray([1, 4, 5, 9, 22, 24, 99])
    ids, scores = matrix.view().among(vectors[4], wanted)
    found = dict(zip(ids.tolist(), scores.tolist(), strict=True))
    assert found.keys() == {5, 9} and found[9] == pytest.approx(1, abs=1e-3)
    assert len(Matrix(4).view().among(np.zeros(4, np.float32), wanted)[0]) == 0


def test_descending_gives_every_row_once_best_first():
    """However far one goes down a ranking, it is the sorted one."""
    scores = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    parts = list(descending(np.arange(500), scores, 7))
    assert len(parts[0][0]) == 7 and len(parts) > 2
    assert np.concatenate([ids for ids, _ in parts]).tolist() == np.argsort(-scores).tolist()
    assert list(descending(np.arange(0), scores[:0], 7)) == []


def test_a_mapped_base_and_a_tail_are_one_matrix():
    """A matrix that begins with a file's rows cuts, ranks and kills like any other."""
    vectors = _units(12)
    halves = np.frombuffer(to_halves(vectors[:8]), np.int16).reshape(8, -1)
    matrix = Matrix(16, (np.arange(1, 9), halves))
    matrix.extend([9, 10, 11, 12], [to_halves(row) for row in vectors[8:]])
    view = matrix.view()
    assert len(view) == 12 and matrix.last == 12
    assert [len(view.after(n)) for n in (0, 5, 8, 10, 12)] == [12, 7, 4, 2, 0]
    assert [len(view.upto(n)) for n in (0, 5, 8, 10, 12)] == [0, 5, 8, 10, 12]
    assert [view.best(row, 1)[0][0] for row in vectors] == list(range(1, 13))
    matrix.keep_only(np.asarray([2, 11]))
    assert matrix.view().alive_ids().tolist() == [2, 11]


def test_equal_scores_keep_their_order():
    """Ties are broken by id, so that a ranking is the same every time."""
    assert top(np.asarray([0.5, 1.0, 0.5, 1.0], np.float32), 4).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    """NaN and infinity never reach the database."""
    with pytest.raises(ValueError, match="finite"):
        to_halves(np.asarray([0.0, bad], np.float32))

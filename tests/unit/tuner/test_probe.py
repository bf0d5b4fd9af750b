"""Choosing layers, and the closed form with few texts: on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from lmort_memory.encoder.pooling import PooledStates, pool_states
from lmort_memory.encoder.probe import ceiling, choose_layers, left_out_cosine
from lmort_memory.tuners.train.closed_form import _Gram, _Kernel, ridge, ridge_behind
from lmort_memory.types import HiddenStates


def unit(rows):
    """Scale rows to length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_layers_that_say_something_are_chosen():
    """Of five layers two hold a part of the target each: both are chosen before the noise."""
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((120, 12))
    targets = unit(hidden @ rng.standard_normal((12, 16))).astype(np.float32)
    pooled = rng.standard_normal((5, 120, 6))
    pooled[1] = hidden[:, :6] + 0.1 * pooled[1]
    pooled[3] = hidden[:, 6:] + 0.1 * pooled[3]
    flat = np.zeros((5, 6)), np.ones((5, 6))
    choice = choose_layers(PooledStates((2, 4, 6, 8, 9), pooled.astype(np.float32), *flat), targets)
    assert {4, 8} <= set(choice.layers)
    assert choice.candidates == (2, 4, 6, 8, 9)
    assert sorted(choice.alone)[-2:] == sorted([choice.alone[1], choice.alone[3]])
    assert choice.score > max(choice.alone) + 0.1


@pytest.mark.parametrize("n_layer, expected", [(1, 1), (4, 2), (12, 5), (30, 12), (80, 32)])
def test_no_layer_beyond_two_fifths(n_layer, expected):
    """The highest layer keeps imports short, and tiny models keep at least two layers."""
    assert ceiling(n_layer) == expected


def test_leaving_one_out_is_leaving_one_out(monkeypatch):
    """The formula gives what fitting n times without one text gives."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((24, 9))
    x -= x.mean(axis=0)
    y = x @ rng.standard_normal((9, 5)) + 1 + 0.3 * rng.standard_normal((24, 5))
    penalty = 0.1
    monkeypatch.setattr("lmort_memory.encoder.probe._PENALTIES", (penalty,))
    strength = penalty * np.linalg.eigvalsh(x @ x.T).clip(min=0).mean()
    cosines = []
    for i in range(24):
        rest = np.arange(24) != i
        a, mean = x[rest] - x[rest].mean(axis=0), y[rest].mean(axis=0)
        weight = np.linalg.solve(a.T @ a + strength * np.eye(9), a.T @ (y[rest] - mean))
        found = mean + (x[i] - x[rest].mean(axis=0)) @ weight
        cosines.append(found @ y[i] / np.linalg.norm(found) / np.linalg.norm(y[i]))
    assert left_out_cosine(x @ x.T, y) == pytest.approx(np.mean(cosines), abs=1e-6)


def test_both_solvers_agree():
    """Among the texts or among the dimensions: the same map."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((30, 30)).astype(np.float32) + 2
    y = rng.standard_normal((30, 4)).astype(np.float32)
    for penalty in (1e-3, 1.0):
        for a, b in zip(_Gram(x, y).solve(penalty), _Kernel(x, y).solve(penalty), strict=True):
            assert np.allclose(a, b, atol=1e-3)


def test_the_strongest_direction_has_no_say():
    """`ridge_behind` finds what the other directions tell, and what lies along it moves nothing."""
    rng = np.random.default_rng(3)
    hidden = rng.standard_normal((460, 10)).astype(np.float32)
    basis = np.linalg.qr(rng.standard_normal((80, 11)))[0].T
    loud = 30 * rng.standard_normal((460, 1)) * basis[10]
    x = (hidden @ basis[:10] + loud).astype(np.float32)
    y = unit(hidden @ rng.standard_normal((10, 16))).astype(np.float32)
    for n in (60, 200):  # fewer texts than dimensions, and more
        weight, bias = ridge_behind(x[:n], y[:n], removed=1)
        found = unit(x[n:] @ weight.T + bias)
        assert (found * y[n:]).sum(axis=1).mean() > 0.9
        moved = unit((x[n:] + 10 * basis[10]) @ weight.T + bias)
        assert (found * moved).sum(axis=1).mean() > 0.98
        weight, bias = ridge(x[:n], y[:n])
        assert (unit(x[n:] @ weight.T + bias) * y[n:]).sum(axis=1).mean() > 0.9


def test_pooling_standardises_tokens():
    """Mean and spread are those of all tokens, whatever text they are in."""
    rng = np.random.default_rng(4)
    texts = [rng.standard_normal((2, n, 3)).astype(np.float32) * 4 + 1 for n in (3, 8, 5)]
    found = pool_states(HiddenStates(tuple(range(t.shape[1])), (1, 2), t) for t in texts)
    rows = np.concatenate(texts, axis=1)
    assert np.allclose(found.mean, rows.mean(axis=1), atol=1e-5)
    assert np.allclose(found.std, rows.std(axis=1), atol=1e-5)
    assert np.allclose(found.pooled[:, 1], texts[1].mean(axis=1), atol=1e-5)
    with pytest.raises(ValueError, match="empty list of texts"):
        pool_states(iter(()))

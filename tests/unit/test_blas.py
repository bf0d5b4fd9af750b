"""BLAS has one thread where llama.cpp wants the cores, and the caller's number elsewhere."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lmort_memory.blas import _blas, one_thread
from lmort_memory.encoder.lmort import Tuner
from tests.support.tuners import SMALL, artifact_of, perturbed, random_states


def threads() -> set[int]:
    """How many threads each BLAS of the process has."""
    found = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    assert found, "no BLAS was found"
    return found


@pytest.fixture(autouse=True)
def two():
    """The program around us has chosen two threads; another test may have loaded another BLAS."""
    _blas.cache_clear()
    with threadpool_limits(limits=2, user_api="blas"):
        yield


def test_inside_there_is_one_and_outside_what_there_was():
    """Also after an error, and where it is nested."""
    with one_thread(), one_thread():
        assert threads() == {1}
    assert threads() == {2}
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert threads() == {2}


def test_another_thread_takes_nothing_away():
    """One that comes while another is inside, and stays longer, leaves the number as it was."""
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with one_thread():
            inside.set()
            leave.wait()

    other = threading.Thread(target=stay)
    with one_thread():
        other.start()
        inside.wait()
        assert threads() == {1}
    leave.set()
    other.join()
    assert threads() == {2}


def test_a_tuner_runs_on_one_thread(monkeypatch):
    """While it computes, and not after."""
    tuner, seen = Tuner(artifact_of(perturbed(SMALL))), []
    multiply = np.add.reduceat

    class Watched:
        """`np.add` that looks at the threads."""

        def reduceat(self, *given: object, **named: object) -> object:
            seen.append(threads())
            return multiply(*given, **named)

    monkeypatch.setattr(np, "add", Watched())
    tuner.encode(random_states(SMALL, 5))
    assert seen == [{1}]
    assert threads() == {2}

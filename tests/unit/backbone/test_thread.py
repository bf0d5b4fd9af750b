"""The inference thread: jobs that run ahead of their caller."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from lmort_memory.backbone.thread import InferenceThread, Priority


@pytest.fixture
def stopped():
    """Set as long as a job is asked to stop."""
    return threading.Event()


@pytest.fixture
def thread(stopped):
    """A thread without a model."""
    thread = InferenceThread(lambda abort: stopped.set() if abort else None)
    yield thread
    thread.close()


def test_the_next_job_runs_while_the_caller_works(thread):
    """When a result arrives, the job after it ends without being asked for, and order is kept."""
    ended = [threading.Event() for _ in range(4)]

    def job(number: int) -> int:
        ended[number].set()
        return number

    found = []
    for number in thread.ahead(((lambda n=n: job(n)) for n in range(4)), Priority.IMPORT):
        assert number == 3 or ended[number + 1].wait(5)
        found.append(number)
    assert found == [0, 1, 2, 3]


def test_a_loop_that_is_left_stops_the_job_that_runs(thread, stopped):
    """What nobody waits for is stopped; the thread works on for others."""
    running = thread.ahead(iter([lambda: 0, lambda: stopped.wait(30)]), Priority.IMPORT)
    assert next(running) == 0
    running.close()
    assert stopped.is_set()
    assert thread.run(lambda: "next", Priority.CHAT) == "next"


def test_an_import_waits_between_two_tokens_but_not_for_ever(thread):
    """A chat's next token goes before a batch that arrived earlier; batches get their turn."""
    order = []
    batches = thread.ahead((partial(order.append, "batch") for _ in range(8)), Priority.IMPORT)
    reader = threading.Thread(target=lambda: list(batches))
    thread.run(partial(order.append, "token"), Priority.CHAT)
    reader.start()
    end = time.monotonic() + 30
    while order.count("batch") < 2:
        assert time.monotonic() < end
        thread.run(partial(order.append, "token"), Priority.CHAT)
    tokens_between = len(order) - order.index("batch") - 2
    reader.join()
    assert tokens_between > 10, "a batch at most every second while a chat talks"
    assert order.count("batch") == 8


def test_an_error_of_a_job_reaches_the_caller(thread):
    """Results before it are given; the jobs after it do not run."""
    after = []

    def broken() -> int:
        raise ValueError("broken")

    jobs = iter([lambda: 1, broken, lambda: 2, lambda: after.append(3) or 3])
    running = thread.ahead(jobs, Priority.IMPORT)
    assert next(running) == 1
    with pytest.raises(ValueError, match="broken"):
        next(running)
    assert not after


def test_a_submitted_job_runs_while_the_caller_works(thread):
    """Its result, or what it raised, comes when it is asked for."""
    ran = threading.Event()
    pending = thread.submit(lambda: ran.set() or "done", Priority.CHAT)
    assert ran.wait(5) and pending.result() == "done"
    pending.wait()
    broken = thread.submit(lambda: [][0], Priority.CHAT)
    broken.wait()
    with pytest.raises(IndexError):
        broken.result()


def test_a_job_that_was_interrupted_before_it_began_has_ended(thread, stopped, monkeypatch):
    """Ctrl-C while others are served: the job is cancelled, and cleaning up is not interrupted."""
    first = thread.submit(lambda: stopped.wait(30), Priority.CHAT)
    waiting = thread.submit(lambda: "never", Priority.CHAT)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting._future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        waiting.result()
    waiting.wait()
    assert not first._future.done(), "it waited for the others"
    stopped.set()
    first.wait()
    assert thread.run(lambda: "next", Priority.CHAT) == "next"


def test_a_job_that_is_submitted_by_a_job_runs_at_once(thread):
    """The thread cannot wait for itself."""
    assert thread.run(lambda: thread.submit(lambda: 7, Priority.CHAT).result(), Priority.CHAT) == 7

"""The inference thread: the one thread that computes, and the queue in front of it.

llama.cpp contexts are not thread-safe, and Python runs signal handlers only in the main thread,
between bytecodes: a main thread inside a long `llama_decode` cannot see Ctrl-C. So jobs run in
their own thread while callers wait, and a signal interrupts the wait at once.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from enum import IntEnum
from typing import Any, Generic, TypeVar

from lmort_memory.errors import BackboneError

T = TypeVar("T")


# Between two tokens a chat computes nothing for a moment. An import that began then would make each
# token wait for a batch, so it waits for the next token instead, a second at most.
_BETWEEN_TOKENS = 0.01  # seconds
_LONGEST_WAIT = 1.0  # seconds


class Priority(IntEnum):
    """Which caller goes first when several wait; equal priorities run in order of arrival."""

    CHAT = 0
    RECALL = 1
    IMPORT = 2


class Pending(Generic[T]):
    """A submitted job. Its caller waits for it, with `result` or `wait`, before it goes on."""

    def __init__(self, thread: InferenceThread, future: Future[T]) -> None:
        self._thread = thread
        self._future = future

    def result(self) -> T:
        """Wait for the job and return its result, or raise what it raised, as `run` does."""
        return self._thread._wait(self._future)

    def wait(self) -> None:
        """Wait until the job has ended, however it ended; a cancelled one has."""
        try:
            with suppress(CancelledError):  # `futures.wait` would wait until its turn comes
                self._future.exception()
        except BaseException:
            self._thread._stop(self._future)
            raise


class InferenceThread:
    """Runs jobs one at a time, the most urgent first. Thread-safe."""

    def __init__(self, set_abort: Callable[[bool], None]) -> None:
        """`set_abort(True)` must make the running job end soon; `set_abort(False)` undoes that."""
        self._set_abort = set_abort
        self._arrival = itertools.count()
        self._jobs: queue.PriorityQueue[tuple[int, int, Future[Any] | None, Callable[[], Any]]] = (
            queue.PriorityQueue()
        )
        self._arrived = threading.Event()
        self._closed = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="lmort-inference", daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], T], priority: Priority) -> T:
        """Run `job` in the inference thread and return its result.

        An exception in the waiting caller (Ctrl-C) stops the job; it propagates once the job has
        ended and left its context usable.

        Raises:
            BackboneError: the backbone was closed.
        """
        if threading.current_thread() is self._thread:
            return job()
        return self._wait(self._submit(job, priority))

    def submit(self, job: Callable[[], T], priority: Priority) -> Pending[T]:
        """Run `job` while the caller does something else and asks for its result later.

        Raises:
            BackboneError: the backbone was closed.
        """
        if threading.current_thread() is not self._thread:
            return Pending(self, self._submit(job, priority))
        done: Future[T] = Future()
        _finish(done, job)
        return Pending(self, done)

    def ahead(self, jobs: Iterable[Callable[[], T]], priority: Priority) -> Iterator[T]:
        """Run jobs in order, each while the caller works on the result of the one before.

        Leaving the loop early stops the job that is running.

        Raises:
            BackboneError: the backbone was closed.
        """
        queued: deque[Future[T]] = deque()
        try:
            for job in jobs:
                queued.append(self._submit(job, priority))
                if len(queued) > 1:
                    yield self._wait(queued.popleft())
            while queued:
                yield self._wait(queued.popleft())
        finally:
            for future in queued:
                self._stop(future)

    def close(self) -> None:
        """End the thread after the queued jobs; calling it again does nothing."""
        if not self._closed:
            self._closed = True
            if os.getpid() != self._process:
                return
            self._jobs.put((max(Priority) + 1, next(self._arrival), None, lambda: None))
            if threading.current_thread() is not self._thread:
                self._thread.join()

    def _submit(self, job: Callable[[], T], priority: Priority) -> Future[T]:
        if self._closed:
            raise BackboneError("the backbone is closed — open it again to continue")
        if os.getpid() != self._process:
            raise BackboneError(
                "the model was loaded before this process was forked, and its threads do not"
                " survive a fork — open the memory after the fork, or start processes with spawn"
            )
        future: Future[T] = Future()
        self._jobs.put((priority, next(self._arrival), future, job))
        self._arrived.set()
        return future

    def _wait(self, future: Future[T]) -> T:
        try:
            return future.result()
        except BaseException:
            self._stop(future)
            raise

    def _stop(self, future: Future[Any]) -> None:
        if future.done() or future.cancel():
            return
        self._set_abort(True)
        try:
            future.exception()  # wait for the job to end
        finally:
            self._set_abort(False)

    def _work(self) -> None:
        talked = imported = 0.0
        while True:
            self._arrived.clear()
            entry = self._jobs.get()
            priority, _, future, job = entry
            if future is None:
                return
            until = min(talked + _BETWEEN_TOKENS, imported + _LONGEST_WAIT)
            if priority == Priority.IMPORT and self._waited(until):
                self._jobs.put(entry)  # a more urgent job may have arrived
                continue
            if not future.set_running_or_notify_cancel():
                continue
            _finish(future, job)
            if priority == Priority.CHAT:
                talked = time.monotonic()
            elif priority == Priority.IMPORT:
                imported = time.monotonic()
            del entry, future, job

    def _waited(self, until: float) -> bool:
        """Wait for another job until then; returns whether there was any time to wait."""
        left = until - time.monotonic()
        if left <= 0:
            return False
        self._arrived.wait(left)
        return True


def _finish(future: Future[T], job: Callable[[], T]) -> None:
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001 — handed to the caller, who raises it
        future.set_exception(error)
    else:
        future.set_result(result)

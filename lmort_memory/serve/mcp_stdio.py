"""MCP over stdio: the memory opens beside the handshake, and stdout carries JSON-RPC alone."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from lmort_memory.serve.mcp_server import make_server
from lmort_memory.text import whole_json

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["run_stdio"]

T = TypeVar("T")

_THREADS = 4


def run_stdio(open_memory: Callable[[], Memory], *, scope: str) -> None:
    """Serve a client over stdin and stdout until it hangs up.

    The client is answered at once; calls of tools wait until the memory is open. The SDK gives the
    protocol a descriptor of its own and points stdout at stderr, so that whatever a library prints
    cannot get in between.

    Args:
        open_memory: Opens the memory; runs in a thread.
        scope: Where is searched and stored unless a call names another.
    """
    _take_whole_lines()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="lmort-mcp") as threads:
        opening: Future[Memory] = Future()

        def begin() -> None:
            """Open the memory, now that stdout is out of every library's reach."""
            threads.submit(_fulfil, opening, open_memory)

        async def on_memory(job: Callable[[Memory], T]) -> T:
            memory = await asyncio.shield(asyncio.wrap_future(opening))
            return await asyncio.get_running_loop().run_in_executor(threads, lambda: job(memory))

        try:
            make_server(on_memory, scope=scope, on_start=begin).run("stdio")
        finally:
            begun = opening.running() or opening.done()
            if begun and opening.exception() is None:
                opening.result().close()


def _take_whole_lines() -> None:
    """Put a pipe in the place of stdin, whose lines a strict reader takes.

    The SDK drops a message that holds half an emoji, and its client waits for ever.
    """
    source = os.fdopen(os.dup(0), "rb")
    taken, given = os.pipe()
    os.dup2(taken, 0)
    os.close(taken)

    def pump() -> None:
        with suppress(OSError), source, os.fdopen(given, "wb") as sink:
            for line in source:
                sink.write(whole_json(line))
                sink.flush()

    threading.Thread(target=pump, name="lmort-stdin", daemon=True).start()


def _fulfil(future: Future[T], job: Callable[[], T]) -> None:
    future.set_running_or_notify_cancel()
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 — raised by whoever waits for it
        future.set_exception(error)

"""The engine: one model and one memory for every client, loaded beside the first requests.

The model's own thread computes, chats before recalls before imports (`backbone.Priority`); the
engine's threads only wait for it, for SQLite and for files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from lmort_memory.chat import ChatOptions
from lmort_memory.errors import LmortError
from lmort_memory.memory import Memory
from lmort_memory.serve.conversations import Seats
from lmort_memory.serve.http import ApiError
from lmort_memory.serve.imports import Imports
from lmort_memory.serve.watched import WatchedFolders
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lmort_memory.importing import WatchReport

__all__ = ["Engine", "EngineOptions"]

T = TypeVar("T")

_THREADS = 16  # that wait for the model, for SQLite, for files


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a server serves.

    Attributes:
        db: The database, a file or a server's URL; None takes the default one.
        passphrase: What opens it, where it is encrypted.
        redact: Whether secrets are replaced before anything is stored.
        model: The model; None takes the default one.
        tuner: Its tuner; None looks for one.
        token_codes: Whether records get codes of their tokens.
        n_ctx: Tokens of a conversation's context.
        contexts: Most conversations whose state is held in memory.
        memory: Whether a model's plain name remembers; `name+memory` always does.
        scope: Scope of requests that name none.
        chat: Defaults of a reply: system prompt with memory, sampling, notes.
        watch: Folders to keep in sync with the memory.
        on_change: Called with what the watcher did or what went wrong, in its thread.
    """

    db: Path | str | None = field(default=None, repr=False)  # a URL may hold a password
    passphrase: str | None = field(default=None, repr=False)
    redact: bool = False
    model: str | Path | None = None
    tuner: str | Path | None = None
    token_codes: bool = True
    n_ctx: int = 4096
    contexts: int = 4
    memory: bool = False
    scope: str = DEFAULT_SCOPE
    chat: ChatOptions = field(default_factory=ChatOptions)
    watch: tuple[Path, ...] = ()
    on_change: Callable[[WatchReport], None] | None = None


class Engine:
    """Owns the memory and its model. Belongs to one event loop."""

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.started = time.monotonic()
        self.version = version("lmort-memory")
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="lmort-serve")
        self._talkers = ThreadPoolExecutor(options.contexts, thread_name_prefix="lmort-reply")
        self._loading: asyncio.Future[Memory] | None = None
        self.seats = Seats(most=options.contexts, n_ctx=options.n_ctx, run=self.run)
        self.imports = Imports()
        self._watched: WatchedFolders | None = None

    def start(self) -> None:
        """Begin to load; requests that need the memory wait for it."""
        loop = asyncio.get_running_loop()
        self._loading = loop.run_in_executor(self._threads, self._open)

    @property
    def state(self) -> Literal["loading", "ready", "failed"]:
        """How far the model is."""
        if self._loading is None or not self._loading.done():
            return "loading"
        return "failed" if self._loading.exception() else "ready"

    def on_failure(self, tell: Callable[[BaseException], None]) -> None:
        """Have somebody told when the memory cannot be opened; call it after `start`."""
        assert self._loading is not None

        def loaded(loading: asyncio.Future[Memory]) -> None:
            if not loading.cancelled() and (error := loading.exception()) is not None:
                tell(error)

        self._loading.add_done_callback(loaded)

    async def memory(self) -> Memory:
        """Return the memory once it is there.

        Raises:
            ApiError: it could not be opened.
        """
        if self._loading is None:
            raise ApiError(503, "the server is not started", kind="server_error")
        try:
            return await asyncio.shield(self._loading)
        except LmortError as error:
            raise ApiError(503, str(error), kind="server_error", code="model_failed") from error

    def run(self, job: Callable[[], T]) -> Awaitable[T]:
        """Run blocking work in a thread."""
        return asyncio.get_running_loop().run_in_executor(self._threads, job)

    async def on_memory(self, job: Callable[[Memory], T]) -> T:
        """Run blocking work on the memory in a thread, once it is loaded."""
        memory = await self.memory()
        return await self.run(lambda: job(memory))

    def talk(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Run the generation of a reply in a thread of its own kind, so that none waits long."""
        return asyncio.get_running_loop().run_in_executor(self._talkers, job)

    @property
    def model_name(self) -> str:
        """The name under which clients ask for the model; only once it is loaded."""
        memory = self._loading.result() if self._loading is not None else None
        if memory is None or memory.backbone is None:
            raise ApiError(503, "no model is loaded", kind="server_error")
        return memory.backbone.facts.path.stem

    async def close(self) -> None:
        """End imports after their present step, free the contexts and the model."""
        self.imports.close()
        if self._loading is not None:
            try:
                memory = await self._loading
            except LmortError:
                memory = None
            await self.seats.close()
            if self._watched is not None:
                await self.run(self._watched.close)
            if memory is not None:
                await self.run(memory.close)
        self._talkers.shutdown()
        self._threads.shutdown()

    def _open(self) -> Memory:
        options = self.options
        memory = Memory.open(
            options.db,
            model=options.model,
            tuner=options.tuner,
            token_codes=options.token_codes,
            redact=options.redact,
            passphrase=options.passphrase,
        )
        if options.watch:
            try:
                self._watched = WatchedFolders(
                    memory, options.watch, scope=options.scope, report=options.on_change
                )
            except LmortError:
                memory.close()
                raise
        return memory

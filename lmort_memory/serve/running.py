"""A server as a process: its socket, its file for others to find it, its clean end."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from lmort_memory.errors import LmortError
from lmort_memory.serve.discovery import Server, find_server, publish, withdraw

if TYPE_CHECKING:
    from lmort_memory.serve.app import ServeOptions
    from lmort_memory.serve.engine import EngineOptions

__all__ = ["find_server_beside", "listen", "serve"]

_GRACE_S = 10  # for replies under way when the server is told to end
_BACKLOG = 512
_PORTS = (errno.EADDRINUSE, errno.EACCES)  # what another port mends


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket.

    Raises:
        LmortError: the address is taken, or is none.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:  # a name or a port that is none
        raise LmortError(
            f"cannot listen on {host}:{port}: {error} — choose another with {_at_fault(error)}"
        ) from error
    return listener


def _at_fault(error: Exception) -> str:
    wants_port = getattr(error, "errno", None) in _PORTS
    return "--port, 0 for any" if wants_port else "--host; 127.0.0.1 is this machine"


def serve(
    listener: socket.socket,
    engine: EngineOptions,
    options: ServeOptions,
    *,
    on_ready: Callable[[Server, bool], None],
) -> None:
    """Serve until SIGINT or SIGTERM; replies under way get some seconds to end.

    Args:
        listener: From `listen`.
        engine: What is served.
        options: Who may use it.
        on_ready: Called once requests are taken, with the server and whether other programs find
            it; they do not where another server was there before.

    Raises:
        LmortError: the memory or its model cannot be opened.
    """
    import uvicorn

    from lmort_memory.serve.app import make_app

    host, port = listener.getsockname()[:2]
    server = Server(
        host="127.0.0.1" if host in ("0.0.0.0", "::") else host,
        port=port,
        token=options.token or "",
        pid=os.getpid(),
        model=None if engine.model is None else str(engine.model),
        tuner=None if engine.tuner is None else str(engine.tuner),
    )
    app = make_app(engine, options)
    failed: list[BaseException] = []
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )

    class Process(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            app.state.engine.on_failure(self._give_up)
            found = find_server_beside(server) is None
            if found:
                publish(server)
            on_ready(server, found)

        def _give_up(self, error: BaseException) -> None:
            failed.append(error)
            self.should_exit = True

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            withdraw(server)  # uvicorn raises the signal again at its end, so here and not later
            await super().shutdown(sockets)

    try:
        Process(config).run([listener])
    finally:
        withdraw(server)
        listener.close()
    if failed:
        raise failed[0]


def find_server_beside(server: Server) -> Server | None:
    """Return another server of this user that runs already."""
    other = find_server()
    return None if other is None or other.pid == server.pid else other

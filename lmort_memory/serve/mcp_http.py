"""MCP over streamable HTTP, mounted in the server under /mcp."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request

from lmort_memory.serve.http import ApiError, failure
from lmort_memory.serve.mcp_server import make_server
from lmort_memory.text import whole_json

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from lmort_memory.serve.engine import Engine

__all__ = ["MCPMount"]


class MCPMount:
    """The MCP server of an engine, as an ASGI application."""

    def __init__(self, engine: Engine) -> None:
        server = make_server(engine.on_memory, scope=engine.options.scope)
        # Host, Origin and token were checked by the guard, which knows what else was allowed.
        unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(transport_security=unchecked)
        self._manager = server.session_manager

    def running(self) -> AbstractAsyncContextManager[None]:
        """Return what must be entered while the server runs."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["method"] == "POST":
            try:
                receive = _given(await Request(scope, receive).body(), receive)
            except ApiError as error:  # of the guard: too long
                await failure(error)(scope, receive, send)
                return
        await self._manager.handle_request(scope, receive, send)


def _given(body: bytes, receive: Receive) -> Receive:
    """Return what hands out a body in which a strict reader finds no half emoji."""
    waiting: list[Message] = [
        {"type": "http.request", "body": whole_json(body), "more_body": False}
    ]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again

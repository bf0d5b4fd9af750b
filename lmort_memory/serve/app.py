"""The application: routes under /v1, /api and /mcp, the page, and who may use them."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lmort_memory.serve.engine import Engine, EngineOptions
from lmort_memory.serve.guard import LOOPBACK, Guard, Limits
from lmort_memory.serve.http import ApiError, failure, json_reply
from lmort_memory.serve.openai_api import OpenAIRoutes
from lmort_memory.serve.openapi import describe, operations, routes

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

    from lmort_memory.serve.mcp_http import MCPMount

__all__ = ["ServeOptions", "make_app"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Who may use a server, and how much they may send.

    Attributes:
        token: What clients must present; None asks for none.
        hosts: Names of the server beside those of this machine; "*" for any.
        origins: Origins of web pages that may use it.
        limits: Largest bodies.
    """

    token: str | None
    hosts: Collection[str] = ()
    origins: Collection[str] = ()
    limits: Limits | None = None


class _Page(StaticFiles):
    """The page's files, which may load nothing that is not theirs."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-cache"
        return response


def make_app(engine_options: EngineOptions, options: ServeOptions) -> Starlette:
    """Return the application; its engine begins to load when it is started."""
    engine = Engine(engine_options)
    api = operations(engine)
    description = describe(api)

    async def health(request: Request) -> Response:
        """Say that this is a server of ours; with a challenge, prove that it has the token."""
        challenge = request.query_params.get("challenge", "")
        proof = hmac.new((options.token or "").encode(), challenge.encode(), "sha256").hexdigest()
        return json_reply({"status": engine.state, "proof": proof if challenge else None})

    async def openapi(_: Request) -> Response:
        return json_reply(description)

    mcp = _mcp(engine)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        engine.start()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.close)
            if mcp is not None:
                await stack.enter_async_context(mcp.running())
            yield

    found = [
        Route("/health", health),
        Route("/openapi.json", openapi),
        *routes(api),
        *OpenAIRoutes(engine).routes(),
    ]
    if mcp is not None:
        found.append(Route("/mcp", mcp))
    page = Path(str(files("lmort_memory.serve"))) / "page"
    app = Starlette(
        routes=[*found, Mount("/", _Page(directory=page, html=True))],
        lifespan=lifespan,
        middleware=_cors(options),
        exception_handlers={HTTPException: _http_error, Exception: _server_error},
    )
    app.state.engine = engine
    app.add_middleware(
        Guard,
        token=options.token,
        hosts={*LOOPBACK, *options.hosts},
        origins=options.origins,
        limits=options.limits,
    )
    return app


def _cors(options: ServeOptions) -> list[Middleware]:
    """Let the pages of allowed origins read the answers."""
    if not options.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(options.origins),
            allow_methods=["*"],
            allow_headers=["*"],
            max_age=600,
        )
    ]


def _mcp(engine: Engine) -> MCPMount | None:
    """Return the MCP server, where its package is installed."""
    try:
        from lmort_memory.serve.mcp_http import MCPMount
    except ImportError:
        return None
    return MCPMount(engine)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        message = f"there is nothing at {request.url.path}"
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}"
    else:
        message = str(error.detail)
    reply = failure(ApiError(error.status_code, message))
    reply.headers.update(error.headers or {})
    return reply


async def _server_error(_: Request, error: Exception) -> Response:
    return failure(ApiError(500, f"a fault of the server: {error!r}", kind="server_error"))

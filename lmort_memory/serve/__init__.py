"""One process holds model and memory; every other program uses it over HTTP.

    OpenAI clients ──► /v1   ─┐
    the page, curl ──► /api  ─┼─► Engine ──► Memory + Chat ──► one model, one SQLite file
    MCP clients    ──► /mcp  ─┤      priorities: chat, recall, import
    lmort-mem      ──► /api/encode (borrows the model)

`app` puts the routes together, `guard` decides who may use them, `conversations` gives every
request the context that holds its conversation. Starlette, uvicorn and msgspec (extra `serve`) are
known here and nowhere else; MCP's SDK (extra `mcp`) in `mcp_server` and `mcp_http` alone.
"""

from importlib.util import find_spec

from lmort_memory.errors import MissingDependencyError

__all__ = ["require_mcp", "require_server"]


def require_server() -> None:
    """Make sure that what serves HTTP is installed.

    Raises:
        MissingDependencyError: it is not.
    """
    for package in ("msgspec", "starlette", "uvicorn"):
        if find_spec(package) is None:
            raise MissingDependencyError(package, extra="serve")


def require_mcp() -> None:
    """Make sure that MCP's SDK is installed.

    Raises:
        MissingDependencyError: it is not.
    """
    if find_spec("mcp") is None:
        raise MissingDependencyError("mcp", extra="mcp")

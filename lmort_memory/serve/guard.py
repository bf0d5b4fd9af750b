"""Who may speak to the server: right Host, no foreign Origin, the token, and no endless bodies.

A web page that a user visits can send requests to this machine, and by DNS rebinding read the
answers; so the Host must be one of ours and an Origin must be ours too or one that was allowed. The
token keeps other users of the machine out.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect

from lmort_memory.errors import LmortError
from lmort_memory.paths import make_private_dir
from lmort_memory.serve.http import ApiError, failure

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LOOPBACK", "Guard", "Limits", "is_loopback", "read_token"]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_OPEN = ("/health", "/openapi.json")  # beside the page's files, which hold nothing of anybody's
_HOST = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::[0-9]*)?")
_GUARDED = ("/api", "/v1", "/mcp")


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest bodies in bytes: of a request, and of a file that is imported."""

    body: int = 16 << 20
    upload: int = 4 << 30


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: that of others may begin with "127." too
        return host in LOOPBACK


def read_token(path: Path) -> str:
    """Return the token of a file, which is made with mode 0600 where it is missing.

    Raises:
        LmortError: others may read the file, or it holds no token.
    """
    make_private_dir(path.parent)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise LmortError(f"the token file {path} cannot be written: {error}") from error
    else:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LmortError(f"the token file {path} cannot be read: {error}") from error
    if os.name == "posix" and mode & 0o077:
        raise LmortError(f"the token file {path} is readable by others — run: chmod 600 {path}")
    if len(token) < 16:
        raise LmortError(f"the token file {path} holds no token of 16 characters — delete it")
    return token


class Guard:
    """ASGI middleware that lets the right requests through and answers the others."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        hosts: Collection[str],
        origins: Collection[str] = (),
        limits: Limits | None = None,
    ) -> None:
        """Guard an application.

        Args:
            app: The application.
            token: What clients must present; None asks for none.
            hosts: Names under which this server may be addressed, without a port.
            origins: Origins of web pages that may use it, beside its own; "*" for all.
            limits: Largest bodies.
        """
        self._app = app
        self._token = token
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        try:
            self._check(scope["path"], scope["method"], headers)
            limit = self._limit(scope, headers)
        except ApiError as error:
            await failure(error)(scope, receive, send)
            return
        with suppress(ClientDisconnect):  # in the middle of its request: nobody waits for an answer
            await self._app(scope, _Bounded(receive, limit).receive, send)

    def _check(self, path: str, method: str, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if "*" not in self._hosts and _name_of(host) not in self._hosts:
            raise ApiError(
                421,
                f"this server is not {host!r} — address it as 127.0.0.1, or add --allow-host",
                code="wrong_host",
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_ours(origin, host):
            raise ApiError(
                403,
                f"pages of {origin} may not use this server — allow that with --allow-origin",
                code="wrong_origin",
            )
        if not path.startswith(_GUARDED) or path in _OPEN or self._token is None:
            return
        if method == "OPTIONS" and "access-control-request-method" in headers:
            return  # a browser asks before it sends the token; the answer holds nothing
        kind, _, given = headers.get("authorization", "").partition(" ")
        presented = given.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
        if not hmac.compare_digest(presented.encode(), self._token.encode()):
            raise ApiError(
                401,
                "this server needs its token, as Authorization: Bearer TOKEN — "
                "`lmort-mem serve --show-token` prints it",
                kind="authentication_error",
                code="invalid_api_key",
            )

    def _is_ours(self, origin: str, host: str) -> bool:
        if "*" in self._origins or origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # http://[
            return False
        return parts.scheme in ("http", "https") and parts.netloc == host

    def _limit(self, scope: Scope, headers: Mapping[str, str]) -> int:
        upload = scope["method"] == "POST" and scope["path"] == "/api/imports"
        limit = self._limits.upload if upload else self._limits.body
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > limit:
            raise ApiError(413, f"a body of {length} bytes is too large; at most {limit} are taken")
        return limit


class _Bounded:
    """A body of unknown length, cut off where it becomes too long."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise ApiError(413, "the body is too large")
        return message


def _name_of(host: str) -> str | None:
    """Return a Host header without its port; None for what is not a host."""
    found = _HOST.fullmatch(host)
    return None if found is None else (found[1] or found[2]).lower()

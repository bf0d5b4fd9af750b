"""How other programs of this user find the running server: a private file that says where it is.

The file may be left over from a server that was killed, and another program may listen there now.
So a server is believed only once it has proved, by an HMAC of a fresh challenge, that it knows the
token; the token itself is not sent before. Standard library only: this is imported by commands.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lmort_memory.errors import BackboneError
from lmort_memory.paths import data_dir, make_private_dir, replacing

__all__ = ["Server", "discovery_path", "find_server", "publish", "server_to_use", "withdraw"]

_PATIENCE_S = 2.0  # for the answer of a server on this machine that may be busy
_LONGEST = 1 << 16  # bytes of the discovery file
_LONGEST_ANSWER = 1 << 24  # bytes, where one is not waited for


@dataclass(frozen=True, slots=True)
class Server:
    """A server of this user.

    Attributes:
        host: Address it listens on.
        port: Port it listens on.
        token: What it asks for; empty where it asks for nothing.
        pid: Its process.
        model: The model that it was told to load; None for the default.
        tuner: The tuner that it was told to use; None for the model's own.
    """

    host: str
    port: int
    token: str
    pid: int
    model: str | None
    tuner: str | None

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        timeout_s: float | None = None,
    ) -> Any:  # noqa: ANN401 — JSON in, JSON out
        """Send a request and return the JSON of the answer.

        With `timeout_s`, which is for all of the answer, its length is bounded too: what listens
        there may be another program, whose answer has no end.

        Raises:
            OSError: there is no answer.
            BackboneError: the server refused, and why.
        """
        import http.client  # half of what this module costs, and often no server runs

        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            headers = {"Content-Type": "application/json", "Host": urlsplit(self.url).netloc}
            if self.token:
                headers["Authorization"] = f"Bearer {self.token}"
            data = None if body is None else json.dumps(body).encode()
            connection.connect()
            with _hung_up_after(timeout_s, connection.sock):
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                answer = json.loads(response.read(None if timeout_s is None else _LONGEST_ANSWER))
        except (http.client.HTTPException, ValueError, RecursionError) as error:
            raise ConnectionError(f"the server at {self.url} broke off: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise BackboneError(
                f"the server at {self.url} refused: {_said(answer) or f'status {response.status}'}"
            )
        return answer

    def proves_itself(self) -> bool:
        """Whether what listens there knows the token."""
        challenge = os.urandom(16).hex()  # `secrets` loads more than a hook has time for
        bare = Server(self.host, self.port, "", self.pid, None, None)
        try:
            answer = bare.ask("GET", f"/health?challenge={challenge}", timeout_s=_PATIENCE_S)
        except (OSError, BackboneError):
            return False
        expected = hmac.new(self.token.encode(), challenge.encode(), "sha256").hexdigest()
        proof = answer.get("proof") if isinstance(answer, dict) else None
        return isinstance(proof, str) and hmac.compare_digest(proof, expected)


@contextmanager
def _hung_up_after(seconds: float | None, connected: socket.socket) -> Iterator[None]:
    """Break the connection off if the block takes longer; None waits for ever."""
    if seconds is None:
        yield
        return

    def hang_up() -> None:
        with suppress(OSError):  # the other side was faster
            connected.shutdown(socket.SHUT_RDWR)

    alarm = threading.Timer(seconds, hang_up)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _said(answer: object) -> object:
    """Return the message of an error, if the answer has the form of one."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return error.get("message") if isinstance(error, dict) else None


def discovery_path() -> Path:
    """Return where a server says that it runs."""
    return data_dir() / "server.json"


def publish(server: Server) -> None:
    """Write the file, mode 0600, atomically.

    Raises:
        OSError: it cannot be written.
    """
    path = discovery_path()
    make_private_dir(path.parent)
    with replacing(path) as fresh:
        fresh.write_text(json.dumps(asdict(server)), encoding="utf-8")


def withdraw(server: Server) -> None:
    """Remove the file if it is this server's."""
    if _read() == server:
        with suppress(OSError):
            discovery_path().unlink()


def find_server() -> Server | None:
    """Return the server of this user that runs now, or None."""
    found = _read()
    return found if found is not None and found.proves_itself() else None


def server_to_use() -> Server | None:
    """Return the server that runs now, or None; also None if `$LMORT_SERVER` is "off"."""
    return None if os.environ.get("LMORT_SERVER") == "off" else find_server()


def _read() -> Server | None:
    path = discovery_path()
    try:
        stat = path.stat()
        if os.name == "posix" and (stat.st_mode & 0o077 or stat.st_uid != os.getuid()):
            return None  # somebody else may have written it
        fields: Mapping[str, Any] = json.loads(path.read_bytes()[:_LONGEST])
        return Server(
            host=str(fields["host"]),
            port=int(fields["port"]),
            token=str(fields["token"]),
            pid=int(fields["pid"]),
            model=None if fields["model"] is None else str(fields["model"]),
            tuner=None if fields["tuner"] is None else str(fields["tuner"]),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None

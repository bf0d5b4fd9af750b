"""A model borrowed from the running server: four programs, one copy of the weights.

The database is opened by each program itself (SQLite is made for that); only vectors come from the
server. Where no server runs, or it ends meanwhile, the program loads the model itself.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmort_memory.errors import BackboneError, SpaceMismatchError
from lmort_memory.serve.discovery import Server, find_server
from lmort_memory.types import Encoded, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.memory import Memory

__all__ = ["BorrowedEncoder", "borrow_memory"]

_BATCH = 64  # texts of one request


class BorrowedEncoder:
    """An `Encoder` whose model is in another process. Any thread may call it."""

    def __init__(
        self, server: Server, *, model: str | Path | None = None, tuner: str | Path | None = None
    ) -> None:
        """Borrow a server's model.

        Args:
            server: As found.
            model: What to load where the server has gone.
            tuner: Its tuner.

        Raises:
            OSError: the server does not answer.
            BackboneError: it has no model.
        """
        facts: Mapping[str, Any] = server.ask("GET", "/api/encoder")
        self.space = str(facts["space"])
        self.dim = int(facts["dim"])
        self.tier = str(facts["tier"])
        self.provenance: Mapping[str, str] = dict(facts["provenance"])
        self.model = str(facts["model"])
        self._server = server
        self._named = (model, tuner)
        self._own: OpenedEncoder | None = None
        self._lock = threading.Lock()

    @property
    def is_borrowed(self) -> bool:
        """Whether the server is still used."""
        return self._own is None

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Encoded]:
        """Encode texts to be stored; the server does chats and recalls first."""
        encoded: list[Encoded] = []
        for i in range(0, len(texts), _BATCH):
            batch = list(texts[i : i + _BATCH])
            found = self._ask(batch, query=False)
            encoded += self._load().encode(batch) if found is None else found
            if progress is not None:
                progress(len(encoded), len(texts))
        return encoded

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a question, float32 (dim,)."""
        found = self._ask([text], query=True)
        if found is None:
            own: NDArray[np.float32] = self._load().encode_query(text)
            return own
        vector: NDArray[np.float32] = found[0].vectors[0]
        return vector

    def close(self) -> None:
        """Free the model of one's own, if there is one."""
        with self._lock:
            if self._own is not None:
                self._own.close()

    def _ask(self, texts: list[str], *, query: bool) -> list[Encoded] | None:
        """Return the server's vectors; None where it has gone or serves another model now."""
        if self._own is not None:
            return None
        import numpy as np

        body = {"texts": texts, "query": query, "space": self.space}
        try:
            answer = self._server.ask("POST", "/api/encode", body)
        except OSError:
            return None
        return [
            Encoded(
                np.frombuffer(base64.b64decode(one["vectors"]), "<f4")
                .astype(np.float32)
                .reshape(-1, self.dim),
                tuple((int(start), int(end)) for start, end in one["spans"]),
            )
            for one in answer["encoded"]
        ]

    def _load(self) -> Any:  # noqa: ANN401 — a TunedEncoder
        from lmort_memory.encoder import open_encoder

        with self._lock:
            if self._own is None:
                opened = open_encoder(*self._named)
                if opened.encoder.space != self.space:
                    found = opened.encoder.space
                    opened.close()
                    raise SpaceMismatchError(
                        "the server has ended, and the model found here makes other vectors: "
                        f"expected the space {self.space}, found {found} — start the program again",
                        expected=self.space,
                        found=found,
                    )
                self._own = opened
            return self._own.encoder


def borrow_memory(
    path: str | Path | None,
    *,
    model: str | Path | None,
    tuner: str | Path | None,
    passphrase: str | None = None,
    redact: bool = False,
) -> Memory | None:
    """Open a memory whose vectors the running server makes.

    Returns:
        None where no server runs, or one of another model, or `$LMORT_SERVER` is "off".
    """
    if os.environ.get("LMORT_SERVER") == "off":
        return None
    server = find_server()
    if server is None or not (_same(server.model, model) and _same(server.tuner, tuner)):
        return None
    try:
        encoder = BorrowedEncoder(server, model=model, tuner=tuner)
    except (OSError, BackboneError):  # it may still be loading, or have failed to
        return None
    from lmort_memory.memory import Memory
    from lmort_memory.paths import chosen_db
    from lmort_memory.store.places import find_store

    return Memory(encoder, find_store(chosen_db(path), passphrase)(), redact=redact)


def _same(one: str | Path | None, other: str | Path | None) -> bool:
    """Whether two names, of which None is the default, name one file."""
    if one is None or other is None:
        return one is None and other is None
    return Path(one).expanduser().resolve() == Path(other).expanduser().resolve()

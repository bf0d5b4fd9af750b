"""A model borrowed from the running server: four programs, one copy of the weights.

The database is opened by each program itself (SQLite is made for that); only vectors come from the
server. Where no server runs, or it ends meanwhile, the program loads the model itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmort_memory.errors import BackboneError, SpaceMismatchError
from lmort_memory.memory import Memory
from lmort_memory.paths import located
from lmort_memory.serve import wire
from lmort_memory.serve.discovery import Server, server_to_use
from lmort_memory.types import Encoded, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.store.protocol import Store
    from lmort_memory.types import AskedTokens, TokenCodes

__all__ = ["BorrowedEncoder", "borrow_memory"]

_BATCH = 64  # texts of one request


class BorrowedEncoder:
    """A `TokenEncoder` whose model is in another process. Any thread may call it."""

    def __init__(
        self,
        server: Server,
        *,
        model: str | Path | None = None,
        tuner: str | Path | None = None,
        token_codes: bool = True,
    ) -> None:
        """Borrow a server's model.

        Args:
            server: As found.
            model: What to load where the server has gone.
            tuner: Its tuner.
            token_codes: Whether texts get codes of their tokens, if the tuner makes any.

        Raises:
            OSError: the server does not answer.
            BackboneError: it has no model, or makes no token codes although they are wanted.
        """
        facts: Mapping[str, Any] = server.ask("GET", "/api/encoder")
        if token_codes and not facts["token_codes"]:
            raise BackboneError(
                f"the server at {server.url} was started with token codes off — start it again"
            )
        self.space = str(facts["space"])
        self.dim = int(facts["dim"])
        self.tier = str(facts["tier"])
        self.provenance: Mapping[str, str] = dict(facts["provenance"])
        self.model = str(facts["model"])
        self._server = server
        self._token_kind: str | None = facts["token_kind"] if token_codes else None
        self._named = (model, tuner)
        self._own: OpenedEncoder | None = None
        self._lock = threading.Lock()

    @property
    def is_borrowed(self) -> bool:
        """Whether the server is still used."""
        return self._own is None

    @property
    def token_kind(self) -> str | None:
        """Identity of the token codes, or None if there are none."""
        return self._token_kind

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Encoded]:
        """Encode texts to be stored; the server does chats and recalls first."""
        encoded: list[Encoded] = []
        for i in range(0, len(texts), _BATCH):
            batch = list(texts[i : i + _BATCH])
            found = self._ask(batch, query=False)
            if found is None:
                encoded += self._load().encode(batch)
            else:
                encoded += [wire.read_encoded(one, self.dim) for one in found]
            if progress is not None:
                progress(len(encoded), len(texts))
        return encoded

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a question, float32 (dim,)."""
        found = self._ask([text], query=True)
        if found is None:
            own: NDArray[np.float32] = self._load().encode_query(text)
            return own
        vector: NDArray[np.float32] = wire.read_encoded(found[0], self.dim).vectors[0]
        return vector

    def encode_question(self, text: str) -> tuple[NDArray[np.float32], AskedTokens]:
        """Encode a question to its vector and its tokens, in one request.

        Raises:
            ValueError: the encoder has no token codes.
        """
        if self.token_kind is None:
            raise ValueError("this encoder has no token codes; encode_query gives the vector")
        found = self._ask([text], query=True)
        asked = None if found is None else wire.read_asked(found[0])
        if found is None or asked is None:
            own: tuple[NDArray[np.float32], AskedTokens] = self._load().encode_question(text)
            return own
        return wire.read_encoded(found[0], self.dim).vectors[0], asked

    def asked_tokens(
        self, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> AskedTokens | None:
        """Return None: hidden states stay in the server."""
        return None

    def token_scores(self, asked: AskedTokens, codes: Sequence[TokenCodes]) -> NDArray[np.float32]:
        """Compare a question with texts, float32 (len(codes),); this needs no model.

        Raises:
            ValueError: codes of another kind, or the encoder has none.
        """
        if self.token_kind is None:
            raise ValueError("cannot compare token codes: this encoder makes none")
        from lmort_memory.encoder import token_scores

        return token_scores(asked, codes, kind=self.token_kind)

    def close(self) -> None:
        """Free the model that was loaded here, if any."""
        with self._lock:
            if self._own is not None:
                self._own.close()

    def _ask(self, texts: list[str], *, query: bool) -> list[Mapping[str, Any]] | None:
        """Return what the server made of texts; None if it has gone."""
        if self._own is not None:
            return None
        body = {
            "texts": texts,
            "query": query,
            "tokens": self.token_kind is not None,
            "space": self.space,
        }
        try:
            found: list[Mapping[str, Any]] = self._server.ask("POST", "/api/encode", body)[
                "encoded"
            ]
        except OSError:
            return None
        return found

    def _load(self) -> Any:  # noqa: ANN401 — a TunedEncoder
        from lmort_memory.encoder import open_encoder

        with self._lock:
            if self._own is None:
                opened = open_encoder(*self._named, tokens=self.token_kind is not None)
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


class _BorrowingMemory(Memory):
    """A memory that closes its encoder too: nobody else has it."""

    def __init__(self, encoder: BorrowedEncoder, store: Store, *, redact: bool) -> None:
        super().__init__(encoder, store, redact=redact)
        self._borrowed = encoder

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._borrowed.close()


def borrow_memory(
    path: str | Path | None,
    *,
    model: str | Path | None,
    tuner: str | Path | None,
    token_codes: bool = True,
    passphrase: str | None = None,
    redact: bool = False,
) -> Memory | None:
    """Open a memory whose vectors the running server makes.

    Returns:
        None where no server runs, or one of another model or without the token codes that are
        wanted, or `$LMORT_SERVER` is "off".
    """
    server = server_to_use()
    if server is None or not (_same(server.model, model) and _same(server.tuner, tuner)):
        return None
    try:
        encoder = BorrowedEncoder(server, model=model, tuner=tuner, token_codes=token_codes)
    except (OSError, BackboneError):  # it may still be loading, or have failed to
        return None
    from lmort_memory.paths import chosen_db
    from lmort_memory.store.places import find_store

    return _BorrowingMemory(encoder, find_store(chosen_db(path), passphrase)(), redact=redact)


def _same(one: str | Path | None, other: str | Path | None) -> bool:
    """Whether two names, of which None is the default, name one file."""
    if one is None or other is None:
        return one is None and other is None
    return located(one) == located(other)

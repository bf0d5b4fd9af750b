"""Opening what a memory is made of: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.store.protocol import Store

if TYPE_CHECKING:
    from lmort_memory.encoder import OpenedEncoder
    from lmort_memory.types import Encoder

__all__ = ["Opened", "open_all"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A store and the encoders for it.

    Attributes:
        store: The store.
        encoders: The current one first, then that of `previous`, to be closed with the memory.
        previous: Encoders of older vectors, which are still searched.
    """

    store: Store
    encoders: tuple[OpenedEncoder, ...]
    previous: tuple[Encoder, ...]


def open_all(
    open_store: Callable[[], Store],
    model: str | Path | None,
    tuner: str | Path | None,
    *,
    previous: tuple[str | Path | None, str | Path | None] | None,
    token_codes: bool,
) -> Opened:
    """Open models and store, and forget what has expired; what is open is closed if one fails.

    Args:
        open_store: Opens the store. It comes after the models, since it may create a file.
        model: As in `Memory.open`; likewise the others.
        tuner: The tuner.
        previous: Model and tuner of existing vectors.
        token_codes: Whether tokens are encoded.
    """
    from lmort_memory.encoder import open_encoder

    with ExitStack() as undo:
        encoders = [undo.enter_context(closing(open_encoder(model, tuner, tokens=token_codes)))]
        if previous is not None:
            encoders.append(undo.enter_context(closing(open_encoder(*previous))))
        store = undo.enter_context(closing(open_store()))
        older = (*_still_asked(encoders[0], store), *(one.encoder for one in encoders[1:]))
        store.sweep()
        undo.pop_all()
    return Opened(store, tuple(encoders), older)


def _still_asked(opened: OpenedEncoder, store: Store) -> list[Encoder]:
    """Return the at-once encoder if the model's tuner has yet to replace vectors that it made.

    So making a tuner loses nothing that was found before: both are searched until `Memory.reencode`
    is done.
    """
    if opened.earlier is None:
        return []  # before the vectors of every space are counted
    spaces = {space.name: space for space in store.spaces()}
    if opened.earlier.space not in spaces:
        return []
    present = spaces.get(opened.encoder.space)
    return [opened.earlier] if present is None or present.pending else []

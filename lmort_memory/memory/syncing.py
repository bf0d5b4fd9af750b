"""Sync of a memory: which vectors are wanted, and what is redacted on the way in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import StoreError
from lmort_memory.redaction import Redactor
from lmort_memory.store.protocol import Replicated, Store
from lmort_memory.types import Progress

if TYPE_CHECKING:
    from lmort_memory.store.replica.state import Changes, RecordState, Replica, Version
    from lmort_memory.sync import SyncReport

__all__ = ["replica_of", "sync_memory"]


def sync_memory(
    store: Store,
    folder: Path,
    passphrase: str,
    *,
    space: str | None,
    redactor: Redactor | None,
    progress: Progress | None,
) -> SyncReport:
    """Exchange changes through a folder; see `Memory.sync`.

    Args:
        store: The memory's store.
        folder: The folder.
        passphrase: The same on every device.
        space: The space whose vectors are wanted, beside those that the store holds; None without
            an encoder, when a store that holds no vectors takes all.
        redactor: Replaces secrets in what arrives.
        progress: Called with the number of bundles done and the total.

    Raises:
        StoreError: the store cannot be synced, or as `synchronise`.
    """
    if not isinstance(store, Replicated):
        raise StoreError(
            f"cannot sync {type(store).__name__}: only SQLite databases are synced — the clients of"
            " a server share its memory already"
        )
    from lmort_memory.sync import synchronise

    spaces = {one.name for one in store.spaces()} | ({space} if space else set())
    return synchronise(
        store.replication(),
        folder,
        passphrase,
        spaces=spaces or None,
        clean=None if redactor is None else lambda changes: _cleaned(redactor, changes),
        progress=progress,
    )


def replica_of(store: Store) -> Replica | None:
    """Return a store's place among its devices; None if it was never synced."""
    return store.replication().replica() if isinstance(store, Replicated) else None


def _cleaned(redactor: Redactor, changes: Changes) -> Changes:
    return replace(changes, records=tuple(_clean(redactor, one) for one in changes.records))


def _clean(redactor: Redactor, state: RecordState) -> RecordState:
    versions = tuple(_clean_version(redactor, one) for one in state.versions)
    same = versions[-1].text == state.current.text
    return replace(state, versions=versions, vectors=state.vectors if same else {})


def _clean_version(redactor: Redactor, version: Version) -> Version:
    metadata = redactor.metadata(json.loads(version.metadata))
    return replace(
        version,
        text=redactor.text(version.text),
        metadata=json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), sort_keys=True),
    )

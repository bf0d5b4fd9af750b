"""Agent memory for local-first apps: one GGUF model talks and remembers.

    text ──► frozen GGUF model (llama.cpp) ──► reply
                   │ eval callback
                   ├─ states of layer A ─┐
                   └─ states of layer U ─┴─► LMORT tuner ──► vector ──► SQLite + HNSW

    >>> from lmort_memory import Memory
    >>> with Memory.open("notes.db") as memory:                             # doctest: +SKIP
    ...     memory.add("Ada keeps bees in Trondheim.")
    ...     memory.recall("Where does Ada live?")[0].record.text
    'Ada keeps bees in Trondheim.'

Importing this package loads nothing heavy: each public name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmort_memory.backbone import (
        Backbone,
        Sampling,
    )
    from lmort_memory.chat import (
        Chat,
        ChatOptions,
        Injected,
        Ledger,
        Link,
        OldNotes,
        Repeat,
        Reply,
        ReplyPiece,
        RoomMade,
        Timings,
    )
    from lmort_memory.encoder import (
        TunedEncoder,
    )
    from lmort_memory.errors import (
        BackboneError,
        DamagedStoreError,
        ImportFileError,
        LmortError,
        MissingDependencyError,
        NewerSchemaError,
        PassphraseError,
        RecordNotFoundError,
        SpaceMismatchError,
        StoreError,
        TunerError,
        TunerMismatchError,
    )
    from lmort_memory.memory import (
        Added,
        Conditions,
        Item,
        Memory,
        MemoryStatus,
        Mode,
    )
    from lmort_memory.messages import (
        Said,
    )
    from lmort_memory.store import (
        Receipt,
        SpaceInfo,
        Store,
        StoreStatus,
    )
    from lmort_memory.sync import (
        SyncReport,
    )
    from lmort_memory.types import (
        AskedTokens,
        AskedTurn,
        ChatEncoder,
        Encoded,
        Encoder,
        HiddenStates,
        Hit,
        JsonValue,
        Progress,
        Record,
        ScopeTree,
        Scores,
        Source,
        StateEncoder,
        TokenCodes,
        TokenEncoder,
        Turn,
    )

_HOME = {
    "Added": "memory",
    "AskedTokens": "types",
    "Backbone": "backbone",
    "BackboneError": "errors",
    "Chat": "chat",
    "ChatEncoder": "types",
    "ChatOptions": "chat",
    "Conditions": "memory",
    "Encoded": "types",
    "Encoder": "types",
    "HiddenStates": "types",
    "AskedTurn": "types",
    "Hit": "types",
    "ImportFileError": "errors",
    "Injected": "chat",
    "Item": "memory",
    "JsonValue": "types",
    "Ledger": "chat",
    "Link": "chat",
    "LmortError": "errors",
    "Memory": "memory",
    "MemoryStatus": "memory",
    "MissingDependencyError": "errors",
    "Mode": "memory",
    "OldNotes": "chat",
    "Progress": "types",
    "Receipt": "store",
    "Record": "types",
    "RecordNotFoundError": "errors",
    "Repeat": "chat",
    "Reply": "chat",
    "ReplyPiece": "chat",
    "RoomMade": "chat",
    "Said": "messages",
    "Sampling": "backbone",
    "ScopeTree": "types",
    "Scores": "types",
    "Source": "types",
    "SpaceInfo": "store",
    "SpaceMismatchError": "errors",
    "StateEncoder": "types",
    "Store": "store",
    "DamagedStoreError": "errors",
    "NewerSchemaError": "errors",
    "PassphraseError": "errors",
    "StoreError": "errors",
    "StoreStatus": "store",
    "SyncReport": "sync",
    "Timings": "chat",
    "TokenCodes": "types",
    "TokenEncoder": "types",
    "TunedEncoder": "encoder",
    "TunerError": "errors",
    "TunerMismatchError": "errors",
    "Turn": "types",
}

__all__ = [
    "Added",
    "AskedTokens",
    "AskedTurn",
    "Backbone",
    "BackboneError",
    "Chat",
    "ChatEncoder",
    "ChatOptions",
    "Conditions",
    "DamagedStoreError",
    "Encoded",
    "Encoder",
    "HiddenStates",
    "Hit",
    "ImportFileError",
    "Injected",
    "Item",
    "JsonValue",
    "Ledger",
    "Link",
    "LmortError",
    "Memory",
    "MemoryStatus",
    "MissingDependencyError",
    "Mode",
    "NewerSchemaError",
    "OldNotes",
    "PassphraseError",
    "Progress",
    "Receipt",
    "Record",
    "RecordNotFoundError",
    "Repeat",
    "Reply",
    "ReplyPiece",
    "RoomMade",
    "Said",
    "Sampling",
    "ScopeTree",
    "Scores",
    "Source",
    "SpaceInfo",
    "SpaceMismatchError",
    "StateEncoder",
    "Store",
    "StoreError",
    "StoreStatus",
    "SyncReport",
    "Timings",
    "TokenCodes",
    "TokenEncoder",
    "TunedEncoder",
    "TunerError",
    "TunerMismatchError",
    "Turn",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

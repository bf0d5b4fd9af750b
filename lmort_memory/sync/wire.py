"""A bundle's changes as bytes: JSON, compressed.

Times are microseconds since 1970. Vectors are float16, as the store keeps them.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from lmort_memory.packing import pack, unpack
from lmort_memory.store.replica.state import (
    PARTS,
    Changes,
    LedgerState,
    Part,
    RecordState,
    Version,
)

__all__ = ["decode", "encode"]

MOST_BYTES = 1 << 30  # of a bundle, decompressed

# What reading something else raises, ValueErrors aside: brackets without end, infinite numbers.
_NOT_OURS = (
    *(AttributeError, LookupError, OverflowError, RecursionError, TypeError),
    zlib.error,
)


def encode(changes: Changes) -> bytes:
    """Return changes as bytes."""
    value = {
        "name": changes.name,
        "records": [_record(one) for one in changes.records],
        "ledgers": [
            [one.reply_id, one.session, one.at, one.record_ids, dict(one.payload)]
            for one in changes.ledgers
        ],
        "forgotten": changes.forgotten,
        "twins": changes.twins,
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode(), 6)


def decode(data: bytes) -> Changes:
    """Return the changes in bytes.

    Raises:
        ValueError: `encode` did not write them.
    """
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(data, MOST_BYTES)
        if not unpacking.eof:
            raise ValueError("a bundle is larger than 1 GB")
        value = json.loads(text)
        return Changes(
            records=tuple(_to_record(one) for one in value["records"]),
            ledgers=tuple(_to_ledger(*one) for one in value["ledgers"]),
            forgotten=tuple(str(one) for one in value["forgotten"]),
            twins=tuple((str(one), str(other)) for one, other in value["twins"]),
            name=str(value["name"]),
        )
    except _NOT_OURS as error:
        raise ValueError(f"not the changes of a device: {error!r:.200}") from error


def _record(state: RecordState) -> dict[str, Any]:
    return {
        "id": state.id,
        "scope": state.scope,
        "session": state.session,
        "uri": state.uri,
        "versions": [
            [one.at, one.role, one.text, one.metadata, one.expires, one.stamped, one.device]
            for one in state.versions
        ],
        "parts": {name: [one.at, one.device, one.value] for name, one in state.parts.items()},
        "origin": state.origin and state.origin.hex(),
        "vectors": {name: pack(one, floats="<f2") for name, one in state.vectors.items()},
    }


def _to_record(value: dict[str, Any]) -> RecordState:
    versions = sorted((Version(*one) for one in value["versions"]), key=lambda one: one.key)
    if not versions:
        raise TypeError("a record without versions")
    for one in versions:
        json.loads(one.metadata)
    parts = {name: value["parts"][name] for name in PARTS}
    return RecordState(
        id=str(value["id"]),
        scope=str(value["scope"]),
        session=value["session"],
        uri=value["uri"],
        versions=tuple(versions),
        parts={name: Part(one[0], one[1], tuple(one[2])) for name, one in parts.items()},
        origin=value["origin"] and bytes.fromhex(value["origin"]),
        vectors={name: unpack(one, floats="<f2") for name, one in value["vectors"].items()},
    )


def _to_ledger(
    reply_id: str, session: str | None, at: int, record_ids: list[str], payload: dict[str, Any]
) -> LedgerState:
    return LedgerState(reply_id, session, at, tuple(record_ids), payload)

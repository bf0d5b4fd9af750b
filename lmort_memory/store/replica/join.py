"""Two states of one record become one.

`join` is a semilattice's: commutative, associative and idempotent, so that devices end up equal
whatever order the states arrive in. Versions are a growing set; every other part is a register
whose last write wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lmort_memory.store.replica.state import PARTS, Part, RecordState, Version

__all__ = ["concurrent", "fold", "join"]


def join(one: RecordState, other: RecordState) -> RecordState:
    """Return the state that holds what either holds; id, scope, session and URI are the first's."""
    versions: dict[tuple[int, str, str], Version] = {}
    for version in (*one.versions, *other.versions):
        known = versions.get(version.key)
        versions[version.key] = version if known is None else _richer(known, version)
    parts = {name: _later(one.parts[name], other.parts[name]) for name in PARTS}
    ordered = tuple(versions[key] for key in sorted(versions))
    return replace(one, versions=ordered, parts=parts)


def concurrent(one: RecordState, other: RecordState) -> bool:
    """Whether both were edited, differently, by somebody who did not know the other's version."""
    if (one.current.role, one.current.text) == (other.current.role, other.current.text):
        return False
    return one.current.key not in _keys(other.versions) and other.current.key not in _keys(
        one.versions
    )


def fold(main: RecordState, twin: RecordState) -> RecordState:
    """Join a twin's state into that of the record with the smaller id.

    Both began with the same words. The twin's beginning is left out, or each such record would have
    an earlier version that says the same.
    """
    first, begun = twin.versions[0], main.versions[0]
    if (first.role, first.text) == (begun.role, begun.text):
        if len(twin.versions) == 1:
            return join(main, replace(twin, versions=main.versions))
        twin = replace(twin, versions=twin.versions[1:])
    return join(main, twin)


def _keys(versions: Iterable[Version]) -> set[tuple[int, str, str]]:
    return {version.key for version in versions}


def _richer(one: Version, other: Version) -> Version:
    return max(one, other, key=lambda version: version.detail)


def _later(one: Part, other: Part) -> Part:
    return max(one, other, key=lambda part: part.rank)

"""The command `audit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import command
from ..opening import chosen_scope, open_memory
from ..options import Base
from ..terminal.output import day, note, print_json, say
from ..terminal.progress import Meter

if TYPE_CHECKING:
    from datetime import datetime

    from lmort_memory.memory import Memory
    from lmort_memory.types import JsonValue, Record


@dataclass(frozen=True, slots=True)
class Finding:
    """A stored secret; `old` if it is in an earlier version kept as history."""

    id: str
    created_at: datetime
    kind: str
    masked: str
    source: str | None
    old: bool


@command("lmort-mem audit", "lmort-mem audit --json")
def audit(
    *,
    scope: Annotated[
        str | None,
        typer.Option(metavar="NAME", help='Only this scope; "*" for all.', show_default=False),
    ] = None,
    base: Base,
) -> None:
    """List stored secrets, masked: keys, passwords, card numbers.

    Checks older versions of edited records too. Exit status 1 if any are found.
    """
    with open_memory(base, existing=True) as memory, Meter("looking", unit="records") as meter:
        found = list(_findings(memory, chosen_scope(scope or "*"), meter))
    if base.json:
        print_json(found)
    else:
        for one in found:
            old = "  (an older version)" if one.old else ""
            source = f"  {one.source}" if one.source else ""
            say(f"{one.id}  {day(one.created_at)}  {one.kind}: {one.masked}{old}{source}")
        _sum_up(found)
    if found:
        raise typer.Exit(1)


def _sum_up(found: list[Finding]) -> None:
    if not found:
        note("no secrets found")
        return
    kinds = Counter(one.kind for one in found)
    note(", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items())))
    note("`lmort-mem forget ID` deletes one; `lmort-mem import --redact` imports its file again")


def _findings(memory: Memory, scope: str | None, meter: Meter) -> Iterator[Finding]:
    total = memory.status().store.records
    for done, record in enumerate(memory.records(scope=scope), 1):
        yield from _of_record(record, record.id, old=False)
        for version in memory.history(record.id)[:-1]:
            yield from _of_record(version, record.id, old=True)
        meter(done, total)


def _of_record(record: Record, record_id: str, *, old: bool) -> Iterator[Finding]:
    from lmort_memory.redaction import find_secrets, masked

    source = record.source.uri if record.source else None
    for text in (record.text, *_strings(dict(record.metadata))):
        for secret in find_secrets(text):
            shown = masked(text, secret)
            yield Finding(record_id, record.created_at, secret.kind, shown, source, old)


def _strings(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)

"""Maintenance commands: status, verify, reencode, gc."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from lmort_memory.errors import DamagedStoreError, StoreError
from lmort_memory.settings import config_path

from ..app import command
from ..opening import open_damaged, open_memory
from ..options import Base, Models
from ..terminal.output import as_json, note, print_json, say, size
from ..terminal.progress import Meter, duration
from .tuner_info import card_of_space, tier_text

if TYPE_CHECKING:
    from lmort_memory.importing import Pulse
    from lmort_memory.memory import MemoryStatus
    from lmort_memory.memory.canaries import Drift
    from lmort_memory.store.replica.state import Replica
    from lmort_memory.store.values import SpaceInfo, Verification


@command("lmort-mem status", "lmort-mem status --with-model --json")
def status(
    *,
    with_model: Annotated[
        bool,
        typer.Option("--with-model", help="Also load the model, to count records without vectors."),
    ] = False,
    base: Base,
    models: Models,
) -> None:
    """Show where the memory is, how large it is, and what it holds."""
    named = with_model or models.model is not None or models.tuner is not None
    from lmort_memory.importing import pulses
    from lmort_memory.memory.canaries import drifts

    with open_memory(base, models if named else None, talks=True) as memory:
        found = memory.status()
        drifted = drifts(memory.store)
    watchers = pulses(found.store.path)
    if base.json:
        more = {"drift": drifted, "watchers": watchers}
        print_json({**cast("dict[str, object]", as_json(found)), **more})
    else:
        _say_status(found)
        for drift in drifted:
            say(f"drift     {drift.describe()}")
        for watcher in watchers:
            _say_watcher(watcher)


def _say_status(found: MemoryStatus) -> None:
    store = found.store
    say(f"database  {store.place}, {size(store.size_bytes)}")
    say(f"records   {store.records:,}; {store.sources:,} files and conversations were imported")
    for space in store.spaces:
        say(f"vectors   {space.vectors:,} of {space.dim} numbers, {_waiting(space.pending)}")
        _say_space(space.name, _tier_of(space.name))
        say(f"index     {_index(space, store.index_bytes)}")
    if store.token_bytes:
        say(f"tokens    {size(store.token_bytes)} of the database; config token_codes off saves it")
    if not store.spaces:
        say("vectors   none; recall works by words")
    if found.model is not None and found.tier is not None:
        say(f"model     {found.model}, {_waiting(found.pending)}")
        _say_space(found.space, tier_text(found.tier))
    if found.replica is not None:
        _say_replica(found.replica)
    config = config_path()
    say(f"settings  {config}{'' if config.exists() else ', none yet'}")


def _say_replica(replica: Replica) -> None:
    say(f"sync      {replica.folder}, {_ago(replica.synced_at)}; this device is {replica.device}")
    say(f"  to send {replica.waiting:,} changes")
    for peer in replica.peers:
        say(f"  device  {peer.device} ({peer.name}), last read {_ago(peer.read_at)}")


def _say_watcher(pulse: Pulse) -> None:
    say(f"watching  {', '.join(pulse.folders)}, process {pulse.pid}")
    if pulse.alive:
        say(f"  alive   {_ago(pulse.beat_at)}; last change {_ago(pulse.changed_at)}")
    else:
        say(f"  dead    no sign of life since {_ago(pulse.beat_at)}; restart it")
    if pulse.error:
        say(f"  error   {pulse.error}")


def _ago(when: datetime | None) -> str:
    if when is None:
        return "none yet"
    return f"{duration((datetime.now(UTC) - when).total_seconds())} ago"


def _say_space(name: str | None, tier: str) -> None:
    say(f"  space   {name}")
    say(f"  tuner   {tier}")


def _tier_of(space: str) -> str:
    card = card_of_space(space)
    return (
        "not installed here; needed to use these vectors" if card is None else tier_text(card.tier)
    )


def _waiting(count: int) -> str:
    return f"{count:,} records still need theirs" if count else "complete"


def _index(space: SpaceInfo, size_bytes: int) -> str:
    if not space.indexed:
        return "none; every search is exact"
    return f"{space.indexed:,} of the vectors, {size(size_bytes)}; the rest is searched exactly"


@command("lmort-mem verify")
def verify(*, base: Base) -> None:
    """Check every page and row of the database for damage.

    Exit status 1 if anything is damaged.
    """
    found, drifted = _verified(base)
    if base.json:
        print_json({**cast("dict[str, object]", as_json(found)), "drift": drifted})
    else:
        for drift in drifted:
            note(drift.describe())
        for problem in found.problems:
            say(problem)
        note(f"{'damaged' if found.problems else 'sound'}; {found.readable} records can be read")
        if found.problems:
            note("restore a backup: lmort-mem restore BACKUP")
        if found.problems and found.readable:
            note("or save what can be read: lmort-mem export saved.jsonl --salvage")
            note("and then: lmort-mem import saved.jsonl --db NEW.db")
    if not found.ok:
        raise typer.Exit(1)


def _verified(base: Base) -> tuple[Verification, list[Drift]]:
    """Check the database, or whatever can be read of it if it cannot be opened."""
    from lmort_memory.memory.canaries import drifts
    from lmort_memory.store.values import Verification

    try:
        with open_memory(base, existing=True) as memory:
            found = memory.store.verify()
            return found, drifts(memory.store) if found.ok else []
    except DamagedStoreError as error:
        problem = str(error).partition(" — ")[0]
    try:
        with open_damaged(base) as memory:
            return Verification((problem,), memory.store.verify().readable), []
    except StoreError:
        return Verification((problem,), 0), []


@command("lmort-mem reencode", "lmort-mem reencode --model ~/models/qwen3-4b.gguf --drop-old")
def reencode(
    *,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Then delete the vectors of other models.")
    ] = False,
    base: Base,
    models: Models,
) -> None:
    """Make the missing vectors for the current model.

    You can stop it and run it again. Meanwhile everything can be found by words.
    """
    with open_memory(base, models, notices=False) as memory:
        try:
            with Meter("making vectors", unit="records") as meter:
                count = memory.reencode(progress=meter, drop_old=drop_old)
        except KeyboardInterrupt:
            note("stopped; the vectors made so far are stored — run the same command to resume")
            raise typer.Exit(130) from None
        spaces = memory.store.spaces()
    if base.json:
        print_json({"encoded": count, "spaces": spaces})
    else:
        note(f"{count} records got new vectors")


@command("lmort-mem gc")
def gc(*, base: Base) -> None:
    """Delete expired records and return free space to the disk."""
    with open_memory(base, existing=True) as memory:
        before = memory.status().store.size_bytes
        receipt = memory.store.sweep()
        memory.store.compact()
        after = memory.status().store.size_bytes
    if base.json:
        print_json({"expired": receipt, "before_bytes": before, "after_bytes": after})
    else:
        note(f"{receipt.records} expired records deleted; {size(before)} before, {size(after)} now")

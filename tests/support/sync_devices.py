"""Devices that sync through folders of their own; a test carries files between them, or does not.

Nothing is simulated but the replicating tool: real databases, real bundles, real merges. Only the
cost of scrypt is lowered, and fsync is left out.
"""

import random
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from lmort_memory import Memory, Turn
from lmort_memory.store import Filter, SQLiteStore, connection
from lmort_memory.store.values import LedgerEntry
from lmort_memory.sync import sealing
from lmort_memory.testing import HashEncoder

PASSPHRASE = "four words of straw"
ENCODER = HashEncoder(8, name="sync", tokens=True)


@contextmanager
def cheap():
    """Derive keys at once and wait for no disk."""
    cost, pragmas = sealing.COST, connection.PRAGMAS
    sealing.COST = 2
    connection.PRAGMAS = pragmas.replace("synchronous = FULL", "synchronous = OFF")
    try:
        yield
    finally:
        sealing.COST, connection.PRAGMAS = cost, pragmas


class Device:
    """A memory with its own copy of the folder."""

    def __init__(self, root, name):
        self.name = name
        self.path = root / f"{name}.db"
        self.folder = root / f"{name}-folder"
        self.folder.mkdir()
        self.memory = Memory(ENCODER, SQLiteStore(self.path))

    def sync(self):
        """Sync with the own copy of the folder."""
        return self.memory.sync(self.folder, passphrase=PASSPHRASE)

    def own(self):
        """The folder that this device writes; None before its first sync."""
        replica = self.memory.store.replication().replica()
        return None if replica is None else self.folder / replica.device

    def add(self, text, **more):
        """Store a text; returns the id."""
        return self.memory.add(Turn(text, **more)).id

    def ids(self):
        """The ids of all records, in order."""
        return [record.id for record in self.memory.records()]

    def picture(self):
        """Everything that must be equal on all devices."""
        store = self.memory.store
        records = list(store.dump(Filter(expired=True)))
        return {
            "records": [one.record for one in records],
            "history": [one.history for one in records],
            "ledgers": sorted(store.ledgers(limit=1000), key=lambda entry: entry.reply_id),
        }

    def close(self):
        """Close the memory."""
        self.memory.close()


def carry(source, target, chance=None):
    """Bring a device's own files to another's copy of its folder: all, or as chance has it."""
    own = source.own()
    if own is None or not own.exists():
        return
    copy = target.folder / own.name
    copy.mkdir(exist_ok=True)
    there = {file.name for file in own.glob("*.lmsync")}
    for file in copy.glob("*.lmsync"):
        if file.name not in there and (chance is None or chance.random() < 0.5):
            file.unlink()
    for name in sorted(there):
        luck = 1.0 if chance is None else chance.random()
        if luck < 0.4:
            continue
        data = (own / name).read_bytes()
        (copy / name).write_bytes(data if luck > 0.6 else data[: int(len(data) * luck)])


def carry_all(devices):
    """Replicate everything."""
    for source in devices:
        for target in devices:
            if source is not target:
                carry(source, target)


def settle(devices, rounds=3):
    """Sync and replicate until everybody knows everything."""
    for _ in range(rounds):
        for device in devices:
            device.sync()
        carry_all(devices)
    for device in devices:
        report = device.sync()
        assert report.complete, report.skipped


class Story:
    """Random steps on three devices, with what must be true in the end."""

    STEPS = ("add", "edit", "edit", "forget", "supersede", "ledger", "expire", "carry", "sync")
    STEPS += ("sync", "copy")

    def __init__(self, root: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.devices = [Device(root, name) for name in "abc"]
        self.forgotten: set[str] = set()
        self.edits: list[tuple[str, str]] = []
        self.made = 0

    def close(self):
        """Close all devices."""
        for device in self.devices:
            device.close()

    def step(self):
        """Do something somewhere."""
        device = self.chance.choice(self.devices)
        getattr(self, self.chance.choice(self.STEPS))(device)

    def _text(self, device):
        self.made += 1
        return f"text {self.made} of {device.name}"

    def _one(self, device):
        ids = device.ids()
        return self.chance.choice(ids) if ids else self.add(device)

    def add(self, device):
        """Add a text; now and then one that the others add too, and that expires or has vectors."""
        text = self.chance.choice([self._text(device)] * 3 + ["a text of all"])
        return device.add(text, metadata={"by": device.name})

    def edit(self, device):
        """Edit a record."""
        record_id, text = self._one(device), self._text(device)
        device.memory.update(record_id, text, metadata={"edited": self.made})
        self.edits.append((record_id, text))

    def forget(self, device):
        """Forget a record."""
        record_id = self._one(device)
        assert device.memory.forget(record_id).records == 1
        self.forgotten.add(record_id)

    def supersede(self, device):
        """Let one record replace another."""
        old, new = self._one(device), self._one(device)
        try:
            device.memory.supersede(old, new)
        except ValueError:  # in a circle
            return

    def ledger(self, device):
        """Store what a reply was given."""
        self.made += 1
        entry = LedgerEntry(f"reply {self.made}", "s", (self._one(device),), {"n": self.made})
        device.memory.store.add_ledger(entry)

    def expire(self, device):
        """Correct a record without a new version."""
        from datetime import UTC, datetime

        when = datetime(2100, 1, 1 + self.chance.randrange(28), tzinfo=UTC)
        device.memory.store.set_expiry([self._one(device)], when)

    def carry(self, device):
        """Replicate some files, and parts of files."""
        carry(device, self.chance.choice(self.devices), self.chance)

    def sync(self, device):
        """Sync, whatever has arrived."""
        device.sync()

    def copy(self, device):
        """Leave in the folder what replicating tools and people leave there."""
        folder = self.chance.choice([device.folder, device.own() or device.folder])
        if folder.exists():
            (folder / "notes (conflicted copy).txt").write_text("not a bundle")
            for file in list(folder.glob("*.lmsync"))[:1]:
                shutil.copy(file, folder / f"{file.stem}.sync-conflict-20260101.lmsync")

    def check(self):
        """After full replication all devices hold the same, and what they must hold."""
        for device in self.devices:  # what `copy` left behind
            for file in device.folder.rglob("*conflict*"):
                file.unlink()
        settle(self.devices)
        first, *others = (device.picture() for device in self.devices)
        for other in others:
            assert other == first
        ids = {record.id for record in first["records"]}
        assert not ids & self.forgotten
        texts = {
            record.id: {one.text for one in (record, *history)}
            for record, history in zip(first["records"], first["history"], strict=True)
        }
        everything = set().union(*texts.values()) if texts else set()
        for record_id, text in self.edits:
            if record_id in ids:
                assert text in everything, f"the edit {text!r} is lost"
        for device in self.devices:
            assert device.memory.store.verify().ok
            assert device.memory.status().pending == 0


def live(seed: int, steps: int) -> None:
    """Let three devices take some steps, and check how it ends."""
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder), seed)
        try:
            for _ in range(steps):
                story.step()
            story.check()
        finally:
            story.close()

"""The same memory on several devices, through a folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from lmort_memory import Memory, PassphraseError, StoreError, Turn
from lmort_memory.store import SQLiteStore
from lmort_memory.store.restoring import restore_backup
from lmort_memory.store.values import LedgerEntry
from lmort_memory.sync import own_log
from lmort_memory.sync.sealing import Sealer, read_head
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Source
from tests.support.cli import Cli
from tests.support.sync_devices import ENCODER, PASSPHRASE, Device, carry, cheap, settle


@pytest.fixture(autouse=True)
def _cheap():
    with cheap():
        yield


@pytest.fixture
def devices(tmp_path):
    """Two devices, each with its own copy of the folder."""
    both = [Device(tmp_path, name) for name in "ab"]
    yield both
    for device in both:
        device.close()


def said(folder):
    """Every record and ledger entry in the bundles of a folder."""
    sealer = Sealer(PASSPHRASE)
    found = []
    for file in sorted(folder.rglob("*.lmsync")):
        changes = sealer.open(file, read_head(file))
        found += [*changes.records, *changes.ledgers]
    return found


def test_everything_travels(devices):
    """Texts, versions, metadata, sources, supersessions and ledgers arrive as they were."""
    one, two = devices
    source = Source("file:///bees.md", 3, 9)
    old = one.add("Ada keeps bees", session="s", scope="home", metadata={"n": 1}, source=source)
    one.memory.update(old, "Ada keeps bees in Bergen", metadata={"n": 2})
    new = one.add("Ada sold them", scope="home")
    one.memory.supersede(old, new)
    one.memory.store.add_ledger(LedgerEntry("r", "s", (old,), {"why": "asked"}))
    settle(devices, rounds=1)
    assert two.picture() == one.picture()
    assert len(two.memory.history(old)) == 2
    [entry], [same] = (device.memory.store.ledgers(limit=9) for device in devices)
    assert (entry, entry.created_at) == (same, same.created_at)
    assert two.memory.recall("bees", scope="home", include_superseded=True)


def test_what_is_said_again_is_no_twin_of_what_was_replaced(devices):
    """A fact that holds again does so everywhere, once, although every device says it."""
    one, two = devices
    first, other = one.add("x is one"), one.add("x is two")
    one.memory.supersede(first, other)
    settle(devices, rounds=1)
    said = [device.add("x is one") for device in devices]
    settle(devices)
    assert one.picture() == two.picture()
    assert one.ids() == sorted([first, other, min(said)])
    assert {device.memory.get(min(said)).valid_to for device in devices} == {None}


def test_vectors_travel_within_a_space(tmp_path, devices):
    """In the same space nothing is encoded again, token codes included; in another one it is."""
    one, two = devices
    record = one.add("Ada keeps bees")
    one.sync()
    carry(one, two)
    assert two.memory.sync(two.folder, passphrase=PASSPHRASE, defer=True).added == 1
    [mine], [theirs] = (
        device.memory.store.vectors(ENCODER.space, [record]).values() for device in devices
    )
    assert (mine.vectors == theirs.vectors).all() and theirs.tokens is not None
    with Memory(HashEncoder(4, name="other"), SQLiteStore(tmp_path / "c.db")) as other:
        assert other.sync(one.folder, passphrase=PASSPHRASE).encoded == 1
        assert [space.dim for space in other.store.spaces()] == [4]


def test_a_conflict_keeps_both_versions(devices):
    """Of two edits at once the later holds, the other is in the history, and it is said once."""
    one, two = devices
    record = one.add("Ada keeps bees")
    settle(devices, rounds=1)
    one.memory.update(record, "Ada keeps bees in Bergen")
    two.memory.update(record, "Ada keeps bees in Oslo")
    one.sync()
    carry(one, two)
    assert two.sync().conflicts == (record,)
    settle(devices)
    for device in devices:
        texts = [version.text for version in device.memory.history(record)]
        assert texts == ["Ada keeps bees", "Ada keeps bees in Bergen", "Ada keeps bees in Oslo"]


def test_forgetting_wins_and_leaves_no_text_in_the_folder(devices):
    """What is forgotten anywhere is gone everywhere, edits and ledgers too, and from bundles."""
    one, two = devices
    kept, secret = one.add("Ada keeps bees"), one.add("The PIN is 4711")
    one.memory.store.add_ledger(LedgerEntry("r", "s", (secret,), {"told": "4711"}))
    settle(devices, rounds=1)
    two.memory.forget(secret)
    one.memory.update(secret, "The PIN is 4712")
    one.sync()
    settle(devices)
    for device in devices:
        assert device.ids() == [kept] and not device.memory.store.ledgers(limit=9)
        assert [one.id for one in said(device.folder)] == [kept]
    assert one.memory.sync(one.folder, passphrase=PASSPHRASE).rewritten == 0


def test_what_both_have_stored_is_one_record(devices):
    """The same content from the same origin is stored once; forgetting it forgets both."""
    one, two = devices
    first, second = one.add("a note of both"), two.add("a note of both")
    two.memory.update(two.add("another"), "another one")
    settle(devices)
    assert first < second and first in one.ids() and one.ids() == two.ids()
    assert len(one.ids()) == 2 and len(one.memory.history(first)) == 1
    two.memory.forget(first)
    settle(devices)
    assert len(one.ids()) == len(two.ids()) == 1
    again = two.add("a note of both")
    settle(devices)
    assert again in one.ids()


def test_a_circle_of_supersessions_is_broken(devices):
    """Two records that replace each other, on two devices, are not both hidden."""
    one, two = devices
    first, second = one.add("first"), one.add("second")
    settle(devices, rounds=1)
    one.memory.supersede(first, second)
    time.sleep(0.005)  # the triggers' clock counts milliseconds; within one the device's id decides
    two.memory.supersede(second, first)
    settle(devices)
    assert one.picture() == two.picture()
    assert [record.id for record in one.memory.records() if record.valid_to is None] == [first]


def test_bundles_hold_no_text(devices):
    """No text, name, address or metadata can be read in the folder, by anybody without the key."""
    one, _ = devices
    words = ["Quibdoville", "secretscope", "secretsession", "secretfile", "secretkey", "secretrole"]
    turn = Turn(
        f"{words[0]} " * 50,
        role=words[5],
        scope=words[1],
        session=words[2],
        source=Source(f"file:///{words[3]}.md"),
        metadata={words[4]: 1},
    )
    record = one.memory.add(turn)
    one.memory.store.add_ledger(LedgerEntry("r", words[2], (record.id,), {"q": words[0]}))
    one.sync()
    data = b"".join(file.read_bytes() for file in one.folder.rglob("*") if file.is_file())
    names = " ".join(str(file.relative_to(one.folder)) for file in one.folder.rglob("*"))
    for word in [*words, record.id, PASSPHRASE]:
        assert word.encode() not in data and word not in names
    for file in one.folder.rglob("*"):
        assert file.stat().st_mode & 0o077 == 0


def test_a_wrong_passphrase_is_one_line_and_changes_nothing(devices):
    """It is refused before anything is written, on a new device and on one that has synced."""
    one, two = devices
    one.add("Ada keeps bees")
    two.add("Bob keeps ants")
    one.sync()
    before = sorted(one.folder.rglob("*"))
    for memory in (one.memory, two.memory):
        with pytest.raises(PassphraseError, match="the passphrase is wrong") as error:
            memory.sync(one.folder, passphrase="another")
        assert "\n" not in str(error.value)
    with pytest.raises(PassphraseError, match="empty"):
        one.memory.sync(one.folder, passphrase="")
    assert sorted(one.folder.rglob("*")) == before
    assert two.memory.status().replica is None


def cut(file):
    """The rest has not arrived."""
    file.write_bytes(file.read_bytes()[:-9])


def cut_in_the_header(file):
    """Hardly anything has arrived."""
    file.write_bytes(file.read_bytes()[:20])


def flip(file):
    """Somebody, or a disk, changed a bit."""
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)


def rename(file):
    """It passes for another bundle."""
    file.rename(file.with_name("00000007-00000007.0.lmsync"))


def fill_with_noise(file):
    """A header that claims four gigabytes."""
    file.write_bytes(b"lmort-sync\n\xff\xff\xff\xff" + bytes(99))


@pytest.mark.parametrize("damage", [cut, cut_in_the_header, flip, rename, fill_with_noise])
def test_what_cannot_be_read_is_read_later(devices, damage):
    """A truncated, changed or misnamed bundle is one line; later ones wait, and all are read."""
    one, two = devices
    first = one.add("first")
    one.sync()
    second = one.add("second")
    one.sync()
    carry(one, two)
    early = min((two.folder / one.own().name).glob("*.lmsync"))
    damage(early)
    report = two.sync()
    assert not report.complete and two.ids() == []
    assert any(early.name in line or "has not arrived" in line for line in report.skipped)
    carry(one, two)
    for stray in two.folder.rglob("00000007*"):
        stray.unlink()
    assert two.sync().complete and two.ids() == [first, second]


def test_strange_files_are_passed_over(devices):
    """Other people's files, conflict copies and links are named and left alone; tools' are not."""
    one, two = devices
    one.add("Ada keeps bees")
    one.sync()
    carry(one, two)
    copy = two.folder / one.own().name
    bundle = next(copy.glob("*.lmsync"))
    shutil.copy(bundle, copy / f"{bundle.stem}.sync-conflict-20260101-120000-ABCDEF.lmsync")
    (copy / "00000002-00000002.0.lmsync").symlink_to("/etc/hostname")
    os.mkfifo(copy / "00000003-00000003.0.lmsync")
    (two.folder / "holiday.jpg").write_bytes(b"\xff\xd8")
    (two.folder / ".stfolder").mkdir()
    (two.folder / "~syncthing~x.tmp").write_text("half")
    report = two.sync()
    assert report.added == 1 and len(report.skipped) == 4
    assert (copy / "00000002-00000002.0.lmsync").is_symlink()


@pytest.mark.parametrize("id_", ["0123456789abcdef", [], None])
def test_a_file_that_nobody_with_the_passphrase_wrote_changes_nothing(devices, id_):
    """In the device's own folder it is named and left alone; the device stays what it is."""
    one, two = devices
    one.add("Ada keeps bees")
    one.sync()
    device, bundle = one.own().name, next(one.own().glob("*.lmsync"))
    head, rest = parted(bundle.read_bytes())
    forged = bundle.with_name("00000099-00000099.0.lmsync")
    forged.write_bytes(joined({**head, "first": 99, "last": 99, "id": id_}, rest))
    report = one.sync()
    assert report.device == device and forged.exists()
    assert (forged.name in " ".join(report.skipped)) == isinstance(id_, str)
    forged.unlink()
    bundle.write_bytes(joined({**head, "id": "0123456789abcdef"}, rest))
    assert one.sync().device == device
    carry(one, two)
    assert two.sync().complete and two.ids() == one.ids()


def parted(data):
    """Return the header of a bundle as a dictionary, and the rest."""
    end = 15 + int.from_bytes(data[11:15], "big")
    return json.loads(data[15:end]), data[end:]


def joined(head, rest):
    """Return a bundle with this header."""
    text = json.dumps(head).encode()
    return b"lmort-sync\n" + len(text).to_bytes(4, "big") + text + rest


def test_a_copied_database_becomes_another_device(tmp_path, devices):
    """A copy that syncs under its original's id is noticed; neither loses anything."""
    one, two = devices
    one.add("before")
    one.sync()
    shutil.copy(one.path, tmp_path / "copy.db")
    mine = one.add("mine")
    one.sync()
    with Memory(ENCODER, SQLiteStore(tmp_path / "copy.db")) as copied:
        theirs = copied.add("theirs").id
        copied.sync(one.folder, passphrase=PASSPHRASE)
        assert copied.status().replica.device != one.memory.status().replica.device
        copied.forget(theirs)
        copied.sync(one.folder, passphrase=PASSPHRASE)
    one.sync()
    assert mine in one.ids() and theirs not in one.ids()
    assert two.memory.sync(one.folder, passphrase=PASSPHRASE).complete
    assert two.ids() == one.ids()


def test_a_backup_brings_nothing_back(tmp_path, devices):
    """A restored backup is a device of its own, and what was forgotten since stays forgotten."""
    one, two = devices
    kept, secret = one.add("kept"), one.add("secret")
    one.sync()
    one.memory.backup(tmp_path / "backup.db")
    one.memory.forget(secret)
    one.sync()
    one.memory.close()
    restore_backup(tmp_path / "backup.db", one.path)
    one.memory = Memory(ENCODER, SQLiteStore(one.path))
    assert one.ids() == [kept, secret]
    assert one.sync().forgotten == 1 and one.ids() == [kept]
    assert two.memory.sync(one.folder, passphrase=PASSPHRASE).complete and two.ids() == [kept]


def test_forgetting_before_the_first_sync_counts(tmp_path, devices):
    """A database was copied before either was synced: what one forgot, the other loses too."""
    one, two = devices
    kept, secret = one.add("kept"), one.add("secret")
    two.memory.close()
    one.memory.backup(tmp_path / "copy.db")
    two.memory = Memory(ENCODER, SQLiteStore(tmp_path / "copy.db"))
    one.memory.forget(secret)
    settle(devices)
    assert one.ids() == two.ids() == [kept]


def test_a_lost_file_is_written_again(devices):
    """A bundle that vanished or was damaged is replaced by its own device at the next sync."""
    one, two = devices
    ids = [one.add("first")]
    one.sync()
    ids.append(one.add("second"))
    one.sync()
    min(one.own().glob("*.lmsync")).unlink()
    cut(max(one.own().glob("*.lmsync")))
    one.sync()
    settle(devices)
    assert two.ids() == ids and len(list(one.own().glob("*.lmsync"))) == 1


def test_many_small_bundles_become_few(devices, monkeypatch):
    """A device merges its small files, and others read them whatever they had read before."""
    monkeypatch.setattr(own_log, "MOST_FILES", 4)
    one, two = devices
    for number in range(9):
        one.add(f"text {number}")
        one.sync()
        if number == 2:
            carry(one, two)
            two.sync()
    device, old = one.own().name, two.folder / one.own().name
    shutil.copytree(old, one.own(), dirs_exist_ok=True)  # a tool brings back what was deleted
    one.sync()
    first = min(bundle.name for bundle in old.iterdir())
    assert one.own().name == device and not (one.own() / first).exists()
    assert len(list(one.own().glob("*.lmsync"))) <= 5
    settle(devices)
    assert two.picture() == one.picture()


def test_redaction_holds_for_what_arrives(tmp_path, devices):
    """A memory that redacts stores no secret that another device did not redact."""
    one, _ = devices
    one.add('password: "hunter2-and-more"')
    one.sync()
    with Memory(ENCODER, SQLiteStore(tmp_path / "c.db"), redact=True) as careful:
        careful.sync(one.folder, passphrase=PASSPHRASE)
        [record] = careful.records()
        assert "hunter2" not in record.text


class _Elsewhere(SQLiteStore):
    replication = None  # as in a store of another kind


def test_other_stores_are_refused_in_one_line(tmp_path):
    """A store without replication says so; a missing folder and a second sync do too."""
    with (
        Memory(None, _Elsewhere(tmp_path / "a.db")) as memory,
        pytest.raises(StoreError, match="cannot sync _Elsewhere"),
    ):
        memory.sync(tmp_path, passphrase="x")
    with Memory(None, SQLiteStore(tmp_path / "b.db")) as memory:
        with pytest.raises(StoreError, match="there is no folder"):
            memory.sync(tmp_path / "unmounted", passphrase="x")
        with (
            memory.store.replication().alone(),
            pytest.raises(StoreError, match="another sync of it is running"),
        ):
            memory.sync(tmp_path, passphrase="x")


def test_the_command(monkeypatch, capsys, tiny, tmp_path):
    """`sync` says what it did, remembers the folder, and `status` shows the devices."""
    cli = Cli(monkeypatch, capsys)
    folder, secret = tmp_path / "folder", tmp_path / "secret"
    folder.mkdir()
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    named = ("--sync-passphrase-file", str(secret), "--no-vectors")
    one, two = ("--db", str(tmp_path / "1.db")), ("--db", str(tmp_path / "2.db"))
    for path, text in ((one, "Ada keeps bees."), (two, "Bob keeps ants.")):
        with Memory(None, SQLiteStore(path[1])) as memory:
            memory.add(text)
    assert cli("sync", *named, *one).status == 2, "no folder yet"
    first = cli("sync", str(folder), *named, *one)
    assert (first.status, first.out) == (0, "") and "1 written" in first.err
    report = cli("sync", str(folder), *named[:2], *two, "--json").json
    assert (report["added"], report["devices"], report["skipped"]) == (1, 1, [])
    assert report["encoded"] == 2, "the tiny model makes the missing vectors"
    assert "1 records added" in cli("sync", *named, *one).err
    shown = cli("status", *one).out
    assert f"sync      {folder}" in shown and report["device"] in shown
    assert cli("status", *one, "--json").json["replica"]["waiting"] == 0
    assert cli("sync", str(folder), *one, "--no-vectors").status == 1, "nobody can be asked"
    secret.write_text("another")
    wrong = cli("sync", *named, *one)
    assert wrong.status == 1 and wrong.err.count("\n") == 1 and "passphrase is wrong" in wrong.err
    secret.write_text(PASSPHRASE)
    (folder / "strange").write_text("x")
    strange = cli("sync", *named, *one)
    assert strange.status == 3 and "strange is not a device's folder" in strange.err


CHILD = """
import sys
from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
from tests.support.sync_devices import ENCODER, PASSPHRASE, cheap
with cheap(), Memory(ENCODER, SQLiteStore(sys.argv[1])) as memory:
    for number in range(10_000):
        print(memory.add(f"text {number} of a child").id, flush=True)
        memory.sync(sys.argv[2], passphrase=PASSPHRASE)
"""


def test_a_kill_in_the_middle_loses_nothing(devices):
    """A process that syncs is killed; the next sync goes on, and everything stored arrives."""
    one, two = devices
    one.close()
    command = [sys.executable, "-c", CHILD, str(one.path), str(one.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        told = [child.stdout.readline().strip() for _ in range(3)]
        time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        told += [line.strip() for line in child.stdout if line.endswith("\n")]
    one.memory = Memory(ENCODER, SQLiteStore(one.path))
    settle(devices, rounds=2)
    assert set(told) <= set(two.ids()) and one.picture() == two.picture()
    assert not list(one.folder.rglob("*.part"))


def test_expiry_and_corrections_travel(devices):
    """A change without a new version, as imports make, arrives too; the later one wins."""
    one, two = devices
    record = one.add("short")
    settle(devices, rounds=1)
    early, late = datetime(2100, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
    one.memory.store.set_expiry([record], early)
    time.sleep(0.005)  # the triggers' clock counts milliseconds; within one the device's id decides
    two.memory.store.set_expiry([record], late)
    settle(devices)
    assert {device.memory.get(record).expires_at for device in devices} == {late}


def test_a_record_that_arrives_may_close_a_circle(tmp_path):
    """A third device learns of a circle bundle by bundle, and hides no more than the others."""
    one, two, three = devices = [Device(tmp_path, name) for name in "abc"]
    first, second = one.add("first"), three.add("second")
    settle([one, three], rounds=2)
    one.memory.supersede(first, second)
    three.memory.supersede(second, first)
    for bundle in three.own().glob("*.lmsync"):
        bundle.unlink()  # so that it writes everything in one bundle
    for source in (one, three):
        source.sync()
        carry(source, two)
        two.sync()
    assert [record.id for record in two.memory.records() if record.valid_to is None]
    settle(devices)
    assert one.picture() == two.picture() == three.picture()
    for device in devices:
        device.close()

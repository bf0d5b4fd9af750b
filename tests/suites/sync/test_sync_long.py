"""What takes too long for every run: many stories, many kills, real keys, encrypted databases."""

import random
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.store.converting import convert
from tests.support.sync_devices import ENCODER, PASSPHRASE, Device, carry, cheap, live, settle

KILLS = 25


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(5, 80))
def test_devices_converge(seed, steps):
    """Three devices end up equal, whatever they did and whatever arrived when."""
    with cheap():
        live(seed, steps)


CHILD = """
import random, sys
from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.sync import own_log
from tests.support.sync_devices import ENCODER, PASSPHRASE, cheap
own_log.MOST_FILES = 3
chance = random.Random(sys.argv[3])
with cheap(), Memory(ENCODER, SQLiteStore(sys.argv[1])) as memory:
    for number in range(10_000):
        print("stored", memory.add(f"text {number} of a child {sys.argv[3]}").id, flush=True)
        if chance.random() < 0.3:
            record = memory.add(f"secret {number} {sys.argv[3]}")
            memory.sync(sys.argv[2], passphrase=PASSPHRASE)
            memory.forget(record.id)
            print("forgotten", record.id, flush=True)
        memory.sync(sys.argv[2], passphrase=PASSPHRASE)
"""


def test_no_kill_loses_anything(tmp_path):
    """A process that adds, forgets, syncs and merges its files is killed again and again."""
    chance = random.Random(7)
    with cheap():
        one, two = devices = [Device(tmp_path, name) for name in "ab"]
        stored, forgotten = set(), set()
        for number in range(KILLS):
            one.close()
            command = [sys.executable, "-c", CHILD, str(one.path), str(one.folder), str(number)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
                lines = [child.stdout.readline() for _ in range(chance.randint(1, 12))]
                time.sleep(chance.uniform(0, 0.05))
                child.send_signal(signal.SIGKILL)
                lines += [line for line in child.stdout if line.endswith("\n")]
            told = [line.split() for line in lines]
            stored |= {id_ for what, id_ in told if what == "stored"}
            forgotten |= {id_ for what, id_ in told if what == "forgotten"}
            one.memory = Memory(ENCODER, SQLiteStore(one.path))
            carry(one, two, chance)
            two.sync()
        settle(devices)
        ids = set(two.ids())
        assert stored <= ids and not forgotten & ids
        assert one.picture() == two.picture()
        assert not list(one.folder.rglob("*.part"))
        for device in devices:
            assert device.memory.store.verify().ok
            device.close()


def test_encrypted_databases_sync_and_stay_encrypted(tmp_path):
    """An encrypted database syncs with a plain one, and its triggers survive the conversion."""
    with cheap():
        one, two = devices = [Device(tmp_path, name) for name in "ab"]
        kept = one.add("Quibdoville bees")
        settle(devices, rounds=1)
        one.close()
        convert(one.path, old=None, new="of the database")
        one.memory = Memory(ENCODER, SQLiteStore(one.path, key="of the database"))
        one.memory.update(kept, "Quibdoville wasps")
        secret = two.add("Quibdoville secret")
        settle(devices)
        two.memory.forget(secret)
        settle(devices)
        assert one.picture() == two.picture() and one.memory.get(kept).text == "Quibdoville wasps"
        one.close()
        for file in [one.path, *one.folder.rglob("*.lmsync")]:
            assert b"Quibdoville" not in file.read_bytes()
        two.close()


@pytest.mark.parametrize("passphrase", ["four words of straw", "пароль", "\u00e9", "x" * 5000])
def test_real_keys(tmp_path, passphrase):
    """At the real cost of scrypt: what one device wrote, another reads; é is é however typed."""
    import unicodedata

    with Memory(None, SQLiteStore(tmp_path / "a.db")) as memory:
        record = memory.add("Ada keeps bees")
        memory.sync(tmp_path, passphrase=unicodedata.normalize("NFD", passphrase))
    with Memory(None, SQLiteStore(tmp_path / "b.db")) as memory:
        assert memory.sync(tmp_path, passphrase=passphrase).added == 1
        assert memory.get(record.id).text == "Ada keeps bees"


def test_ten_thousand_records(tmp_path):
    """Bundles stay small, and a new device gets everything."""
    with cheap():
        one, two = devices = [Device(tmp_path, name) for name in "ab"]
        one.memory.add_many(f"text {number}" for number in range(10_000))
        assert one.sync().written == 20
        settle(devices, rounds=1)
        assert one.picture() == two.picture()
        assert PASSPHRASE not in str(two.memory.status())
        for device in devices:
            device.close()

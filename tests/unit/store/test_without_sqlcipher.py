"""Encryption where its extra is not installed: files are told apart, messages say what to do."""

import random
import sys

import pytest

from lmort_memory.errors import MissingDependencyError, PassphraseError, StoreError
from lmort_memory.memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.store.encryption import derive_key, is_encrypted
from lmort_memory.types import Turn


@pytest.fixture(autouse=True)
def _no_sqlcipher(monkeypatch):
    """Make the import of SQLCipher fail, whatever is installed."""
    monkeypatch.setitem(sys.modules, "sqlcipher3", None)
    monkeypatch.delitem(sys.modules, "sqlcipher3.dbapi2", raising=False)


@pytest.fixture
def noise(tmp_path):
    """A file that looks like an encrypted database."""
    path = tmp_path / "memory.db"
    path.write_bytes(random.Random(0).randbytes(20 * 4096))
    return path


def test_a_missing_passphrase_is_said(noise):
    """An encrypted database is told from damage, and is not touched."""
    before = noise.read_bytes()
    with pytest.raises(PassphraseError, match="it is encrypted — give its passphrase"):
        Memory.open(noise)
    assert noise.read_bytes() == before and [*noise.parent.iterdir()] == [noise]


@pytest.mark.parametrize("there", [True, False], ids=["there", "new"])
def test_a_missing_extra_is_said(noise, there):
    """With a passphrase and without SQLCipher the one line names the command; nothing is made."""
    if not there:
        noise.unlink()
    with pytest.raises(MissingDependencyError, match=r"pip install 'lmort-memory\[encrypt\]'"):
        SQLiteStore(noise, key="correct horse")
    assert noise.exists() == there and len([*noise.parent.iterdir()]) == there


def test_damage_is_not_taken_for_encryption(tmp_path):
    """A plain database whose first page is noise is damaged; so is an encrypted one cut short."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path) as store:
        store.add([Turn(f"Ada keeps bees, hive {i}.") for i in range(300)])
    with path.open("rb+") as file:
        file.write(random.Random(1).randbytes(4096))
    assert not is_encrypted(path)
    with pytest.raises(StoreError, match="not a SQLite database"):
        SQLiteStore(path)


def test_a_key_is_never_shown():
    """Neither passphrase nor key is in what a log or a traceback prints."""
    key = derive_key("correct horse", bytes(16))
    assert "correct" not in repr(key) and key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_the_key_is_sqlciphers():
    """The derivation is SQLCipher 4's: PBKDF2-HMAC-SHA512, from any keyboard."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    key = derive_key(composed, b"0123456789abcdef")
    assert key == derive_key(decomposed, b"0123456789abcdef")
    assert len(key.secret) == 32
    with pytest.raises(PassphraseError, match="empty"):
        derive_key("", bytes(16))

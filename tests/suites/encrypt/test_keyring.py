"""Passphrases in the platform's keyring: what is saved there has opened something."""

import json

import pytest

from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.store.encryption import is_encrypted
from tests.support.cli import Cli

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """The keyring's file; the settings name the keyring."""
    import keyring

    from tests.support.file_keyring import FileKeyring

    monkeypatch.setenv("LMORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LMORT_KEYRING", "true")
    monkeypatch.setenv("KEYRING_FILE", str(tmp_path / "secrets.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield lambda: json.loads((tmp_path / "secrets.json").read_text())
    keyring.set_keyring(before)


def written(path, text):
    """Write a passphrase into a private file; return the path."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_database_opens_by_the_keyring(monkeypatch, capsys, tmp_path, secrets):
    """`encrypt` saves the passphrase, later commands find it, `decrypt` removes it."""
    cli, path = Cli(monkeypatch, capsys), tmp_path / "memory.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("Ada keeps bees.")
    new = written(tmp_path / "new", PASSPHRASE)
    assert cli("encrypt", "--db", str(path), "--new-passphrase-file", str(new)).status == 0
    assert is_encrypted(path)
    assert list(secrets().values()) == [PASSPHRASE]
    assert "Ada keeps bees." in cli("list", "--db", str(path)).out
    assert cli("decrypt", "--db", str(path)).status == 0
    assert not is_encrypted(path)
    assert secrets() == {}


def test_only_a_folder_passphrase_that_fits_is_saved(monkeypatch, capsys, tmp_path, secrets):
    """A wrong one is refused and not kept; one in a file replaces an old one in the keyring."""
    cli, folder = Cli(monkeypatch, capsys), tmp_path / "folder"
    folder.mkdir()
    paths = [tmp_path / "1.db", tmp_path / "2.db"]
    for path in paths:
        with Memory(None, SQLiteStore(path)) as memory:
            memory.add(f"A text of {path.stem}.")
    right, wrong = written(tmp_path / "right", PASSPHRASE), written(tmp_path / "wrong", "typo")

    def sync(path, *named):
        return cli("sync", str(folder), "--no-vectors", "--db", str(path), *named)

    assert sync(paths[0], "--sync-passphrase-file", str(right)).status == 0
    assert list(secrets().values()) == [PASSPHRASE]
    failed = sync(paths[1], "--sync-passphrase-file", str(wrong))
    assert failed.status == 1
    assert "passphrase is wrong" in failed.err
    assert "--sync-passphrase-file" in failed.err
    assert list(secrets().values()) == [PASSPHRASE], "what failed was not saved"
    assert sync(paths[1]).status == 0, "the keyring has it"
    (tmp_path / "secrets.json").write_text(json.dumps({next(iter(secrets())): "old"}))
    assert sync(paths[1]).status == 1
    assert sync(paths[1], "--sync-passphrase-file", str(right)).status == 0
    assert list(secrets().values()) == [PASSPHRASE]

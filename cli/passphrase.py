"""Where the passphrase of an encrypted database comes from: a file, the keyring, or the person.

Never from an argument or a variable, which other programs of this computer can read.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Any

from lmort_memory.errors import LmortError, MissingDependencyError, PassphraseError
from lmort_memory.settings import setting

from .terminal.output import note, visible

__all__ = [
    "new_passphrase",
    "open_keyring",
    "passphrase_for",
    "read_passphrase",
    "save_in_keyring",
    "sync_passphrase",
    "uses_keyring",
]

_SERVICE = "lmort-memory"
_MOST = 4096  # bytes; a longer file is another file


def passphrase_for(path: Path, named: Path | None) -> str | None:
    """Return the passphrase of a database, or None where none is known or needed.

    Args:
        path: The database; one that does not exist is to be encrypted where there is a passphrase.
        named: The file that the option names.

    Raises:
        LmortError: the file, or the keyring, cannot be read.
    """
    from lmort_memory.store.encryption import is_encrypted

    found = setting("passphrase_file", None if named is None else str(named))
    encrypted = is_encrypted(path)
    if found.origin != "option" and path.exists() and path.stat().st_size and not encrypted:
        if found.value is not None:
            note(f"{path} is not encrypted; `lmort-mem encrypt` does that")
        return None
    if found.value is not None:
        return read_passphrase(Path(str(found.value)))
    if uses_keyring():
        saved: str | None = open_keyring().get_password(_SERVICE, str(path.resolve()))
        if saved is not None:
            return saved
    if encrypted and _is_person():
        return _typed(path)
    return None


def uses_keyring() -> bool:
    """Whether the settings say that the platform's keyring holds passphrases."""
    return setting("keyring").value is True


def _typed(path: Path) -> str:
    return getpass.getpass(visible(f"Passphrase of {path}: "), stream=sys.stderr)


def read_passphrase(path: Path) -> str:
    """Read the first line of a file.

    Raises:
        PassphraseError: it cannot be read, is empty, or is not a line of UTF-8 text.
    """
    from lmort_memory.paths import expanded

    path = expanded(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
        line = data.decode().split("\n", 1)[0].removesuffix("\r")
    except OSError as error:
        raise PassphraseError(
            f"the passphrase file {path} cannot be read: {error.strerror} — name another with"
            " --passphrase-file"
        ) from error
    except UnicodeDecodeError as error:
        raise PassphraseError(
            f"the passphrase file {path} is not UTF-8 text — write the passphrase as its only line"
        ) from error
    if not line or len(data) > _MOST:
        raise PassphraseError(
            f"the passphrase file {path} has {'no' if not line else 'too long a'} first line —"
            " write the passphrase as its only line"
        )
    if sys.platform != "win32" and path.is_file() and path.stat().st_mode & 0o077:
        note(f"others may read {path}: chmod go= '{path}'")
    return line


def new_passphrase(named: Path | None) -> str:
    """Return a new passphrase, from a file or typed twice.

    Raises:
        PassphraseError: nobody is there to type, or the two differ.
    """
    if named is not None:
        return read_passphrase(named)
    if not _is_person():
        raise PassphraseError(
            "there is no terminal to ask for the new passphrase — name a file that holds it"
        )
    first = getpass.getpass("New passphrase: ", stream=sys.stderr)
    if not first:
        raise PassphraseError("the passphrase is empty — give one of several words")
    if getpass.getpass("Once more: ", stream=sys.stderr) != first:
        raise PassphraseError("the two passphrases differ — nothing was changed")
    return first


def sync_passphrase(folder: Path, named: Path | None) -> str:
    """Return the passphrase of a sync folder: from a file, the keyring, or the person.

    A folder without bundles gets a new one, typed twice. Nothing is saved: whoever has tried it
    with success calls `save_in_keyring`.

    Raises:
        PassphraseError: nobody is there to type.
    """
    if named is not None:
        return read_passphrase(named)
    if uses_keyring():
        saved: str | None = open_keyring().get_password(_SERVICE, str(folder.resolve()))
        if saved is not None:
            return saved
    if not _is_person():
        raise PassphraseError(
            "there is no terminal to ask for the folder's passphrase — name a file that holds it:"
            " --sync-passphrase-file FILE"
        )
    if any(folder.glob("*/*.lmsync")):
        return _typed(folder)
    note(f"{folder} holds no bundles yet; every device will need this passphrase")
    return new_passphrase(None)


def save_in_keyring(path: Path, passphrase: str | None) -> None:
    """Keep the passphrase of a database or sync folder in the platform's keyring; None removes it.

    Raises:
        LmortError: there is no keyring, or it refuses.
    """
    keyring = open_keyring()
    name = str(path.resolve())
    try:
        saved: str | None = keyring.get_password(_SERVICE, name)
        if passphrase is None and saved is not None:
            keyring.delete_password(_SERVICE, name)
        elif passphrase is not None and passphrase != saved:  # some platforms ask before a change
            keyring.set_password(_SERVICE, name, passphrase)
    except keyring.errors.KeyringError as error:
        raise LmortError(_no_keyring(error)) from error


def open_keyring() -> Any:  # noqa: ANN401  an optional package
    """Import the package `keyring` and make sure that this computer has a place for secrets."""
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise MissingDependencyError("keyring", extra="encrypt") from error
    try:
        keyring.get_password(_SERVICE, "")
    except keyring.errors.KeyringError as error:
        raise LmortError(_no_keyring(error)) from error
    return keyring


def _no_keyring(error: Exception) -> str:
    told = " ".join(str(error).split()).partition(". ")[0]
    return f"the platform's keyring cannot be used: {told} — use --passphrase-file"


def _is_person() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()

"""Commands that change how a database is kept: encrypt, decrypt, passphrase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import command
from ..opening import database_path
from ..options import Base, WrongUsage
from ..passphrase import new_passphrase, open_keyring, passphrase_for, save_in_keyring, uses_keyring
from ..terminal.output import note, print_json

if TYPE_CHECKING:
    from lmort_memory.store.converting import Conversion

_OLD_BLOCKS = (
    "an SSD, a snapshot or a backup may still hold the old bytes: delete old backups and exports,"
    " and use an encrypted disk where that matters"
)
NewFile = Annotated[
    Path | None,
    typer.Option(
        "--new-passphrase-file",
        metavar="FILE",
        help="The new passphrase is its first line; else it is asked for.",
        show_default=False,
    ),
]


@command(
    "lmort-mem encrypt",
    "lmort-mem encrypt --db work.db --new-passphrase-file ~/.work-passphrase",
)
def encrypt(*, new_passphrase_file: NewFile = None, base: Base) -> None:
    """Encrypt the database with a passphrase.

    One that does not exist is made. Without the passphrase nobody can read it again, you included.
    Nobody else may have the database open meanwhile.
    """
    from lmort_memory.store.converting import convert
    from lmort_memory.store.encryption import is_encrypted, sqlcipher
    from lmort_memory.store.unlocking import unlock

    sqlcipher()
    path = database_path(base)
    named = new_passphrase_file or base.passphrase_file  # there is no old one
    if is_encrypted(path):
        raise WrongUsage(f"{path} is encrypted; `lmort-mem passphrase` changes its passphrase")
    _check_keyring()
    new = new_passphrase(named)
    if not path.exists():
        unlock(path, new, create=True)
        done = None
    else:
        done = convert(path, old=None, new=new)
    _report(path, done, "encrypted", base)
    _remember(path, new)


@command("lmort-mem decrypt", "lmort-mem decrypt --db work.db --passphrase-file ~/.work-passphrase")
def decrypt(*, base: Base) -> None:
    """Write the database without encryption."""
    from lmort_memory.store.converting import convert
    from lmort_memory.store.encryption import is_encrypted

    path = database_path(base)
    if path.exists() and not is_encrypted(path):
        raise WrongUsage(f"{path} is not encrypted")
    done = convert(path, old=passphrase_for(path, base.passphrase_file), new=None)
    _report(path, done, "decrypted", base)
    _remember(path, None)


@command(
    "lmort-mem passphrase",
    "lmort-mem passphrase --passphrase-file old.txt --new-passphrase-file new.txt",
)
def passphrase(*, new_passphrase_file: NewFile = None, base: Base) -> None:
    """Change the passphrase.

    Everything is encrypted anew. Backups keep the passphrase that they were made with.
    """
    from lmort_memory.store.converting import convert
    from lmort_memory.store.encryption import is_encrypted
    from lmort_memory.store.unlocking import unlock

    path = database_path(base)
    if path.exists() and not is_encrypted(path):
        raise WrongUsage(f"{path} is not encrypted; `lmort-mem encrypt` does that")
    old = passphrase_for(path, base.passphrase_file)
    unlock(path, old)  # a wrong one is said before a new one is asked for
    _check_keyring()
    new = new_passphrase(new_passphrase_file)
    done = convert(path, old=old, new=new)
    _report(path, done, "encrypted anew", base)
    _remember(path, new)


def _check_keyring() -> None:
    """Refuse to begin where the settings name a keyring that this computer does not have."""
    if uses_keyring():
        open_keyring()


def _remember(path: Path, passphrase: str | None) -> None:
    """Keep what the keyring holds in step, where the settings say that it holds passphrases."""
    if uses_keyring():
        save_in_keyring(path, passphrase)
        note("the keyring holds its passphrase" if passphrase else "removed from the keyring")


def _report(path: Path, done: Conversion | None, what: str, base: Base) -> None:
    records = 0 if done is None else done.records
    overwritten = 0 if done is None else done.overwritten
    if base.json:
        print_json({"database": path, "records": records, "overwritten": overwritten})
        return
    if done is None:
        note(f"a new encrypted database: {path}")
    else:
        note(f"{what}: {path}, {records} records, compared with what was there row by row")
        note(f"old files overwritten with zeros and deleted: {overwritten}")
        note(_OLD_BLOCKS)
